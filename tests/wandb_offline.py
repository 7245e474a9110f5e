"""Reads what wandb stored offline: DIRECTORY/wandb/offline-run-*/run-ID.wandb and the files beside it.

The file is LevelDB's log format after a header of 7 bytes: blocks of 32 KiB hold chunks of a checksum, a
length, a kind and content; the chunks of one or several blocks make a `Record` of wandb's protobuf. It is
complete once the process that wrote it has ended.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

HEADER = struct.pack("<4sHB", b":W&B", 0xBEE1, 0)
BLOCK = 32 * 1024
CHUNK = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    """One run: `history` holds a dict a step, `summary` the last values.

    `exit_code` is None where the run never ended.
    """

    path: Path
    id: str = ""
    project: str = ""
    group: str = ""
    job_type: str = ""
    name: str = ""
    started: int = 0
    resumes: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None

    def series(self, name: str) -> list[tuple[int, Any]]:
        """(step, value) wherever `name` was logged."""
        return [(row["_step"], row[name]) for row in self.history if name in row]

    def table(self, name: str) -> list[tuple[int, list[str], list[list[Any]]]]:
        """(step, columns, rows) wherever the table `name` was logged."""
        found = []
        for step, value in self.series(name):
            table = json.loads((self.path / "files" / value["path"]).read_text(encoding="utf-8"))
            found.append((step, table["columns"], table["data"]))
        return found


def read_runs(directory: Path) -> list[OfflineRun]:
    """All runs under directory/wandb, oldest first."""
    files = (directory / "wandb").glob("offline-run-*/run-*.wandb")
    return sorted((read_run(file) for file in files), key=lambda run: run.started)


def read_records(data: bytes) -> Iterator[Record]:
    """Raises ValueError for a file that is not wandb's or is damaged; a record cut off is left out."""
    if data[: len(HEADER)] != HEADER:
        raise ValueError(f"starts with {data[: len(HEADER)]!r}, not with {HEADER!r}")
    whole = b""
    for kind, content in _chunks(data):
        whole = content if kind in (FULL, FIRST) else whole + content
        if kind in (FULL, LAST):
            yield Record.FromString(whole)


def _chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    place = len(HEADER)
    while place + CHUNK.size <= len(data):
        left = BLOCK - place % BLOCK
        if left < CHUNK.size:  # the end of a block is too short for a chunk and stays empty
            place += left
            continue
        checksum, length, kind = CHUNK.unpack_from(data, place)
        place += CHUNK.size
        content = data[place : place + length]
        if len(content) < length:
            return
        if zlib.crc32(bytes([kind]) + content) != checksum:
            raise ValueError(f"chunk at byte {place} does not match its checksum")
        place += length
        yield kind, content


def read_run(file: Path) -> OfflineRun:
    run = OfflineRun(file.parent)
    for record in read_records(file.read_bytes()):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            about = record.run
            run.id, run.project, run.name = about.run_id, about.project, about.display_name
            run.group, run.job_type, run.resumes = about.run_group, about.job_type, about.resume
            run.started = about.start_time.ToNanoseconds()
            _update(run.config, about.config)
        elif kind == "config":
            _update(run.config, record.config)
        elif kind == "summary":
            _update(run.summary, record.summary)
        elif kind == "history":
            row: dict[str, Any] = {}
            _set(row, record.history.item)
            run.history.append(row)
        elif kind == "exit":
            run.exit_code = record.exit.exit_code
    run.config.pop("_wandb", None)
    return run


def _update(values: dict[str, Any], change: Any) -> None:
    _set(values, change.update)
    for item in change.remove:
        values.pop(item.key or item.nested_key[0], None)


def _set(values: dict[str, Any], items: Any) -> None:
    for item in items:
        *outer, last = item.nested_key or [item.key]
        inner = values
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = json.loads(item.value_json)

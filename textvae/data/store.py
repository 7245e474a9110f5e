"""Sentences as token ids in a memory-mapped Arrow file: the resident memory is 4 bytes a sentence."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from textvae.errors import DataError

_IDS = pa.field("ids", pa.list_(pa.int32()))
_LABEL = pa.field("label", pa.int32())
_CHUNK = 1 << 16  # sentences of one record batch


def write_store(
    path: str | Path, rows: Iterable[Sequence[int]], labels: Iterable[int] | None = None, chunk: int = _CHUNK
) -> None:
    """Stream sentences (lists of ids), and a label for each, into `path`; `chunk` of them are in memory.

    ValueError where there are fewer labels than sentences, DataError where the file cannot be written.
    """
    ids, tags = iter(rows), None if labels is None else iter(labels)
    schema = pa.schema([_IDS] if tags is None else [_IDS, _LABEL])
    try:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            while part := list(islice(ids, chunk)):
                columns = [pa.array(part, _IDS.type)]
                if tags is not None:
                    columns.append(pa.array(list(islice(tags, len(part))), _LABEL.type))
                writer.write_batch(pa.record_batch(columns, schema=schema))
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{path} cannot be written: {error}") from error


class TokenStore:
    """The sentences of one split, read where they are asked for.

    lengths (N,) int32: words of each sentence, without <s> and </s>. DataError for a missing or broken
    file.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            with pa.memory_map(str(path)) as file:
                mapped = file.read_buffer()
            reader = pa.ipc.open_file(pa.BufferReader(mapped))
            batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(
                f"{path} is not a readable file of token ids ({error}); delete its folder"
            ) from error
        # The whole file as one array of int32: every sentence of any record batch is a slice of it.
        self._words = np.frombuffer(mapped, dtype=np.int32, count=mapped.size // 4)
        self._first = np.cumsum([0, *(batch.num_rows for batch in batches)])
        self._offsets_at = _positions(mapped, [batch.column(0).buffers()[1] for batch in batches])
        self._ids_at = _positions(mapped, [batch.column(0).buffers()[3] for batch in batches])
        self.lengths = np.empty(self._first[-1], dtype=np.int32)
        for first, end, at in zip(self._first[:-1], self._first[1:], self._offsets_at, strict=True):
            offsets = self._words[at : at + end - first + 1]  # Arrow's own way to them copies
            np.subtract(offsets[1:], offsets[:-1], out=self.lengths[first:end])
        self._labels_at = None
        if len(reader.schema) > 1:
            self._labels_at = _positions(mapped, [batch.column(1).buffers()[1] for batch in batches])

    def __len__(self) -> int:
        return len(self.lengths)

    def rows(self, index: np.ndarray) -> list[np.ndarray]:
        """The ids of sentences `index` (B,): B arrays of int32, views of the file."""
        ends = self._starts(index) + self.lengths[index]
        return [self._words[end - size : end] for end, size in zip(ends, self.lengths[index], strict=True)]

    def padded(self, index: np.ndarray, pad: int) -> np.ndarray:
        """The ids of sentences `index` (B,), `pad` beyond each one's length: (B, longest) int32."""
        lengths = self.lengths[index]
        steps = np.arange(lengths.max(initial=0))
        inside = steps < lengths[:, None]
        return np.where(inside, self._words[np.where(inside, self._starts(index)[:, None] + steps, 0)], pad)

    def labels_of(self, index: np.ndarray) -> np.ndarray | None:
        """Labels of sentences `index`, (B,) int32; None where the file has none."""
        if self._labels_at is None:
            return None
        batch = np.searchsorted(self._first, index, side="right") - 1
        return self._words[self._labels_at[batch] + index - self._first[batch]]

    def _starts(self, index: np.ndarray) -> np.ndarray:
        batch = np.searchsorted(self._first, index, side="right") - 1
        return self._ids_at[batch] + self._words[self._offsets_at[batch] + index - self._first[batch]]


def _positions(mapped: pa.Buffer, buffers: Sequence[pa.Buffer]) -> np.ndarray:
    """Where buffers of int32 begin in the file, counted in int32; Arrow aligns them to 8 bytes."""
    bases = [(buffer.address - mapped.address) // 4 if buffer.size else 0 for buffer in buffers]
    return np.array(bases, dtype=np.int64)

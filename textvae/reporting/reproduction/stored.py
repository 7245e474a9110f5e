"""The records of a table as its file holds them, which hands and merges may have damaged."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from textvae.errors import ConfigError
from textvae.reporting.reproduction.records import TRUTH, Record


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _pairs(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_number, pair)) for pair in value
    )


Check = Callable[[Any], bool]
NEEDED: Mapping[str, Check] = {
    "row": _text,
    "seed": _whole,
    "epochs": _whole,
    "steps": _whole,
    "wall_s": _number,
    "cut_short": lambda value: isinstance(value, bool),
    "command": _text,
}
NULLABLE: Mapping[str, Check] = {
    "published_epochs": _whole,
    "commit": _text,
    "date": _text,
    "machine": _text,
    "threads": _whole,
}
OPTIONAL: Mapping[str, Check] = {  # on which more than their print depends; null is as good as absent
    **dict.fromkeys(
        ("kl", "mi_lower", "mi_cap", "mi_lower_given_label", "mi_cap_given_label", *TRUTH), _number
    ),
    "first_stage_epochs": _whole,
    "valid_by_rate": _pairs,
}


def stored_records(file: Path) -> list[Record]:
    """The records in a table's file; none where there is no file. ConfigError, naming it, where it is damaged."""
    if not file.exists():
        return []
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise ConfigError(f"{file} is damaged: {error}") from error
    if not isinstance(content, list):
        raise ConfigError(f"{file} is damaged: it holds no list of records")
    for number, entry in enumerate(content, start=1):
        if fault := _fault(entry):
            raise ConfigError(f"{file} is damaged: record {number} of {len(content)} {fault}")
    _refuse_twins(file, content)
    return content


def _fault(entry: Any) -> str | None:
    """What is wrong with an entry of the list; None where nothing is."""
    if not isinstance(entry, dict):
        return "is no mapping"
    for key in (*NEEDED, *NULLABLE):
        if key not in entry:
            return f"lacks {key}"
    for key, fits in {**NEEDED, **NULLABLE, **OPTIONAL}.items():
        value = entry.get(key)
        if not (fits(value) or (value is None and key not in NEEDED)):
            return f"has {key} = {value!r}"
    return None


def _refuse_twins(file: Path, records: list[Record]) -> None:
    """ConfigError for a second record of a row and seed, which would count as another seed."""
    seen: set[tuple[str, int]] = set()
    for record in records:
        key = (record["row"], record["seed"])
        if key in seen:
            raise ConfigError(f"{file} is damaged: it holds two records of row {key[0]!r}, seed {key[1]}")
        seen.add(key)

"""Dotted keys of nested configs."""

from collections.abc import Collection, Mapping
from typing import Any


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; an empty section stands for itself."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def within(key: str, sections: Collection[str]) -> bool:
    """Whether `a.b.c` or one of a.b and a, in which it lies, is among the sections."""
    parts = key.split(".")
    return any(".".join(parts[:depth]) in sections for depth in range(1, len(parts) + 1))

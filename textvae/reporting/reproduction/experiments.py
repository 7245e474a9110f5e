"""What an experiment file changes, as the words that would say the same on the command line."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textvae.errors import ConfigError

EXPERIMENT = "experiment="
SHARED = ("setup",)  # groups that the experiments of a corpus have in common


def settings_that_ran(conf: Path, overrides: Iterable[str], read: Callable[[Path], Any]) -> str:
    """`experiment=a/b k=v`, the experiment spelt out: its groups, its values, and the other overrides in their place.

    read: the content of a YAML file, its references as they stand.
    ConfigError where `conf` has no such experiment.
    """
    words: list[str] = []
    for override in overrides:
        if override.startswith(EXPERIMENT):
            words += _spelt_out(conf / "experiment" / f"{override.removeprefix(EXPERIMENT)}.yaml", read)
        else:
            words.append(override)
    return " ".join({word.partition("=")[0]: word for word in words}.values())


def _spelt_out(file: Path, read: Callable[[Path], Any]) -> Iterator[str]:
    if not file.is_file():
        raise ConfigError(f"{file} does not exist; a row names it as its experiment")
    content = read(file)
    if not isinstance(content, dict):
        raise ConfigError(f"{file} holds no settings")
    for entry in content.pop("defaults", []):
        yield from _groups(entry)
    content.pop("name", None)
    yield from _values("", content)


def _groups(entry: Any) -> Iterator[str]:
    for group, choice in entry.items() if isinstance(entry, Mapping) else []:
        override, name = str(group).startswith("override "), str(group).rpartition("/")[2]
        if name not in SHARED:
            yield f"{'' if override else '+'}{name}={_written(choice)}"


def _values(place: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _values(f"{place}.{key}" if place else str(key), inner)
    else:
        yield f"{place}={_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{','.join(_written(item) for item in value)}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

"""What makes two runs the same setting with other seeds, and what to call a setting beside others."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textvae.keys import BY_WHOM, HOW, LATER, OWN_FOLDER, WHERE, flatten, key_of, within

Config = Mapping[str, Any]
Flat = dict[str, Any]


def setting(config: Config) -> Flat:
    """{dotted key: value} of a run's config without its seed and without what changes no figure by intent.

    Two runs are of one setting where these are equal; 1 and 1.0 are.
    """
    flat = {**LATER, **flatten(config)}
    return {key: value for key, value in flat.items() if not within(key, HOW | WHERE | {"seed"})}


def labels(configs: Sequence[Config]) -> list[str]:
    """A name for the setting of each config: equal for equal settings, different for different ones.

    It is the config's `name`, followed by the values that tell it from the others of that name, if there are any, and
    by its corpus, where not all have the same.
    """
    settings = [setting(config) for config in configs]
    mixed = len({mine.get("data.name") for mine in settings}) > 1
    found = []
    for mine in settings:
        same_name = [other for other in settings if other.get("name") == mine.get("name")]
        corpus = [f"on {mine.get('data.name', 'an unknown corpus')}"] if mixed else []
        found.append(" ".join([str(mine.get("name", "run")), *_differences(mine, same_name), *corpus]))
    return found


def command(config: Config) -> str:
    """The command that makes the run again, alone where it was one of a sweep, but for where it lies and how it goes on.

    "" where no command says how the run was made, as of one that was imported.
    """
    if "overrides" not in config:
        return ""
    beside = HOW | WHERE | BY_WHOM | {"sweep"}
    kept = [item for item in config["overrides"] if not within(key_of(item), beside)]
    own = [f"{OWN_FOLDER}={config['config_dir']}"] if "config_dir" in config else []
    return shlex.join(["textvae", "train", *own, *kept])


def _differences(mine: Flat, others: Sequence[Flat]) -> list[str]:
    """`key=value` for the keys in which the settings differ: those that all have, where these tell them all apart."""
    distinct = {_frozen(other): other for other in others}.values()
    keys = [
        key for key in dict.fromkeys(key for other in distinct for key in other) if _varies(key, distinct)
    ]
    common = [key for key in keys if all(key in other for other in distinct)]
    for chosen, number in ((common, _short), (keys, _short), (keys, repr)):
        told = {
            tuple((key, _text(other[key], number)) for key in chosen if key in other) for other in distinct
        }
        if len(told) == len(distinct):
            break
    return [f"{key.removesuffix('.name')}={_text(mine[key], number)}" for key in chosen if key in mine]


def _varies(key: str, settings: Any) -> bool:
    values = [other.get(key, _ABSENT) for other in settings]
    return any(value != values[0] for value in values)


_ABSENT = object()


def _frozen(flat: Flat) -> str:
    return json.dumps({key: _number(value) for key, value in flat.items()}, sort_keys=True)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _short(value: float) -> str:
    return f"{value:g}"


def _text(value: Any, number: Callable[[float], str]) -> str:
    if isinstance(value, list | tuple):
        return "[" + ",".join(_text(item, number) for item in value) + "]"
    if value is None:
        return "null"
    return number(value) if isinstance(value, float) else str(value)

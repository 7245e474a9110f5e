"""The config of a run's first stage, from what its section `pretraining` changes."""

from collections.abc import Mapping
from typing import Any

from textvae.errors import ConfigError
from textvae.training.measurement import READING

Config = dict[str, Any]


def pretraining_of(config: Config) -> Config | None:
    """The run's own config with the changes of its section `pretraining`; None where it has none.

    ConfigError for a change of what is no section, and where init_from names another run to start from.
    """
    changes = config.get("pretraining")
    if changes is None:
        return None
    legal = [key for key in config if key != "pretraining"]
    if not isinstance(changes, Mapping):
        raise ConfigError(
            f"pretraining is {changes!r}, must be null or sections that differ in the first stage"
        )
    for key in changes:
        if key not in legal:
            raise ConfigError(f"pretraining has no section {key!r}; it has: {', '.join(legal)}")
    if (run := (config.get("init_from") or {}).get("run")) is not None:
        raise ConfigError(
            f"init_from.run is {run!r}, but a run with a pretraining takes from that; give pretraining.init_from.run"
        )
    return {**merged(config, {"name": f"{config['name']}/pretraining", **changes}), "pretraining": None}


def same_text(config: Config, first: Config) -> bool:
    """Whether a run's config and its first stage's name one text, read in whatever batches."""
    there, here = ({k: v for k, v in one["data"].items() if k not in READING} for one in (first, config))
    return there == here


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> Config:
    """`config` with `changes` put into its sections; one of another kind, or empty, replaces all of it."""
    result = dict(config)
    for key, value in changes.items():
        before = config.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping) and value:
            same_kind = value.get("name", before.get("name")) == before.get("name")
            result[key] = merged(before, value) if same_kind else value
        else:
            result[key] = value
    return result

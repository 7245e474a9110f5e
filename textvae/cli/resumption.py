"""The config of a run that goes on with other limits, measurements or trackers than it was begun with."""

import math
from collections.abc import Sequence
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textvae.errors import ConfigError
from textvae.keys import HOW, KEPT, key_of, within
from textvae.training.checkpoint import RunFolder
from textvae.training.pretraining import pretraining_of

RESUMABLE = ("train", "eval", "tracker")


def amended(config: dict[str, Any], overrides: Sequence[str], own_steps: bool = False) -> dict[str, Any]:
    """A run's own config with the overrides that a resumed run may change: train.*, eval.* and tracker.*.

    `own_steps`: whether it has steps of its own, so that a first stage is over and keeps the limits that it had. One
    that is not takes those that it shares with the run.
    ConfigError for an override of anything else, and for a value that cannot be read.
    """
    for override in overrides:
        word = override.lstrip("+")  # ~ would take a setting away, and is none that can change
        key, _, text = word.partition("=")
        section, _, setting = key.partition(".")
        if section not in RESUMABLE or setting not in (config.get(section) or {}):
            raise ConfigError(
                f"a run goes on with its own config: {override!r} cannot change there; "
                f"only known settings of {', '.join(f'{name}.*' for name in RESUMABLE)} can"
            )
        value, words = _value(override, text), [word]
        if section == "train" and value != config[section][setting]:
            config, said = _first_stage(config, setting, value, own_steps)
            words += said
        config = {**config, section: {**config[section], setting: value}}
        config["overrides"] = _replaced(config.get("overrides", []), words)
    return config


def _value(override: str, text: str) -> Any:
    if not text:
        return ""  # in Hydra's grammar, and so for a new run; YAML would read null, which is no limit at all
    try:
        read = OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{override!r}: {' '.join(str(error).split())}") from error
    assert isinstance(read, dict)
    value = read["value"]
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{override!r}: {value} is no number that a run's config can hold")
    return value


def _first_stage(
    config: dict[str, Any], setting: str, value: Any, own_steps: bool
) -> tuple[dict[str, Any], list[str]]:
    """The config with the first stage's value of train.`setting` spelt out, where the run's was meant for it, and the override.

    It is the former one where the stage is over: without it the config would say that the stage was run by the limit
    that the second one is given now. Else it is the new one: a reference to the run's, as experiments have, is lost once
    a config is resolved.
    """
    first = pretraining_of(config)
    if first is None or within(f"train.{setting}", HOW):
        return config, []
    word = f"pretraining.train.{setting}"
    if any(key_of(item) == word and not item.startswith(KEPT) for item in config.get("overrides", [])):
        return config, []  # its own was asked for, and stays
    changes = config["pretraining"]
    own = changes.get("train") or {}
    if first["train"][setting] != config["train"][setting] or not (own_steps or setting in own):
        return config, []
    meant = first["train"][setting] if own_steps else value
    spelt_out = {**changes, "train": {**own, setting: meant}}
    return {**config, "pretraining": spelt_out}, [f"++{word}={'null' if meant is None else meant}"]


def refuse_first_stage(folder: RunFolder) -> None:
    """ConfigError for the folder of a first stage: taken further by itself it would not be what its run's config says."""
    run = RunFolder(folder.path.resolve().parent)
    if folder.path.resolve() == run.pretraining and run.config.is_file():
        raise ConfigError(
            f"{folder.path} is the first stage of a run: go on with that by textvae train resume={run.path}, "
            "or with a copy of the folder"
        )


def _replaced(before: Sequence[str], words: Sequence[str]) -> list[str]:
    keys = {key_of(word) for word in words}
    return [*(word for word in before if key_of(word) not in keys), *words]

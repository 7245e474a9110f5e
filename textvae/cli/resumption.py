"""The config of a run that goes on with other limits, measurements or trackers than it was begun with."""

import math
from collections.abc import Sequence
from shlex import quote
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textvae.errors import ConfigError
from textvae.keys import HOW, KEPT, LATER, TEXT_LIES, key_of, within
from textvae.training.checkpoint import RunFolder
from textvae.training.pretraining import pretraining_of

RESUMABLE = ("train", "eval", "tracker")


def amended(config: dict[str, Any], overrides: Sequence[str], own_steps: bool = False) -> dict[str, Any]:
    """A run's own config with the overrides that a resumed run may change: train.*, eval.*, tracker.* and where its text lies.

    `own_steps`: whether it has steps of its own, so that a first stage is over and keeps the limits that it had. One
    that is not takes those that it shares with the run.
    ConfigError for an override of anything else, and for a value that cannot be read.
    """
    for override in overrides:
        word = override.lstrip("+")  # ~ would take a setting away, and is none that can change
        key = word.partition("=")[0]
        section, _, setting = key.partition(".")
        later = {setting: LATER[key]} if key in LATER else {}  # than the run was begun
        if setting not in {**later, **(config.get(section) or {})} or not _may_change(
            config, section, setting
        ):
            raise ConfigError(
                f"a run goes on with its own config: {override!r} cannot change there; "
                f"only known settings of {', '.join(f'{name}.*' for name in RESUMABLE)} can, and where its text lies"
            )
        value, words = _value(override), [word]
        if section == "train" and value != config[section][setting]:
            config, said = _first_stage(config, setting, value, own_steps)
            words += said
        config = {**config, section: {**config[section], setting: value}}
        config["overrides"] = _replaced(config.get("overrides", []), words)
    return config


def _may_change(config: dict[str, Any], section: str, setting: str) -> bool:
    """Text that lies elsewhere now is the same text, which the run's fingerprint of it tells; a number is none that lies."""
    moved = section == "data" and setting in TEXT_LIES
    return section in RESUMABLE or (moved and isinstance(config["data"][setting], str | None))


def with_moved_text(overrides: Sequence[str]) -> list[str]:
    """The same, data.file=FILE and its like as `++data.file=FILE` beside resume=RUN: the text need not be of the default kind."""
    if not any(key_of(item) == "resume" for item in overrides):
        return [*overrides]
    moved = {f"data.{setting}" for setting in TEXT_LIES}
    return [f"++{item.lstrip('+')}" if key_of(item) in moved else item for item in overrides]


def _value(override: str) -> Any:
    """As Hydra reads it for a new run."""
    try:
        read = OverridesParser.create().parse_override(override)
        if read.is_sweep_override():
            raise ConfigError(f"{override!r} holds several values; a run goes on with one")
        settings = OmegaConf.to_container(OmegaConf.create({"value": read.value()}), resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{override!r}: {' '.join(str(error).split())}") from error
    assert isinstance(settings, dict)
    value = settings["value"]
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
            f"{folder.path} is the first stage of a run: go on with that by textvae train resume={quote(str(run.path))}, "
            "or with a copy of the folder"
        )


def _replaced(before: Sequence[str], words: Sequence[str]) -> list[str]:
    keys = {key_of(word) for word in words}
    return [*(word for word in before if key_of(word) not in keys), *words]

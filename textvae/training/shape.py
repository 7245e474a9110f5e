"""What a config must look like before anything is made of it."""

import math
from collections.abc import Mapping
from typing import Any

from textvae.errors import ConfigError
from textvae.keys import flatten
from textvae.training.measurement import READING

SECTIONS = (
    "data",
    "schedule",
    "rate",
    "updater",
    "train",
    "eval",
    "compute",
    "tracker",
    "optimizer",
    "optimizer.plateau",
)
OPTIONAL = ("condition", "terms", "init_from")


def check_shape(config: Mapping[str, Any], stage: str = "") -> None:
    """ConfigError for a section that is no group of settings, an infinite number, a seed that is no whole number from 0 on.

    stage: what comes before each key in the message, "pretraining." for the config of a first stage.
    """
    for section in SECTIONS:
        value: Any = config
        for key in section.split("."):
            value = value.get(key)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{stage}{section} is {value!r}, must be a group of settings")
    for key in READING:
        if key not in config["data"]:
            raise ConfigError(f"{stage}data.{key} must be given")
    for section in OPTIONAL:
        value = config.get(section)
        if value is not None and not isinstance(value, Mapping):
            raise ConfigError(f"{stage}{section} is {value!r}, must be a group of settings")
    for key, value in flatten(config).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{stage}{key} is {value}, must be finite")
    check_seed(config.get("seed"), stage)


def check_seed(seed: Any, stage: str = "") -> None:
    """ConfigError unless it is a whole number of at least 0 (and below 2^63)."""
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        raise ConfigError(f"{stage}seed is {seed!r}, must be a whole number of at least 0")

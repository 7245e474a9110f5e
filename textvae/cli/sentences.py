"""What the verbs that read and write sentences share: the run, its input, its decoding."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from textvae.api import TextVAE, load
from textvae.cli.stderr import say
from textvae.data.lines import lines_of, read_lines
from textvae.errors import ConfigError, DataError
from textvae.training.shape import check_seed

Config = dict[str, Any]
T = TypeVar("T")


def open_run(config: Config) -> TextVAE:
    """The run that `checkpoint` names, its sentences all of `label` where one is given. ConfigError for a seed that is none."""
    check_seed(config["seed"])
    vae = load(config["checkpoint"])
    vae.remark = say
    return vae if config["label"] is None else vae.given(config["label"])


def open_latent(config: Config) -> TextVAE:
    """The same of a verb that has no meaning without z. ConfigError where the run has none."""
    vae = open_run(config)
    if not vae.model.latent_size:
        raise ConfigError(
            f"this run has no latent (Z = 0), it is a language model: {config['checkpoint']}; sample and evaluate go with it"
        )
    return vae


def decoding(config: Config) -> Config:
    """The settings of how z becomes words."""
    return {**config["decoding"], "max_length": config["max_length"], "ban_unk": config["ban_unk"]}


def given(source: str, group: int = 1) -> list[str]:
    """The lines of a file, or of standard input for "-", blank ones skipped. DataError unless they make groups of `group`."""
    lines = [line for line in _lines(source) if line]
    if not lines:
        raise DataError(f"{_name(source)} holds no sentence; give one a line")
    if len(lines) % group:
        raise DataError(f"{_name(source)} holds {len(lines)} sentences, but they are read {group} at a time")
    return lines


def _lines(source: str) -> list[str]:
    if source != "-":
        return list(read_lines(Path(source)))
    if sys.stdin is None:
        raise DataError("standard input is closed; give sentences by it, or the name of a file")
    return list(lines_of(sys.stdin.buffer, _name(source)))


def _name(source: str) -> str:
    return "standard input" if source == "-" else source


def checked(make: Callable[[], T]) -> T:
    """make(), with the ValueError of a setting out of range as a ConfigError."""
    try:
        return make()
    except ValueError as error:
        raise ConfigError(str(error)) from error

"""The first stage of a run that is to have more epochs than it was begun with: whether it is too short, and how it goes on."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from textvae.errors import ConfigError
from textvae.reporting.reproduction.limits import ended, first_limits, shares_limit
from textvae.training.checkpoint import RunFolder
from textvae.training.locks import LOCK

Facts = Mapping[str, Any]


def is_short(config: Facts, first: Facts | None, asked: int) -> bool:
    """Whether the limit of the run's config ends the first stage below the epochs that are asked for.

    first: what its training took, None where it still goes on.
    """
    limits = first_limits(config)
    if not shares_limit(config) or asked <= limits["max_epochs"]:
        return False
    return first is None or (ended(limits, first) == "epochs" and first["epochs"] < asked)


def takes_limit(config: Facts) -> bool:
    """Whether a limit that the run is given while its first stage goes on is that of this stage, too."""
    return bool(first_limits(config)["max_epochs"] == config["train"]["max_epochs"])


def go_on_with_first(folder: Path, config: Facts, first: Facts | None, asked: int) -> str:
    """Makes the short first stage of a run one that goes on with the run; returns what became of the second one, if it had begun.

    ConfigError, with nothing changed, where it cannot.
    """
    own, limit = first_limits(config)["max_epochs"], config["train"]["max_epochs"]
    if not takes_limit(config):
        raise ConfigError(
            f"{folder} has a first stage that is limited to {own} epochs since the second one was given {limit}; {asked} are "
            "asked for, and only the second stage can go further: move it away to train both anew"
        )
    if first is None:
        return ""
    earlier = RunFolder(RunFolder(folder).pretraining)
    if not earlier.last.is_file():
        raise ConfigError(
            f"{folder} has a first stage of {first['epochs']} epochs, {asked} are asked for, and {earlier.last} is not there "
            "to go on from: move it away to train both anew"
        )
    _forget_second(RunFolder(folder))
    return f"the first stage goes on from {first['epochs']} epochs to {asked}, the second one begins anew"


def _forget_second(run: RunFolder) -> None:
    """The end of the first stage is taken back last, so that what is killed amid this is done again."""
    empty(run.path, but=(run.config, run.pretraining))
    RunFolder(run.pretraining).summary.unlink()


def empty(folder: Path, but: Collection[Path] = ()) -> None:
    """Takes away all that a folder holds, but for some and for the lock of whoever does this."""
    for path in folder.iterdir():
        if path not in but and path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

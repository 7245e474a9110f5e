"""Folders of jobs that were run when a name had no digest, which other jobs could share."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from textvae.cli.folders import folder_name
from textvae.errors import CheckpointError
from textvae.keys import key_of
from textvae.training.checkpoint import RunFolder
from textvae.training.sweeps import holds


def folder_of(folder: Path, name: str, shared: Collection[str], config: dict[str, Any]) -> Path:
    """The job's folder, or the former one of this name where the job's run lies there.

    That is so, too, where the run was made by another config since, as by another yaml: the job then fails and says so.
    `shared`: the keys that do not tell the jobs apart.
    """
    former = folder.with_name(folder_name(name))
    if former == folder:
        return folder
    told = [word for word in config["overrides"] if key_of(word) not in shared]
    anew = RunFolder(folder).config.exists()
    if not holds(former, config) and (anew or not _was_told(RunFolder(former), told)):
        return folder
    with suppress(OSError):  # Hydra has made the other one
        folder.rmdir()
    return former


def _was_told(run: RunFolder, words: Sequence[str]) -> bool:
    """Whether the run was begun by these overrides. Nothing tells that of a damaged config, which its job is to name."""
    if not run.config.exists():
        return False
    try:
        return set(words) <= set(run.read_config().get("overrides", ()))
    except CheckpointError:
        return True

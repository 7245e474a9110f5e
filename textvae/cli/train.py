"""textvae train: a run, a multirun, or one that goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig

from textvae.cli import compose
from textvae.cli.flags import one_word_flags
from textvae.cli.progress import console
from textvae.cli.rehearsal import leaving_out
from textvae.cli.resumption import amended, refuse_first_stage, with_moved_text
from textvae.cli.sweep import run_sweep
from textvae.cli.sweep_settings import is_sweep, refuse_settings_of_sweeps
from textvae.cli.told import told
from textvae.errors import ConfigError, UnknownSetting
from textvae.keys import key_of
from textvae.training.checkpoint import RunFolder
from textvae.training.locks import without_empty
from textvae.training.run import resume_run, start_run


def main(arguments: Sequence[str]) -> None:
    overrides = with_moved_text(one_word_flags(arguments))
    if is_sweep(overrides):
        run_sweep(overrides)
    else:
        refuse_settings_of_sweeps(overrides)
        _run_alone(overrides)


def _run_alone(overrides: Sequence[str]) -> None:
    try:
        compose.run("train", overrides, train)
    except UnknownSetting as error:
        brought = [key for key in error.keys if all(key_of(item) != key for item in overrides)]
        raise ConfigError(f"{error}{leaving_out(brought)}" if brought else str(error)) from error


def train(config: dict[str, Any]) -> None:
    overrides = [item for item in HydraConfig.get().overrides.task if not item.startswith("resume=")]
    if config["resume"]:
        folder = RunFolder(config["resume"])
        refuse_first_stage(folder)
        changed = amended(
            folder.read_config(),
            overrides,
            own_steps=folder.last.exists() or RunFolder(folder.pretraining).summary.exists(),
        )
        resume_run(changed, folder.path, console())
        return
    config |= told(overrides)
    if config["run_dir"]:
        start_run(config, config["run_dir"], console())
    else:
        with own_folder(Path("runs") / config["name"]) as made:
            start_run(config, made, console())


@contextmanager
def own_folder(above: Path) -> Iterator[Path]:
    """A new folder named by the time, which no other process has; taken away with those above where nothing came into it."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    with without_empty(above):
        above.mkdir(parents=True, exist_ok=True)
        for name in chain([stamp], (f"{stamp}_{number}" for number in count(2))):
            with suppress(FileExistsError):
                (above / name).mkdir(parents=True)
                break
        try:
            yield above / name
        finally:
            with suppress(OSError):  # it holds something
                (above / name).rmdir()

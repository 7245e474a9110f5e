"""textvae train: a run, a multirun, or one that goes on."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textvae.cli import compose
from textvae.cli.progress import console
from textvae.cli.sweep import run_sweep
from textvae.cli.sweep_settings import is_sweep, one_word_flags
from textvae.errors import ConfigError
from textvae.training.checkpoint import RunFolder
from textvae.training.run import resume_run, start_run

RESUMABLE = ("train", "eval", "tracker")


def main(arguments: Sequence[str]) -> None:
    overrides = one_word_flags(arguments)
    if is_sweep(overrides):
        run_sweep(overrides)
    else:
        compose.run("train", overrides, train)


def train(config: dict[str, Any]) -> None:
    overrides = [item for item in HydraConfig.get().overrides.task if not item.startswith("resume=")]
    if config["resume"]:
        saved = amended(RunFolder(config["resume"]).read_config(), overrides)
        resume_run(saved, config["resume"], console())
        return
    config["overrides"] = overrides
    start_run(config, config["run_dir"] or Path("runs") / config["name"] / time_stamp(), console())


def time_stamp() -> str:
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S")


def amended(config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A run's own config with the overrides that a resumed run may change: train.*, eval.* and tracker.*."""
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        section, _, setting = key.partition(".")
        if section not in RESUMABLE or setting not in (config.get(section) or {}):
            raise ConfigError(
                f"a run goes on with its own config: {override!r} cannot change there; "
                f"only known settings of {', '.join(f'{name}.*' for name in RESUMABLE)} can"
            )
        try:
            parsed = OmegaConf.from_dotlist([f"value={value}"])
            config[section][setting] = parsed.value
        except OmegaConfBaseException as error:
            raise ConfigError(f"{override!r}: {error}") from error
    return config

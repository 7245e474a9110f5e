"""textvae train: a run, a multirun, or one that goes on."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textvae.cli import compose
from textvae.cli.progress import console
from textvae.errors import ConfigError
from textvae.training.checkpoint import RunFolder
from textvae.training.run import resume_run, start_run

RESUMABLE = ("train", "eval", "tracker")


def main(overrides: Sequence[str]) -> None:
    compose.run("train", with_sweep_folder(overrides), train)


def with_sweep_folder(overrides: Sequence[str]) -> list[str]:
    """A multirun's jobs all lie in one folder, which the same command names the same way again."""
    if not {"-m", "--multirun"} & set(overrides) or any(item.startswith("sweep_dir=") for item in overrides):
        return list(overrides)
    settings = [item.removeprefix("experiment=") for item in overrides if item.startswith("experiment=")]
    digest = hashlib.sha256("\n".join(sorted(overrides)).encode()).hexdigest()[:8]
    return [*overrides, f"sweep_dir=sweeps/{compose.folder_name(''.join(settings) or 'train')}-{digest}"]


def train(config: dict[str, Any]) -> None:
    hydra = HydraConfig.get()
    overrides = [item for item in hydra.overrides.task if not item.startswith("resume=")]
    if config["resume"]:
        saved = amended(RunFolder(config["resume"]).read_config(), overrides)
        resume_run(saved, config["resume"], console())
        return
    sweep = hydra.mode == RunMode.MULTIRUN
    folder = (
        Path(hydra.sweep.dir) / hydra.sweep.subdir if sweep else Path("runs") / config["name"] / time_stamp()
    )
    config["overrides"] = overrides
    if sweep and config["tracker"].get("group", "") is None:
        config["tracker"]["group"] = Path(hydra.sweep.dir).name
    start_run(config, config["run_dir"] or folder, console())


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

"""What the command line says of a sweep: whether it is one, its folder, its jobs, and what Hydra is told of them."""

import hashlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from textvae.cli.flags import MULTIRUN, is_flag
from textvae.cli.folders import folder_name
from textvae.cli.locations import config_directory
from textvae.cli.overrides import parsed, with_text
from textvae.errors import ConfigError
from textvae.keys import BY_WHOM, HOW, OWN_FOLDER, key_of, within
from textvae.training.sweeps import WHICH


def is_sweep(overrides: Sequence[str]) -> bool:
    """Whether Hydra is to run several jobs, and not to print a config."""
    flags = {item for item in overrides if is_flag(item) and key_of(item) != OWN_FOLDER}
    return flags <= set(MULTIRUN) and bool(flags or any(key_of(item) == "sweep" for item in overrides))


def refuse_settings_of_sweeps(overrides: Sequence[str]) -> None:
    """ConfigError for what only a sweep reads, beside a single run. Where a config is printed there is neither."""
    if any(is_flag(item) and key_of(item) != OWN_FOLDER for item in overrides):
        return
    for key in ("sweep_dir", "jobs", "launcher", "metric"):
        if any(key_of(item) == key for item in overrides):
            raise ConfigError(f"{key} is for a sweep: add -m, or sweep=NAME")


def which_jobs(settings: Sequence[str]) -> str:
    """Which jobs to run. ConfigError for settings that only a single run has, and for where jobs lie but for sweep_dir."""
    for key, instead in (
        ("run_dir", "is for a single run; a sweep has sweep_dir"),
        ("resume", "is for a single run; a sweep has the same command again"),
        ("hydra.sweep.dir", "would hide the jobs from the sweep; its folder is sweep_dir"),
        ("hydra.sweep.subdir", "would hide the jobs from the sweep, which names their folders in sweep_dir"),
    ):
        if any(key_of(item) == key for item in settings):
            raise ConfigError(f"{key} {instead}")
    which = value_of(settings, "jobs", "unfinished")
    if which not in WHICH:
        raise ConfigError(f"jobs is {which!r}, must be one of {', '.join(WHICH)}")
    return which


def with_sweep_folder(overrides: Sequence[str]) -> list[str]:
    """A sweep's jobs all lie in one folder, which the same command names the same way again, and without a flag for it."""
    settings = [item for item in overrides if item not in MULTIRUN]
    if any(key_of(item) == "sweep_dir" for item in settings):
        return settings
    telling = [value_of(settings, "experiment", ""), value_of(settings, "sweep", "")]
    name = folder_name("-".join(filter(None, telling)) or "train")
    what = sorted(item for item in settings if not within(key_of(item), HOW | BY_WHOM))
    digest = hashlib.sha256("\n".join(what).encode()).hexdigest()[:8]
    return [*settings, f"sweep_dir=sweeps/{name}-{digest}"]


def sweep_folder(settings: Sequence[str]) -> Path:
    """The folder that sweep_dir names. ConfigError where it is no plain text: what Hydra makes of it is not known here."""
    given = value_of(settings, "sweep_dir", "")
    values = [override.value() for override in parsed(with_text([f"sweep_dir={given}"]))]
    if not values or not isinstance(values[0], str) or not values[0] or "${" in values[0]:
        raise ConfigError(f"sweep_dir is {given or 'empty'}, must be the name of a folder as it stands")
    return Path(values[0])


def for_hydra(settings: Sequence[str]) -> list[str]:
    """The same jobs, each named by what differs between them, and composed only once all is known.

    Hydra first composes a config without what is swept. Where a section is, as in `experiment=a,b data.train=100`, that
    config may lack the keys of others: as choices among one value they wait for the jobs.
    """
    flags = [item for item in settings if is_flag(item)]
    try:
        items = [OverridesParser.create().parse_override(item) for item in settings if not is_flag(item)]
    except HydraException:
        return ["-m", *settings]  # Hydra says what is wrong with it
    late = any(item.is_sweep_override() and is_section(item.key_or_group) for item in items)
    shared = ["sweep", *(item.key_or_group for item in items if not item.is_sweep_override())]
    apart = ",".join(f"'{key}'" for key in shared)
    return [
        "-m",
        *flags,
        *(_one_choice(item) if late and _is_value(item) else str(item.input_line) for item in items),
        f"hydra.job.config.override_dirname.exclude_keys=[{apart}]",
    ]


def is_section(key: str) -> bool:
    return (config_directory() / key).is_dir()


def _is_value(override: Override) -> bool:
    """Whether it sets a single value within a section that a job may choose."""
    special = override.is_sweep_override() or override.is_delete() or override.is_hydra_override()
    return "." in override.key_or_group and not special


def _one_choice(override: Override) -> str:
    key, _, value = str(override.input_line).partition("=")
    return f"{key}=choice({value})"


def command(overrides: Sequence[str]) -> str:
    """The command line, to be typed again."""
    return f"textvae train {shlex.join(overrides)}"


def value_of(overrides: Sequence[str], key: str, default: str) -> str:
    """What the last override of `key` sets it to."""
    values = [item.partition("=")[2] for item in overrides if key_of(item) == key]
    return values[-1] if values else default

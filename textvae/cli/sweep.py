"""textvae train -m: a sweep, which the same command takes up again where it was stopped."""

import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import OverrideParseException
from omegaconf import DictConfig

from textvae.cli import compose
from textvae.cli.locations import config_directory
from textvae.cli.progress import console, say
from textvae.errors import ConfigError, Interrupted, TextVAEError
from textvae.reporting.runs import read_run
from textvae.training.sweeps import FAILED, FINISHED, OPEN, RUNNING, WHICH, Outcome, Sweep

MULTIRUN = ("-m", "--multirun")
HOW = re.compile(r"(jobs|launcher|hydra/launcher|hydra\.launcher\..*)$")  # keys of how, not of what, jobs run


def is_sweep(overrides: Sequence[str]) -> bool:
    """Whether Hydra is to run several jobs, and not to print help or a config."""
    flags = {item for item in overrides if item.startswith("-")}
    return flags <= set(MULTIRUN) and bool(flags or any(_key(item) == "sweep" for item in overrides))


def run_sweep(overrides: Sequence[str]) -> None:
    """Runs each job that is neither finished nor failed (jobs=unfinished), and says at the end which failed and why.

    Raises ConfigError before the first job, Interrupted where a signal stopped the sweep, TextVAEError where jobs failed.
    """
    settings = with_sweep_folder(overrides)
    which = _checked(settings)
    folder = Path(_value(settings, "sweep_dir", ""))
    new, sweep = not folder.exists(), Sweep.take(folder, command(overrides))
    trouble = ""
    with _signals_stop(sweep):
        try:
            compose.call("train", for_hydra(settings), Job(sweep, which))
        except Exception as error:
            if not sweep.outcomes():
                _discard(folder, new)
                raise _with_hint(error) from error
            trouble = f"the launcher ended with {type(error).__name__}: {error}"
            sweep.stop()  # jobs in other processes may have outlived it
        stopped = sweep.lost() and not trouble
    conclude(sweep, overrides, stopped, trouble)


def with_sweep_folder(overrides: Sequence[str]) -> list[str]:
    """A sweep's jobs all lie in one folder, which the same command names the same way again, and without flags."""
    settings = [item for item in overrides if item not in MULTIRUN]
    if any(_key(item) == "sweep_dir" for item in settings):
        return settings
    telling = [_value(settings, "experiment", ""), _value(settings, "sweep", "")]
    name = compose.folder_name("-".join(filter(None, telling)) or "train")
    what = sorted(item for item in settings if not HOW.match(_key(item)))
    digest = hashlib.sha256("\n".join(what).encode()).hexdigest()[:8]
    return [*settings, f"sweep_dir=sweeps/{name}-{digest}"]


def for_hydra(settings: Sequence[str]) -> list[str]:
    """The same jobs, each named by what differs between them, and composed only once all is known.

    Hydra first composes a config without what is swept. Where a section is, as in `experiment=a,b data.train=100`, that
    config may lack the keys of others: as choices among one value they wait for the jobs.
    """
    try:
        parsed = [OverridesParser.create().parse_override(item) for item in settings]
    except OverrideParseException:
        return ["-m", *settings]  # Hydra says what is wrong with it
    late = any(item.is_sweep_override() and _is_section(item.key_or_group) for item in parsed)
    shared = ["sweep", *(item.key_or_group for item in parsed if not item.is_sweep_override())]
    apart = ",".join(f"'{key}'" for key in shared)
    return [
        "-m",
        *(_one_choice(item) if late and _is_value(item) else str(item.input_line) for item in parsed),
        f"hydra.job.config.override_dirname.exclude_keys=[{apart}]",
    ]


def _is_section(key: str) -> bool:
    return (config_directory() / key).is_dir()


def _is_value(override: Override) -> bool:
    """Whether it sets a single value within a section that a job may choose."""
    special = override.is_sweep_override() or override.is_delete() or override.is_hydra_override()
    return "." in override.key_or_group and not special


def _one_choice(override: Override) -> str:
    key, _, value = str(override.input_line).partition("=")
    return f"{key}=choice({value})"


class Job:
    """What Hydra calls for each job, in this process or in one of a launcher's: it holds only what can be pickled."""

    def __init__(self, sweep: Sweep, which: str) -> None:
        self.sweep, self.which, self.home = sweep, which, _process()

    def __call__(self, config: DictConfig) -> float | None:
        """Its value of `metric`, None unless it is finished."""
        if self.sweep.lost():
            return None
        hydra = HydraConfig.get()
        folder = Path(hydra.sweep.dir) / hydra.sweep.subdir
        try:
            settings = compose.plain(config, "train")
        except TextVAEError as error:
            self.sweep.record(folder, FAILED, str(error), fresh=True)
            return None
        settings["overrides"] = list(hydra.overrides.task)
        if settings["tracker"].get("group", "") is None:
            settings["tracker"]["group"] = self.sweep.folder.name
        if _process() == self.home:
            say(f"job {hydra.job.num + 1}: {folder.name}")
            self.sweep.visit(folder, settings, self.which, console())
        else:
            self._apart(folder, settings)
        return score(folder, settings["metric"])

    def _apart(self, folder: Path, settings: dict[str, Any]) -> None:
        """A process for each job: one that is killed takes neither the launcher's nor another job along."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all, but jobs heed their sweep
        request = {"sweep": str(self.sweep.folder), "token": self.sweep.token, "which": self.which}
        status = subprocess.run(
            [sys.executable, "-m", "textvae.cli.job"],
            input=json.dumps(request | {"folder": str(folder), "config": settings}),
            text=True,
            start_new_session=True,
        ).returncode
        if status:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            self.sweep.bury(folder, f"its process ended with {how}; out of memory?")


def score(folder: Path, metric: str) -> float | None:
    """The metric of a finished run at the epoch of its least valid/neg_elbo."""
    if not (folder / "summary.json").exists():
        return None
    rows = [row for row in read_run(folder).rows if row.get(metric) is not None]
    if not rows:
        say(f"{folder} has logged no {metric}")
        return None
    return float(min(rows, key=lambda row: row.get("valid/neg_elbo") or float("inf"))[metric])


def conclude(sweep: Sweep, overrides: Sequence[str], stopped: bool, trouble: str) -> None:
    """The jobs by state, each failure with its reason, and how to go on."""
    jobs = sweep.outcomes()
    again = command([item for item in overrides if _key(item) != "jobs"])
    of = {state: [job for job in jobs if job.state == state] for state in (FINISHED, FAILED, OPEN, RUNNING)}
    before = sum(not job.fresh for job in of[FINISHED])
    say(
        f"sweep {sweep.folder}: {len(of[FINISHED])} jobs finished ({before} of them before), {len(of[FAILED])} failed"
    )
    for job in of[FAILED]:
        say(f"failed: {sweep.folder / job.name}: {job.reason}")
    left = of[OPEN] + of[RUNNING]
    for job in left:
        say(f"open: {sweep.folder / job.name}")
    if of[FAILED]:
        say(f"the failed ones alone run again by: {again} jobs=failed")
    if stopped:
        raise Interrupted(f"stopped; go on with: {again}")
    if of[FAILED]:
        raise TextVAEError(_failures(of[FAILED], len(jobs)) + (f"; {trouble}" if trouble else ""))
    if left or trouble:
        raise TextVAEError(f"{trouble or 'jobs were left open'}; go on with: {again}")


def _failures(failed: Sequence[Outcome], jobs: int) -> str:
    reasons = "; ".join(f"{job.name}: {job.reason}" for job in failed)
    return f"{len(failed)} of {jobs} jobs failed: {reasons}"


def command(overrides: Sequence[str]) -> str:
    return f"textvae train {shlex.join(overrides)}"


@contextmanager
def _signals_stop(sweep: Sweep) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop all jobs at their next step; the second one ends this process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if sweep.lost():
            raise KeyboardInterrupt
        sweep.stop()
        say("stopping: each running job saves its state")

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _checked(settings: Sequence[str]) -> str:
    """Which jobs to run. ConfigError for settings that only a single run has."""
    for key, instead in (("run_dir", "sweep_dir"), ("resume", "the same command again")):
        if any(_key(item) == key for item in settings):
            raise ConfigError(f"{key} is for a single run; a sweep has {instead}")
    which = _value(settings, "jobs", "unfinished")
    if which not in WHICH:
        raise ConfigError(f"jobs is {which!r}, must be one of {', '.join(WHICH)}")
    return which


def _discard(folder: Path, new: bool) -> None:
    """Leaves nothing of a sweep that never began."""
    if new and not any(path.is_dir() for path in folder.iterdir()):
        shutil.rmtree(folder)


def _with_hint(error: Exception) -> Exception:
    missing = re.search(r"hydra/(?:launcher|sweeper)/(joblib|optuna|submitit)", str(error))
    if isinstance(error, ConfigError) and missing:
        return ConfigError(f"{error}; is it installed? pip install 'textvae[{missing[1]}]'")
    return error


def _process() -> tuple[str, int]:
    return platform.node(), os.getpid()


def _key(override: str) -> str:
    return override.lstrip("+").partition("=")[0]


def _value(overrides: Sequence[str], key: str, default: str) -> str:
    values = [item.partition("=")[2] for item in overrides if _key(item) == key]
    return values[-1] if values else default

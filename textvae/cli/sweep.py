"""textvae train -m: a sweep, which the same command takes up again where it was stopped."""

import json
import os
import platform
import re
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
from omegaconf import DictConfig

from textvae.cli import compose
from textvae.cli.former import folder_of
from textvae.cli.metric import check_metric, check_metrics, score
from textvae.cli.overrides import check
from textvae.cli.progress import Progress
from textvae.cli.rehearsal import rehearse
from textvae.cli.stderr import say
from textvae.cli.sweep_settings import command, for_hydra, sweep_folder, which_jobs, with_sweep_folder
from textvae.cli.told import told
from textvae.errors import ConfigError, Interrupted, TextVAEError
from textvae.keys import key_of
from textvae.training.interruption import ending_signals
from textvae.training.locks import without_empty
from textvae.training.shape import check_shape
from textvae.training.sweeps import FAILED, FINISHED, OPEN, RUNNING, Outcome, Sweep

# What submitit and joblib raise, each by classes of its own, where a process of theirs died; Python's own are faults.
DEAD, FAULTS = RuntimeError, (NotImplementedError, RecursionError)


def run_sweep(overrides: Sequence[str]) -> None:
    """Runs each job that is neither finished nor failed (jobs=unfinished), and says at the end which failed and why.

    Raises ConfigError before the first job, Interrupted where a signal stopped the sweep, TextVAEError where jobs failed.
    """
    settings = with_sweep_folder(overrides)
    check("train", settings)
    which = which_jobs(settings)
    check_metrics(settings)
    rehearse(settings, Progress())
    with without_empty(sweep_folder(settings).parent):
        _run(overrides, settings, which)


def _run(overrides: Sequence[str], settings: Sequence[str], which: str) -> None:
    folder = sweep_folder(settings)
    new, sweep = not folder.exists(), Sweep.take(folder, command(overrides))
    with _signals_stop(sweep):
        error = launch(for_hydra(settings), Job(sweep, which))
        stopped = sweep.lost()
    trouble = f"the launcher ended with {_named(error)}" if error and not stopped else ""
    if error and trouble and not sweep.outcomes():
        _discard(folder, new)
        raise _with_hint(error) from error
    if trouble:
        sweep.stop()  # jobs in other processes may have outlived it
    conclude(sweep, overrides, stopped, trouble)


def launch(settings: Sequence[str], job: "Job") -> Exception | None:
    """Lets Hydra's launcher run all jobs; returns what ended it before it had.

    Where one of its processes died it is started again for the other jobs, as long as each start settles some. Those
    that are running still are waited for.
    """
    settled = -1
    while True:
        try:
            compose.call("train", settings, job)
            return None
        except Exception as error:
            now = sum(outcome.state in (FINISHED, FAILED) for outcome in job.sweep.outcomes())
            if job.sweep.lost() or not _lost_a_process(error) or now == settled:
                return error
            settled = now
            say(f"a process of the launcher died, the other jobs go on: {_named(error)}")


class Job:
    """What Hydra calls for each job, in this process or in one of a launcher's: it holds only what can be pickled.

    Each has a process of its own: one that is killed takes neither the command nor another job along.
    """

    def __init__(self, sweep: Sweep, which: str) -> None:
        self.sweep, self.which, self.home = sweep, which, _process()

    def __call__(self, config: DictConfig) -> float | None:
        """Its value of `metric`, None unless it has finished: a run of other settings may lie where it failed."""
        if self.sweep.lost():
            return None
        hydra = HydraConfig.get()
        folder = Path(hydra.sweep.dir) / hydra.sweep.subdir
        try:
            settings = compose.plain(config, "train")
            check_shape(settings)
            if settings["metric"] is not None:
                check_metric(settings["metric"])
        except TextVAEError as error:
            self.sweep.record(folder, FAILED, str(error), fresh=True)
            return None
        settings |= told(hydra.overrides.task)
        if settings["tracker"].get("group", "") is None:
            settings["tracker"]["group"] = self.sweep.folder.name
        shared = hydra.job.config.override_dirname.exclude_keys
        folder = folder_of(folder, hydra.job.override_dirname, shared, settings)
        alone = _process() == self.home
        if alone:
            say(f"job {hydra.job.num + 1}: {folder.name}")
        else:
            # A terminal sends it to all, but jobs heed their sweep.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._run({"folder": str(folder), "config": settings, "alone": alone}, folder)
        return score(folder, settings["metric"]) if self.sweep.has_finished(folder) else None

    def _run(self, job: dict[str, Any], folder: Path) -> None:
        sweep = {"sweep": str(self.sweep.folder), "token": self.sweep.token, "parent": os.getpid()}
        status = subprocess.run(
            [sys.executable, "-m", "textvae.cli.job"],
            input=json.dumps(sweep | job | {"which": self.which}),
            text=True,
            start_new_session=True,
        ).returncode
        if status:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            self.sweep.bury(folder, f"its process ended with {how}; out of memory?")


def conclude(sweep: Sweep, overrides: Sequence[str], stopped: bool, trouble: str) -> None:
    """The jobs by state, each failure with its reason, and how to go on."""
    jobs = sweep.outcomes()
    again = command([item for item in overrides if key_of(item) != "jobs"])
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
    if not jobs and not trouble:
        raise TextVAEError(f"no job of the sweep has run: its settings give none; the command was: {again}")
    if of[FAILED]:
        raise TextVAEError(_failures(of[FAILED], len(jobs)) + (f"; {trouble}" if trouble else ""))
    if left or trouble:
        raise TextVAEError(f"{trouble or 'jobs were left open'}; go on with: {again}")


def _failures(failed: Sequence[Outcome], jobs: int) -> str:
    reasons = "; ".join(f"{job.name}: {job.reason}" for job in failed)
    return f"{len(failed)} of {jobs} jobs failed: {reasons}"


@contextmanager
def _signals_stop(sweep: Sweep) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the end of the terminal stop all jobs at their next step; the second one ends this process at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        if sweep.lost():
            raise KeyboardInterrupt
        sweep.stop()
        say("stopping: each running job saves its state")

    before = {number: signal.signal(number, stop) for number in ending_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _discard(folder: Path, new: bool) -> None:
    """Leaves nothing of a sweep that never began."""
    if new and not any(path.is_dir() for path in folder.iterdir()):
        shutil.rmtree(folder)


def _with_hint(error: Exception) -> Exception:
    missing = re.search(r"hydra/(?:launcher|sweeper)/(joblib|optuna|submitit)", str(error))
    if isinstance(error, ConfigError) and missing:
        return ConfigError(f"{error}; is it installed? pip install 'textvae[{missing[1]}]'")
    return TextVAEError(f"the launcher ended with {_named(error)}") if _lost_a_process(error) else error


def _lost_a_process(error: Exception) -> bool:
    return isinstance(error, DEAD) and not isinstance(error, FAULTS)


def _named(error: BaseException | None, longest: int = 200) -> str:
    """The error's class and the beginning of what it says: launchers append the whole log of a process."""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:longest]}{'...' if len(said) > longest else ''}"


def _process() -> tuple[str, int]:
    return platform.node(), os.getpid()

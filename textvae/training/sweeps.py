"""The folder of a sweep: which of its jobs are finished, failed or open, and which command has it.

Each job's run lies in a subfolder, whose job.json says what became of the job. sweep.json names the command that has the
sweep: the jobs of any other save their state and stop, and so do those whose parent was killed.
"""

import json
import os
import secrets
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from textvae.errors import CheckpointError, Interrupted, TextVAEError
from textvae.keys import HOW, LATER, WHERE, flatten, within
from textvae.training.checkpoint import RunFolder
from textvae.training.files import write_json
from textvae.training.interruption import stop_signals
from textvae.training.locks import awaited, taken
from textvae.training.measurement import Console
from textvae.training.run import Config, resume_run, start_run

OPEN, RUNNING, FINISHED, FAILED = "open", "running", "finished", "failed"
DIED = "its process died without a word; out of memory or of time?"
WHICH = {"unfinished": {OPEN, RUNNING}, "failed": {FAILED}, "all": {OPEN, RUNNING, FAILED}}


class Outcome(NamedTuple):
    """What became of a job: `fresh` where it ran just now, else as it was found."""

    name: str
    state: str
    reason: str
    fresh: bool


class Sweep:
    """A sweep's folder as one command sees it; `token` tells commands apart.

    `parent` is the process for which this one does a job: without it nobody waits for the job any more.
    """

    def __init__(self, folder: str | Path, token: str, parent: int | None = None) -> None:
        self.folder, self.token, self.parent = Path(folder), token, parent
        self.file, self.lock = self.folder / "sweep.json", self.folder / ".lock"

    @classmethod
    def take(cls, folder: str | Path, command: str) -> "Sweep":
        """The sweep for a new command, whichever had it before."""
        sweep = cls(folder, secrets.token_hex(8))
        with awaited(sweep.lock):
            write_json(sweep.file, {"command": command, "token": sweep.token})
        return sweep

    def stop(self) -> None:
        """Asks the jobs to save their state and stop, and no further one to start.

        Where a command takes the sweep just now, or a signal came amid this, that stops them.
        """
        lock = taken(self.lock)
        if lock is not None:
            with lock:
                if not self.lost():
                    write_json(self.file, _read(self.file) | {"token": None})

    def lost(self) -> bool:
        """Whether this command was told to stop, another has taken the sweep, or the parent has died."""
        orphaned = self.parent is not None and os.getppid() != self.parent
        return orphaned or _read(self.file).get("token") != self.token

    @contextmanager
    def stopping(self, every: float = 0.1) -> Iterator[Callable[[], bool]]:
        """What a trainer asks between two steps: of the job's own signals, and once in `every` seconds of `lost`."""
        looked, lost = time.monotonic(), False

        def stop_requested() -> bool:
            nonlocal looked, lost
            if not lost and time.monotonic() - looked >= every:
                looked = time.monotonic()
                # A shared file system that does not answer just now has not said to stop.
                with suppress(OSError):
                    lost = self.lost()
            return lost or signalled()

        with stop_signals() as signalled:
            yield stop_requested

    def outcomes(self) -> list[Outcome]:
        """Of the jobs that this command has seen, by name."""
        jobs = []
        for path in sorted(self.folder.glob("*/job.json")):
            with suppress(CheckpointError):  # this command has replaced what was damaged of its own jobs
                jobs.append((path.parent.name, _read(path)))
        return [
            Outcome(name, job["state"], job["reason"], job["fresh"])
            for name, job in jobs
            if job.get("command") == self.token
        ]

    def has_finished(self, folder: Path) -> bool:
        """Whether the job in `folder` is one that this command has seen finished."""
        return any(job.state == FINISHED and job.name == folder.name for job in self.outcomes())

    def visit(self, folder: Path, config: Config, which: str, console: Console) -> None:
        """Runs the job of `folder`, or what is left of it, where its state is one of WHICH[which]; job.json has the outcome.

        Waits while another process has the job. An error is this job's alone. What this command has done with the job
        before, as where a launcher lost a process and was started again, it does not do twice.
        """
        with _alone(folder, console):
            if self.lost():
                return
            try:
                self._visit(folder, config, which, console)
            except CheckpointError as error:
                # a damaged file: that of job.json is replaced, so that jobs=failed runs the job
                self.record(folder, FAILED, str(error), fresh=True)

    def _visit(self, folder: Path, config: Config, which: str, console: Console) -> None:
        job = _read(folder / "job.json")
        difference = _difference(folder, config)
        if job.get("command") == self.token:
            self.bury(folder, DIED)
            if difference:
                self.record(
                    folder, FAILED, f"two jobs of this sweep share a folder: {difference}", fresh=True
                )
            return
        state, reason = found(folder)
        if difference:
            self.record(folder, FAILED, difference)
        elif state in WHICH[which]:
            self._run(folder, config, console)
        else:
            console.say(f"{folder.name} has {state} before")
            self.record(folder, state, reason)

    def _run(self, folder: Path, config: Config, console: Console) -> None:
        self.record(folder, RUNNING)
        try:
            go_on(folder, config, console, self)
        except Interrupted:
            self.record(folder, OPEN, fresh=True)
        except TextVAEError as error:
            self.record(folder, FAILED, str(error), fresh=True)
        except Exception as error:  # a fault of the program or the machine: the other jobs go on all the same
            reason = f"{type(error).__name__}: {error}"
            self.record(folder, FAILED, reason, fresh=True, traceback=traceback.format_exc())
        else:
            self.record(folder, FINISHED, fresh=True)

    def record(self, folder: Path, state: str, reason: str = "", fresh: bool = False, **more: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        job = {"state": state, "reason": " ".join(reason.split()), "fresh": fresh, "command": self.token}
        write_json(folder / "job.json", job | more)

    def bury(self, folder: Path, reason: str) -> None:
        """Records that a job's process died, unless it has said what became of the job: maybe before its first word."""
        job = _read(folder / "job.json")
        begun = job.get("command") == self.token
        if (begun and job["state"] == RUNNING) or not (begun or self.lost()):
            self.record(folder, FAILED, reason, fresh=True)


def found(folder: Path) -> tuple[str, str]:
    """The state of a job, and why it failed: finished is what has a summary, running what a killed process left."""
    if RunFolder(folder).summary.exists():
        try:
            _read(RunFolder(folder).summary)
        except CheckpointError as error:
            return FAILED, str(error)
        return FINISHED, ""
    job = _read(folder / "job.json")
    state = job.get("state", OPEN)
    return (OPEN if state == FINISHED else state), job.get("reason", "")


def holds(folder: Path, config: Config) -> bool:
    """Whether a run of this config lies there."""
    return RunFolder(folder).config.exists() and not _difference(folder, config)


def go_on(folder: Path, config: Config, console: Console, sweep: Sweep) -> None:
    """Starts the run, or goes on with it from the last state that one of its stages has saved."""
    begun = RunFolder(folder).config.exists()
    (resume_run if begun else start_run)(config, folder, console, sweep.stopping)


def _difference(folder: Path, config: Config) -> str:
    """Where the run in the folder was made by another config than the command's: after a change of a yaml file, say."""
    if not RunFolder(folder).config.exists():
        return ""
    try:
        saved, wanted = flatten(RunFolder(folder).read_config()), flatten(json.loads(json.dumps(config)))
    except CheckpointError as error:
        return f"{error}; remove {folder} to begin the job anew"
    for key in sorted(saved.keys() | wanted.keys()):
        before = saved.get(key, LATER.get(key))
        if not within(key, HOW | WHERE) and before != wanted.get(key):
            return (
                f"{folder} holds a run with {key}={before}, this command has {key}={wanted.get(key)}: "
                "remove that folder or name another sweep_dir"
            )
    return ""


def _read(path: Path) -> dict[str, Any]:
    """{} where there is no such file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is damaged: it holds no mapping")
    return content


@contextmanager
def _alone(folder: Path, console: Console) -> Iterator[None]:
    """Holds the job against other processes, also those of a command that was killed."""
    file = taken(folder / ".lock")
    if file is None:
        console.say(f"waiting: another process has {folder}")
        file = awaited(folder / ".lock")
    with file:
        yield

"""Runs of a table as processes: what a job is, what is left of it to do, and many of them at once."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recipe import bound_of, recipe_epochs, was_bounded
from stages import empty, go_on_with_first, is_short, takes_limit

from textvae.errors import ConfigError, TextVAEError
from textvae.keys import key_of
from textvae.reporting.reproduction.limits import ended
from textvae.reporting.reproduction.tables import LIMIT, Row, Table, settings_of
from textvae.training.interruption import ending_signals
from textvae.training.locks import only_writer, taken

ROOT = Path(__file__).resolve().parents[1]
SPEAK_EVERY = 60.0  # seconds
MENDABLE = (TextVAEError, ValueError, OSError, KeyError)  # a damaged or foreign folder: the other jobs go on


class Job(NamedTuple):
    """A row with a seed, and the folder of its run."""

    row: Row
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.row.name} seed {self.seed}"

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.seed}.log")

    @property
    def lock(self) -> Path:
        return self.folder.with_name(f"{self.seed}.lock")

    @property
    def finished(self) -> bool:
        return (self.folder / "summary.json").is_file()

    def read(self, file: str) -> dict[str, Any]:
        """The mapping in a file of the run. ConfigError, naming it, where it holds none."""
        path = self.folder / file
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{path} is damaged: {error}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{path} is damaged: it holds no mapping")
        return found

    def last_line(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1] if lines else "it has said nothing yet"


def arguments(table: Table, job: Job, epochs: int | None, device: str | None) -> list[str] | None:
    """What to tell textvae train; None where the run is finished. ConfigError where other settings ran there."""
    wanted = table.overrides_of(job.row, bound_of(table, job.row, epochs))
    if (job.folder / "config.json").is_file():
        config = job.read("config.json")
        if settings_of(config.get("overrides", [])) != settings_of(wanted):
            raise ConfigError(
                f"{job.folder} holds a run of other settings: move it away, or name another --folder"
            )
        limit = [word for word in wanted if key_of(word) == LIMIT]
        if not limit and was_bounded(config):
            limit = [f"{LIMIT}={recipe_epochs(table, job.row)}"]
        asked = max((int(word.partition("=")[2]) for word in limit), default=0)
        first = _first_stage(job)
        short = is_short(config, first, asked)
        if job.finished and not _goes_further(job, config, asked) and not (short and takes_limit(config)):
            return None
        if any(job.folder.rglob("*.safetensors")):
            if short:
                with only_writer(job.folder):
                    said = go_on_with_first(job.folder, config, first, asked)
                if said:
                    print(f"{job.name}: {said}", flush=True)
            _say_device(job, config, device)
            return [f"resume={job.folder}", *limit]
        with only_writer(job.folder):  # stopped before its first checkpoint: there is nothing to go on from
            if any(job.folder.rglob("*.safetensors")):
                raise ConfigError(f"{job.folder} was trained just now by another process: run this again")
            empty(job.folder)
    place = [f"run_dir={job.folder}", "tracker=none", *([f"compute.device={device}"] if device else [])]
    return [*wanted, f"seed={job.seed}", *place]


def _goes_further(job: Job, config: dict[str, Any], asked: int) -> bool:
    """Whether a limit of epochs ended a finished run below the one that is asked for now."""
    train = job.read("summary.json")["train"]
    return ended(config["train"], train) == "epochs" and train["epochs"] < asked


def _first_stage(job: Job) -> dict[str, Any] | None:
    """What the training of its first stage took, None where it has none or that still goes on."""
    summary = Path("pretraining") / "summary.json"
    return job.read(str(summary))["train"] if (job.folder / summary).is_file() else None


def _say_device(job: Job, config: dict[str, Any], device: str | None) -> None:
    own = config["compute"]["device"]
    if device not in (None, own):
        print(
            f"note: {job.name} goes on with its own compute.device={own}; --device {device} is for new runs",
            file=sys.stderr,
        )


def threads_of_a_job(at_once: int, asked: str) -> int:
    """A job's share of the cores, or fewer where OMP_NUM_THREADS asks for fewer."""
    share = max(1, cores() // at_once)
    return min(share, max(1, int(asked))) if asked.isdigit() else share


class Runner:
    """Runs jobs, `at_once` at a time; done(job) follows each that is finished.

    Ctrl-C, SIGTERM and the end of the terminal let each save its state and end. A job is locked while its process lasts,
    even where this one is killed: what another trains is skipped.
    """

    def __init__(
        self, plan: Callable[[Job], list[str] | None], done: Callable[[Job], None], at_once: int
    ) -> None:
        self.plan, self._done, self.at_once = plan, done, at_once
        self.running: dict[Job, subprocess.Popen[bytes]] = {}
        self.failures: dict[str, str] = {}
        self.stopping = False
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.environment = {**os.environ, "PYTHONPATH": path}
        threads = str(threads_of_a_job(at_once, os.environ.get("OMP_NUM_THREADS", "")))
        self.environment |= {name: threads for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}

    def run(self, jobs: Sequence[Job]) -> None:
        before = {number: signal.signal(number, self._stop) for number in ending_signals()}
        waiting, said = list(jobs), time.monotonic()
        while self.running or (waiting and not self.stopping):
            while waiting and len(self.running) < self.at_once and not self.stopping:
                self._start(waiting.pop(0))
            time.sleep(0.1)
            for job, process in list(self.running.items()):
                if process.poll() is not None:
                    self._end(job, process.returncode)
            if time.monotonic() - said > SPEAK_EVERY:
                said = time.monotonic()
                for job in self.running:
                    print(f"{job.name}: {job.last_line()}", file=sys.stderr)
        for number, handler in before.items():
            signal.signal(number, handler)

    def done(self, job: Job) -> None:
        """Keeps a finished job's figures; what hinders that is a failure like any other."""
        try:
            self._done(job)
        except MENDABLE as error:
            self.failures[job.name] = f"its figures cannot be kept: {_reason(job, error)}"

    def _stop(self, number: int, frame: object) -> None:
        self.stopping = True
        for process in self.running.values():
            process.send_signal(signal.SIGINT)

    def _start(self, job: Job) -> None:
        try:
            lock = taken(job.lock)
            if lock is None:
                print(f"{job.name}: skipped: another process trains it ({job.lock} is held)", flush=True)
                return
            with lock:
                self._start_alone(job, self.plan(job), lock.fileno())
        except MENDABLE as error:
            self.failures[job.name] = _reason(job, error)

    def _start_alone(self, job: Job, words: Sequence[str] | None, lock: int) -> None:
        if words is None:
            print(f"{job.name}: finished before", flush=True)
            self.done(job)
            return
        self.running[job] = self._process(job, words, lock)
        if self.stopping:  # asked for while it was started
            self.running[job].send_signal(signal.SIGINT)
        verb = "goes on" if words[0].startswith("resume=") else "starts"
        print(f"{job.name}: {verb}, log: {job.log}", flush=True)

    def _process(self, job: Job, words: Sequence[str], lock: int) -> "subprocess.Popen[bytes]":
        """In a session of its own: Ctrl-C reaches it once, through _stop, and not from the terminal as well."""
        with open(job.log, "ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "textvae.cli.main", "train", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                start_new_session=True,
                pass_fds=(lock,),
            )

    def _end(self, job: Job, status: int) -> None:
        del self.running[job]
        if status == 0:
            self.done(job)
        elif not (self.stopping and status in (130, -signal.SIGINT)):
            self.failures[job.name] = f"{job.last_line()} (exit status {status}, log: {job.log})"
            print(f"{job.name}: FAILED", flush=True)


def _reason(job: Job, error: BaseException) -> str:
    """An error of the program says what it is about itself; of another the folder has to."""
    return str(error) if isinstance(error, TextVAEError) else f"{job.folder}: {type(error).__name__}: {error}"


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

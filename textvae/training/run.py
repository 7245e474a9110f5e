"""One training run from a plain config: data, model, training, the measurement on test, and its folder."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

from textvae.errors import CheckpointError, Interrupted
from textvae.plugins import import_plugins
from textvae.training.assembly import Config, assemble, build_tracker
from textvae.training.checkpoint import RunFolder
from textvae.training.compute import build_compute, threads_of_its_own
from textvae.training.crowding import sharing
from textvae.training.environment import environment
from textvae.training.files import write_json
from textvae.training.inheritance import InitFrom, Source
from textvae.training.interruption import heeding, stop_signals
from textvae.training.locks import only_writer
from textvae.training.measurement import Console, measure, say_verdict
from textvae.training.pretraining import pretraining_of, same_text
from textvae.training.shape import check_shape
from textvae.training.trackers import Tracker
from textvae.training.trackers_jsonlines import plain

Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]  # yields stop_requested while a run lasts
Accepted = Callable[[], None]  # called where nothing is left to refuse, before anything is written


@threads_of_its_own()
def start_run(
    config: Config, run_dir: str | Path, console: Console, stopping: Stopping = stop_signals
) -> dict[str, Any]:
    """Trains in a new folder; returns what summary.json holds. CheckpointError where run_dir holds a run already."""
    import_plugins(config)
    folder = RunFolder(run_dir)
    with only_writer(folder.path):
        _refuse_what_is_there(folder)
        return _from_the_beginning(config, folder, console, stopping)


@threads_of_its_own()
def resume_run(
    config: Config,
    run_dir: str | Path,
    console: Console,
    stopping: Stopping = stop_signals,
    accepted: Accepted = lambda: None,
) -> dict[str, Any]:
    """Goes on with the run in `run_dir` exactly where its last saved state was, or with its beginning where none was.

    config.json is then `config`. CheckpointError where another process trains in it, ConfigError for a limit that it has passed.
    """
    import_plugins(config)
    folder = RunFolder(run_dir)
    with only_writer(folder.path):
        if folder.last.exists():
            return _run(config, folder, console, stopping, None, accepted, begun=folder)
        if folder.final.exists():
            raise CheckpointError(
                f"{folder.path} has saved no training state ({folder.last.name}) to go on from"
            )
        accepted()
        return _from_the_beginning(config, folder, console, stopping)


def _refuse_what_is_there(folder: RunFolder) -> None:
    for held, advice in (
        (folder.config, f"go on with it by textvae train resume={quote(str(folder.path))}"),
        (folder.pretraining, f"it has lost its {folder.config.name}, so remove it"),
    ):
        if held.exists():
            raise CheckpointError(f"{folder.path} holds a run already: {advice}, or name another run_dir")


def _from_the_beginning(
    config: Config, folder: RunFolder, console: Console, stopping: Stopping
) -> dict[str, Any]:
    """The stages of a run that are not finished yet: its pretraining, if it has one, then the run itself."""
    check_shape(config)
    initial, first = InitFrom.of(config), pretraining_of(config)
    if first is None:
        return _run(config, folder, console, stopping, initial)
    check_shape(first, "pretraining.")
    earlier = RunFolder(folder.pretraining)
    if not earlier.summary.exists():
        _first_stage(first, earlier, console, stopping, _rehearsed(config, first, folder))
    taken = replace(initial, run=str(earlier.path))
    return _run(config, folder, console, stopping, taken, begun=earlier if same_text(config, first) else None)


def _first_stage(
    config: Config, earlier: RunFolder, console: Console, stopping: Stopping, accepted: Accepted
) -> None:
    """What is left of it. A saved state that does not fit leaves the run's own config as it was, too."""
    console.say(f"pretraining first: {earlier.path}")
    try:
        if earlier.path.exists():
            resume_run(config, earlier.path, console, stopping, accepted)
        else:
            accepted()
            start_run(config, earlier.path, console, stopping)
    except Interrupted as error:
        message = (
            f"stopped in the pretraining; go on with: textvae train resume={quote(str(earlier.path.parent))}"
        )
        raise Interrupted(message) from error


@threads_of_its_own()
def _rehearsed(config: Config, first: Config, folder: RunFolder) -> Accepted:
    """Makes both stages and the passage between them, so that errors come before anything is written; returns what writes."""
    silent = Console(lambda line: None, lambda what, done, of: None)
    with _finishing(build_tracker(config, folder)) as tracker:
        later = assemble(config, folder, tracker, silent, lambda: False).vae
        earlier = assemble(first, folder, build_tracker(first, folder), silent, lambda: False).vae
        InitFrom.of(first).apply(earlier)
        source = Source("the pretraining", earlier.model.state_dict(), earlier.tokenizer, earlier.labels)
        InitFrom.of(config).take(later, source)
    return partial(folder.create, config, later.tokenizer)


def _run(
    config: Config,
    folder: RunFolder,
    console: Console,
    stopping: Stopping,
    initial: InitFrom | None,
    accepted: Accepted = lambda: None,
    begun: RunFolder | None = None,
) -> dict[str, Any]:
    """A new run, some of whose weights are `initial`, or (None) one that goes on from its saved state.

    begun: the folder that says on which text the run was begun; without it any will do.
    """
    console = sharing(console, config["compute"].get("threads"))
    with stopping() as stop_requested, _finishing(build_tracker(config, folder)) as tracker:
        work = assemble(config, folder, tracker, console, stop_requested)
        if begun is not None and not begun.is_of(work.corpus):
            raise CheckpointError(
                f"{folder.path} was begun on another text than config.data gives now: bring that back, or begin a new run"
            )
        if initial is None:
            work.trainer.restore()
            accepted()
            folder.reopen(config)
        else:
            initial.apply(work.vae)
            folder.create(config, work.vae.tokenizer, work.vae.labels, work.corpus)
        begun_on = environment(work.trainer.device, build_compute(config).products)
        work.trainer.fit()
        summary = {"name": config["name"], "seed": config["seed"], "train": work.trainer.facts()}
        stopped = f"stopped in the evaluation; go on with: textvae train resume={quote(str(folder.path))}"
        progress = heeding(console.progress, stop_requested, stopped)
        summary["test"] = measure(
            work.vae.model, work.test.in_order(), work.evaluation, config["seed"], progress
        )
        summary["corpus"] = dict(work.evaluation.facts)
        summary["environment"] = begun_on  # what lies in the checkout may be another version by now
        tracker.summary(summary)
        write_json(folder.summary, plain(summary))
        say_verdict(summary["test"], work.evaluation.facts, console.say)
        console.say(f"run: {folder.path}")
    return summary


@contextmanager
def _finishing(tracker: Tracker) -> Iterator[Tracker]:
    """Ends the tracker's run, as failed with the reason where it did. One that was stopped did not, and may go on."""
    try:
        yield tracker
    except (Interrupted, KeyboardInterrupt):
        tracker.finish()
        raise
    except BaseException as error:
        tracker.finish(failed=True, reason=f"{type(error).__name__}: {error}")
        raise
    tracker.finish()

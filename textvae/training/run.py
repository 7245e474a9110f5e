"""One training run from a plain config: data, model, training, the measurement on test, and its folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from textvae.data.batching import Batcher
from textvae.data.tokenization import Tokenizer
from textvae.errors import CheckpointError, Interrupted
from textvae.generation.sentences import SentenceSpace
from textvae.model import SentenceVAE
from textvae.objectives.objective import Objective, build_objective
from textvae.refinement import build_refined
from textvae.registry import construct
from textvae.training.checkpoint import RunFolder
from textvae.training.compute import build_compute
from textvae.training.descent import Descent
from textvae.training.environment import environment
from textvae.training.files import write_json
from textvae.training.inheritance import InitFrom, Source
from textvae.training.interruption import heeding, stop_signals
from textvae.training.locks import only_writer
from textvae.training.measurement import (
    Console,
    Evaluation,
    measure,
    prepare_data,
    say_verdict,
    split_batches,
)
from textvae.training.optimizers import OPTIMIZERS
from textvae.training.plateau import Plateau
from textvae.training.pretraining import pretraining_of
from textvae.training.shape import check_shape
from textvae.training.showcase import show_sentences
from textvae.training.trackers import TRACKERS, JsonLines, Several, Tracker
from textvae.training.trackers_jsonlines import plain
from textvae.training.trainer import Limits, Trainer
from textvae.training.updaters import UPDATERS

Config = dict[str, Any]
Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]  # yields stop_requested while a run lasts


class Work(NamedTuple):
    """What a run is made of before its first step."""

    trainer: Trainer
    vae: SentenceSpace
    test: Batcher
    evaluation: Evaluation


def start_run(
    config: Config, run_dir: str | Path, console: Console, stopping: Stopping = stop_signals
) -> dict[str, Any]:
    """Trains in a new folder; returns what summary.json holds. CheckpointError where run_dir holds a run already."""
    check_shape(config)
    folder = RunFolder(run_dir)
    with only_writer(folder.path):
        _refuse_what_is_there(folder)
        return _from_the_beginning(config, folder, console, stopping)


def resume_run(
    config: Config, run_dir: str | Path, console: Console, stopping: Stopping = stop_signals
) -> dict[str, Any]:
    """Goes on with the run in `run_dir` exactly where its last saved state was, or with its beginning where none was.

    CheckpointError where another process trains in it.
    """
    check_shape(config)
    folder = RunFolder(run_dir)
    with only_writer(folder.path):
        if folder.last.exists():
            return _run(config, folder, console, stopping, None)
        if folder.final.exists():
            raise CheckpointError(
                f"{folder.path} has saved no training state ({folder.last.name}) to go on from"
            )
        return _from_the_beginning(config, folder, console, stopping)


def _refuse_what_is_there(folder: RunFolder) -> None:
    for held, advice in (
        (folder.config, f"go on with it by textvae train resume={folder.path}"),
        (folder.pretraining, f"it has lost its {folder.config.name}, so remove it"),
    ):
        if held.exists():
            raise CheckpointError(f"{folder.path} holds a run already: {advice}, or name another run_dir")


def _from_the_beginning(
    config: Config, folder: RunFolder, console: Console, stopping: Stopping
) -> dict[str, Any]:
    """The stages of a run that are not finished yet: its pretraining, if it has one, then the run itself."""
    initial, first = InitFrom.of(config), pretraining_of(config)
    if first is None:
        return _run(config, folder, console, stopping, initial)
    earlier = RunFolder(folder.pretraining)
    if not earlier.summary.exists():
        folder.create(config, _rehearse(config, first, folder))
        console.say(f"pretraining first: {earlier.path}")
        try:
            (resume_run if earlier.config.exists() else start_run)(first, earlier.path, console, stopping)
        except Interrupted as error:
            message = f"stopped in the pretraining; go on with: textvae train resume={folder.path}"
            raise Interrupted(message) from error
    return _run(config, folder, console, stopping, replace(initial, run=str(earlier.path)))


def _rehearse(config: Config, first: Config, folder: RunFolder) -> Tokenizer:
    """Makes both stages and the passage between them, so that errors come before anything is written."""
    silent = Console(lambda line: None, lambda what, done, of: None)
    with _finishing(build_tracker(config, folder)) as tracker:
        later = assemble(config, folder, tracker, silent, lambda: False).vae
        earlier = assemble(first, folder, build_tracker(first, folder), silent, lambda: False).vae
        InitFrom.of(first).apply(earlier)
        source = Source("the pretraining", earlier.model.state_dict(), earlier.tokenizer)
        InitFrom.of(config).take(later, source)
    return later.tokenizer


def _run(
    config: Config, folder: RunFolder, console: Console, stopping: Stopping, initial: InitFrom | None
) -> dict[str, Any]:
    """A new run, some of whose weights are `initial`, or (None) one that goes on from its saved state."""
    with stopping() as stop_requested, _finishing(build_tracker(config, folder)) as tracker:
        work = assemble(config, folder, tracker, console, stop_requested)
        if initial is None:
            work.trainer.restore()
            folder.reopen()
        else:
            initial.apply(work.vae)
            folder.create(config, work.vae.tokenizer, work.vae.labels)
        work.trainer.fit()
        summary = {"name": config["name"], "seed": config["seed"], "train": work.trainer.facts()}
        stopped = f"stopped in the evaluation; go on with: textvae train resume={folder.path}"
        progress = heeding(console.progress, stop_requested, stopped)
        summary["test"] = measure(
            work.vae.model, work.test.in_order(), work.evaluation, config["seed"], progress
        )
        summary["corpus"] = dict(work.evaluation.facts)
        summary["environment"] = environment(work.trainer.device, build_compute(config).products)
        tracker.summary(summary)
        write_json(folder.summary, plain(summary))
        say_verdict(summary["test"], work.evaluation.facts, console.say)
        console.say(f"run: {folder.path}")
    return summary


def assemble(
    config: Config, folder: RunFolder, tracker: Tracker, console: Console, stop_requested: Callable[[], bool]
) -> Work:
    """All objects of a run. ConfigError or DataError, before anything is written, for what cannot work."""
    evaluation, limits = (
        Evaluation.of(config),
        construct({"train": Limits}, {"name": "train", **config["train"]}, "train"),
    )
    machine = build_compute(config)
    data = prepare_data(config, console.say)
    train, valid, test = (split_batches(data, config, split) for split in ("train", "valid", "test"))
    torch.manual_seed(config["seed"])
    vocabulary, unk = data.tokenizer.size, data.tokenizer.unk
    model = machine.place(build_refined(config, vocabulary, unk, len(data.label_names)))
    objective = build_objective(config, train.steps_per_epoch, vocabulary, model.head)
    objective = objective.to(machine.device)
    descent, plateau = build_descent(model, objective, config["optimizer"])
    updater = construct(
        UPDATERS, config["updater"], "updater", model=model, objective=objective, descent=descent
    )
    vae = SentenceSpace(model, data.tokenizer, data.label_names)
    trainer = Trainer(
        model=model,
        objective=objective,
        updater=updater,
        descent=descent,
        plateau=plateau,
        batches=train,
        validation=valid,
        folder=folder,
        tracker=tracker,
        limits=limits,
        seed=config["seed"],
        progress=console.progress,
        say=console.say,
        show=partial(show_sentences, vae, tracker),
        stop_requested=stop_requested,
    )
    return Work(trainer, vae, test, evaluation._replace(facts=data.facts))


def build_descent(model: SentenceVAE, objective: Objective, config: Config) -> tuple[Descent, Plateau]:
    """The optimiser section: its name and settings, those of the descent, and what a plateau leads to."""
    settings = dict(config)
    plateau = settings.pop("plateau")
    shared: Config = {key: settings.pop(key) for key in ("clip", "encoder_lr_factor") if key in settings}
    recipe, auxiliary = construct(OPTIMIZERS, settings, "optimizer"), objective.parameters()
    descent = construct(
        {"descent": Descent},
        {"name": "descent", **shared},
        "optimizer",
        model=model,
        recipe=recipe,
        auxiliary=auxiliary,
    )
    return descent, construct({"plateau": Plateau}, {"name": "plateau", **plateau}, "optimizer.plateau")


def build_tracker(config: Config, folder: RunFolder) -> Tracker:
    """metrics.jsonl, and what the section `tracker` names."""
    settings = dict(config["tracker"])
    if "run_name" in settings:
        settings["run_name"] = settings["run_name"] or run_name(config["name"], config.get("overrides", []))
    chosen = construct(TRACKERS, settings, "tracker", directory=folder.path, config=config)
    return Several([JsonLines(folder.metrics), chosen])


def run_name(setting: str, overrides: Sequence[str], longest: int = 120) -> str:
    """The setting and what was overridden in it; of a long list the end, where a sweep's own values stand."""
    apart = ("experiment", "run_dir", "sweep_dir", "sweep", "launcher", "jobs")
    telling = " ".join(item for item in overrides if item.lstrip("+").partition("=")[0] not in apart)
    room = longest - len(setting)
    return f"{setting} {telling if len(telling) <= room else '...' + telling[-room:]}".strip()


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

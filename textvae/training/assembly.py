"""From a plain config to the objects of a training run."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from textvae.data.batching import Batcher
from textvae.errors import ConfigError
from textvae.generation.sentences import SentenceSpace
from textvae.model import SentenceVAE
from textvae.objectives.objective import Objective, build_objective, without_effect
from textvae.refinement import build_refined
from textvae.registry import construct
from textvae.training.checkpoint import RunFolder
from textvae.training.compute import build_compute
from textvae.training.descent import Descent
from textvae.training.limits import Limits
from textvae.training.measurement import Console, Evaluation, prepare_data, split_batches
from textvae.training.optimizers import OPTIMIZERS
from textvae.training.plateau import Plateau
from textvae.training.showcase import show_sentences
from textvae.training.trackers import TRACKERS, JsonLines, Several, Tracker
from textvae.training.trainer import Trainer
from textvae.training.updaters import UPDATERS

Config = dict[str, Any]


class Work(NamedTuple):
    """What a run is made of before its first step."""

    trainer: Trainer
    vae: SentenceSpace
    test: Batcher
    evaluation: Evaluation
    corpus: str  # the fingerprint of its text


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
    if model.labels and not data.label_names:
        raise ConfigError(
            f"the model reads {model.labels} labels, but the data has none (your own text has them by data.labels=true)"
        )
    objective = build_objective(config, train.steps_per_epoch, vocabulary, model.head)
    objective = objective.to(machine.device)
    if idle := without_effect(objective, model.head):
        console.say(f"note: {idle}")
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
    return Work(trainer, vae, test, evaluation._replace(facts=data.facts), data.fingerprint)


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

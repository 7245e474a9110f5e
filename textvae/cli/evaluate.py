"""textvae evaluate: the figures of a run on a split of its data, or on sentences of your own."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from textvae.api import TextVAE
from textvae.cli import compose
from textvae.cli.progress import console
from textvae.cli.sentences import given, open_run
from textvae.data.batching import Batch
from textvae.data.corpus import SPLITS
from textvae.errors import ConfigError
from textvae.generation.reading import batches, read
from textvae.keys import TEXT_LIES
from textvae.reporting.runs import read_run
from textvae.training import measurement
from textvae.training.checkpoint import RunFolder
from textvae.training.compute import build_compute
from textvae.training.crowding import sharing
from textvae.training.environment import environment
from textvae.training.files import write_json
from textvae.training.trackers_jsonlines import plain

SHOWN = (
    "sentences",
    "tokens",
    "nll_iw",
    "ppl_iw",
    "iw_samples",
    "iw_sentences",
    "neg_elbo",
    "ppl_elbo",
    "rec",
    "kl",
    "index_code_mi",
    "total_correlation",
    "dimension_wise_kl",
    "active_units",
    "fisher_directions",
    "fisher_rate",
    "mi_lower",
    "mi_upper",
)


def main(overrides: Sequence[str]) -> None:
    compose.run("evaluate", overrides, evaluate)


def evaluate(config: dict[str, Any]) -> None:
    vae, out, evaluation = open_run(config), console(), measurement.Evaluation.of(config)
    if config["keep"]:
        check_keeping(config)
    if config["output"]:
        check_output(Path(config["output"]))
    build_compute({"compute": config["compute"] | _normaliser(vae, config)}).place(vae.model)
    chosen, facts = chosen_batches(vae, config, out)
    progress = sharing(out, config["compute"]["threads"]).progress
    metrics = measurement.measure(vae.model, chosen, evaluation, config["seed"], progress)
    for name in SHOWN:
        if name in metrics:
            print(
                f"{name:<18}{metrics[name]:>12.3f}"
                if isinstance(metrics[name], float)
                else f"{name:<18}{metrics[name]:>12}"
            )
    measurement.say_verdict(metrics, facts, print)
    if config["output"]:
        write_json(Path(config["output"]), plain(metrics))
    if config["keep"]:
        device = next(vae.model.parameters()).device
        ran = {"name": vae.config["name"], "seed": config["seed"], "train": {}, "corpus": dict(facts)}
        summary = {**ran, "test": metrics, "environment": environment(device)}
        write_json(RunFolder(config["checkpoint"]).summary, plain(summary))


def share_of_unknown(rows: Sequence[Sequence[int]], unk: int) -> float:
    return sum(row.count(unk) for row in rows) / sum(map(len, rows))


def check_output(path: Path) -> None:
    if not path.parent.is_dir():
        raise ConfigError(f"output is {path}, but there is no folder {path.parent}")
    if path.is_dir():
        raise ConfigError(f"output is {path}, which is a folder; it must be the name of a file")
    place = path if path.exists() and not path.is_file() else path.resolve().parent  # a file is replaced
    if not os.access(place, os.W_OK):
        raise ConfigError(f"output is {path}, but {place} cannot be written to")


def check_keeping(config: dict[str, Any]) -> None:
    """ConfigError unless the figures are those of the test split of a run that was not trained here."""
    folder = RunFolder(config["checkpoint"])
    trained = (
        folder.metrics.exists() or folder.last.exists() or bool(read_run(folder.path).summary.get("train"))
    )
    if config["input"] or config["split"] != "test":
        raise ConfigError("keep is for split=test: a run's own figures are those of its test split")
    if trained:
        raise ConfigError(
            f"keep is for a run that was imported: {folder.path} has its own training to tell of"
        )


def _normaliser(vae: TextVAE, config: dict[str, Any]) -> dict[str, int | None]:
    """As the command says, or as the run has it; a run of before it could be estimated has an exact one."""
    said = config["compute"]["normaliser_words"]
    return {
        "normaliser_words": vae.config.get("compute", {}).get("normaliser_words") if said == "run" else said
    }


def _check_own_sentences(config: dict[str, Any]) -> None:
    """ConfigError where something is said of the run's data too, which nothing would heed."""
    said = [f"data.{key}" for key, value in config["data"].items() if value is not None]
    said += ["split"] if config["split"] != "test" else []
    if said:
        raise ConfigError(
            f"input={config['input']} is measured in the place of the run's data: {', '.join(said)} does not go with it"
        )


def chosen_batches(
    vae: TextVAE, config: dict[str, Any], out: measurement.Console
) -> tuple[Iterable[Batch], Mapping[str, float]]:
    """The sentences to measure, by the run's own tokenizer."""
    if config["input"]:
        _check_own_sentences(config)
        lines = given(config["input"])
        labelled = vae.labels or vae.config["data"].get("labels")
        if labelled and any("\t" in line for line in lines):
            raise ConfigError("input holds tabs, but its lines are sentences alone; label= gives that of all")
        rows = read(vae.tokenizer, lines)
        unknown = share_of_unknown(rows, vae.tokenizer.unk)
        if unknown:
            out.say(f"{unknown:.2%} of the words are <unk> to this run: likelihoods take each as one word")
        return [batch for _, batch in batches(rows, size=32, label=vae.label)], {}
    if vae.label is not None:
        raise ConfigError(
            "label is given, but the sentences of a split have their own; it goes with input=FILE"
        )
    if config["split"] not in SPLITS:
        raise ConfigError(f"split is {config['split']!r}, must be one of {', '.join(SPLITS)}")
    changed = {key: value for key, value in config["data"].items() if value is not None}
    settings = {**vae.config, "data": {**vae.config["data"], **changed}}
    data = measurement.prepare_data(settings, out.say, vae.tokenizer, vae.labels)
    named = set(changed) - set(measurement.READING)
    if named <= TEXT_LIES and not RunFolder(config["checkpoint"]).is_of(data.fingerprint):
        what = (
            "this is another text than that of the run" if named else "the text of this run has changed since"
        )
        out.say(f"WARNING: {what}: what is its test split now may have taught the model")
    return measurement.split_batches(data, settings, config["split"]).in_order(), data.facts

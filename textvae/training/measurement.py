"""From a config to the batches of a split, and from a split to its figures: what training and `evaluate` share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from textvae.data.batching import Batch, Batcher
from textvae.data.grouping import GROUPINGS
from textvae.data.prepare import Prepared, prepare
from textvae.data.tokenization import Tokenizer
from textvae.errors import ConfigError
from textvae.evaluation.diagnosis import verdict_lines
from textvae.evaluation.evaluator import evaluate
from textvae.model import SentenceVAE
from textvae.registry import construct

Config = dict[str, Any]
Say = Callable[[str], None]
READING = ("batch_size", "grouping", "tokenizer", "max_length")  # the rest of `data` names their source

KNOWN = {  # facts of a corpus made by a grammar, in nats a sentence: the true limits of any model of it
    "entropy": "entropy",
    "test_nll": "true NLL of its test split",
    "information": "information between a sentence and its plan",
}


class Console(NamedTuple):
    """How work speaks: lines, and the progress (what, done, of) of what takes long."""

    say: Say
    progress: Callable[[str, int, int], None]


class Evaluation(NamedTuple):
    """Bounds of what takes long in the evaluation, and what is known of the corpus beforehand."""

    iw_samples: int = 500
    iw_sentences: int | None = None
    tc_sentences: int | None = 4096
    fisher_sentences: int | None = 256
    row_budget: int = 1024
    facts: Mapping[str, float] = {}

    @classmethod
    def of(cls, config: Config) -> "Evaluation":
        settings = construct({"eval": cls}, {"name": "eval", **config["eval"]}, "eval")
        least = {
            "iw_samples": 0,
            "iw_sentences": 1,
            "tc_sentences": 0,
            "fisher_sentences": 0,
            "row_budget": 1,
        }
        for name, bound in least.items():
            value = getattr(settings, name)
            if value is not None and value < bound:
                raise ConfigError(f"eval.{name} is {value}, must be at least {bound}")
        return settings


def prepare_data(
    config: Config, say: Say, tokenizer: Tokenizer | None = None, label_names: Sequence[str] = ()
) -> Prepared:
    """The splits of config["data"] as token ids, by the `tokenizer` and `label_names` of a model where they are given."""
    settings = config["data"]
    source = {key: value for key, value in settings.items() if key not in READING}
    data = prepare(
        source,
        tokenizer or settings["tokenizer"],
        max_length=settings["max_length"],
        label_names=label_names,
    )
    for note in data.notes:
        say(note)
    return data


def split_batches(data: Prepared, config: Config, split: str) -> Batcher:
    grouping = construct(GROUPINGS, config["data"]["grouping"], "data.grouping")
    return Batcher(data.stores[split], config["data"]["batch_size"], grouping, config["seed"])


def measure(
    model: SentenceVAE,
    batches: Iterable[Batch],
    evaluation: Evaluation,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """The figures of a split, with the importance-weighted likelihood where samples are asked for."""
    return evaluate(
        model,
        batches,
        iw_samples=evaluation.iw_samples,
        iw_sentences=evaluation.iw_sentences,
        tc_sentences=evaluation.tc_sentences,
        fisher_sentences=evaluation.fisher_sentences,
        row_budget=evaluation.row_budget,
        seed=seed,
        progress=progress,
    )


def say_verdict(metrics: Mapping[str, Any], facts: Mapping[str, float], say: Say) -> None:
    """The verdict, and beside it what is known of the corpus."""
    for line in verdict_lines(metrics):
        say(line)
    known = {name: value for name, value in facts.items() if name in KNOWN}
    if known:
        say(
            "known of this corpus: "
            + ", ".join(f"{KNOWN[name]} {value:.3f}" for name, value in known.items())
        )

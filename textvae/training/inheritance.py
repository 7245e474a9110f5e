"""What a new run takes from an earlier one: the weights of chosen submodules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

from torch import Tensor

from textvae.data.tokenization import Tokenizer
from textvae.errors import CheckpointError, ConfigError
from textvae.generation.sentences import SentenceSpace
from textvae.registry import construct
from textvae.training.checkpoint import RunFolder, put_weights
from textvae.training.files import read_tensors


class Source(NamedTuple):
    """Weights by name, the tokenizer and labels they were trained with, and what to call them in an error."""

    whence: str
    tensors: Mapping[str, Tensor]
    tokenizer: Tokenizer
    labels: Sequence[str]

    @classmethod
    def of_run(cls, path: str) -> "Source":
        """The weights to use of the run in a folder. CheckpointError where it is none or has none yet."""
        folder = RunFolder(path)
        folder.read_config()
        weights = folder.weights()
        return cls(
            str(weights), read_tensors(weights)[0], Tokenizer.load(folder.tokenizer), folder.read_labels()
        )


@dataclass(frozen=True)
class InitFrom:
    """The submodules `modules` of a new model start with the weights of the run in the folder `run`; null: none does.

    A head brings along the vectors of labels that it reads. All else starts as the config says. With [encoder, head] the
    decoder is reset (Li et al. 2019, arXiv 1909.00868).
    """

    run: str | None = None
    modules: Sequence[str] = ("encoder", "head")

    def __post_init__(self) -> None:
        if not isinstance(self.modules, list | tuple):
            raise ValueError(f"modules is {self.modules!r}, must be a list such as [encoder, head]")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "InitFrom":
        """That of a config with the section init_from; without one, nothing is taken."""
        return construct(
            {"init_from": cls}, {"name": "init_from", **(config.get("init_from") or {})}, "init_from"
        )

    def apply(self, vae: SentenceSpace) -> None:
        """Puts the weights of `run` into a new model. ConfigError, in one line, for what is missing or does not fit."""
        if self.run is None:
            return
        try:
            source = Source.of_run(self.run)
        except CheckpointError as error:
            raise ConfigError(f"init_from.run: {error}") from error
        self.take(vae, source)

    def take(self, vae: SentenceSpace, source: Source) -> None:
        """The same from weights at hand."""
        known = [name for name, _ in vae.model.named_children()]
        for name in self.modules:
            if name not in known:
                raise ConfigError(f"init_from.modules names {name!r}; a model has: {', '.join(known)}")
        if (difference := _difference(source.tokenizer, vae.tokenizer)) is not None:
            raise ConfigError(f"init_from: {source.whence} has another vocabulary: {difference}")
        if self._brings_labels(vae) and [*source.labels] != [*vae.labels]:
            raise ConfigError(
                f"init_from: {source.whence} has the labels {', '.join(source.labels) or '(none)'}, "
                f"this run has {', '.join(vae.labels)}"
            )
        try:
            put_weights(vae.model, source.tensors, source.whence, self._brought())
        except CheckpointError as error:
            raise ConfigError(f"init_from: {error}") from error

    def _brings_labels(self, vae: SentenceSpace) -> bool:
        """Whether something that is taken knows labels by number."""
        condition = vae.model.condition
        held = {"prior_module": vae.model.prior_module.labels, "condition": condition.labels}
        held["condition.encoder"] = condition.encoder.size
        return any(held.get(name) for name in self._brought())

    def _brought(self) -> list[str]:
        return [*self.modules, *(["condition.encoder"] if "head" in self.modules else [])]


def _difference(there: Tokenizer, here: Tokenizer) -> str | None:
    """What tells two tokenizers apart; None where both give the same ids."""
    if there.fingerprint == here.fingerprint:
        return None
    for i, (theirs, ours) in enumerate(zip_longest(there.vocabulary, here.vocabulary, fillvalue="(none)")):
        if theirs != ours:
            return (
                f"{there.size} tokens, this run has {here.size}; id {i} is {theirs!r} there and {ours!r} here"
            )
    return f"the same {there.size} tokens, but made of text in another way"

"""Samples judged by the grammar that their corpus was made by."""

from collections.abc import Sequence

from textvae.data.grammar import Grammar
from textvae.reporting.reproduction.grammaticality import _from_aggregate, grammatical_share, sample_figures


def test_the_share_counts_what_the_grammar_can_make() -> None:
    grammar = Grammar()
    made = grammar.sample(3, seed=0)
    assert grammatical_share(made, grammar) == 1.0
    assert grammatical_share([*made, "the the the"], grammar) == 0.75
    assert grammatical_share(["", " ".join(made)], grammar) == 0.0


class Parrot:
    """A model whose prior says nonsense and whose posterior draws say what they were given."""

    labels: tuple[str, ...] = ()

    def sample(self, n: int, seed: int) -> list[str]:
        return ["no such sentence"] * n

    def reconstruct(
        self, sentences: Sequence[str], sample_posterior: bool, decoding: str, seed: int
    ) -> list[str]:
        assert sample_posterior and decoding == "sample"
        return list(sentences)


def test_a_prior_that_q_has_left_is_told_from_one_that_fits() -> None:
    found = sample_figures(Parrot(), 20)
    assert found == {"grammatical_samples": 20, "grammatical_prior": 0.0, "grammatical_aggregate": 1.0}


class Labelled(Parrot):
    """One that must be told the topic of what it reads."""

    labels = Grammar().topic_names

    def __init__(self, topic: str | None = None) -> None:
        self.topic = topic

    def given(self, label: str) -> "Labelled":
        return Labelled(label)

    def reconstruct(self, sentences: Sequence[str], **way: object) -> list[str]:
        assert self.topic in self.labels
        return [f"{self.topic} {sentence}" for sentence in sentences]


def test_a_model_that_reads_labels_is_told_those_of_the_sentences() -> None:
    sentences, plans = Grammar().sample_with_plans(20, seed=(0, 3))
    told = _from_aggregate(Labelled(), sentences, plans, 0)
    assert sorted(told) == sorted(f"{p.topic} {x}" for x, p in zip(sentences, plans, strict=True))

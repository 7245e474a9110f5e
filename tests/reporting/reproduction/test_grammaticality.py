"""Samples judged by the grammar that their corpus was made by."""

from collections.abc import Sequence

from textvae.data.grammar import Grammar
from textvae.reporting.reproduction.grammaticality import grammatical_share, sample_figures


def test_the_share_counts_what_the_grammar_can_make() -> None:
    grammar = Grammar()
    made = grammar.sample(3, seed=0)
    assert grammatical_share(made, grammar) == 1.0
    assert grammatical_share([*made, "the the the"], grammar) == 0.75
    assert grammatical_share(["", " ".join(made)], grammar) == 0.0


class Parrot:
    """A model whose prior says nonsense and whose posterior draws say what they were given."""

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

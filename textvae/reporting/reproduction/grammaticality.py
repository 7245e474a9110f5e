"""Whether the prior is one to sample from: what a model makes of draws from it, judged by a grammar that is known."""

from collections.abc import Sequence

import numpy as np

from textvae.data.grammar import Grammar
from textvae.generation.sentences import SentenceSpace


def grammatical_share(sentences: Sequence[str], grammar: Grammar) -> float:
    """The share of sentences that the grammar can make, log p(x) > -inf."""
    return float(np.isfinite(grammar.log_prob(sentences)).mean())


def sample_figures(vae: SentenceSpace, count: int, seed: int = 0) -> dict[str, float]:
    """The grammatical share of `count` sentences from p(z), and of as many from q(z) = E_p(x) q(z|x).

    A prior that fits q(z) gives equal shares: each is x ~ p(x|z), of z ~ p(z) or of z ~ q(z|x) for new sentences x
    of the grammar itself.
    """
    grammar = Grammar()
    new = grammar.sample(count, seed=(seed, 3))
    from_prior = vae.sample(count, seed=seed)
    from_aggregate = vae.reconstruct(new, sample_posterior=True, decoding="sample", seed=seed)
    return {
        "grammatical_samples": count,
        "grammatical_prior": grammatical_share(from_prior, grammar),
        "grammatical_aggregate": grammatical_share(from_aggregate, grammar),
    }

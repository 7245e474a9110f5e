"""Whether the prior is one to sample from: what a model makes of draws from it, judged by a grammar that is known."""

from collections.abc import Sequence

import numpy as np

from textvae.data.grammar import Grammar, Plan
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
    from_prior = vae.sample(count, seed=seed)
    from_aggregate = _from_aggregate(vae, *grammar.sample_with_plans(count, seed=(seed, 3)), seed)
    return {
        "grammatical_samples": count,
        "grammatical_prior": grammatical_share(from_prior, grammar),
        "grammatical_aggregate": grammatical_share(from_aggregate, grammar),
    }


def _from_aggregate(vae: SentenceSpace, sentences: list[str], plans: Sequence[Plan], seed: int) -> list[str]:
    """x ~ p(x|z), z ~ q(z|sentence); each with its topic where the model reads labels."""
    groups = [(vae, sentences)]
    if vae.labels:
        topics = [
            (topic, [x for x, p in zip(sentences, plans, strict=True) if p.topic == topic])
            for topic in vae.labels
        ]
        groups = [(vae.given(topic), of_topic) for topic, of_topic in topics if of_topic]
    return [
        made
        for space, group in groups
        for made in space.reconstruct(group, sample_posterior=True, decoding="sample", seed=seed)
    ]

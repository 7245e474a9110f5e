"""log p(x) by importance sampling from the posterior, and perplexity."""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from textvae.chance import drawing_from
from textvae.data.batching import Batch
from textvae.latents.distributions import draw, is_deterministic


class LatentVariableModel(Protocol):
    """All that a measurement asks of a model: a SentenceVAE, or whatever wraps one.

    given: what of x the likelihoods are given past z; "" where they are those of x alone.
    reads_labels: whether they are given a sentence's label too, where it has one.
    states, output_weight: what logits of words are made of; read for the Fisher information alone.
    """

    @property
    def given(self) -> str: ...
    @property
    def reads_labels(self) -> bool: ...
    def posterior(self, batch: Batch) -> Distribution: ...
    def prior(self, batch: Batch) -> Distribution: ...
    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor: ...
    def states(self, batch: Batch, z: Tensor) -> Tensor: ...
    @property
    def output_weight(self) -> Tensor: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


def importance_weighted_log_prob(
    model: LatentVariableModel, batch: Batch, samples: int, row_budget: int = 1024
) -> Tensor:
    """log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x) -> (B,) float64, nats.

    In the mean below log p(x), but for half the variance of a normaliser that is estimated (networks.normaliser).

    The encoder runs once; the decoder sees `row_budget` sentences at a time (at least one), which changes no number
    of a decoder that is exact, and those of an estimated normaliser within its error. One sample where the posterior is
    a point. Burda et al. 2016, arXiv 1509.00519.
    """
    q, p = model.posterior(batch), model.prior(batch)
    count = 1 if is_deterministic(q) else samples
    z = draw(q, count)
    parts = z.split(max(1, row_budget // z.shape[1]))
    ratios = torch.cat([(p.log_prob(part) - q.log_prob(part)).double() for part in parts])
    # However much chance an estimate takes within, the next draws are the same.
    with drawing_from(int(torch.randint(2**62, ())), z.device):
        weights = ratios + _log_likelihood(model, batch, z, row_budget).double()
    return weights.logsumexp(0) - math.log(count)


def _log_likelihood(model: LatentVariableModel, batch: Batch, z: Tensor, row_budget: int) -> Tensor:
    """Some sentences at a time with all their samples, which share the words: a decoder may make use of that."""
    sentences = torch.arange(z.shape[1], device=z.device)
    chosen = sentences.split(max(1, row_budget // len(z)))
    return torch.cat([_by_samples(model, batch.rows(rows), z[:, rows], row_budget) for rows in chosen], dim=1)


def _by_samples(model: LatentVariableModel, batch: Batch, z: Tensor, row_budget: int) -> Tensor:
    return torch.cat(
        [model.log_likelihood(batch, part) for part in z.split(max(1, row_budget // z.shape[1]))]
    )


def perplexity(nll_total: float, tokens: int) -> float:
    """exp(nats of all sentences / their target tokens, each end-of-sentence among them); inf beyond floats."""
    return float(torch.tensor(nll_total / tokens, dtype=torch.float64).exp())

"""log p(x) by importance sampling from the posterior, and perplexity."""

import math
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from textvae.data.batching import Batch
from textvae.latents.distributions import draw, is_deterministic


class LatentVariableModel(Protocol):
    """All that a measurement asks of a model: a SentenceVAE, or whatever wraps one."""

    def posterior(self, batch: Batch) -> Distribution: ...
    def prior(self, batch: Batch) -> Distribution: ...
    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor: ...
    def modules(self) -> Iterator[nn.Module]: ...
    def parameters(self) -> Iterator[nn.Parameter]: ...


def log_weights(model: LatentVariableModel, batch: Batch, samples: int) -> Tensor:
    """log p(x|z) + log p(z) - log q(z|x), z ~ q(z|x) -> (S,B), nats: their mean is a one-sample ELBO."""
    q = model.posterior(batch)
    return _weigh(model, batch, q, model.prior(batch), draw(q, samples))


def importance_weighted_log_prob(
    model: LatentVariableModel, batch: Batch, samples: int, row_budget: int = 2048
) -> Tensor:
    """log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x) -> (B,) float64, nats; in the mean below log p(x).

    The encoder runs once; the decoder sees `row_budget` sentences at a time (at least the batch), which
    changes no number. One sample where the posterior is a point. Burda et al. 2016, arXiv 1509.00519.
    """
    q, p = model.posterior(batch), model.prior(batch)
    count = 1 if is_deterministic(q) else samples
    z = draw(q, count)
    total = torch.full(z.shape[1:2], -math.inf, dtype=torch.float64, device=z.device)
    for part in z.split(max(1, row_budget // max(1, z.shape[1]))):
        weights = _weigh(model, batch, q, p, part).double()
        total = torch.logaddexp(total, weights.logsumexp(0))
    return total - math.log(count)


def perplexity(nll_total: float, tokens: int) -> float:
    """exp(nats of all sentences / their target tokens, each end-of-sentence among them); inf beyond floats."""
    return float(torch.tensor(nll_total / tokens, dtype=torch.float64).exp())


def _weigh(model: LatentVariableModel, batch: Batch, q: Distribution, p: Distribution, z: Tensor) -> Tensor:
    return model.log_likelihood(batch, z) + p.log_prob(z) - q.log_prob(z)

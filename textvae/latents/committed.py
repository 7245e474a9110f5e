"""Gaussian posteriors that cannot reach N(0, I): BN-VAE and delta-VAE."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Independent
from torch.nn.functional import batch_norm

from textvae.latents.heads import GaussianHead, gaussian

# How near to its bounds sigma may come, as a part of the range of log sigma^2: keeps mu's square root off 0.
MARGIN = 1e-3
# nats a dimension: below, rounding takes mu's square root of float32 to 0, whose gradient is none; above, the variance
# comes so near to 0 that the KL has none.
LEAST, MOST = 1e-4, 40.0
# Under the variance of the means, 1e-8 and less, of a model that starts as He et al. 2019 have it: with the usual
# 1e-5 they would be scaled by a constant, not normalised, and collapse as without.
EPSILON = 1e-14
# Of the largest mean: means that are no further apart are those of one sentence, apart by rounding.
EQUAL = 1e-6
# Of a batch in the running statistics, as in torch, once there have been enough batches.
SHARE = 0.1


class BatchNormHead(GaussianHead):
    """q(z|x) = N(gamma (mu - mean) / sqrt(var + eps) + shift, diag exp(logvar)): gamma fixed, shift (Z,) learned.

    Mean and variance are those of the batch in training, running ones in evaluation and for a batch of one sentence (be
    it there many times), which has no variance; before the first batch of training they are 0 and 1, which is a plain
    Gaussian head. Against N(0, I) a training batch's mean KL is at least sum_j (gamma^2 + shift_j^2) / 2 (up to eps), against
    a prior that can widen no such bound holds; gamma 0 collapses. Zhu et al. 2020, arXiv 2004.12585.
    """

    joint = True

    def __init__(self, inputs: int, size: int = 32, gamma: float = 0.6) -> None:
        super().__init__(inputs, size)
        if not 0 <= gamma < math.inf:
            raise ValueError(f"gamma is {gamma}, must be at least 0")
        self.gamma = gamma
        self.statistics = RunningStatistics(size)
        self.shift = nn.Parameter(self.linear.weight.new_zeros(size))

    def at(self, parameters: Tensor) -> Independent:
        mu, logvar = parameters.chunk(2, dim=-1)
        return gaussian(self.gamma * self._normalised(mu) + self.shift, (0.5 * logvar).exp())

    def _normalised(self, mu: Tensor) -> Tensor:
        if self.training and _differ(mu):
            self.statistics.follow(mu.detach())
            return batch_norm(mu, None, None, training=True, eps=EPSILON)
        return batch_norm(mu, self.statistics.running_mean, self.statistics.running_var, eps=EPSILON)


def _differ(mu: Tensor) -> bool:
    """Whether (B,Z) are the means of more than one sentence: normalised, rounding would be blown up to gamma."""
    mu = mu.detach()
    return bool((mu - mu[0]).abs().max() > EQUAL * mu.abs().max())


class RunningStatistics(nn.Module):
    """Mean and variance (Z,) over batches: of all alike while they are few, later each forgotten by SHARE a batch.

    torch's own start from 0 and 1 and forget that by SHARE a batch: of means as small as He et al. 2019's start makes
    them, whose variance is 1e-8, evaluation would see nothing for 170 batches.
    """

    running_mean: Tensor
    running_var: Tensor
    batches: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def follow(self, values: Tensor) -> None:
        """values (B,Z), B > 1."""
        self.batches.add_(1)
        share = self.batches.reciprocal().clamp_min(SHARE)
        for running, now in ((self.running_mean, values.mean(0)), (self.running_var, values.var(0))):
            running.lerp_(now.to(running), share.to(running))


class DeltaHead(GaussianHead):
    """q(z|x) = N(mu, diag sigma^2) with KL(q || N(0, I)) >= delta nats in every dimension of every sentence.

    log sigma^2 lies between those of the roots of ln s - s + 2 delta + 1 = 0, and
    mu = sqrt(2 delta + 1 + ln sigma^2 - sigma^2 + max(0, m)): KL_j = delta + max(0, m_j) / 2. At the roots
    the square root's gradient is infinite: sigma^2 stops just short of them. Between them it is log sigma^2 that is linear
    in the sigmoid, in published code sigma^2: the bound is the same, start and gradient differ. Razavi et al. 2019,
    arXiv 1901.03416, in its independent form. Against another prior nothing is committed. ValueError for a delta whose
    KL or gradient is not that in float32.
    """

    def __init__(self, inputs: int, size: int = 32, delta: float = 0.15) -> None:
        super().__init__(inputs, size)
        if not LEAST <= delta <= MOST:
            raise ValueError(f"delta is {delta}, must be from {LEAST} to {MOST} nats: float32 holds no other")
        self.room = 2 * delta + 1
        low, high = log_roots(delta)
        self.low, self.range = low + MARGIN * (high - low), (1 - 2 * MARGIN) * (high - low)

    def at(self, parameters: Tensor) -> Independent:
        """The posterior of W h = (m, position), (B,2Z)."""
        m, position = parameters.chunk(2, dim=-1)
        logvar = self.low + self.range * position.sigmoid()
        mu = (self.room + logvar - logvar.exp() + m.relu()).sqrt()
        return gaussian(mu, (0.5 * logvar).exp())


def log_roots(delta: float) -> tuple[float, float]:
    """u < 0 < v, the logarithms of both roots of ln s - s + 2 delta + 1 = 0, by bisection; delta > 0."""
    room = 2 * delta + 1
    return _bisect(room, -room, 0.0), _bisect(room, math.log(2 * room) + 1, 0.0)


def _bisect(room: float, outside: float, inside: float) -> float:
    for _ in range(100):
        middle = (outside + inside) / 2
        if middle - math.exp(middle) + room > 0:
            inside = middle
        else:
            outside = middle
    return inside

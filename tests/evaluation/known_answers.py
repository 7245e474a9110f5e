"""Models of a few numbers whose log p(x), posterior and information are known exactly."""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, MultivariateNormal, Normal

from textvae.data.batching import Batch
from textvae.evaluation.likelihood import LatentVariableModel
from textvae.latents.distributions import draw

# Token ids are whole numbers: a "sentence" of T ids is the point x = ids / GRID of T coordinates.
GRID = 1000


def points(x: Tensor) -> Batch:
    """(B,T) real numbers -> the batch that stands for them, rounded to 1 / GRID."""
    ids = (x * GRID).round().long()
    return Batch(torch.zeros_like(ids), ids, torch.full((len(ids),), ids.shape[1]))


def log_weights(model: LatentVariableModel, batch: Batch, samples: int) -> Tensor:
    """log p(x|z) + log p(z) - log q(z|x), z ~ q(z|x) -> (S,B), nats: their mean is a one-sample ELBO."""
    q, p = model.posterior(batch), model.prior(batch)
    z = draw(q, samples)
    return model.log_likelihood(batch, z) + p.log_prob(z) - q.log_prob(z)


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x|z) = N(W z, noise^2 I) with orthogonal columns of W, so that q(z|x) factorises.

    `shift` and `widen` spoil the posterior: its mean is off by `shift`, its scales are `widen` times too large.
    `full` gives the same posterior and prior as multivariate normals, whose KL is one group.
    """

    given = ""
    reads_labels = False

    def __init__(self, shift: float = 0.0, widen: float = 1.0, full: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 1.0], [1.0, -1.0], [2.0, 0.0], [0.0, 1.5]]).double())
        self.noise, self.shift, self.widen, self.full = 0.7, shift, widen, full
        self.encoded, self.decoded, self.widest = 0, 0, 0

    def posterior(self, batch: Batch) -> Distribution:
        self.encoded += len(batch.lengths)
        precision = 1 + self.weight.square().sum(0) / self.noise**2
        mean = batch.targets.double() / GRID @ self.weight / self.noise**2 / precision + self.shift
        scale = (precision.rsqrt() * self.widen).expand_as(mean)
        if self.full:
            return MultivariateNormal(mean, torch.diag_embed(scale.square()))
        return Independent(Normal(mean, scale, validate_args=False), 1)

    def prior(self, batch: Batch) -> Distribution:
        zero = torch.zeros(2).double()
        if self.full:
            return MultivariateNormal(zero, torch.eye(2).double())
        return Independent(Normal(zero, zero.exp(), validate_args=False), 1)

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        self.decoded += z.shape[0] * z.shape[1]
        self.widest = max(self.widest, z.shape[0] * z.shape[1])
        return (
            Normal(z @ self.weight.T, self.noise, validate_args=False)
            .log_prob(batch.targets.double() / GRID)
            .sum(-1)
        )

    def log_prob(self, batch: Batch) -> Tensor:
        """Exact log p(x) (B,)."""
        weight = self.weight.detach()
        covariance = weight @ weight.T + self.noise**2 * torch.eye(4).double()
        return MultivariateNormal(torch.zeros(4).double(), covariance).log_prob(batch.targets.double() / GRID)

    def information(self) -> float:
        """Exact I(x; z) under p(x) q(z|x): z is the mean, of variance 1 - 1 / precision, and noise."""
        gain = self.weight.detach().square().sum(0) / self.noise**2
        return float(0.5 * (1 + gain / self.widen**2).log().sum())

    def draw(self, count: int) -> Batch:
        """`count` sentences from p(x)."""
        z = torch.randn(count, 2).double()
        return points((z @ self.weight.T + self.noise * torch.randn(count, 4).double()).detach())


class NoLatent(nn.Module):
    """Z = 0: every word is uniform over `words`, so log p(x) = -T ln words."""

    given = ""
    reads_labels = False

    def __init__(self, words: int = 10) -> None:
        super().__init__()
        self.words, self.decoded = words, 0

    def posterior(self, batch: Batch) -> Distribution:
        empty = torch.zeros(len(batch.lengths), 0)
        return Independent(Normal(empty, empty.exp()), 1)

    def prior(self, batch: Batch) -> Distribution:
        return Independent(Normal(torch.zeros(0), torch.ones(0)), 1)

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        self.decoded += z.shape[0] * z.shape[1]
        return (-math.log(self.words) * batch.lengths).expand(z.shape[:2])


class Code(Categorical):
    """A point mass on one of K codes; z is the code's number, of event shape (1,) once made an event."""

    point_mass = True


class HardCodes(nn.Module):
    """q(z|x) puts all mass on code x_1 mod K, p(z) is uniform: KL and, with equal counts, information are ln K."""

    given = ""
    reads_labels = False

    def __init__(self, codes: int = 4) -> None:
        super().__init__()
        self.codes = codes

    def posterior(self, batch: Batch) -> Distribution:
        picked = nn.functional.one_hot(batch.targets[:, :1] % self.codes, self.codes)
        return Independent(Code(probs=picked.double()), 1)

    def prior(self, batch: Batch) -> Distribution:
        return Independent(Categorical(probs=torch.ones(1, self.codes).double()), 1)

    def log_likelihood(self, batch: Batch, z: Tensor) -> Tensor:
        return -z.sum(-1) - batch.lengths


class ClassPrior(LinearGaussian):
    """The linear-Gaussian model with p(z|label) = N(label, I): a prior of batch shape (B,)."""

    reads_labels = True

    def prior(self, batch: Batch) -> Distribution:
        assert batch.labels is not None
        mean = batch.labels.double()[:, None].expand(-1, 2)
        return Independent(Normal(mean, torch.ones_like(mean)), 1)

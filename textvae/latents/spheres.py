"""Distributions on the unit sphere of R^Z: von Mises-Fisher, and the uniform one."""

import math
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Beta, Distribution, constraints, register_kl

from textvae.latents.bessel import log_bessel
from textvae.latents.distributions import Shape, facts, spread, unit_variance
from textvae.latents.divergence import PairDensity, pair_density

# Nodes of the quadrature for the gradient of the angle, and how many of its scales they cover.
NODES, WEIGHTS = (torch.from_numpy(part) for part in np.polynomial.legendre.leggauss(64))
REACH = 10.0


class UniformOnSphere(Distribution):
    """p(z) = 1 / area of the unit sphere of R^Z, against its surface measure; `centre` is zeros (Z,)."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {"centre": constraints.real_vector}
    support = constraints.real_vector

    def __init__(self, centre: Tensor, validate_args: bool | None = None) -> None:
        self.centre = centre
        super().__init__(torch.Size(), centre.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.centre

    @property
    def variance(self) -> Tensor:
        return torch.full_like(self.centre, 1 / len(self.centre))

    def sample(self, sample_shape: Shape = ()) -> Tensor:
        noise = torch.randn(
            self._extended_shape(sample_shape), dtype=self.centre.dtype, device=self.centre.device
        )
        return noise / noise.norm(dim=-1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.full_like(value[..., 0], -log_area(len(self.centre)))

    def entropy(self) -> Tensor:
        return self.centre.new_tensor(log_area(len(self.centre)))


@spread.register
def _(p: UniformOnSphere) -> None:
    return None


@unit_variance.register
def _(p: UniformOnSphere) -> Tensor:
    return p.variance


class VonMisesFisher(Distribution):
    """q(z) = C_Z(kappa) exp(kappa mu . z) on the unit sphere: mode mu (B,Z) of norm 1, concentration kappa (B,) > 0.

    C_Z(kappa) = kappa^v / ((2 pi)^(v+1) I_v(kappa)) with v = Z/2 - 1, in float64. E z = A mu with
    A = I_(v+1)(kappa) / I_v(kappa). Davidson et al. 2018, arXiv 1804.00891.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real_vector,
        "concentration": constraints.positive,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, concentration: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = loc, concentration
        super().__init__(concentration.shape, loc.shape[-1:], validate_args=validate_args)

    @property
    def dimensions(self) -> int:
        return self.loc.shape[-1]

    @cached_property
    def _bessel(self) -> tuple[Tensor, Tensor]:
        return log_bessel(self.dimensions / 2 - 1, self.concentration)

    @property
    def log_normaliser(self) -> Tensor:
        """log C_Z(kappa) (B,) float64."""
        half = self.dimensions / 2
        return (half - 1) * self.concentration.double().log() - half * math.log(2 * math.pi) - self._bessel[0]

    @property
    def mean_length(self) -> Tensor:
        """A = E mu . z (B,) float64."""
        return self._bessel[1]

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def mean(self) -> Tensor:
        return self.mean_length.to(self.loc.dtype).unsqueeze(-1) * self.loc

    @property
    def variance(self) -> Tensor:
        """A / kappa + (1 - A^2 - Z A / kappa) mu_i^2 of each dimension (B,Z)."""
        length, across = self.mean_length, self.mean_length / self.concentration.double()
        along = (1 - length.square() - self.dimensions * across).unsqueeze(-1)
        return (across.unsqueeze(-1) + along * self.loc.double().square()).clamp_min(0).to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        along = (self.loc * value).sum(-1)
        return (self.concentration.double() * along.double() + self.log_normaliser).to(self.loc.dtype)

    def entropy(self) -> Tensor:
        return -(self.concentration.double() * self.mean_length + self.log_normaliser).to(self.loc.dtype)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        """cos(t) mu + sin(t) v: t by rejection, with its implicit gradient; v uniform among units across mu."""
        shape = self._extended_shape(sample_shape)
        kappa = self.concentration.double().expand(shape[:-1])
        angle = Angle.apply(rejection_angles(kappa.detach(), self.dimensions), kappa, self.dimensions)
        angle = angle.to(self.loc.dtype).unsqueeze(-1)
        noise = torch.randn(shape, dtype=self.loc.dtype, device=self.loc.device)
        across = _across(
            self.loc, _across(self.loc, noise)
        )  # twice: once leaves rounding where little is left
        return angle.cos() * self.loc + angle.sin() * across / across.norm(dim=-1, keepdim=True)


def _across(loc: Tensor, x: Tensor) -> Tensor:
    """x without its part along the unit vector loc."""
    return x - (x * loc).sum(-1, keepdim=True) * loc


@torch.no_grad()
def rejection_angles(kappa: Tensor, dimensions: int) -> Tensor:
    """Angles t to mu with density ~ exp(kappa cos t) sin(t)^(Z-2), of the shape of kappa, float64.

    Wood 1994 (after Ulrich 1984), as in algorithm 1 of Davidson et al. 2018. NaN is given back as NaN.
    """
    free = dimensions - 1
    root = (4 * kappa.square() + free**2).sqrt()
    b, a = free / (2 * kappa + root), (free + 2 * kappa + root) / 4
    least = 4 * a * b / (1 + b) - free * math.log(free)
    half = torch.tensor(free / 2, dtype=torch.float64, device=kappa.device)
    proposals = Beta(half, half, validate_args=False)
    angles, waiting = torch.empty_like(kappa), torch.ones_like(kappa, dtype=torch.bool)
    while waiting.any():
        draws = proposals.sample(kappa.shape)
        below = 1 - (1 - b) * draws
        t = 2 * a * b / below
        refused = free * t.log() - t + least < torch.rand_like(draws).log()
        # 1 - w = 2 b draws / below, taken as it is: 1 - cos(angle) would lose small angles.
        found = 2 * (b * draws / below).clamp(max=1).sqrt().asin()
        angles = torch.where(waiting, found, angles)
        waiting &= refused
    return angles


class Angle(torch.autograd.Function):
    """An angle drawn from the density h_kappa, as a function of kappa: dt/dkappa = -(dF/dkappa)(t) / h(t).

    Implicit reparametrisation (Figurnov et al. 2018, arXiv 1805.08498): unbiased, without the score term that
    differentiating through a rejection sampler leaves out.
    """

    @staticmethod
    def forward(ctx: Any, angle: Tensor, kappa: Tensor, dimensions: int) -> Tensor:
        ctx.save_for_backward(angle, kappa)
        ctx.dimensions = dimensions
        return angle.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor | None, None]:
        if not ctx.needs_input_grad[1]:
            return None, None, None
        angle, kappa = ctx.saved_tensors
        return None, gradients[0] * angle_gradient(angle, kappa, ctx.dimensions), None


def angle_gradient(angle: Tensor, kappa: Tensor, dimensions: int) -> Tensor:
    """dt/dkappa of drawn angles t: int (cos s - A) h(s) ds / h(t), over the side of t that holds no mode.

    The whole integral is 0, so either side will do. Gauss-Legendre over the stretch where h is not negligible.
    """
    mean = log_bessel(dimensions / 2 - 1, kappa)[1]
    stretch = REACH / (dimensions - 2 + kappa * mean).sqrt()
    inner = angle.cos() > mean
    end = torch.where(inner, (angle - stretch).clamp_min(0), (angle + stretch).clamp_max(math.pi))
    nodes, weights = NODES.to(angle.device), WEIGHTS.to(angle.device)
    half = (end - angle).unsqueeze(-1) / 2
    at = angle.unsqueeze(-1) + half * (nodes + 1)
    power = torch.tensor(dimensions - 2.0, dtype=angle.dtype, device=angle.device)
    cosines = at.cos() - angle.cos().unsqueeze(-1)
    sines = torch.xlogy(power, at.sin()) - torch.xlogy(power, angle.sin()).unsqueeze(-1)
    relative = (kappa.unsqueeze(-1) * cosines + sines).exp()
    # half is negative on the inner side, where the integral runs from t down: the sign that is due there.
    return (weights * (at.cos() - mean.unsqueeze(-1)) * relative * half).sum(-1)


def log_area(dimensions: int) -> float:
    """log of the area of the unit sphere of R^dimensions."""
    return math.log(2) + dimensions / 2 * math.log(math.pi) - math.lgamma(dimensions / 2)


@register_kl(VonMisesFisher, UniformOnSphere)
def _kl_to_uniform(q: VonMisesFisher, p: UniformOnSphere) -> Tensor:
    """kappa A + log C_Z(kappa) + log area; the same for every mu."""
    return log_area(q.dimensions) - q.entropy()


@facts.register
def _(q: VonMisesFisher) -> dict[str, float]:
    return {"kappa": float(q.concentration.double().mean())}


@pair_density.register
def _(q: VonMisesFisher) -> PairDensity:
    weights = (q.concentration.unsqueeze(-1) * q.loc).T.contiguous()
    constant = q.log_normaliser.to(q.loc.dtype)
    return lambda z: torch.addmm(constant, z.to(weights.dtype), weights)

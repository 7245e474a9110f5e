import math
from collections.abc import Callable

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import normalize

from tests.latents.pairs import pairwise_log_prob
from textvae.evaluation.information import active_units
from textvae.latents.distributions import unit_variance
from textvae.latents.spheres import (
    UniformOnSphere,
    VonMisesFisher,
    angle_gradient,
    log_area,
    rejection_angles,
)

SIZES = [2, 3, 16, 128]
KAPPAS = torch.tensor([1e-3, 0.5, 5.0, 40.0, 500.0], dtype=torch.float64)


def von_mises_fisher(size: int, kappa: torch.Tensor = KAPPAS) -> VonMisesFisher:
    torch.manual_seed(0)
    return VonMisesFisher(normalize(torch.randn(len(kappa), size, dtype=torch.float64), dim=-1), kappa)


def uniform(size: int) -> UniformOnSphere:
    return UniformOnSphere(torch.zeros(size, dtype=torch.float64))


def angles(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Angles to the mode (M,), the area of the ring at each (M,), and the density there (M,B)."""
    t = torch.linspace(0, math.pi, 20_001, dtype=torch.float64)
    area = (log_area(size - 1) + torch.xlogy(torch.tensor(size - 2.0), t.sin().clamp_min(0))).exp()
    q = VonMisesFisher(torch.tensor([[1.0] + [0.0] * (size - 1)]).double().expand(len(KAPPAS), -1), KAPPAS)
    at = torch.zeros(len(t), 1, size, dtype=torch.float64)
    at[:, 0, 0], at[:, 0, 1] = t.cos(), t.sin()
    return t, area, q.log_prob(at)


@pytest.mark.parametrize(("size", "area"), [(2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2)])
def test_the_area_is_the_known_one(size, area):
    assert math.exp(log_area(size)) == pytest.approx(area)


@pytest.mark.parametrize("size", SIZES)
def test_density_moments_and_kl_are_those_of_integration(size):
    t, area, log_density = angles(size)
    mass = log_density.exp() * area[:, None]
    q = von_mises_fisher(size)
    total = torch.trapezoid(mass, t, dim=0)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-4, atol=0)
    length = torch.trapezoid(mass * t.cos()[:, None], t, dim=0)
    torch.testing.assert_close(length, q.mean_length, rtol=1e-3, atol=1e-6)
    kl = torch.trapezoid(mass * (log_density + log_area(size)), t, dim=0)
    torch.testing.assert_close(kl, kl_divergence(q, uniform(size)), rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("size", SIZES)
def test_draws_have_the_distribution_s_moments_and_lie_on_the_sphere(size):
    q = von_mises_fisher(size)
    z = q.sample((20_000,))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(z.shape[:2], dtype=z.dtype))
    error = 5 * (z.var(0) / len(z)).sqrt()
    assert ((z.mean(0) - q.mean).abs() <= error + 1e-9).all()
    torch.testing.assert_close(z.var(0), q.variance, rtol=0.12, atol=1e-5)
    log_ratio = q.log_prob(z) + log_area(size)
    off = (log_ratio.mean(0) - kl_divergence(q, uniform(size))).abs()
    assert (off <= 5 * log_ratio.std(0) / math.sqrt(len(z)) + 1e-9).all()


@pytest.mark.parametrize("size", SIZES)
def test_the_gradient_of_an_angle_keeps_its_quantile(size):
    torch.manual_seed(0)
    kappa = KAPPAS[1:].repeat(50)
    angle, step = rejection_angles(kappa, size), 1e-4
    t = torch.linspace(0, math.pi, 50_001, dtype=torch.float64)

    def quantile(concentration: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        log_mass = concentration[:, None] * (t.cos() - 1) + torch.xlogy(
            torch.tensor(size - 2.0), t.sin().clamp_min(0)
        )
        mass = (log_mass - log_mass.amax(1, keepdim=True)).exp()
        whole = torch.cat((torch.zeros(len(mass), 1), torch.cumulative_trapezoid(mass, t)), 1)
        right = torch.searchsorted(t, at).clamp(1, len(t) - 1)[:, None]
        low, high = whole.gather(1, right - 1), whole.gather(1, right)
        part = (at[:, None] - t[right - 1]) / (t[right] - t[right - 1])
        return ((low + part * (high - low)) / whole[:, -1:])[:, 0]

    few = slice(0, 40)
    kappa, angle = kappa[few], angle[few]
    moved = angle + step * kappa * angle_gradient(angle, kappa, size)
    before = quantile(kappa, angle)
    drift = (quantile(kappa * (1 + step), moved) - before).abs()
    left_alone = (quantile(kappa * (1 + step), angle) - before).abs()
    assert (drift <= 0.02 * left_alone + 1e-7).all()


@pytest.mark.parametrize("size", SIZES)
def test_gradients_through_draws_are_those_of_the_mean(size):
    kappa = KAPPAS[1:].clone().requires_grad_()
    base = von_mises_fisher(size, KAPPAS[1:])
    direction = base.loc.clone().requires_grad_()
    goal = torch.randn(size, dtype=torch.float64)

    def gradients(point: Callable[[VonMisesFisher], torch.Tensor]) -> tuple[torch.Tensor, ...]:
        q = VonMisesFisher(normalize(direction, dim=-1), kappa)
        return torch.autograd.grad((point(q) @ goal).sum(), (kappa, direction))

    sampled, exact = gradients(lambda q: q.rsample((5_000,)).mean(0)), gradients(lambda q: q.mean)
    for found, known in zip(sampled, exact, strict=True):
        assert (found - known).norm() <= 0.08 * known.norm()


def test_what_is_not_a_number_stays_so():
    q = VonMisesFisher(torch.full((2, 3), torch.nan), torch.full((2,), torch.nan), validate_args=False)
    assert q.rsample((4,)).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kappa", [1e-3, 1.0, 1e2, 1e4])
def test_large_latents_are_finite_with_finite_gradients(dtype, kappa):
    concentration = torch.full((4,), kappa, dtype=dtype, requires_grad=True)
    loc = normalize(torch.randn(4, 128, dtype=dtype), dim=-1).requires_grad_()
    q = VonMisesFisher(loc, concentration)
    z = q.rsample((3,))
    total = kl_divergence(q, UniformOnSphere(torch.zeros(128, dtype=dtype))).sum() + z[..., 0].sum()
    total.backward()
    assert z.dtype == dtype and total.isfinite() and (q.variance >= 0).all()
    assert concentration.grad.isfinite().all() and loc.grad.isfinite().all()


def test_pairs_are_the_densities_one_by_one():
    q = von_mises_fisher(16)
    z = q.sample((3,)).flatten(0, 1)
    torch.testing.assert_close(pairwise_log_prob(q, z), q.log_prob(z[:, None]))


def test_uniform_draws_do_not_depend_on_how_many_there_are():
    p = uniform(4)
    torch.manual_seed(1)
    many = p.sample((50,))
    torch.manual_seed(1)
    assert torch.equal(p.sample((20,)), many[:20])
    assert float(p.entropy()) == pytest.approx(-float(p.log_prob(many)[0]))


def test_a_posterior_that_tells_sentences_apart_has_active_units_at_the_scale_of_the_sphere():
    modes = uniform(32).sample((256,))
    q = VonMisesFisher(modes, torch.full((256,), 20.0))
    assert active_units(q.mean) == 0  # no dimension of a unit vector has much variance
    assert active_units(q.mean, unit=unit_variance(uniform(32))) == 32
    assert active_units(torch.zeros(256, 32), unit=unit_variance(uniform(32))) == 0
    assert unit_variance(Normal(0.0, 3.0)) == 1


@pytest.mark.parametrize("size", [2, 3, 32])
def test_draws_in_float32_lie_on_the_sphere(size):
    torch.manual_seed(0)
    loc = normalize(torch.randn(3000, size), dim=-1)
    z = VonMisesFisher(loc, torch.full((3000,), 1e-3)).sample()
    assert (z.norm(dim=-1) - 1).abs().max() < 2e-6

import math

import pytest
import torch
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    Laplace,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
    kl_divergence,
)

from tests.latents.pairs import pairwise_log_prob
from textvae.latents.divergence import kl_groups, kl_kind


def gaussian(*shape: int, scale: float = 1.0, spread: float = 1.0) -> Distribution:
    return Independent(Normal(spread * torch.randn(*shape), scale * (torch.rand(*shape) + 0.5)), 1)


def standard_normal(size: int) -> Distribution:
    return Independent(Normal(torch.zeros(size), torch.ones(size)), 1)


def mixture(size: int) -> Distribution:
    components = Independent(Normal(torch.randn(4, size), torch.ones(4, size)), 1)
    return MixtureSameFamily(Categorical(probs=torch.ones(4)), components)


def test_gaussian_kl_is_the_closed_form_of_each_dimension():
    torch.manual_seed(0)
    q, p = gaussian(5, 3), standard_normal(3)
    mu, variance = q.mean, q.variance
    expected = 0.5 * (mu**2 + variance - 1 - variance.log())
    torch.testing.assert_close(kl_groups(q, p, q.sample((1,))), expected)
    assert kl_kind(q, p) == "exact per dimension"


def test_gaussian_kl_against_a_prior_for_each_sentence():
    torch.manual_seed(0)
    q, p = gaussian(5, 3), gaussian(5, 3)
    groups = kl_groups(q, p, q.sample((1,)))
    assert groups.shape == (5, 3)
    torch.testing.assert_close(groups.sum(-1), kl_divergence(q, p))


def test_any_pair_of_families_that_factorises_is_exact_per_dimension():
    torch.manual_seed(0)
    q = gaussian(5, 3)
    p = Independent(Laplace(torch.zeros(3), torch.ones(3)), 1)
    assert kl_kind(q, p) == "exact per dimension"
    groups = kl_groups(q, p, q.sample((1,)))
    sampled = (q.base_dist.log_prob(z := q.sample((200_000,))) - p.base_dist.log_prob(z)).mean(0)
    torch.testing.assert_close(groups, sampled, atol=0.02, rtol=0)


def test_a_registered_kl_that_does_not_factorise_is_one_group():
    torch.manual_seed(0)
    root = torch.randn(5, 3, 3)
    q = MultivariateNormal(torch.randn(5, 3), root @ root.mT + torch.eye(3))
    p = MultivariateNormal(torch.zeros(3), torch.eye(3))
    assert kl_kind(q, p) == "exact"
    torch.testing.assert_close(kl_groups(q, p, q.sample((1,))), kl_divergence(q, p)[:, None])


def test_an_unregistered_kl_is_sampled():
    torch.manual_seed(0)
    q, p = gaussian(5, 2), mixture(2)
    z = q.sample((7,))
    assert kl_kind(q, p) == "sampled"
    torch.testing.assert_close(kl_groups(q, p, z), (q.log_prob(z) - p.log_prob(z)).mean(0)[:, None])


def test_the_sampled_kl_agrees_with_integration():
    torch.manual_seed(0)
    q, p = Independent(Normal(torch.tensor([[0.3]]), torch.tensor([[0.7]])), 1), mixture(1)
    grid = torch.linspace(-8, 8, 20_001)[:, None, None]
    density = q.log_prob(grid)[:, 0]
    exact = torch.trapezoid(density.exp() * (density - p.log_prob(grid[:, 0])), grid[:, 0, 0])
    assert float(kl_groups(q, p, q.sample((200_000,)))) == pytest.approx(float(exact), abs=0.01)


@pytest.mark.parametrize("prior", [standard_normal, mixture])
def test_gradients_reach_the_posterior(prior):
    torch.manual_seed(0)
    mu = torch.randn(5, 2, requires_grad=True)
    q = Independent(Normal(mu, torch.ones(5, 2)), 1)
    kl_groups(q, prior(2), q.rsample((1,))).sum().backward()
    assert mu.grad is not None
    assert (mu.grad != 0).all()


def test_no_latent_has_no_group_and_no_kl():
    q = gaussian(5, 0)
    assert kl_groups(q, standard_normal(0), q.sample((1,))).shape == (5, 0)
    assert pairwise_log_prob(q, q.sample()).tolist() == [[0.0] * 5] * 5


def test_pairs_hold_every_z_under_every_posterior():
    torch.manual_seed(0)
    root = torch.randn(4, 3, 3)
    families = [gaussian(4, 3), MultivariateNormal(torch.randn(4, 3), root @ root.mT + torch.eye(3))]
    families.append(Independent(Laplace(torch.randn(4, 3), torch.ones(4, 3)), 1))
    z = torch.randn(6, 3)
    for q in families:
        one_by_one = torch.stack([q.log_prob(row.expand(4, 3)) for row in z])
        torch.testing.assert_close(pairwise_log_prob(q, z), one_by_one, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-2, 1e-3, 1e-5])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_pairs_survive_the_cancelling_of_sharp_posteriors(scale: float, offset: float):
    torch.manual_seed(0)
    # Pairs of posteriors lie within a few scales of each other, pairs apart from pairs.
    loc = offset + torch.randn(50, 8).repeat_interleave(2, 0) + scale * torch.randn(100, 8)
    q = Independent(Normal(loc, scale * (torch.rand(100, 8) + 0.5)), 1)
    z = q.sample()
    wide = Independent(Normal(q.mean.double(), q.stddev.double()), 1)
    expected = wide.log_prob(z.double()[:, None])
    near = expected > expected.amax(1, keepdim=True) - 50
    assert near.sum() > 120
    error = (pairwise_log_prob(q, z).double() - expected).abs()
    assert error[near].max() < 3e-3
    assert error[near].mean() < 5e-4
    assert (error[~near] < 1e-3 * expected[~near].abs()).all()


def test_pairs_do_not_take_the_shorter_products_that_a_process_allows():
    torch.manual_seed(0)
    q = gaussian(300, 32)
    z = q.sample()
    full = pairwise_log_prob(q, z)
    before, seen = torch.get_float32_matmul_precision(), []

    class Watching(Laplace):
        def log_prob(self, value: torch.Tensor) -> torch.Tensor:
            seen.append(torch.get_float32_matmul_precision())
            return super().log_prob(value)

    try:
        torch.set_float32_matmul_precision("medium")
        assert torch.equal(pairwise_log_prob(q, z), full)
        pairwise_log_prob(Watching(torch.zeros(2), torch.ones(2)), torch.zeros(3))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert seen == ["highest"]


def test_a_pair_density_is_normalised():
    q = Independent(Normal(torch.tensor([[0.5], [-1.0]]), torch.tensor([[0.2], [2.0]])), 1)
    grid = torch.linspace(-20, 20, 40_001)
    mass = torch.trapezoid(pairwise_log_prob(q, grid[:, None]).exp(), grid, dim=0)
    assert mass.tolist() == pytest.approx([1, 1], abs=1e-4)
    assert math.isclose(
        float(pairwise_log_prob(q, torch.tensor([[0.5]]))[0, 0]), -math.log(0.2) - 0.9189385, abs_tol=1e-5
    )

import pytest
import torch
from torch.distributions import kl_divergence

from textvae.latents.distributions import concatenate, select
from textvae.latents.divergence import kl_groups
from textvae.latents.heads import gaussian
from textvae.latents.layers import LayeredGaussian, LayeredHead, LayeredPrior


def layered(count: int = 4, size: int = 2) -> LayeredGaussian:
    torch.manual_seed(0)
    scale = torch.rand(count, size) + 0.5, torch.rand(count, size) + 0.5
    return LayeredGaussian(
        torch.randn(count, size), torch.randn(count, size), scale[0], torch.randn(count, size), scale[1]
    )


def linear_prior(slope: float, size: int = 2) -> LayeredPrior:
    return LayeredPrior(torch.zeros(size), lambda z2: gaussian(slope * z2 + 1, torch.full_like(z2, 0.7)))


def joint(q: LayeredGaussian, sentence: int, i: int) -> torch.distributions.MultivariateNormal:
    """(z1_i, z2_i) of a sentence as one Gaussian of two dimensions."""
    gain, above = q.gain[sentence, i], q.upper_scale[sentence, i] ** 2
    below = q.lower_scale[sentence, i] ** 2 + gain**2 * above
    covariance = torch.stack((torch.stack((below, gain * above)), torch.stack((gain * above, above))))
    return torch.distributions.MultivariateNormal(q.mean[sentence, [i, i + 2]], covariance)


def test_density_entropy_and_moments_are_those_of_the_joint_gaussian():
    q = layered()
    z = q.rsample((50,))
    for sentence in range(4):
        parts = [joint(q, sentence, i) for i in range(2)]
        expected = sum(p.log_prob(z[:, sentence, [i, i + 2]]) for i, p in enumerate(parts))
        torch.testing.assert_close(q.log_prob(z)[:, sentence], expected)
        torch.testing.assert_close(q.entropy()[sentence], sum(p.entropy() for p in parts))
        for i, p in enumerate(parts):
            torch.testing.assert_close(q.variance[sentence, [i, i + 2]], p.variance)


def test_draws_have_the_moments():
    q = layered()
    z = q.rsample((100_000,))
    torch.testing.assert_close(z.mean(0), q.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), q.variance, rtol=0.03, atol=0)


@pytest.mark.parametrize("slope", [0.0, 0.8])
def test_the_layers_add_up_to_the_kl_of_the_joint_gaussians(slope):
    q, p = layered(), linear_prior(slope)
    groups = kl_groups(q, p, q.rsample((200_000,)))
    assert groups.shape == (4, 2)
    covariance = torch.tensor([[0.49 + slope**2, slope], [slope, 1.0]])
    prior = torch.distributions.MultivariateNormal(torch.tensor([1.0, 0.0]), covariance)
    for sentence in range(4):
        exact = sum(float(kl_divergence(joint(q, sentence, i), prior)) for i in range(2))
        assert float(groups[sentence].sum()) == pytest.approx(exact, rel=0.01)
    standard = gaussian(torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(groups[:, 1], kl_divergence(q.above(), standard))


def test_draws_of_the_prior_go_from_the_upper_layer_down():
    z = linear_prior(0.8).sample((100_000,))
    covariance = torch.cov(z[:, [0, 2]].T)
    assert covariance.flatten().tolist() == pytest.approx([0.49 + 0.64, 0.8, 0.8, 1.0], abs=0.03)
    assert float(z[:, 0].mean()) == pytest.approx(1, abs=0.02)


def test_it_can_be_joined_and_picked():
    q = layered()
    z = q.rsample()
    same = concatenate([select(q, slice(0, 1)), select(q, slice(1, 4))])
    torch.testing.assert_close(same.log_prob(z), q.log_prob(z))


def test_an_odd_size_is_refused():
    with pytest.raises(ValueError, match="size is 5, must be even"):
        LayeredHead(6, size=5)

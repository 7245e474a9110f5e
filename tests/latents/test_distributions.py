import pytest
import torch
from torch.distributions import (
    Beta,
    Categorical,
    Distribution,
    Independent,
    LowRankMultivariateNormal,
    MultivariateNormal,
    Normal,
    StudentT,
)

from textvae.latents.distributions import concatenate, draw, is_deterministic, select


def gaussian(count: int, size: int = 3) -> Distribution:
    return Independent(Normal(torch.randn(count, size), torch.rand(count, size) + 0.5), 1)


def full_gaussian(count: int) -> Distribution:
    root = torch.randn(count, 3, 3)
    return MultivariateNormal(torch.randn(count, 3), covariance_matrix=root @ root.mT + torch.eye(3))


def looked_at(count: int) -> Distribution:
    """A family whose alternative parameters were also asked for, and so are kept beside the given ones."""
    q = Categorical(logits=torch.randn(count, 5))
    q.probs.sum()
    return q


FAMILIES = {
    "independent normal": gaussian,
    "normal": lambda count: Normal(torch.randn(count), torch.rand(count) + 0.5),
    "one scale for all": lambda count: Normal(torch.randn(count), 0.5),
    "covariance": full_gaussian,
    "low rank": lambda count: LowRankMultivariateNormal(
        torch.randn(count, 3), torch.randn(count, 3, 1), torch.ones(count, 3)
    ),
    "categorical": lambda count: Categorical(probs=torch.rand(count, 5)),
    "categorical looked at": looked_at,
    "student": lambda count: StudentT(torch.rand(count) + 3),
    "independent beta": lambda count: Independent(
        Beta(torch.rand(count, 2) + 1, torch.rand(count, 2) + 1), 1
    ),
}


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_joined_and_picked_members_keep_their_densities(family):
    torch.manual_seed(0)
    parts = [family(count) for count in (4, 1, 2)]
    draws = torch.cat([part.sample() for part in parts])
    apart = zip(parts, draws.split([4, 1, 2]), strict=True)
    densities = torch.cat([part.log_prob(members) for part, members in apart])

    whole = concatenate(parts)
    assert whole.batch_shape == (7,)
    assert whole.event_shape == parts[0].event_shape
    torch.testing.assert_close(whole.log_prob(draws), densities)

    for index in (slice(2, 6), torch.tensor([6, 0, 0]), torch.arange(7) % 2 == 0):
        torch.testing.assert_close(select(whole, index).log_prob(draws[index]), densities[index])


def test_the_given_parameter_is_kept_not_one_computed_from_it():
    logits = torch.tensor([[0.0, -200.0], [-200.0, 0.0]])
    q = Categorical(logits=logits)
    q.sample()  # computes probs, in which e^-200 is 0
    for same in (select(q, slice(0, 2)), concatenate([q])):
        torch.testing.assert_close(same.logits, logits)


def test_an_empty_latent_can_be_joined_and_picked():
    parts = [gaussian(2, size=0), gaussian(3, size=0)]
    assert concatenate(parts).batch_shape == (5,)
    assert select(concatenate(parts), slice(1, 3)).log_prob(torch.zeros(2, 0)).tolist() == [0, 0]


def test_draws_come_first_and_what_is_not_a_number_stays_so():
    torch.manual_seed(0)
    z = draw(gaussian(2), 5000)
    assert z.shape == (5000, 2, 3)
    assert draw(looked_at(4), 5).shape == (5, 4)
    broken = Independent(Normal(torch.zeros(2, 3), torch.full((2, 3), torch.nan), validate_args=False), 1)
    assert draw(broken, 1).isnan().all()


class Point(Normal):
    point_mass = True


def test_only_point_masses_and_empty_latents_are_deterministic():
    loc, scale = torch.zeros(2, 3), torch.ones(2, 3)
    assert not is_deterministic(gaussian(2))
    assert not is_deterministic(Normal(loc, scale))
    assert is_deterministic(gaussian(2, size=0))
    assert is_deterministic(Point(loc, scale))
    assert is_deterministic(Independent(Point(loc, scale), 1))

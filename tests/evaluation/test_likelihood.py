import math

import pytest
import torch

from tests.evaluation.known_answers import HardCodes, LinearGaussian, NoLatent, log_weights, points
from textvae.evaluation.likelihood import importance_weighted_log_prob, perplexity


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("samples", [1, 7])
def test_the_exact_posterior_gives_log_p_at_every_sample(full: bool, samples: int):
    model = LinearGaussian(full=full)
    batch = model.draw(20)
    exact = model.log_prob(batch)
    torch.testing.assert_close(log_weights(model, batch, samples), exact.expand(samples, 20))
    torch.testing.assert_close(importance_weighted_log_prob(model, batch, samples), exact)


def test_a_wrong_posterior_gives_bounds_that_rise_to_log_p():
    model = LinearGaussian(shift=0.3, widen=1.5)
    batch = model.draw(400)
    exact = float(model.log_prob(batch).mean())
    with torch.no_grad():
        elbo = float(log_weights(model, batch, 100).mean())
        bounds = [float(importance_weighted_log_prob(model, batch, count).mean()) for count in (3, 30, 3000)]
    assert elbo < bounds[0] < bounds[1] < exact
    assert bounds[2] == pytest.approx(exact, abs=0.005)


def test_the_bound_is_the_log_mean_of_the_weights():
    model = LinearGaussian(shift=0.3)
    batch = model.draw(5)
    torch.manual_seed(1)
    weights = log_weights(model, batch, 50)
    torch.manual_seed(1)
    bound = importance_weighted_log_prob(model, batch, 50)
    torch.testing.assert_close(bound, weights.exp().mean(0).log())


@pytest.mark.parametrize("row_budget", [1, 5, 16, 55, 10_000])
def test_chunks_change_memory_and_no_number(row_budget: int):
    model = LinearGaussian(shift=0.3)
    batch = model.draw(5)
    torch.manual_seed(1)
    whole = importance_weighted_log_prob(model, batch, 50)
    model.encoded = model.widest = 0
    torch.manual_seed(1)
    chunked = importance_weighted_log_prob(model, batch, 50, row_budget)
    torch.testing.assert_close(chunked, whole, rtol=1e-12, atol=1e-12)
    assert model.encoded == 5
    assert model.widest <= row_budget


class Chancy(LinearGaussian):
    """Its likelihoods take chance, as those by an estimated normaliser do."""

    def log_likelihood(self, batch, z):
        torch.rand(len(z))
        return super().log_likelihood(batch, z)


def test_chance_within_a_likelihood_leaves_later_draws_alone():
    after = []
    for row_budget in (5, 50, 10_000):
        model = Chancy(shift=0.3)
        torch.manual_seed(1)
        batch = model.draw(5)
        importance_weighted_log_prob(model, batch, 50, row_budget)
        after.append(torch.rand(3))
    assert torch.equal(after[0], after[1]) and torch.equal(after[1], after[2])


def test_far_tails_do_not_underflow():
    model = LinearGaussian(shift=0.1)
    batch = points(torch.full((2, 4), 80.0).double())
    bound = importance_weighted_log_prob(model, batch, 20)
    assert (bound < -3000).all()
    assert torch.isfinite(bound).all()


def test_one_sample_is_enough_where_every_draw_is_the_same():
    language_model = NoLatent(words=10)
    batch = points(torch.ones(3, 6))
    bound = importance_weighted_log_prob(language_model, batch, 500)
    assert bound.tolist() == pytest.approx([-6 * math.log(10)] * 3)
    assert language_model.decoded == 3

    codes = HardCodes(codes=4)
    ids = torch.tensor([[1, 5], [2, 5]])
    bound = importance_weighted_log_prob(codes, points(ids / 1000), 500)
    assert bound.tolist() == pytest.approx([-1 - 2 - math.log(4), -2 - 2 - math.log(4)])


def test_perplexity_of_the_published_pairs():
    assert perplexity(101.03 * 3761, 82_430) == pytest.approx(100.47, abs=0.05)
    assert perplexity(100.23 * 3761, 82_430) == pytest.approx(96.86, abs=0.05)

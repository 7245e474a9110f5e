import pytest
import torch

from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.normaliser import PLACES, choose, estimated_log_normaliser

V, H = 600, 16


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def states(samples: int, places: int, spread: float) -> torch.Tensor:
    """Samples at each place that differ by `spread` around a centre of their own."""
    return torch.randn(places, H, dtype=torch.float64) + spread * torch.randn(
        samples, places, H, dtype=torch.float64
    )


def output() -> torch.Tensor:
    return torch.randn(V, H, dtype=torch.float64)


def test_the_probable_words_are_taken_surely_and_each_word_once():
    chances = (3 * torch.randn(50, V)).softmax(1)
    ids, log_pi = choose(chances, 100)
    assert all(len(set(row)) == 100 for row in ids.tolist())
    sure = log_pi == 0
    assert 5 < sure.sum(1).float().mean() < 95
    for row in range(50):
        taken_surely = set(ids[row, sure[row]].tolist())
        assert taken_surely == set(chances[row].topk(len(taken_surely)).indices.tolist())


def test_words_are_taken_as_often_as_their_probability_says():
    chances = (2 * torch.randn(1, 30, dtype=torch.float64)).softmax(1)
    ids, log_pi = choose(chances.expand(40_000, -1), 10)
    counts = torch.bincount(ids.flatten(), minlength=30) / 40_000
    pi = torch.zeros(30, dtype=torch.float64)
    pi[ids.flatten()] = log_pi.flatten().exp()
    assert float(pi.sum()) == pytest.approx(10, abs=1e-6)
    torch.testing.assert_close(counts.double(), pi, atol=0.01, rtol=0)


def test_the_estimate_is_unbiased():
    weight, hidden = output(), states(70, 1, spread=0.5)
    exact = (hidden @ weight.T).logsumexp(2)
    estimates = torch.stack([estimated_log_normaliser(hidden, weight, 40) for _ in range(2000)])
    ratio = (estimates - exact).exp()
    assert float((ratio.mean(0) - 1).abs().mean()) < 3 * float((ratio.std(0) / 2000**0.5).mean())
    assert ratio.std() > 1e-3


def test_more_words_err_less():
    weight, hidden = output(), states(100, 20, spread=0.3)
    exact = (hidden @ weight.T).logsumexp(2)
    errors = [
        float((estimated_log_normaliser(hidden, weight, words) - exact).square().mean().sqrt())
        for words in (20, 80, 320)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.01


def test_many_places_are_taken_in_parts():
    weight, hidden = output(), states(70, 2 * PLACES + 3, spread=0.1)
    found = estimated_log_normaliser(hidden, weight, 100)
    torch.testing.assert_close(found, (hidden @ weight.T).logsumexp(2), atol=0.05, rtol=0)


def test_equal_states_leave_the_error_of_the_defence_alone():
    weight, hidden = output(), states(1, 5, spread=0.0).expand(80, -1, -1)
    exact = (hidden @ weight.T).logsumexp(2)
    torch.testing.assert_close(estimated_log_normaliser(hidden, weight, 100), exact, atol=2e-3, rtol=0)


def test_it_serves_many_samples_of_a_large_vocabulary_without_gradients():
    weight, hidden, targets = output().float(), states(64, 7, spread=0.1).float(), torch.arange(7)
    exact, estimating = CrossEntropy(), CrossEntropy(normaliser_words=100)
    full = exact(hidden, weight, targets)
    assert full.shape == (64, 7)
    got = estimating(hidden, weight, targets)
    assert 0 < float((got - full).abs().max()) < 0.05
    for same in (
        estimating(hidden[:63], weight, targets) - full[:63],
        CrossEntropy(normaliser_words=300)(hidden, weight, targets) - full,
        estimating(hidden, weight.clone().requires_grad_(), targets).detach() - full,
    ):
        torch.testing.assert_close(same, torch.zeros_like(same), atol=1e-5, rtol=0)

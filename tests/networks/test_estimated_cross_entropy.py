"""The cross-entropy from some of the words against the whole one, in float64."""

import pytest
import torch

from textvae.networks import estimated_cross_entropy
from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.estimated_cross_entropy import PILOTS, EstimatedCrossEntropy
from textvae.networks.normaliser import choose

V, H, N = 900, 16, 40


def problem(tokens: int = N) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden = (torch.randn(H) + 0.5 * torch.randn(tokens, H)).double().requires_grad_()
    return hidden, torch.randn(V, H).double(), torch.randint(V, (tokens,))


def values_and_gradients(way: CrossEntropy, tokens: int = N) -> tuple[torch.Tensor, torch.Tensor]:
    hidden, weight, targets = problem(tokens)
    torch.manual_seed(1)
    log_p = way(hidden, weight, targets)
    return log_p.detach(), torch.autograd.grad(log_p.sum(), hidden)[0]


def errors(words: int, tokens: int = N) -> tuple[float, float]:
    """Of the values, nats; of the gradients, relative to their norm."""
    value, gradient = values_and_gradients(CrossEntropy(), tokens)
    some, slope = values_and_gradients(EstimatedCrossEntropy(CrossEntropy(), words), tokens)
    return float((some - value).abs().mean()), float((slope - gradient).norm() / gradient.norm())


@pytest.mark.parametrize("tokens", [N, 2 * PILOTS + 1])
def test_values_and_gradients_are_near_the_exact_ones(tokens):
    off, astray = errors(150, tokens)
    assert 0 < off < 0.05
    assert 0 < astray < 0.1


def test_more_words_err_less():
    (off, astray), (less_off, less_astray) = errors(20), errors(320)
    assert off > 2 * less_off
    assert astray > 2 * less_astray


def test_products_in_bfloat16_stay_near():
    value, gradient = values_and_gradients(CrossEntropy())
    rounding = EstimatedCrossEntropy(CrossEntropy(products=torch.bfloat16), 320)
    some, slope = values_and_gradients(rounding)
    assert float((some - value).abs().mean()) < 0.05
    assert float((slope - gradient).norm() / gradient.norm()) < 0.05
    assert some.dtype == torch.float64


def test_the_sum_is_unbiased():
    hidden, weight, targets = problem()
    exact, estimating = CrossEntropy(), EstimatedCrossEntropy(CrossEntropy(), 30)
    whole = exact(hidden, weight, targets).detach()
    ratios = torch.stack([(whole - estimating(hidden, weight, targets).detach()).exp() for _ in range(1500)])
    assert ratios.std() > 1e-3
    assert abs(float(ratios.mean()) - 1) < 4 * float(ratios.mean(1).std()) / 1500**0.5


def test_the_gradient_is_that_of_the_estimate():
    hidden, weight, targets = problem(6)

    def estimate(rows: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(2)
        return EstimatedCrossEntropy(CrossEntropy(), 100)(rows, weight, targets).sum()

    (slope,) = torch.autograd.grad(estimate(hidden), hidden)
    direction = torch.zeros_like(hidden)
    direction[3] = torch.randn(H)  # a change too small to change which words are taken
    step = 1e-6 * direction
    difference = (estimate(hidden + step) - estimate(hidden - step)) / 2e-6
    # d log Z^ at fixed words and chances: the finite difference moves the chances by the pilots as well.
    assert (slope * direction).sum().item() == pytest.approx(difference.item(), rel=0.05)


def test_it_is_exact_without_gradients_without_words_and_where_the_vocabulary_is_small():
    hidden, weight, targets = problem()
    exact, estimating = CrossEntropy(), EstimatedCrossEntropy(CrossEntropy(), 100)
    with torch.no_grad():
        assert torch.equal(estimating(hidden, weight, targets), exact(hidden, weight, targets))
    few = EstimatedCrossEntropy(CrossEntropy(), V // 2)
    torch.testing.assert_close(few(hidden, weight, targets), exact(hidden, weight, targets))
    assert estimating(hidden[:0], weight, targets[:0]).shape == (0,)


def test_samples_of_the_same_words():
    hidden, weight, targets = problem()
    doubled = hidden.expand(2, N, H)
    torch.manual_seed(3)
    log_p = EstimatedCrossEntropy(CrossEntropy(), 100)(doubled, weight, targets)
    assert log_p.shape == (2, N)
    torch.testing.assert_close(log_p[0], log_p[1])


def test_it_looks_at_words_in_round_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches that say different numbers of words share the sizes of their blocks."""
    hidden, weight, targets = problem()
    taken: list[int] = []

    def choosing(chances: torch.Tensor, words: int) -> tuple[torch.Tensor, torch.Tensor]:
        taken.append(words)
        return choose(chances, words)

    monkeypatch.setattr(estimated_cross_entropy, "choose", choosing)
    for number, others in ((5, 150), (20, 150), (40, 150), (40, 380)):
        said = targets[torch.arange(N) % number]
        EstimatedCrossEntropy(CrossEntropy(), others)(hidden, weight, said)
        taken[-1] += len(said.unique())
    assert taken == [256, 256, 256, V // 2]


def test_no_word_is_looked_at_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said is there for certain, so the others come from the rest of the vocabulary."""
    hidden, weight, targets = problem()
    rest: list[torch.Tensor] = []

    def choosing(chances: torch.Tensor, words: int) -> tuple[torch.Tensor, torch.Tensor]:
        ids, log_pi = choose(chances, words)
        rest.append(ids)
        return ids, log_pi

    monkeypatch.setattr(estimated_cross_entropy, "choose", choosing)
    way = EstimatedCrossEntropy(CrossEntropy(), 200)
    for _ in range(50):
        way(hidden, weight, targets)
    assert not torch.isin(torch.cat(rest), targets).any()

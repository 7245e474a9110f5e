"""The fused log-probability against the plain one, in float64."""

import pytest
import torch
from torch.nn import functional as F

from textvae.networks import exponentials
from textvae.networks.cross_entropy import CrossEntropy, token_log_prob


def plain(hidden, weight, targets):
    return F.log_softmax(hidden @ weight.T, dim=1).gather(1, targets[:, None])[:, 0]


def problem(tokens=37, size=5, words=23):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(tokens, size, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(words, size, generator=generator, dtype=torch.float64, requires_grad=True)
    return hidden, weight, torch.randint(words, (tokens,), generator=generator)


@pytest.fixture(params=[7, 23, 2048])
def block(request, monkeypatch):
    """How many of 23 words are taken at a time."""
    monkeypatch.setattr(exponentials, "BLOCK", request.param)


@pytest.mark.parametrize("chunk", [1, 8, 37, 512])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("foreseen", [1.0, 0.25, -1 / 3])
@pytest.mark.usefixtures("block")
def test_value_and_gradients_equal_the_plain_ones(chunk, weighted, foreseen):
    hidden, weight, targets = problem()
    scale = torch.linspace(-1, 2, len(hidden), dtype=torch.float64) if weighted else torch.tensor(0.25)
    expected = plain(hidden, weight, targets)
    got = CrossEntropy(chunk=chunk)(hidden, weight, targets, foreseen)
    torch.testing.assert_close(got, expected)
    for a, b in zip(
        torch.autograd.grad((got * scale).sum(), (hidden, weight)),
        torch.autograd.grad((expected * scale).sum(), (hidden, weight)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [1.0, 300.0])
@pytest.mark.parametrize("tokens", [37, 64])
@pytest.mark.usefixtures("block")
def test_a_word_that_counts_twice_is_two_words(weighted, size, tokens):
    """Also where logits are beyond the range of their exponentials, and with a round number of states or not."""
    hidden, weight, targets = problem(tokens)
    hidden = (hidden.detach() * size).requires_grad_()
    twice = torch.cat([weight, weight[20:]])
    counts = torch.ones(len(weight), dtype=torch.float64)
    counts[20:] = 2
    expected = plain(hidden, twice, targets)
    got = token_log_prob(hidden, weight, targets, 1.0, torch.float64, 8, counts)
    torch.testing.assert_close(got, expected)
    scale = torch.linspace(-1, 2, len(hidden), dtype=torch.float64) if weighted else torch.tensor(0.25)
    for a, b in zip(
        torch.autograd.grad((got * scale).sum(), (hidden, weight)),
        torch.autograd.grad((expected * scale).sum(), (hidden, weight)),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("foreseen", [1 / 37, -1 / 37])
def test_gradients_are_had_twice_where_the_graph_is_kept(foreseen):
    """Those that were handed on as they were foreseen stay what they are."""
    hidden, weight, targets = problem()
    loss = CrossEntropy()(hidden, weight, targets, foreseen).mean()
    first = torch.autograd.grad(loss, (hidden, weight), retain_graph=True)
    kept = [gradient.clone() for gradient in first]
    second = torch.autograd.grad(2 * loss, (hidden, weight))
    for a, b, c in zip(kept, first, second, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        torch.testing.assert_close(2 * a, c)


def test_frozen_weight_gets_no_gradient():
    hidden, weight, targets = problem()
    CrossEntropy()(hidden, weight.detach(), targets).sum().backward()
    expected = torch.autograd.grad(plain(hidden, weight, targets).sum(), hidden)[0]
    torch.testing.assert_close(hidden.grad, expected)
    assert weight.grad is None


def test_no_tokens():
    hidden, weight, targets = problem(tokens=0)
    log_p = CrossEntropy()(hidden, weight, targets)
    log_p.sum().backward()
    assert log_p.shape == (0,)
    assert not weight.grad.any()


def test_without_gradients_the_value_is_the_same():
    hidden, weight, targets = problem()
    with torch.no_grad():
        torch.testing.assert_close(
            CrossEntropy(chunk=8)(hidden, weight, targets), plain(hidden, weight, targets)
        )


@pytest.mark.parametrize("chunk", [64, 512])
@pytest.mark.parametrize("block", [100, 1000, 2048], indirect=True)
@pytest.mark.usefixtures("block")
def test_products_in_bfloat16_stay_close(chunk):
    hidden, weight, targets = (
        x.detach().float() if x.is_floating_point() else x for x in problem(200, 32, 1000)
    )
    hidden.requires_grad_()
    weight = (weight * 0.2).requires_grad_()
    expected, got = (
        plain(hidden, weight, targets),
        CrossEntropy(torch.bfloat16, chunk)(hidden, weight, targets),
    )
    torch.testing.assert_close(got, expected, atol=5e-3, rtol=0)
    for a, b in zip(
        torch.autograd.grad(got.mean(), (hidden, weight)),
        torch.autograd.grad(expected.mean(), (hidden, weight)),
        strict=True,
    ):
        assert (a - b).norm() < 0.01 * b.norm()


def test_an_improbable_word_keeps_its_logarithm():
    hidden = torch.tensor([[200.0, 0.0]], requires_grad=True)
    log_p = CrossEntropy()(hidden, torch.eye(2), torch.tensor([1]))
    assert log_p.item() == pytest.approx(-200)


@pytest.mark.parametrize("shift", [-400.0, -80.0, 80.0, 400.0])
@pytest.mark.usefixtures("block")
def test_logits_beyond_the_range_of_their_exponentials(shift):
    """One token's logits are far from 0, those of the others are not: all keep value and gradients."""
    hidden, weight, targets = problem()
    hidden, weight = hidden.detach(), torch.cat([weight.detach(), torch.ones(len(weight), 1)], 1)
    hidden = torch.cat([hidden, torch.zeros(len(hidden), 1)], 1)
    hidden[3, -1] = shift
    single = [x.float().requires_grad_() for x in (hidden, weight)]
    double = [x.double().requires_grad_() for x in (hidden, weight)]
    got, expected = CrossEntropy()(*single, targets), plain(*double, targets)
    torch.testing.assert_close(got.double(), expected, atol=2e-4, rtol=0)
    for a, b in zip(
        torch.autograd.grad(got.sum(), single), torch.autograd.grad(expected.sum(), double), strict=True
    ):
        assert (a.double() - b).norm() < 1e-4 * b.norm()


def test_a_loss_that_is_no_number_stays_none():
    hidden, weight, targets = problem()
    broken = hidden.detach().clone().index_fill_(0, torch.tensor([3]), torch.nan).requires_grad_()
    log_p = CrossEntropy()(broken, weight, targets)
    assert log_p[3].isnan() and log_p[:3].isfinite().all()


def test_states_are_multiplied_in_round_numbers(monkeypatch):
    """A processor's library keeps a kernel for each number of them."""
    seen, logits_of = [], exponentials.logits_of

    def look(hidden, weight):
        seen.append(len(hidden))
        return logits_of(hidden, weight)

    monkeypatch.setattr(exponentials, "logits_of", look)
    for tokens in (5, 32, 37, 70):
        hidden, weight, targets = problem(tokens)
        CrossEntropy(chunk=64)(hidden, weight, targets).sum().backward()
    assert set(seen) == {32, 64}

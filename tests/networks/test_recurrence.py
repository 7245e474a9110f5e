"""The recurrence against torch's LSTM on inputs written out, in float64."""

import pytest
import torch
from torch import nn

from textvae.networks.recurrence import WORDS, Recurrence, unrolled
from textvae.training.hardware import has_bfloat16_lstm

B, T, E, H, Z = 3, 5, 4, 6, 2


def problem(layers, samples, constant):
    torch.manual_seed(0)
    lstm = nn.LSTM(E + (Z if constant else 0), H, layers, batch_first=True).double()
    rows = samples * B
    words = torch.randn(B, T, E, dtype=torch.float64)
    state = tuple(torch.randn(layers, rows, H, dtype=torch.float64) for _ in range(2))
    return lstm, words, state, torch.randn(rows, Z, dtype=torch.float64) if constant else None


def plain(lstm, words, state, constant):
    inputs = words.repeat(state[0].shape[1] // B, 1, 1)
    if constant is not None:
        inputs = torch.cat([inputs, constant[:, None].expand(-1, words.shape[1], -1)], dim=-1)
    return lstm(inputs, state)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("samples", [1, 4])
@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("gradients", [True, False])
def test_every_way_gives_the_states_of_torch(layers, samples, constant, gradients):
    problem_ = problem(layers, samples, constant)
    with torch.set_grad_enabled(gradients):
        expected, (h, c) = plain(*problem_)
        ways = [Recurrence()(*problem_)] + ([] if gradients else [unrolled(*problem_)])
    for states, state in ways:
        for mine, theirs in zip((states, *state), (expected, h, c), strict=True):
            torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("layers", [1, 2])
def test_long_sentences_go_through_in_pieces_with_the_same_states_and_gradients(layers):
    lstm, _, state, constant = problem(layers, 2, True)
    words = torch.randn(B, 2 * WORDS + 3, E, dtype=torch.float64, requires_grad=True)
    wanted = (
        words,
        constant.requires_grad_(),
        *(part.requires_grad_() for part in state),
        *lstm.parameters(),
    )
    weights = torch.randn(2 * B, words.shape[1], H, dtype=torch.float64)
    found = []
    for way in (Recurrence(), plain):
        states, last = way(lstm, words, state, constant)
        loss = (states * weights).sum() + sum(part.square().sum() for part in last)
        found.append((states, *last, *torch.autograd.grad(loss, wanted)))
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.skipif(not has_bfloat16_lstm(), reason="torch has no LSTM in bfloat16 on this processor")
def test_products_in_bfloat16_stay_close_and_are_for_gradients_only():
    lstm, words, state, constant = problem(1, 1, True)
    lstm, words, constant = lstm.float(), words.float(), constant.float()
    state = tuple(part.float() for part in state)
    exact = plain(lstm, words, state, constant)[0]
    rounded = Recurrence(torch.bfloat16)(lstm, words, state, constant)[0]
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    torch.testing.assert_close(exact, rounded, atol=3e-2, rtol=0)
    with torch.no_grad():
        again = Recurrence(torch.bfloat16)(lstm, words, state, constant)[0]
    torch.testing.assert_close(again, exact)

"""Sparse gradients and clipping against torch's own dense optimisers."""

import copy

import pytest
import torch
from torch import nn

from tests.tiny import tiny_batch, tiny_model, tiny_objective
from textvae.training.descent import Descent, gradient_norm
from textvae.training.optimizers import adamw, sgd


def dense_twin(model, make, clip, steps):
    """The same steps by torch's optimiser, dense gradients and clip_grad_norm_."""
    twin, objective = copy.deepcopy(model), tiny_objective()
    optimizer = make(twin.parameters())
    for step in range(steps):
        torch.manual_seed(step)
        optimizer.zero_grad()
        objective(twin(tiny_batch(seed=step)), step).total.backward()
        nn.utils.clip_grad_norm_(twin.parameters(), clip)
        optimizer.step()
    return twin


@pytest.mark.parametrize("clip", [0.05, 100.0])
@pytest.mark.parametrize(
    ("recipe", "make"),
    [
        (sgd(lr=0.5), lambda p: torch.optim.SGD(p, lr=0.5)),
        (adamw(lr=0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
    ],
)
def test_steps_equal_those_of_torch(recipe, make, clip):
    model, objective = tiny_model(), tiny_objective()
    twin = dense_twin(model, make, clip, steps=4)
    descent = Descent(model, recipe, clip)
    for step in range(4):
        torch.manual_seed(step)
        descent.descend(objective(model(tiny_batch(seed=step)), step).total, descent.parts, descent.parts)
    for (name, mine), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-5, msg=name)


def test_a_row_met_twice_counts_as_its_sum_in_the_norm():
    dense = nn.Embedding(5, 3)
    sparse = nn.Embedding(5, 3, sparse=True)
    sparse.load_state_dict(dense.state_dict())
    for table in (dense, sparse):
        (table(torch.tensor([1, 1, 4])) ** 2).sum().backward()
    assert sparse.weight.grad.is_sparse
    torch.testing.assert_close(gradient_norm(sparse.parameters()), dense.weight.grad.norm())


def test_learning_rate_scales_and_state_comes_back():
    descent = Descent(tiny_model(), adamw(lr=0.1), 5.0)
    descent.scale_learning_rate(0.5)
    assert descent.learning_rate == pytest.approx(0.05)
    other = Descent(tiny_model(), adamw(lr=0.1), 5.0)
    other.load_state_dict(descent.state_dict())
    assert other.learning_rate == pytest.approx(0.05)


def test_encoder_factor_multiplies_the_encoders_learning_rate_alone():
    ends = {}
    for factor in (1.0, 3.0):
        model, objective = tiny_model(), tiny_objective()
        start = [p.detach().clone() for p in model.parameters()]
        descent = Descent(model, sgd(lr=0.5), 0.0, encoder_lr_factor=factor)
        torch.manual_seed(0)
        descent.descend(objective(model(tiny_batch()), 0).total, descent.parts, descent.parts)
        ends[factor] = [p - q for p, q in zip(model.parameters(), start, strict=True)]
        assert descent.learning_rate == 0.5
    inference = len([*model.inference_parameters()])
    for index, (one, three) in enumerate(zip(ends[1.0], ends[3.0], strict=True)):
        torch.testing.assert_close(three, (3.0 if index < inference else 1.0) * one)


def test_encoder_factor_survives_decay_and_checkpoints():
    descent = Descent(tiny_model(), sgd(lr=1.0), 5.0, encoder_lr_factor=4.0)
    descent.scale_learning_rate(0.5)
    other = Descent(tiny_model(), sgd(lr=1.0), 5.0, encoder_lr_factor=4.0)
    other.load_state_dict(descent.state_dict())
    rates = [part.optimizer.param_groups[0]["lr"] for part in other.parts]
    assert rates == [2.0, 0.5]


@pytest.mark.parametrize("recipe", [sgd, adamw])
def test_learning_rate_must_be_positive(recipe):
    with pytest.raises(ValueError, match="lr is 0"):
        recipe(lr=0)


def test_encoder_factor_must_be_positive():
    with pytest.raises(ValueError, match="encoder_lr_factor is 0"):
        Descent(tiny_model(), sgd(), 5.0, encoder_lr_factor=0)


def test_clip_must_not_be_negative():
    with pytest.raises(ValueError, match="clip is -1"):
        Descent(tiny_model(), sgd(), -1)

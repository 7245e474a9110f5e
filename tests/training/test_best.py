"""What a plateau takes back: the model's weights and those of terms with networks of their own."""

from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_model, tiny_objective
from textvae.errors import CheckpointError
from textvae.objectives.objective import Objective
from textvae.training.best import Best
from textvae.training.checkpoint import RunFolder

TERMS = {"bag_of_words": {"hidden": 4}, "minimum_rate": {"target": 1.0}}


def state(*modules):
    return [{name: value.clone() for name, value in module.state_dict().items()} for module in modules]


def train_on(model: torch.nn.Module, objective: Objective) -> None:
    with torch.no_grad():
        for parameter in [*model.parameters(), *objective.parameters()]:
            parameter += 1
    for controller in objective._controllers():
        controller.advance(2.0)


def test_restores_the_model_and_the_terms_networks_but_not_what_controllers_saw(tmp_path: Path):
    model, objective = tiny_model(), tiny_objective(terms=TERMS).double()
    best = Best(model, objective, RunFolder(tmp_path))
    weights, learned = state(model)[0], {n: p.detach().clone() for n, p in objective.named_parameters()}
    assert learned
    best.keep()
    train_on(model, objective)
    _, advanced = state(model, objective)
    best.restore()
    restored, after = state(model, objective)
    torch.testing.assert_close(restored, weights, rtol=0, atol=0)
    buffers = [name for name in after if name not in learned]
    assert buffers
    torch.testing.assert_close({n: after[n] for n in learned}, learned, rtol=0, atol=0)
    torch.testing.assert_close({n: after[n] for n in buffers}, {n: advanced[n] for n in buffers})


def test_of_terms_without_networks_nothing_more_is_kept(tmp_path: Path):
    model, folder = tiny_model(), RunFolder(tmp_path)
    best = Best(model, tiny_objective(), folder)
    best.keep()
    assert not folder.best_terms.exists()
    best.restore()


def test_damaged_terms_are_one_line(tmp_path: Path):
    model, folder = tiny_model(), RunFolder(tmp_path)
    best = Best(model, tiny_objective(terms=TERMS).double(), folder)
    best.keep()
    folder.best_terms.write_bytes(folder.best_terms.read_bytes()[:20])
    with pytest.raises(CheckpointError, match=r"best_terms\.safetensors is truncated or damaged"):
        best.restore()

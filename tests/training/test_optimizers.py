"""What our SGD keeps of torch's, and what it spares."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from textvae.training.optimizers import SGD


def test_its_state_is_written_as_torch_writes_it():
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
    theirs = torch.optim.SGD(parameters, lr=0.25).state_dict()
    mine = SGD(parameters, 0.25).state_dict()
    assert mine["state"] == theirs["state"] == {}
    (group,), (their_group,) = mine["param_groups"], theirs["param_groups"]
    assert group.items() <= their_group.items()


def test_its_state_comes_back():
    parameters = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]
    one, other = SGD(parameters, 0.25), SGD(parameters, 1.0)
    other.load_state_dict(one.state_dict())
    assert other.param_groups[0]["lr"] == 0.25
    assert other.param_groups[0]["params"] == parameters


def test_a_state_of_other_parameters_is_refused():
    few, many = (
        SGD([nn.Parameter(torch.zeros(2))], 1.0),
        SGD([nn.Parameter(torch.zeros(1)) for _ in "ab"], 1.0),
    )
    with pytest.raises(ValueError, match="2 parameters, these are 1"):
        few.load_state_dict(many.state_dict())


def test_torchs_compiler_is_not_imported_to_train():
    """It takes a second, which a command is not to wait for."""
    code = (
        "import sys, torch; from textvae.training.optimizers import sgd; "
        "parameter = torch.nn.Parameter(torch.zeros(2)); parameter.grad = torch.ones(2); "
        "sgd().make([parameter]).descend(1.0); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

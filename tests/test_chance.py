"""Draws that leave the common stream as it was."""

import torch

from textvae.chance import drawing_from


def test_draws_are_those_of_the_seed_and_later_ones_as_if_there_had_been_none():
    cpu = torch.device("cpu")
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with drawing_from(7, cpu):
        inside = torch.rand(5)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(inside, torch.rand(5, generator=torch.Generator().manual_seed(7)))

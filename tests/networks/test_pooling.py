"""Pooling over states, as written out sentence by sentence."""

import pytest
import torch

from textvae.networks.encoder import LSTMEncoder
from textvae.networks.pooling import POOLINGS

LENGTHS = torch.tensor([4, 1, 3])


def test_last_joins_the_ends_of_both_directions():
    states = torch.randn(3, 4, 6)
    pooled = POOLINGS["last"](states, LENGTHS, 2)
    for row, length in enumerate(LENGTHS):
        assert torch.equal(pooled[row], torch.cat([states[row, length - 1, :3], states[row, 0, 3:]]))


@pytest.mark.parametrize(
    ("name", "written_out"), [("mean", lambda s: s.mean(0)), ("max", lambda s: s.amax(0))]
)
def test_mean_and_maximum_are_over_words_alone(name, written_out):
    states = torch.randn(3, 4, 6) - 5  # all below 0, where padding as 0 would be the maximum
    pooled = POOLINGS[name](states, LENGTHS, 2)
    for row, length in enumerate(LENGTHS):
        torch.testing.assert_close(pooled[row], written_out(states[row, :length]))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_encoder_never_reads_padding(pooling, bidirectional):
    torch.manual_seed(0)
    encoder = LSTMEncoder(17, 4, 5, bidirectional=bidirectional, pooling=pooling).double()
    ids, lengths = torch.randint(4, 17, (4, 7)), torch.tensor([7, 2, 1, 5])
    together = encoder(ids, lengths)
    assert together.shape == (4, encoder.size)
    for row, length in enumerate(lengths):
        alone = encoder(ids[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_unknown_pooling():
    with pytest.raises(ValueError, match="one of last, mean, max"):
        LSTMEncoder(17, pooling="median")

import pytest
import torch

from textvae.networks.corruption import Inputless, WordDropout, drop_words

UNK = 3


def test_keep_rate_is_the_share_of_words_kept():
    torch.manual_seed(0)
    ids = torch.full((100, 101), 7)
    seen = drop_words(ids, keep=0.7, unk=UNK)
    assert set(seen.unique().tolist()) == {UNK, 7}
    assert (seen[:, 0] == 7).all()
    assert (seen[:, 1:] == 7).double().mean().item() == pytest.approx(0.7, abs=0.02)


def test_word_dropout_is_for_training_only():
    ids = torch.arange(4, 44).view(4, 10)
    assert torch.equal(WordDropout(0.1, UNK)(ids, training=False), ids)
    assert torch.equal(WordDropout(1.0, UNK)(ids, training=True), ids)
    assert not torch.equal(WordDropout(0.1, UNK)(ids, training=True), ids)


@pytest.mark.parametrize("training", [True, False])
def test_inputless_never_shows_a_word(training):
    assert (Inputless(UNK)(torch.arange(12).view(3, 4), training) == UNK).all()


@pytest.mark.parametrize("keep", [-0.1, 1.1, float("nan")])
def test_keep_rate_out_of_range(keep):
    with pytest.raises(ValueError, match="must be in"):
        WordDropout(keep, UNK)


def test_keep_rate_zero_points_to_inputless():
    with pytest.raises(ValueError, match="inputless"):
        WordDropout(0.0, UNK)

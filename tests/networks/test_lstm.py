"""Encoder and decoder: padding, one step against the whole, where z enters."""

import itertools

import pytest
import torch

from textvae.networks.decoder import PLACES
from textvae.networks.decoders import DECODERS
from textvae.networks.encoder import LSTMEncoder, NoEncoder

V, Z, UNK = 17, 3, 3


def encoder(**settings):
    torch.manual_seed(0)
    return LSTMEncoder(V, embedding=4, hidden=5, **settings).double()


def decoder(**settings):
    torch.manual_seed(0)
    settings = {"embedding": 4, "hidden": 5, **settings}
    return DECODERS["lstm"](V, Z, UNK, **settings).double().eval()


@pytest.mark.parametrize(
    "settings", [{}, {"layers": 2}, {"bidirectional": True}, {"layers": 2, "bidirectional": True}]
)
def test_encoder_never_reads_padding(settings):
    model = encoder(**settings)
    ids = torch.randint(4, V, (6, 9))
    lengths = torch.tensor([9, 3, 1, 7, 5, 2])
    together = model(ids, lengths)
    assert together.shape == (6, model.size)
    for row, length in enumerate(lengths):
        alone = model(ids[row : row + 1, :length], lengths[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone)


def test_no_encoder_gives_an_empty_vector():
    assert NoEncoder()(torch.ones(4, 3, dtype=torch.long), torch.tensor([3, 3, 2, 1])).shape == (4, 0)


@pytest.mark.parametrize("places", [p for n in (1, 2, 3) for p in itertools.combinations(PLACES, n)])
@pytest.mark.parametrize("layers", [1, 2])
def test_steps_equal_the_whole_sentence(places, layers):
    model = decoder(z_into=places, layers=layers)
    inputs, z = torch.randint(V, (2, 6)), torch.randn(3, 2, Z, dtype=torch.float64)
    whole = model.output(model.hidden(inputs, z))
    flat, state = z.flatten(0, 1), model.start(z.flatten(0, 1))
    for t in range(6):
        logits, state = model.step(inputs[:, t].repeat(3), flat, state)
        torch.testing.assert_close(logits.view(3, 2, V), whole[:, :, t])


def test_he2019_start_is_tanh_of_a_linear_map():
    model = decoder(layers=2)
    z = torch.randn(4, Z, dtype=torch.float64)
    h, c = model.start(z)
    torch.testing.assert_close(c, (z @ model.to_state.weight.T).view(4, 2, 5).transpose(0, 1))
    torch.testing.assert_close(h, torch.tanh(c))


@pytest.mark.parametrize("places", PLACES)
def test_every_place_alone_carries_z(places):
    model = decoder(z_into=[places])
    inputs = torch.randint(V, (1, 5))
    a, b = model.hidden(inputs, torch.randn(2, 1, Z, dtype=torch.float64))
    assert not torch.allclose(a, b)


def test_inputless_decoder_ignores_words_everywhere():
    model = decoder(inputless=True)
    z = torch.randn(1, 2, Z, dtype=torch.float64)
    torch.testing.assert_close(
        model.hidden(torch.zeros(2, 5, dtype=torch.long), z), model.hidden(torch.randint(V, (2, 5)), z)
    )
    state = model.start(z[0])
    first, _ = model.step(torch.tensor([5, 6]), z[0], state)
    second, _ = model.step(torch.tensor([9, 1]), z[0], state)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize(
    "settings",
    [
        {"z_into": []},
        {"z_into": ["sky"]},
        {"dropout_in": 1.0},
        {"dropout_out": -0.1},
        {"hidden": 0},
        {"word_keep": 0.0},
    ],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        decoder(**settings)


def test_encoder_settings_out_of_range():
    with pytest.raises(ValueError, match="layers is 0"):
        encoder(layers=0)

"""What the shortcuts past z carry, that a gate holds it back, and what they do to the likelihood of a model."""

import pytest
import torch

from tests.networks.test_decoders import SHORTCUTS, V, by_steps, decoder, draws, reading, sentences
from tests.tiny import tiny_batch, tiny_model
from textvae.data.batching import Batch
from textvae.data.specials import SPECIALS
from textvae.errors import ConfigError

BAGS, STATES = SHORTCUTS[:2], SHORTCUTS[2:]


@pytest.mark.parametrize("name", SHORTCUTS)
def test_steps_equal_the_whole_sentence(name):
    model, inputs, z = decoder(name), sentences(), draws()
    whole = model.output(model.hidden(inputs, z, reading()))
    knowing = model.knowing(inputs, z.flatten(0, 1), reading())
    torch.testing.assert_close(by_steps(model, inputs, z, knowing), whole)


@pytest.mark.parametrize("name", BAGS)
def test_a_bag_knows_the_words_but_not_their_order(name):
    model, inputs, z = decoder(name), sentences(), draws()
    swapped = inputs.clone()
    swapped[:, [4, 6]] = inputs[:, [6, 4]]
    torch.testing.assert_close(model.hidden(swapped, z)[:, :, :4], model.hidden(inputs, z)[:, :, :4])
    other = inputs.clone()
    other[:, 6] = inputs[:, 6] % (V - 4) + 4
    assert (model.hidden(other, z)[:, :, 0] != model.hidden(inputs, z)[:, :, 0]).any()


@pytest.mark.parametrize("name", BAGS)
def test_a_bag_never_reads_padding(name):
    model, inputs, z = decoder(name), sentences(), draws()
    padded = torch.cat([inputs, torch.full((2, 3), SPECIALS.pad)], 1)
    torch.testing.assert_close(model.hidden(padded, z)[:, :, :7], model.hidden(inputs, z))


@pytest.mark.parametrize("name", ["gated_shortcut", "gated_shortcut_states"])
def test_gate_is_closed_where_z_is_nought_and_turns_with_its_sign(name):
    model, inputs, z = decoder(name), sentences(1), draws(1, 1)[0]
    there, back, nought = (model.knowing(inputs, point, reading(1))[2] for point in (z, -z, 0 * z))
    torch.testing.assert_close(there, -back)
    assert there.any() and not nought.any()


@pytest.mark.parametrize("name", SHORTCUTS)
def test_generation_goes_without_the_shortcut(name):
    assert not decoder(name).start(draws()[0])[2].any()


@pytest.mark.parametrize("name", STATES)
def test_without_the_encoder_s_reading_there_is_no_likelihood(name):
    with pytest.raises(ValueError, match="the encoder's reading"):
        decoder(name).hidden(sentences(), draws())


def model_of(name):
    return tiny_model(decoder={"name": name, "embedding": 5, "hidden": 6}).eval()


@pytest.mark.parametrize("name", SHORTCUTS)
def test_likelihood_is_a_function_of_the_batch_and_z(name):
    """It neither depends on who shares the batch, on padding, on how many draws there are, nor on what was read before."""
    model, batch = model_of(name), tiny_batch((7, 2, 5))
    z = torch.randn(3, 3, 3, dtype=torch.float64)
    model.posterior(tiny_batch((4,)))
    together = model.log_likelihood(batch, z)
    for row, length in enumerate(batch.lengths.tolist()):
        alone = Batch(batch.inputs[[row], :length], batch.targets[[row], :length], batch.lengths[[row]])
        torch.testing.assert_close(model.log_likelihood(alone, z[1:2, [row]])[0, 0], together[1, row])


@pytest.mark.parametrize("name", STATES)
def test_rec_teaches_the_encoder_past_z_unless_the_gate_is_closed(name):
    model, z = model_of(name), torch.randn(1, 4, 3, dtype=torch.float64)
    weight = model.encoder.embedding.weight
    (gradient,) = torch.autograd.grad(model.log_likelihood(tiny_batch(), z).sum(), [weight])
    (at_nought,) = torch.autograd.grad(model.log_likelihood(tiny_batch(), 0 * z).sum(), [weight])
    assert gradient.any() and bool(at_nought.any()) == (name == "shortcut_states")


@pytest.mark.parametrize("name", ["lstm", *SHORTCUTS])
def test_a_model_says_that_its_likelihoods_are_given_the_words(name):
    assert tiny_model(decoder={"name": name}).given == ("" if name == "lstm" else "its words")


def test_a_shortcut_from_states_needs_an_encoder():
    with pytest.raises(ConfigError, match="needs an encoder that has some"):
        tiny_model(decoder={"name": "shortcut_states"}, encoder={"name": "none"}, latent={"name": "none"})

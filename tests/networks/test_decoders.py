"""What every kind of decoder keeps: one step against the whole, reach of z and words, and the output's temperature."""

import inspect

import pytest
import torch

from textvae.data.specials import SPECIALS
from textvae.networks.decoders import DECODERS
from textvae.networks.temperature import Learned

V, Z, UNK = 17, 3, 3
LIMITED = {
    "convolutional": {"kernel": 2, "dilations": (1, 2)},
    "convolutional wide": {"kernel": 3, "dilations": (1,)},
    "window": {"window": 3},
    "window of one": {"window": 1},
}
SHORTCUTS = ["shortcut", "gated_shortcut", "shortcut_states", "gated_shortcut_states"]


def decoder(name, latent=Z, **settings):
    torch.manual_seed(0)
    make = DECODERS[name.split()[0]]
    sizes = {"embedding": 4, "hidden": 6} | LIMITED.get(name, {}) | settings
    if name.endswith("states"):
        sizes = {"encoder_size": 5} | sizes
    return make(V, latent, UNK, **sizes).double().eval()


def sentences(rows=2, steps=7):
    inputs = torch.randint(4, V, (rows, steps), generator=torch.Generator().manual_seed(1))
    inputs[:, 0] = SPECIALS.bos
    return inputs


def draws(samples=3, rows=2):
    return torch.randn(samples, rows, Z, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def reading(rows=2):
    """What an encoder may have read in the sentences."""
    vectors = torch.randn(rows, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    return lambda: vectors


def by_steps(model, inputs, z, state):
    samples, logits = len(z), []
    for t in range(inputs.shape[1]):
        word, state = model.step(inputs[:, t].repeat(samples), z.flatten(0, 1), state)
        logits.append(word.view(samples, len(inputs), V))
        assert all(part.shape[1] == samples * len(inputs) for part in state)
    return torch.stack(logits, 2)


@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("name", LIMITED)
def test_steps_equal_the_whole_sentence(name, learn):
    model, inputs, z = decoder(name, temperature=1.7, learn_temperature=learn), sentences(), draws()
    whole = model.output(model.hidden(inputs, z))
    torch.testing.assert_close(by_steps(model, inputs, z, model.start(z.flatten(0, 1))), whole)


@pytest.mark.parametrize("name", LIMITED)
def test_rows_of_a_state_go_on_as_they_would_have(name):
    model, inputs, z = decoder(name), sentences(4), draws(1, 4)[0]
    state, picked = model.start(z), torch.tensor([3, 1])
    for t in range(4):
        _, state = model.step(inputs[:, t], z, state)
    expected, _ = model.step(inputs[:, 4], z, state)
    rows = tuple(part.index_select(1, picked) for part in state)
    torch.testing.assert_close(model.step(inputs[picked, 4], z[picked], rows)[0], expected[picked])


@pytest.mark.parametrize("name", LIMITED)
def test_words_reach_as_far_as_the_context_and_no_further(name):
    model, inputs, z = decoder(name), sentences(1, 12), draws(1, 1)
    before = model.hidden(inputs, z)[0, 0]
    inputs[0, 2] = (inputs[0, 2] + 1) % V
    changed = (model.hidden(inputs, z)[0, 0] != before).any(1).nonzero()[:, 0]
    assert changed.min() == 2 and changed.max() == 2 + model.context - 1


@pytest.mark.parametrize("name", [*LIMITED, *SHORTCUTS])
def test_z_reaches_every_word(name):
    model, inputs = decoder(name), sentences(1)
    a, b = model.hidden(inputs, draws(2, 1), reading(1))[:, 0]
    assert (a != b).any(1).all()


@pytest.mark.parametrize("name", ["convolutional", "window", "shortcut", "shortcut_states"])
def test_without_z_it_is_a_language_model(name):
    model, inputs = decoder(name, latent=0), sentences()
    assert model.hidden(inputs, torch.zeros(1, 2, 0, dtype=torch.float64), reading()).isfinite().all()


@pytest.mark.parametrize("learn", [False, True])
@pytest.mark.parametrize("name", ["lstm", "convolutional", "window"])
def test_temperature_divides_the_logits(name, learn):
    plain, hot = decoder(name), decoder(name, temperature=2.5, learn_temperature=learn)
    hot.load_state_dict(plain.state_dict(), strict=False)
    inputs, z = sentences(), draws()
    torch.testing.assert_close(hot.output(hot.hidden(inputs, z)), plain.output(plain.hidden(inputs, z)) / 2.5)
    assert hot.gauges()["temperature"].item() == pytest.approx(2.5)


def test_learned_temperature_is_steady_under_sgd_at_rate_one():
    """It settles near the tau that fits given logits: those of standard deviation 3 that are twice too large."""
    torch.manual_seed(0)
    true = 3 * torch.randn(22 * 32, 50)
    words = torch.distributions.Categorical(logits=true).sample()
    temperature, taus = Learned(1.0), []
    for _ in range(400):
        loss = torch.nn.functional.cross_entropy(temperature(2 * true), words, reduction="sum") / 32
        (gradient,) = torch.autograd.grad(loss, [temperature.s])
        with torch.no_grad():
            temperature.s -= gradient
        taus.append(temperature.tau().item())
    assert all(0.9 < tau < 2.5 for tau in taus) and taus[-1] == pytest.approx(2.0, abs=0.2)


def test_learned_temperature_follows_its_gradient():
    model, inputs, z = decoder("lstm", temperature=2.0, learn_temperature=True), sentences(), draws()
    logits = model.output(model.hidden(inputs, z))
    (gradient,) = torch.autograd.grad(logits.square().sum(), [model.temperature.s])
    torch.testing.assert_close(gradient, -2 * 0.05 * logits.square().sum())


@pytest.mark.parametrize("name", DECODERS)
def test_every_parameter_gets_a_gradient(name):
    model = decoder(name).train()
    model.output(model.hidden(sentences(), draws(), reading())).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.grad.any(), key


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("convolutional", {"kernel": 0}),
        ("convolutional", {"dilations": ()}),
        ("convolutional", {"dilations": (1, 0)}),
        ("convolutional", {"dilations": (1.5,)}),
        ("convolutional", {"dilations": 3}),
        ("convolutional", {"dilations": None}),
        ("window", {"window": 0}),
        ("window", {"temperature": 0.0}),
        ("gated_shortcut", {"latent": 0}),
        ("gated_shortcut_states", {"latent": 0}),
        ("gated_shortcut", {"latent": 2, "label_size": 2}),
        ("shortcut_states", {"encoder_size": 0}),
    ],
)
def test_settings_out_of_range(name, settings):
    with pytest.raises(ValueError):
        decoder(name, **settings)


@pytest.mark.parametrize("name", DECODERS)
def test_kinds_agree_on_what_they_are_given(name):
    known = inspect.signature(DECODERS[name]).parameters
    assert {"vocabulary", "latent", "unk", "embedding", "hidden", "word_keep"} <= set(known)

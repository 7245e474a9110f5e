"""The whole model: padding, the model without z, gradients."""

import pytest
import torch
from torch.distributions import (
    AffineTransform,
    ExpTransform,
    Independent,
    Normal,
    Poisson,
    TransformedDistribution,
)

from tests.tiny import VOCABULARY, tiny_batch, tiny_config, tiny_model, tiny_objective
from textvae.data.batching import Batch
from textvae.errors import ConfigError
from textvae.evaluation.evaluator import evaluate
from textvae.latents.distributions import parameters_of, rebuilt
from textvae.latents.heads import GaussianHead
from textvae.latents.posteriors import HEADS
from textvae.model import build_model
from textvae.networks import cross_entropy
from textvae.networks.decoder import LSTMDecoder, LSTMSettings
from textvae.networks.decoders import DECODERS


def row(batch, index, length):
    return Batch(batch.inputs[[index], :length], batch.targets[[index], :length], batch.lengths[[index]])


def test_padding_changes_no_number():
    model, batch = tiny_model(), tiny_batch((7, 2, 1, 5))
    q = model.posterior(batch)
    z = torch.randn(3, 4, 3, dtype=torch.float64)
    log_px_z = model.log_likelihood(batch, z)
    for index, length in enumerate(batch.lengths.tolist()):
        alone = row(batch, index, length)
        torch.testing.assert_close(model.posterior(alone).mean[0], q.mean[index])
        torch.testing.assert_close(model.log_likelihood(alone, z[:, [index]])[:, 0], log_px_z[:, index])


def test_log_likelihood_is_the_sum_over_words():
    model, batch = tiny_model(), tiny_batch((5,))
    z = torch.randn(1, 1, 3, dtype=torch.float64)
    state, total = model.decoder.start(z[0]), 0.0
    for t in range(6):
        logits, state = model.decoder.step(batch.inputs[:, t], z[0], state)
        total += logits.log_softmax(-1)[0, batch.targets[0, t]].item()
    assert model.log_likelihood(batch, z).item() == pytest.approx(total)


def test_every_parameter_gets_a_finite_gradient():
    model = tiny_model()
    output = model(tiny_batch((4, 6, 3)), samples=2)
    (output.kl.sum() - output.log_px_z.mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_parts_hold_every_parameter_once():
    model = tiny_model()
    parts = [*model.inference_parameters(), *model.generative_parameters()]
    assert {id(p) for p in parts} == {id(p) for p in model.parameters()}
    assert len(parts) == len(list(model.parameters()))


def test_without_z_it_is_a_language_model():
    model = tiny_model(encoder={"name": "none"}, latent={"name": "none"})
    output = model(tiny_batch((4, 6, 3)), samples=1)
    assert output.kl.shape == (3, 0) and output.z.shape == (1, 3, 0)
    assert output.kl.sum() == 0 and output.log_px_z.isfinite().all()
    assert list(model.inference_parameters()) == []


def test_uniform_initialisation_is_that_of_he2019():
    model = tiny_model(initialisation={"name": "uniform", "bound": 0.01, "embedding": 0.1})
    embeddings = {"encoder.embedding.weight", "decoder.embedding.weight"}
    for name, parameter in model.named_parameters():
        bound = 0.1 if name in embeddings else 0.01
        assert 0.5 * bound < parameter.abs().max() <= bound, name


@pytest.mark.parametrize(
    ("section", "settings", "says"),
    [
        ("encoder", {"name": "transformer"}, "known: lstm, none"),
        ("decoder", {"name": "lstm", "depth": 3}, "'depth'"),
        ("latent", {"name": "gaussian", "size": 0}, "size is 0"),
        ("latent", {"name": "none"}, "'none' and encoder 'lstm' do not go together: .* add encoder=none"),
        ("encoder", {"name": "none"}, "'gaussian' and encoder 'none' do not go together: .* add latent=none"),
        ("decoder", {"name": "lstm", "z_into": "state"}, "z_into is 'state', must be a list"),
        ("decoder", {"name": "lstm", "word_keep": 0}, "inputless"),
    ],
)
def test_errors_name_what_is_wrong(section, settings, says):
    with pytest.raises(ConfigError, match=says):
        build_model(tiny_config(**{section: settings}), VOCABULARY, unk=3)


class Flow(GaussianHead):
    """Posteriors of a family that torch can neither join nor summarise."""

    def at(self, parameters):
        return TransformedDistribution(super().at(parameters), [ExpTransform()])


class Unreparametrised(GaussianHead):
    def at(self, parameters):
        return Independent(Poisson(parameters.exp()), 1)


class Moved(TransformedDistribution):
    """With the moments that are asked for, and made of something else than its arg_constraints."""

    def __init__(self, base):
        super().__init__(base, [AffineTransform(1.0, 2.0)])

    mean = property(lambda self: 1 + 2 * self.base_dist.mean)
    variance = property(lambda self: 4 * self.base_dist.variance)
    mode = mean


class Affine(Moved):
    """The same, registered."""


@parameters_of.register
def _(q: Affine):
    return parameters_of(q.base_dist.base_dist)


@rebuilt.register
def _(q: Affine, parameters):
    return Affine(Independent(Normal(**parameters), 1))


class MovedHead(GaussianHead):
    def at(self, parameters):
        return Moved(super().at(parameters))


class AffineHead(GaussianHead):
    def at(self, parameters):
        return Affine(super().at(parameters))


class Loose(GaussianHead):
    """Forgets that the dimensions of z are one event."""

    def at(self, parameters):
        return super().at(parameters).base_dist


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (Flow, "its posterior TransformedDistribution has no mean"),
        (Unreparametrised, "its posterior Independent has no rsample"),
        (MovedHead, "its posterior Moved has no way to be joined: register its type in parameters_of"),
        (Loose, r"batch shape \(2, 3\) and event shape \(\), must have \(2,\) and \(3,\)"),
    ],
)
def test_posteriors_that_an_evaluation_could_not_use_are_refused_at_once(monkeypatch, head, says):
    monkeypatch.setitem(HEADS, "own", head)
    with pytest.raises(ConfigError, match=f"latent 'own': .*{says}"):
        tiny_model(latent={"name": "own", "size": 3})


def test_a_family_made_of_something_else_can_be_registered(monkeypatch):
    monkeypatch.setitem(HEADS, "own", AffineHead)
    model, batches = tiny_model(latent={"name": "own", "size": 3}), [tiny_batch((4, 3)), tiny_batch((5, 5))]
    found = evaluate(model, batches, iw_samples=3, fisher_sentences=None)
    plain = evaluate(tiny_model(), batches)
    assert found["kl_kind"] == "sampled" and found["kl"] != pytest.approx(plain["kl"], abs=0.1)


def test_an_output_layer_that_the_likelihood_would_not_read_is_refused(monkeypatch):
    class Biased(LSTMDecoder):
        def __init__(self, settings):
            super().__init__(settings)
            self.output = torch.nn.Linear(settings.hidden, settings.vocabulary)

    monkeypatch.setitem(
        DECODERS, "own", lambda vocabulary, latent, unk: Biased(LSTMSettings(vocabulary, latent, unk))
    )
    with pytest.raises(
        ConfigError, match=r"decoder 'own': its output is Linear.*must be a Linear without bias"
    ):
        tiny_model(decoder={"name": "own"})


@pytest.mark.parametrize("lengths", [(4, 4, 4), (1, 3, 4)])
@pytest.mark.parametrize("samples", [1, 3])
def test_the_gradient_of_the_objective_is_the_foreseen_one(
    lengths: tuple[int, ...], samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a pass over the gradient of the output weights is not spared, which nothing else would tell."""
    found, compare = [], cross_entropy._compare
    monkeypatch.setattr(
        cross_entropy, "_compare", lambda *given: found.append(compare(*given)) or compare(*given)
    )
    model = tiny_model().train()
    tiny_objective()(model(tiny_batch(lengths), samples), 0).total.backward()
    assert found == [(True, True)]

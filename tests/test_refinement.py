"""Refined posteriors: the gradient through the steps, what stays as it was, and that bounds get better."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.evaluation.known_answers import log_weights
from tests.tiny import VOCABULARY, tiny_batch, tiny_config
from textvae.data.batching import Batch
from textvae.errors import ConfigError
from textvae.evaluation.evaluator import evaluate
from textvae.latents.heads import GaussianHead
from textvae.model import SentenceVAE, build_model
from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.recurrence import Recurrence
from textvae.refinement import SemiAmortised, Slope, Unrefined, build_refined
from textvae.training.checkpoint import load_weights, save_weights

SPEC = {"name": "semi_amortised", "steps": 3, "lr": 0.1, "momentum": 0.5, "clip": 2.0}


def refined_model(seed: int = 0, spread: float = 0.4, spec: Any = SPEC, **sections: Any) -> SentenceVAE:
    """A tiny refined model in float64 with weights so large that sentences differ."""
    torch.manual_seed(seed)
    model = build_refined(tiny_config(refinement=spec, **sections), VOCABULARY, unk=3).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(spread * torch.randn_like(parameter))
    return model


def cubic(x: Tensor, a: Tensor) -> Tensor:
    return (a * x**3).sum(-1) + x[:, 0] * x[:, 1] ** 2


def test_the_gradient_of_a_slope_is_that_of_the_second_derivative():
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    a = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    slope = Slope.apply(lambda x: cubic(x, a), x, a)
    (exact,) = torch.autograd.grad(cubic(x, a).sum(), x, create_graph=True)
    torch.testing.assert_close(slope, exact)
    weights = torch.randn(4, 2, dtype=torch.float64)
    for mine, theirs in zip(
        torch.autograd.grad((weights * slope).sum(), [x, a]),
        torch.autograd.grad((weights * exact).sum(), [x, a]),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-7, atol=1e-9)


def test_a_sentence_of_a_large_gradient_leaves_those_of_the_others_exact():
    x = torch.randn(4, 2, requires_grad=True)
    a = torch.randn(4, 2)
    weights = torch.randn(4, 2) * torch.tensor([1e6, 1, 1, 1])[:, None]
    (mine,) = torch.autograd.grad((weights * Slope.apply(lambda x: cubic(x, a), x)).sum(), [x])
    exactly = x.detach().double().requires_grad_()
    (slope,) = torch.autograd.grad(cubic(exactly, a.double()).sum(), exactly, create_graph=True)
    (theirs,) = torch.autograd.grad((weights.double() * slope).sum(), [exactly])
    torch.testing.assert_close(mine[1:].double(), theirs[1:], rtol=1e-3, atol=1e-3)


def test_a_slope_that_nothing_asks_for_has_no_gradient():
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    a = torch.ones(4, 2, dtype=torch.float64, requires_grad=True)
    (0 * Slope.apply(lambda x: cubic(x, a), x, a)).sum().backward()
    assert not x.grad.any() and not a.grad.any()


CASES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "clipped": {"spec": SPEC | {"clip": 0.3}},
    "dropout": {
        "decoder": {**tiny_config()["decoder"], "dropout_in": 0.3, "dropout_out": 0.3, "word_keep": 0.7}
    },
    "delta": {"latent": {"name": "delta", "size": 3}},
    "vamp": {"prior": {"name": "vamp", "components": 3, "length": 2}},
}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_is_that_of_the_whole_refined_objective(case):
    """Against the numerical derivative along a direction of each part's parameters, refined anew at each point."""
    model, batch = refined_model(spread=0.2, **CASES[case]), tiny_batch((4, 6, 3))

    def loss() -> Tensor:
        torch.manual_seed(3)
        output = model(batch)
        return output.kl.sum() - output.log_px_z.sum()

    loss().backward()
    generator, step = torch.Generator().manual_seed(1), 1e-5
    for part in (model.encoder.parameters(), model.head.parameters(), model.generative_parameters()):
        parameters = list(part)
        directions = [torch.randn(p.shape, dtype=p.dtype, generator=generator) for p in parameters]
        values = []
        with torch.no_grad():
            for moved in (step, -2 * step):
                torch._foreach_add_(parameters, directions, alpha=moved)
                values.append(loss())
            torch._foreach_add_(parameters, directions, alpha=step)
        found = sum((p.grad * d).sum() for p, d in zip(parameters, directions, strict=True))
        torch.testing.assert_close(found, (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-6)


def test_the_steps_are_those_of_ascent_with_momentum():
    """With a closed form: where the decoder does not hear z, the ELBO's slope is minus that of the KL."""
    model, batch = refined_model(), tiny_batch((4, 6))
    with torch.no_grad():
        model.decoder.to_state.weight.zero_()
        model.decoder.lstm.weight_ih_l0[:, -model.latent_size :].zero_()
        parameters = model.head.linear(model.encoder(batch.sentences, batch.lengths + 1))
        velocity = torch.zeros_like(parameters)
        for _ in range(SPEC["steps"]):
            mu, logvar = parameters.chunk(2, -1)
            slope = -torch.cat((mu, (logvar.exp() - 1) / 2), -1)
            velocity = (
                SPEC["momentum"] * velocity
                + slope * (SPEC["clip"] / slope.norm(dim=-1)).clamp(max=1)[:, None]
            )
            parameters = parameters + SPEC["lr"] * velocity
        q = model.posterior(batch)
    mu, logvar = parameters.chunk(2, -1)
    torch.testing.assert_close(q.mean, mu)
    torch.testing.assert_close(q.variance, logvar.exp())


def test_zero_steps_are_the_plain_model():
    plain, zero = refined_model(spec=None), refined_model(spec=SPEC | {"steps": 0})
    outputs = []
    for model in (plain, zero):
        torch.manual_seed(2)
        output = model(tiny_batch((4, 6, 3)), samples=2)
        (output.kl.sum() - output.log_px_z.sum()).backward()
        outputs.append((output, torch.get_rng_state()))
    (mine, state), (theirs, other_state) = outputs
    assert torch.equal(mine.z, theirs.z) and torch.equal(mine.kl, theirs.kl)
    assert torch.equal(mine.log_px_z, theirs.log_px_z) and torch.equal(state, other_state)
    for a, b in zip(plain.parameters(), zero.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_noise_of_the_steps_is_none_of_an_evaluations_draws(seed):
    model = refined_model(latent={"name": "gaussian", "size": 32}, spec=SPEC)
    torch.manual_seed(seed)
    drawn = torch.randn(1, 32, 32)
    for noise in model.noise.float():
        assert not (noise[0] == drawn).any()


@pytest.mark.parametrize("latent", ["gaussian", "delta"])
def test_the_elbo_gets_better(latent):
    section = {"latent": {"name": latent, "size": 3}}
    batch, means = tiny_batch((4, 6, 3, 5, 2, 7)), []
    for spec in (None, SPEC | {"steps": 20, "lr": 0.05}):
        model = refined_model(spec=spec, **section).eval()
        torch.manual_seed(0)
        with torch.no_grad():
            means.append(log_weights(model, batch, samples=2000).mean(0))
    plain, refined = means
    assert refined.mean() > plain.mean() + 0.1


def test_a_committed_rate_is_kept():
    model = refined_model(latent={"name": "delta", "size": 3, "delta": 0.2})
    with torch.no_grad():
        kl = model(tiny_batch((4, 6, 3))).kl
    assert (kl >= 0.2 - 1e-9).all()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("lengths", [(4, 6, 3), (5,)])
def test_every_parameter_gets_a_finite_gradient(lengths, sparse):
    model = refined_model().float()
    for embedding in (model.encoder.embedding, model.decoder.embedding):
        embedding.sparse = sparse
    output = model(tiny_batch(lengths))
    (output.kl.sum() - output.log_px_z.mean()).backward()
    for name, parameter in model.named_parameters():
        grad = parameter.grad.to_dense()
        assert grad.isfinite().all() and grad.any(), name


def test_sparse_gradients_are_the_dense_ones():
    gradients = []
    for sparse in (False, True):
        model = refined_model()
        model.decoder.embedding.sparse = sparse
        torch.manual_seed(0)
        (-model(tiny_batch((4, 6, 3))).log_px_z.sum()).backward()
        gradients.append(model.decoder.embedding.weight.grad.to_dense())
    torch.testing.assert_close(*gradients)


def test_frozen_parameters_stay_frozen():
    model = refined_model()
    for parameter in model.generative_parameters():
        parameter.requires_grad_(False)
    model(tiny_batch()).log_px_z.sum().backward()
    assert all(p.grad is None and not p.requires_grad for p in model.generative_parameters())
    assert all(p.grad.any() and p.requires_grad for p in model.inference_parameters())


def test_padding_and_company_change_no_number():
    model, batch = refined_model().eval(), tiny_batch((7, 2, 1, 5))
    with torch.no_grad():
        q = model.posterior(batch)
        for index, length in enumerate(batch.lengths.tolist()):
            own = Batch(*(part[[index], :length] for part in batch[:2]), batch.lengths[[index]])
            for moment in ("mean", "variance"):
                mine = getattr(model.posterior(own), moment)[0]
                torch.testing.assert_close(mine, getattr(q, moment)[index])


def test_in_evaluation_the_posterior_is_a_function_of_x_and_in_training_chance_takes_part():
    model, batch = refined_model(), tiny_batch()
    with torch.no_grad():
        before = torch.get_rng_state()
        first = model.posterior(batch).mean
        assert not torch.equal(model.posterior(batch).mean, first)
        torch.set_rng_state(before)
        assert torch.equal(model.posterior(batch).mean, first)
        model.eval()
        before = torch.get_rng_state()
        assert torch.equal(model.posterior(batch).mean, model.posterior(batch).mean)
        assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "sections",
    [{}, {"prior": {"name": "vamp", "components": 3, "length": 2}}, {"decoder": {"name": "shortcut_states"}}],
    ids=["decoder", "encoder in the prior", "encoder in the decoder"],
)
def test_rounded_products_of_training_do_not_change_the_posterior(sections):
    model, batch = refined_model(**sections).float().eval(), tiny_batch()
    with torch.no_grad():
        exact = model.posterior(batch).mean
        model.cross_entropy = CrossEntropy(torch.bfloat16)
        model.decoder.recurrence, model.encoder.recurrence = (Recurrence(torch.bfloat16) for _ in range(2))
        assert torch.equal(model.posterior(batch).mean, exact)
    assert model.cross_entropy.products == model.decoder.recurrence.products == torch.bfloat16
    assert model.encoder.recurrence.products == torch.bfloat16


def test_the_evaluator_takes_it_as_any_other():
    model = refined_model()
    batches = [tiny_batch((length,) * 8, seed=length) for length in (3, 4, 5)]
    found = evaluate(model, batches, iw_samples=200)
    assert found["nll_iw"] < found["neg_elbo"]
    assert found["mi_lower"] <= math.log(24)
    assert found["kl_kind"] == "exact per dimension" and found["total_dimensions"] == 3
    assert evaluate(model, batches, iw_samples=200) == found
    plain = refined_model(spec=None)
    assert found["neg_elbo"] < evaluate(plain, batches)["neg_elbo"]


def test_saved_and_loaded_it_gives_the_same_numbers_and_so_do_weights_of_a_plain_model(tmp_path):
    path, batch = tmp_path / "weights.safetensors", tiny_batch()
    save_weights(refined_model(seed=0, spec=None), path)
    models = [refined_model(seed=1).eval(), refined_model(seed=2).eval()]
    for model in models:
        load_weights(model, path)
        save_weights(model, path)
    with torch.no_grad():
        assert torch.equal(*(model.posterior(batch).mean for model in models))


def test_a_config_without_the_section_is_the_plain_model():
    assert type(build_refined(tiny_config(), VOCABULARY, unk=3)) is SentenceVAE
    model = build_model(tiny_config(), VOCABULARY, unk=3)
    assert Unrefined()(model) is model


@pytest.mark.parametrize(
    ("latent", "prior"),
    [
        ({"name": "batch_norm", "size": 3}, "standard_normal"),
        ({"name": "von_mises_fisher", "size": 3}, "uniform_sphere"),
        ({"name": "quantised", "size": 4, "slots": 2, "codes": 5}, "uniform_codes"),
        ({"name": "hierarchical", "size": 4}, "hierarchical"),
        ({"name": "none"}, "standard_normal"),
    ],
)
def test_other_posteriors_are_refused_by_both_names(latent, prior):
    encoder = {"name": "none"} if latent["name"] == "none" else tiny_config()["encoder"]
    config = tiny_config(latent=latent, prior={"name": prior}, encoder=encoder, refinement=SPEC)
    says = f"latent '{latent['name']}' and refinement 'semi_amortised' do not go together: "
    with pytest.raises(ConfigError, match=says):
        build_refined(config, VOCABULARY, unk=3)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"lr": 0}, "lr is 0"),
        ({"clip": 0.0}, "clip 0.0"),
        ({"clip": math.inf}, "clip inf"),
        ({"momentum": 1.0}, "momentum is 1.0"),
    ],
)
def test_settings_out_of_range(settings, says):
    with pytest.raises(ValueError, match=says):
        SemiAmortised(**settings)


def test_unknown_settings_and_names_are_refused():
    for section, says in (
        ({"name": "semi_amortised", "rate": 1}, "no setting 'rate'"),
        ({"name": "more"}, "known: none"),
    ):
        with pytest.raises(ConfigError, match=says):
            build_refined(tiny_config(refinement=section), VOCABULARY, unk=3)


def test_a_head_that_makes_more_of_its_numbers_is_refused():
    class Narrow(GaussianHead):
        def forward(self, h):
            return self.at(self.linear(h).clamp(max=0))

    assert SemiAmortised().objection(GaussianHead(4)) is None
    assert "more than mu and logvar" in str(SemiAmortised().objection(Narrow(4)))

"""The Fisher information of p(x|z): closed forms, its meaning as a divergence, and what a collapsed decoder has."""

import math

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model
from textvae.data.batching import Batch
from textvae.evaluation.evaluator import evaluate
from textvae.evaluation.geometry import fisher_information, spectrum
from textvae.model import SentenceVAE

LSTM = {"name": "lstm", "embedding": 5, "hidden": 6, "dropout_in": 0.0, "dropout_out": 0.0}


def informed(**decoder: object) -> SentenceVAE:
    """A model whose decoder minds z."""
    model = tiny_model(decoder={**LSTM, **decoder}).eval()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(2.0)
    return model


def log_p(model: SentenceVAE, batch: Batch, z: torch.Tensor) -> torch.Tensor:
    """log p(.|x_<t, z), (B,T,V)."""
    return (model.states(batch, z[None])[0] @ model.output_weight.T).log_softmax(-1)


@torch.no_grad()
@pytest.mark.parametrize("z_into", [["state"], ["input", "state"], ["output"]])
def test_it_is_the_second_order_of_the_divergence_from_words_at_a_z_nearby(z_into):
    model, batch = informed(z_into=z_into), tiny_batch((5, 2, 4))
    z, d = torch.randn(2, 3, 3, dtype=torch.float64)
    d = 1e-3 * d
    here, there = log_p(model, batch, z), log_p(model, batch, z + d)
    divergence = ((here - there) * here.exp()).sum(-1).masked_fill(~batch.mask, 0).sum(1)
    told = torch.einsum("bi,bij,bj->b", d, fisher_information(model, batch, z), d) / 2
    torch.testing.assert_close(told, divergence, rtol=1e-2, atol=0)


@torch.no_grad()
def test_where_logits_are_linear_in_z_it_is_their_covariance():
    model, batch = informed(z_into=["output"]), tiny_batch((3, 3))
    z = torch.randn(2, 3, dtype=torch.float64)
    directions = model.output_weight @ model.decoder.to_output.weight  # (V,Z)
    p = log_p(model, batch, z).exp()
    mean = p @ directions
    second = torch.einsum("btv,vi,vj->bij", p, directions, directions)
    expected = second - torch.einsum("bti,btj->bij", mean, mean)
    torch.testing.assert_close(fisher_information(model, batch, z), expected, rtol=1e-6, atol=1e-9)


@torch.no_grad()
def test_padding_and_budget_change_nothing():
    model, lengths = informed(), (6, 2, 4, 1)
    batch, z = tiny_batch(lengths), torch.randn(4, 3, dtype=torch.float64)
    whole = fisher_information(model, batch, z)
    torch.testing.assert_close(fisher_information(model, batch, z, row_budget=1), whole)
    alone = [fisher_information(model, batch.rows(torch.tensor([row])), z[row : row + 1]) for row in range(4)]
    torch.testing.assert_close(torch.cat(alone), whole)
    assert (torch.linalg.eigvalsh(whole) > 0).all()


@torch.no_grad()
def test_in_float32_it_is_nearly_the_same():
    batch, z = tiny_batch((5, 3)), torch.randn(2, 3, dtype=torch.float64)
    exact = fisher_information(informed(), batch, z)
    torch.testing.assert_close(
        fisher_information(informed().float(), batch, z.float()), exact, rtol=1e-2, atol=1e-4
    )


def test_the_spectrum_is_told_in_units_of_the_prior_s_deviation():
    information = torch.diag_embed(torch.tensor([[0.5, 8.0, 2.0], [0.0, 3.0, 0.25]], dtype=torch.float64))
    assert spectrum(information, torch.ones(2, 3)) == {
        "fisher_spectrum": [5.5, 1.125, 0.25],
        "fisher_directions": 1.5,
        "fisher_rate": pytest.approx(math.log(1.5 * 9 * 3 * 4 * 1.25) / 4),
    }
    variance = torch.tensor([[4.0, 0.25, 0.5], [1.0, 1.0, 8.0]])
    assert spectrum(information, variance)["fisher_spectrum"] == pytest.approx([2.5, 2.0, 0.5])


@torch.no_grad()
@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_the_figures_do_not_depend_on_the_scale_of_z(factor):
    """The same model in other units: prior, posterior and decoder agree on them, and no other figure tells them apart."""
    sections = {"prior": {"name": "mixture", "components": 2}}
    model, other = (tiny_model(decoder=LSTM, **sections) for _ in range(2))
    other.prior_module.start.mul_(factor)
    other.prior_module.logvar.add_(2 * math.log(factor))
    other.head.linear.weight[:3] *= factor  # mu
    other.decoder.to_state.weight.div_(factor)
    other.decoder.lstm.weight_ih_l0[:, -3:] /= factor
    batches = [tiny_batch((4,) * 6)]
    expected, found = (spectra(each, batches) for each in (model, other))
    assert found["fisher_rate"] == pytest.approx(expected["fisher_rate"], rel=1e-5)
    assert found["fisher_spectrum"] == pytest.approx(expected["fisher_spectrum"], rel=1e-5)


def spectra(model: SentenceVAE, batches: list[Batch]) -> dict:
    return evaluate(model.eval(), batches, fisher_sentences=None)


@pytest.mark.parametrize("name", ["mixture", "vamp", "conditional"])
def test_learned_priors_have_a_variance_to_hold_it_against(name):
    model = tiny_model(prior={"name": name, **({"labels": 2} if name == "conditional" else {})})
    batch = tiny_batch((4,) * 6)._replace(labels=torch.arange(6) % 2)
    assert spectra(model, [batch])["fisher_rate"] >= 0


def test_a_decoder_that_ignores_z_has_none_and_the_other_figures_stay():
    model = informed()
    with torch.no_grad():
        model.decoder.to_state.weight.zero_()
        model.decoder.lstm.weight_ih_l0[:, -3:] = 0
    batches = [tiny_batch((4,) * 3), tiny_batch((5,) * 3, seed=1)]
    found = evaluate(model, batches, iw_samples=3, fisher_sentences=None)
    assert found.pop("fisher_spectrum") == pytest.approx([0, 0, 0], abs=1e-12)
    assert found.pop("fisher_rate") == pytest.approx(0, abs=1e-12)
    assert (found.pop("fisher_directions"), found.pop("fisher_sentences")) == (0, 6)
    assert found == evaluate(model, batches, iw_samples=3)
    assert evaluate(model, batches, fisher_sentences=2)["fisher_sentences"] == 2


@pytest.mark.parametrize(
    "sections",
    [
        {"latent": {"name": "none"}, "encoder": {"name": "none"}},
        {
            "latent": {"name": "quantised", "size": 3, "slots": 1, "codes": 4},
            "prior": {"name": "uniform_codes"},
        },
        {"latent": {"name": "von_mises_fisher", "size": 3}, "prior": {"name": "uniform_sphere"}},
        {"latent": {"name": "hierarchical", "size": 4}, "prior": {"name": "hierarchical"}},
    ],
)
def test_where_the_prior_has_no_variance_on_all_of_space_there_is_none(sections):
    assert "fisher_rate" not in spectra(tiny_model(**sections), [tiny_batch()])


def test_progress_counts_its_sentences():
    calls: list[tuple[str, int, int]] = []
    batches = [tiny_batch((4,) * 3), tiny_batch((5,) * 3, seed=1)]
    evaluate(tiny_model(), batches, fisher_sentences=5, progress=lambda *call: calls.append(call))
    assert calls[-1] == ("geometry", 5, 5) and len([call for call in calls if call[0] == "geometry"]) == 2

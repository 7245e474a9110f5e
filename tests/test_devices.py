"""The same model on a CPU and on a GPU: what is deterministic agrees, and each way of training goes its steps."""

import importlib
import math
import os
from functools import partial
from typing import Any

import pytest
import torch

from tests.cli.process import EPOCHS, inside, textvae
from tests.families import FAMILIES, LABELS
from tests.tiny import CONFIG, tiny_batch, tiny_config, tiny_model, tiny_objective
from textvae.data.batching import Batch
from textvae.evaluation.evaluator import evaluate
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.decoding import decode_all
from textvae.generation.stepwise import Sample
from textvae.model import SentenceVAE
from textvae.networks.decoders import DECODERS
from textvae.objectives.rates import RATES
from textvae.objectives.terms import TERMS
from textvae.refinement import build_refined
from textvae.training.compute import Compute, compute
from textvae.training.descent import Descent
from textvae.training.optimizers import adamw, sgd
from textvae.training.updaters import Aggressive, EncoderSteps, Joint

PRETENDED = os.environ.get("TEXTVAE_TEST_DEVICE")  # tests/pretended.py
CUDA = pytest.param(
    "cuda",
    marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
)
pytestmark = pytest.mark.parametrize("device", [PRETENDED] if PRETENDED else ["cpu", CUDA])
LENGTHS = (3, 5, 5, 2)
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def placed(model: SentenceVAE, device: str, precision: str = "float32") -> SentenceVAE:
    if device == PRETENDED:
        return Compute(torch.device(device), TYPES[precision]).place(model.float())
    return compute(device, precision).place(model.float())


def test_likelihoods_and_kl_are_those_of_the_cpu(device):
    batch, z = tiny_batch(LENGTHS), torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1))
    here, there = placed(tiny_model(), "cpu").eval(), placed(tiny_model(), device).eval()
    with torch.no_grad():
        expected = here.log_likelihood(batch, z)
        got = there.log_likelihood(batch.to(device), z.to(device))
        torch.testing.assert_close(got.cpu(), expected, atol=1e-4, rtol=1e-5)
        found = evaluate(there, [batch.to(device)], iw_samples=70, tc_sentences=None, fisher_sentences=None)
        assert found["kl"] == pytest.approx(evaluate(here, [batch])["kl"], abs=1e-4)
        assert math.isfinite(found["nll_iw"]) and found["nll_iw"] < found["neg_elbo"] + 1
        expected = evaluate(here, [batch], fisher_sentences=None)["fisher_rate"]
        assert found["fisher_rate"] == pytest.approx(expected, rel=1e-2, abs=1e-4)


def test_importance_weights_are_taken_there(device):
    batch = tiny_batch(LENGTHS)
    with torch.no_grad():
        model = placed(tiny_model(), device).eval()
        torch.manual_seed(0)
        log_p = importance_weighted_log_prob(model, batch.to(device), 2000)
    assert log_p.device.type == device and log_p.dtype == torch.float64
    assert bool((log_p < 0).all())


@pytest.mark.parametrize("recipe", [sgd(0.1), adamw(0.01)], ids=["sgd", "adamw"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_of_a_language_model_is_that_of_the_cpu(device, recipe, precision):
    """Without z nothing is drawn by chance."""
    ends = []
    for where in ("cpu", device):
        model = placed(
            tiny_model(encoder={"name": "none"}, latent={"name": "none"}), where, precision
        ).train()
        updater = Joint(model, tiny_objective(), Descent(model, recipe, 5.0))
        for step in range(3):
            updater.step(tiny_batch(LENGTHS).to(where), pytest.fail, step)
        ends.append([parameter.detach().cpu() for parameter in model.parameters()])
    near = {"float32": 1e-4, "bfloat16": 2e-2}[precision]
    for here, there in zip(*ends, strict=True):
        torch.testing.assert_close(there, here, atol=near, rtol=near)


@pytest.mark.parametrize(
    "make",
    [
        Joint,
        partial(Aggressive, window=2, most=5),
        partial(Aggressive, clip="own", words=1, most=3),
        partial(EncoderSteps, steps=3),
    ],
)
def test_each_updater_goes_its_steps(device, make):
    model = placed(tiny_model(), device, "bfloat16").train()
    updater = make(model, tiny_objective(), Descent(model, sgd(0.1), 5.0))
    before = [parameter.detach().clone() for parameter in model.parameters()]
    batch = tiny_batch(LENGTHS).to(device)
    for step in range(2):
        loss = updater.step(batch, lambda: batch, step)
    assert math.isfinite(loss.total.item())
    assert all(not torch.equal(now, then) for now, then in zip(model.parameters(), before, strict=True))


def test_a_refined_posterior_is_differentiated_in_evaluation_too(device):
    torch.manual_seed(0)
    refinement = {"name": "semi_amortised", "steps": 2}
    model = build_refined(tiny_config(refinement=refinement), 19, unk=3)
    found = evaluate(placed(model, device).eval(), [tiny_batch(LENGTHS).to(device)], iw_samples=3)
    assert math.isfinite(found["nll_iw"])


def test_sentences_are_sampled_there(device):
    model = placed(tiny_model(), device).eval()
    with torch.no_grad():
        z = model.prior().sample((5,))
        assert z.device.type == device
        said = decode_all(model.decoder, z, Sample(max_length=6, banned=(), allow_empty=False))
    assert len(said.ids) == 5


@pytest.mark.skipif(not PRETENDED, reason="only the pretended device counts, in tests/test_pretended.py")
def test_a_step_of_training_waits_for_the_device_three_times(device):
    """For whether there is padding, whether all words weigh the same, and for the loss with its gradient norm."""
    waits = importlib.import_module("tests.pretended").waits
    updater = Joint(
        model := placed(tiny_model(), device).train(), tiny_objective(), Descent(model, sgd(0.1), 5.0)
    )
    batch = tiny_batch((4, 4, 4)).to(device)
    updater.step(batch, lambda: batch, 0)
    waits.clear()
    updater.step(batch, lambda: batch, 1)
    assert len(waits) == 3, waits


@pytest.mark.skipif(not PRETENDED, reason="of the pretended device, in tests/test_pretended.py")
@pytest.mark.parametrize(
    "mixed",
    [
        lambda there, here: there + here,
        lambda there, here: torch.stack([there.sum(), here.sum()]),
        lambda there, here: here.sum().add_(there.sum()),
        lambda there, here: there.index_put((torch.tensor([0]),), here[:1]),
        lambda there, here: torch.nn.utils.rnn.pack_padded_sequence(there[None, :, None], there[:1].long()),
        lambda there, here: there.bernoulli(generator=torch.Generator()),
    ],
)
def test_a_tensor_that_lies_elsewhere_is_found(device, mixed):
    assert (torch.ones(3, device=device) * 2).sum().item() == 6
    with pytest.raises(RuntimeError, match=r" on cpu | on the CPU| of the CPU"):
        mixed(torch.ones(3, device=device), torch.ones(3))


def labelled(device: str) -> Batch:
    return tiny_batch(LENGTHS)._replace(labels=torch.arange(len(LENGTHS)) % LABELS).to(device)


def trained(model: SentenceVAE, device: str, **sections: dict[str, Any]) -> SentenceVAE:
    """The model there after two steps, each of which moves what steers the loss, too."""
    placed(model, device).train()
    objective, batch = tiny_objective(**sections).to(next(model.parameters())), labelled(device)
    updater = Joint(model, objective, Descent(model, sgd(0.1), 5.0))
    for step in range(2):
        loss = updater.step(batch, lambda: batch, step)
        objective.advance(loss)
    assert math.isfinite(loss.total.item())
    return model


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family[0]}-{family[1]}")
def test_each_family_is_trained_and_measured_there(device, family):
    terms = {"commitment": {}} if family.latent == "quantised" else {}
    model = trained(family.model(), device, latent=family.sections["latent"], terms=terms)
    found = evaluate(model.eval(), [labelled(device)], iw_samples=3, tc_sentences=None)
    assert math.isfinite(found["nll_iw"])


@pytest.mark.parametrize(
    "sections",
    [
        {"encoder": {"bidirectional": True}},
        {"encoder": {"pooling": "mean"}},
        {"encoder": {"pooling": "max"}},
        {"decoder": {"word_keep": 0.5, "dropout_in": 0.5, "z_into": ["state", "input", "output"]}},
        {"decoder": {"inputless": True}},
        {"decoder": {"temperature": 2.0, "learn_temperature": True}},
        *({"decoder": {"name": name}} for name in sorted(DECODERS)),
    ],
    ids=str,
)
def test_each_network_is_trained_there(device, sections):
    trained(tiny_model(**{name: CONFIG[name] | changes for name, changes in sections.items()}), device)


ASKED = {
    "minimum_rate": {"target": 5.0},
    "mu_forcing": {"margin": 5.0},
    "mu_forcing_centred": {"margin": 5.0},
}
FREE = {name: {"delta": 5.0} if name == "hinge" else {"total": 5.0} for name in RATES.keys() - {"true_kl"}}


@pytest.mark.parametrize(
    "sections",
    [
        *({"terms": {name: ASKED.get(name, {})}} for name in sorted(TERMS.keys() - {"commitment"})),
        *({"rate": {"name": name, **FREE[name]}} for name in sorted(FREE)),
        {"schedule": {"name": "pi_control", "target": 5.0}},
        {"schedule": {"name": "soft_free_bits", "target": 5.0}},
    ],
    ids=str,
)
def test_each_part_of_the_loss_is_charged_there(device, sections):
    trained(tiny_model(), device, **sections)


def test_a_refined_posterior_is_trained_there(device):
    torch.manual_seed(0)
    trained(build_refined(tiny_config(refinement={"name": "semi_amortised", "steps": 2}), 19, unk=3), device)


def test_a_run_is_stopped_and_goes_on(device, tmp_path):
    call = inside if device == "cpu" else textvae  # a new process has to bring back a GPU's generator
    settings = [*EPOCHS, f"compute.device={device}", "train.max_epochs=2"]
    done = call("train", *settings, "train.max_steps=5", f"run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    done = call("train", f"resume={tmp_path / 'run'}", "train.max_steps=9")
    assert done.returncode == 0, done.stderr
    done = call("sample", f"checkpoint={tmp_path / 'run'}", "n=3")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3

"""The same model on a CPU and on a GPU: what is deterministic agrees, and each way of training goes its steps."""

import importlib
import math
import os
from functools import partial

import pytest
import torch

from tests.cli.process import EPOCHS, textvae
from tests.families import FAMILIES, LABELS
from tests.tiny import CONFIG, tiny_batch, tiny_config, tiny_model, tiny_objective
from textvae.data.batching import Batch
from textvae.evaluation.evaluator import evaluate
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.decoding import decode_all
from textvae.generation.stepwise import Sample
from textvae.model import SentenceVAE
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
        found = evaluate(there, [batch.to(device)], iw_samples=70, tc_sentences=None)
        assert found["kl"] == pytest.approx(evaluate(here, [batch])["kl"], abs=1e-4)
        assert math.isfinite(found["nll_iw"]) and found["nll_iw"] < found["neg_elbo"] + 1


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


def labelled(device: str) -> Batch:
    return tiny_batch(LENGTHS)._replace(labels=torch.arange(len(LENGTHS)) % LABELS).to(device)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family[0]}-{family[1]}")
def test_each_family_is_trained_and_measured_there(device, family):
    model, batch = placed(family.model(), device).train(), labelled(device)
    objective = tiny_objective(latent=family.sections["latent"])
    Joint(model, objective, Descent(model, sgd(0.1), 5.0)).step(batch, lambda: batch, 0)
    found = evaluate(model.eval(), [batch], iw_samples=3, tc_sentences=None)
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
        {"decoder": {"name": "convolutional", "kernel": 2, "dilations": [1, 2]}},
        {"decoder": {"name": "window", "window": 2}},
        {"decoder": {"name": "shortcut"}},
        {"decoder": {"name": "gated_shortcut_states"}},
    ],
    ids=str,
)
def test_each_network_is_trained_there(device, sections):
    whole = {name: CONFIG[name] | changes for name, changes in sections.items()}
    model, batch = placed(tiny_model(**whole), device).train(), labelled(device)
    updater = Joint(model, tiny_objective(), Descent(model, adamw(0.01), 5.0))
    assert math.isfinite(updater.step(batch, lambda: batch, 0).total.item())


@pytest.mark.parametrize("term", sorted(TERMS.keys() - {"commitment"}))  # which goes with its family alone
def test_each_term_is_charged_there(device, term):
    asked = {
        "minimum_rate": {"target": 5.0},
        "mu_forcing": {"margin": 5.0},
        "mu_forcing_centred": {"margin": 5.0},
    }
    model = placed(tiny_model(), device).train()
    objective = tiny_objective(terms={term: asked.get(term, {})}).to(model.decoder.output.weight)
    updater = Joint(model, objective, Descent(model, sgd(0.1), 5.0))
    assert math.isfinite(updater.step(labelled(device), lambda: labelled(device), 0).total.item())


def test_a_run_is_stopped_and_goes_on(device, tmp_path):
    settings = [*EPOCHS, f"compute.device={device}", "train.max_epochs=2"]
    done = textvae("train", *settings, "train.max_steps=5", f"run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    done = textvae("train", f"resume={tmp_path / 'run'}", "train.max_steps=9")
    assert done.returncode == 0, done.stderr
    done = textvae("sample", f"checkpoint={tmp_path / 'run'}", "n=3")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3

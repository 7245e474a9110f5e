"""The same model on a CPU and on a GPU: what is deterministic agrees, and each way of training goes its steps."""

import math
from functools import partial

import pytest
import torch

from tests.cli.process import EPOCHS, textvae
from tests.tiny import tiny_batch, tiny_config, tiny_model, tiny_objective
from textvae.evaluation.evaluator import evaluate
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.decoding import decode_all
from textvae.generation.stepwise import Sample
from textvae.model import SentenceVAE
from textvae.refinement import build_refined
from textvae.training.compute import compute
from textvae.training.descent import Descent
from textvae.training.optimizers import adamw, sgd
from textvae.training.updaters import Aggressive, EncoderSteps, Joint

pytestmark = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here"),
        ),
    ],
)
LENGTHS = (3, 5, 5, 2)


def placed(model: SentenceVAE, device: str, precision: str = "float32") -> SentenceVAE:
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


def test_a_run_is_stopped_and_goes_on(device, tmp_path):
    settings = [*EPOCHS, f"compute.device={device}", "train.max_epochs=2"]
    done = textvae("train", *settings, "train.max_steps=5", f"run_dir={tmp_path / 'run'}")
    assert done.returncode == 0, done.stderr
    done = textvae("train", f"resume={tmp_path / 'run'}", "train.max_steps=9")
    assert done.returncode == 0, done.stderr
    done = textvae("sample", f"checkpoint={tmp_path / 'run'}", "n=3")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 3

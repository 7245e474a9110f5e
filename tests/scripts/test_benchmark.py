"""scripts/benchmark: the reference is the same model, written plainly, and a row runs as a user would run it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from tests.conftest import ROOT
from tests.scripts.loading import script_module
from tests.tiny import VOCABULARY, tiny_batch
from textvae.model import SentenceVAE, build_model


@pytest.fixture(scope="module")
def benchmark() -> Iterator[ModuleType]:
    with script_module("benchmark") as module:
        yield module


def the_same_twice(benchmark: ModuleType) -> tuple[torch.nn.Module, SentenceVAE]:
    """The reference and our model with the same weights."""
    with script_module("bench") as bench, script_module("evaluation_rows") as rows:
        model = build_model(bench.MODEL, VOCABULARY, unk=3).double().eval()
        reference = benchmark.Reference(VOCABULARY).double().eval()
        rows.copy_weights(reference, model)
    return reference, model


def test_reference_and_model_compute_the_same(benchmark: ModuleType) -> None:
    reference, model = the_same_twice(benchmark)
    batch, z = tiny_batch(), torch.randn(3, 4, 32, dtype=torch.float64)

    q = model.posterior(batch).base_dist
    mu, logvar = reference.encode(batch)
    torch.testing.assert_close((mu, logvar), (q.mean, 2 * q.stddev.log()))
    torch.testing.assert_close(
        reference.reconstruct(batch, z.transpose(0, 1)).T, model.log_likelihood(batch, z)
    )


def test_their_losses_have_the_same_gradient(benchmark: ModuleType) -> None:
    reference, model = the_same_twice(benchmark)
    batch = tiny_batch()

    torch.manual_seed(0)
    reference.loss(batch).backward()
    torch.manual_seed(0)
    output = model(batch)
    (output.kl.sum(-1) - output.log_px_z.mean(-1)).mean().backward()
    torch.testing.assert_close(model.head.linear.weight.grad, reference.head.weight.grad)
    torch.testing.assert_close(model.decoder.output.weight.grad, reference.output.weight.grad)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "benchmark.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what is asked for in vain")
def test_a_device_that_is_not_there_is_said_in_one_line() -> None:
    done = run("--device", "cuda", "--only", "generate")
    assert done.returncode == 1
    assert done.stderr == "error: device is cuda, but torch finds no CUDA device here\n"


def test_a_row_is_kept_with_what_it_was_measured_on(
    ptb_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTVAE_PTB_DIR", str(ptb_dir))
    file = tmp_path / "found.json"
    file.write_text('{"measured": {"train": {"date": "then"}}, "train": {"ratio": 2}}')
    done = run("--only", "generate", "--json", str(file))
    assert done.returncode == 0, done.stderr
    found = json.loads(file.read_text())
    assert found["train"] == {"ratio": 2} and found["measured"]["train"] == {"date": "then"}
    row = found["generate"]
    assert row["ratio"] == pytest.approx(row["sentences_per_s"] / row["reference_sentences_per_s"])
    assert found["measured"]["generate"]["device"] == "cpu"

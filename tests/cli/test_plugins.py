"""A remedy in a module and a folder of the user's own: trained, swept and read again without a change to the package."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.process import SMALL, says_one_line, summary, textvae

MODULE = """
from torch.distributions import Independent, Laplace
from textvae.latents.heads import GaussianHead
from textvae.latents.posteriors import HEADS
from textvae.objectives.rates import RATES

class Half:
    free = False
    def __call__(self, kl):
        return kl.sum(-1) / 2

class LaplaceHead(GaussianHead):
    gaussian = False
    def at(self, parameters):
        mu, log_scale = parameters.chunk(2, dim=-1)
        return Independent(Laplace(mu, log_scale.exp()), 1)

RATES["half"] = Half
HEADS["laplace"] = LaplaceHead
"""
OWN = ["--config-dir", "conf", "plugins=[mine]", "latent=laplace", "rate=half"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE)
    for group, lines in (("rate", "name: half\n"), ("latent", "name: laplace\nsize: 4\n")):
        place = tmp_path / "conf" / group
        place.mkdir(parents=True)
        (place / f"{lines.split()[1]}.yaml").write_text(lines)
    return tmp_path


def test_it_trains_in_sweeps_too_and_its_runs_are_read_where_it_is_found(folder):
    done = textvae("train", "-m", *OWN, *SMALL, "seed=0", "sweep_dir=sweep", cwd=folder)
    assert done.returncode == 0, done.stderr
    (run,) = folder.glob("sweep/*/")
    assert json.loads((run / "config.json").read_text())["plugins"] == ["mine"]
    assert (
        summary(run)["test"]["kl_kind"] == "exact per dimension"
    )  # torch has that of a Laplace distribution to a normal one
    resumed = textvae("train", f"resume={run}", "train.max_steps=3", cwd=folder)
    assert resumed.returncode == 0 and summary(run)["train"]["steps"] == 3
    (folder / "elsewhere").mkdir()
    sample = ("sample", f"checkpoint={run}", "n=2", "max_length=5")
    says_one_line(textvae(*sample, cwd=folder / "elsewhere"), "mine cannot be imported", "'mine'")
    said: subprocess.CompletedProcess[str] = textvae(*sample, cwd=folder)
    assert said.returncode == 0 and len(said.stdout.splitlines()) == 2


def test_a_choice_of_the_user_s_own_is_listed(folder):
    text = textvae("train", "--config-dir", "conf", "--help", cwd=folder).stdout
    assert "true_kl" in text and "half" in text and "laplace" in text
    says_one_line(
        textvae("train", *OWN[:3], "rate=hlf", cwd=folder), "there is no rate=hlf; close to it: half"
    )
    says_one_line(
        textvae("train", *OWN[:2], *OWN[3:], *SMALL, cwd=folder), "latent.name is 'laplace'; known: "
    )

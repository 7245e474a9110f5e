"""Imports go one way, files and functions stay small, and the checker that says so catches the opposite."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.layering import LONGEST_FILE, LONGEST_FUNCTION, MAY_IMPORT, oversized, violations


def _write(root: Path, file: str, text: str) -> None:
    path = root / "textvae" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_package_keeps_the_import_rule() -> None:
    found = violations(ROOT)
    assert not found, "\n".join(found)


def test_the_package_keeps_the_size_limits() -> None:
    found = oversized(ROOT)
    assert not found, "\n".join(found)


def test_the_table_has_no_circle() -> None:
    """Removing, again and again, the rooms that import nothing that is left must remove them all."""
    left = {room: {name.split(".")[0] for name in names} - {room} for room, names in MAY_IMPORT.items()}
    while free := [room for room, names in left.items() if not names & left.keys()]:
        for room in free:
            del left[room]
    assert left == {}


LEGAL = [
    ("cli/train.py", "import hydra\nfrom omegaconf import DictConfig\nfrom textvae import api, load"),
    ("cli/report.py", "from textvae.reporting import figures\nfrom textvae.training.trainer import fit"),
    (
        "training/trainer.py",
        "from textvae import evaluation, objectives\nfrom textvae.generation.sampling import draw",
    ),
    ("training/trackers.py", "def start():\n    import wandb"),
    ("training/trackers/weights.py", "import wandb.util"),
    ("objectives/rates.py", "from textvae.model import Output\nfrom . import schedules"),
    ("evaluation/information.py", "from ..latents.divergence import kl_groups\nimport torch.distributions"),
    (
        "networks/decoder.py",
        "from textvae.data.batching import Batch\nfrom textvae.registry import construct",
    ),
    ("latents/heads.py", "import textvae.errors\nfrom textvae.latents.distributions import select"),
    ("api.py", "from textvae.training.checkpoint import open_run\nfrom textvae.training import checkpoint"),
    ("__init__.py", "from textvae.api import load"),
    ("__main__.py", "from textvae.cli.main import main"),
    ("registry.py", "from textvae.errors import ConfigError"),
]

ILLEGAL = [
    ("objectives/rates.py", "import textvae.evaluation.likelihood"),
    ("objectives/rates.py", "from textvae.training.trainer import fit"),
    ("evaluation/evaluator.py", "from textvae.generation import decoding"),
    ("evaluation/evaluator.py", "from ..objectives.rates import FreeBits"),
    ("evaluation/evaluator.py", "from .. import objectives"),
    ("generation/sampling.py", "def late():\n    from textvae.evaluation import geometry"),
    ("generation/sampling.py", "import importlib\nimportlib.import_module('textvae.objectives')"),
    ("generation/sampling.py", "from textvae import load"),
    ("latents/heads.py", "from textvae.data.batching import Batch"),
    ("latents/heads.py", "from textvae.networks import encoder"),
    ("networks/encoder.py", "from textvae.latents.heads import Gaussian"),
    ("networks/encoder.py", "from torch.distributions import Normal"),
    ("networks/encoder.py", "from torch import distributions"),
    ("data/batching.py", "from textvae.model import SentenceVAE"),
    ("model.py", "from textvae import evaluation"),
    ("training/trainer.py", "from textvae.cli import locations"),
    ("training/trainer.py", "from textvae.reporting import tables"),
    ("training/trainer.py", "from omegaconf import OmegaConf"),
    ("training/trainer.py", "import wandb"),
    ("reporting/tables.py", "from textvae.training import checkpoint"),
    ("api.py", "from textvae.training.trainer import fit"),
    ("api.py", "from textvae import training"),
    ("evaluation/likelihood.py", "import textvae"),
    ("errors.py", "from textvae.registry import construct"),
    ("registry.py", "import textvae.data.batching"),
    ("utils.py", "import os"),
]


@pytest.mark.parametrize(("file", "text"), LEGAL)
def test_what_the_rule_allows_passes(tmp_path: Path, file: str, text: str) -> None:
    _write(tmp_path, file, text)
    assert violations(tmp_path) == []


@pytest.mark.parametrize(("file", "text"), ILLEGAL)
def test_what_the_rule_forbids_is_caught(tmp_path: Path, file: str, text: str) -> None:
    _write(tmp_path, file, text)
    (found,) = violations(tmp_path)
    assert found.startswith(f"textvae/{file}:")


def test_a_violation_names_the_line_and_the_module(tmp_path: Path) -> None:
    _write(
        tmp_path, "latents/priors.py", '"""Doc."""\n\nimport math\nfrom textvae.data import batching, store\n'
    )
    assert violations(tmp_path) == [
        "textvae/latents/priors.py:4 imports textvae.data.batching",
        "textvae/latents/priors.py:4 imports textvae.data.store",
    ]


def test_length_is_counted_to_the_line(tmp_path: Path) -> None:
    body = "    x = 1\n"
    _write(tmp_path, "data/whole.py", "x = 1\n" * LONGEST_FILE)
    _write(tmp_path, "data/parts.py", "class A:\n    def f(self):\n" + f"    {body}" * (LONGEST_FUNCTION - 1))
    assert oversized(tmp_path) == []
    _write(tmp_path, "data/whole.py", "x = 1\n" * (LONGEST_FILE + 1))
    _write(tmp_path, "data/parts.py", "class A:\n    def f(self):\n" + f"    {body}" * LONGEST_FUNCTION)
    assert oversized(tmp_path) == [
        f"textvae/data/parts.py:2 f has {LONGEST_FUNCTION + 1} lines; limit {LONGEST_FUNCTION}",
        f"textvae/data/whole.py has {LONGEST_FILE + 1} lines; the limit is {LONGEST_FILE}",
    ]

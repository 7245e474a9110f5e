import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from textvae.errors import CheckpointError
from textvae.training.files import load_state, save_state, write_json, write_tensors


def test_any_tree_comes_back_as_it_was(tmp_path):
    chance = np.random.default_rng(3).bit_generator.state
    tree = {
        "optimizer": {
            "state": {0: {"step": torch.tensor(2.0)}},
            "groups": [{"lr": 0.1, "betas": (0.9, 0.99)}],
        },
        "random": torch.get_rng_state(),
        "chance": chance,
        "empty": {},
        "nothing": None,
        "endless": float("inf"),
        "tied": [torch.ones(2, 3).T, torch.zeros(0)],
    }
    save_state(tmp_path / "state", tree)
    back = load_state(tmp_path / "state")
    assert back["optimizer"]["groups"] == tree["optimizer"]["groups"]
    assert back["optimizer"]["state"][0]["step"] == 2
    assert torch.equal(back["random"], tree["random"])
    assert torch.equal(back["tied"][0], tree["tied"][0])
    assert back["tied"][1].shape == (0,)
    assert {key: back[key] for key in ("chance", "empty", "nothing", "endless")} == {
        key: tree[key] for key in ("chance", "empty", "nothing", "endless")
    }


@pytest.mark.parametrize("kept", [0, 5, 100])
def test_truncated_file_is_one_clear_error(tmp_path, kept):
    path = tmp_path / "state"
    save_state(path, {"x": torch.ones(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        load_state(path)


def test_missing_file(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        load_state(tmp_path / "state")


def test_weights_may_be_read_by_those_who_may_read_the_rest(tmp_path):
    before = os.umask(0o022)
    try:
        write_tensors(tmp_path / "weights", {"w": torch.zeros(1)}, {})
        write_json(tmp_path / "config", {})
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode == (tmp_path / "config").stat().st_mode


def test_failed_write_leaves_the_file_before(tmp_path):
    path = tmp_path / "summary.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


FULL = """
import resource, signal, sys, torch
from pathlib import Path
from textvae.training.files import save_state, write_json
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    {write}
except {error}:
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("write", "error"),
    [
        ("write_json(Path('file'), {'a': 'b' * 90_000})", "OSError"),
        ("save_state(Path('file'), {'x': torch.ones(90_000)})", "CheckpointError"),
    ],
)
def test_a_full_disk_leaves_the_file_before_and_nothing_else(tmp_path, write, error):
    """As a limit on the size of files."""
    (tmp_path / "file").write_text("before")
    script = f"from textvae.errors import CheckpointError{FULL.format(write=write, error=error)}"
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path).returncode == 7
    assert (tmp_path / "file").read_text() == "before"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]

"""The tests of devices on one that is not there, so that a tensor left on the CPU is found without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def on_the_pretended_device(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: torch registers such a device for a whole one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.pretended", "-p", "no:xdist", *arguments]
    environment = os.environ | {"TEXTVAE_TEST_DEVICE": "pretended"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def test_what_a_gpu_would_have_to_do_is_done():
    done = on_the_pretended_device("tests/test_devices.py", "-k", "not a_run_is_stopped")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_a_tensor_that_lies_elsewhere_is_found(tmp_path):
    case = tmp_path / "test_mixed.py"
    case.write_text(
        "import torch\n"
        "from tests.pretended import PLACE\n"
        "def test_mixed():\n"
        "    (torch.ones(3, device=PLACE) * 2).sum().item()\n"
        "    torch.ones(3, device=PLACE) + torch.ones(3)\n"
    )
    done = on_the_pretended_device(str(case))
    assert (
        done.returncode == 1 and "aten::add has a tensor (3,) on cpu beside one on pretended:0" in done.stdout
    )

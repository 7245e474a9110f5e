"""The tests of devices on one that is not there, so that a tensor left on the CPU is found without a GPU."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_what_a_gpu_would_have_to_do_is_done():
    """In a process of its own: torch registers such a device for a whole one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.pretended", "-p", "no:xdist"]
    command += ["tests/test_devices.py", "-k", "not a_run_is_stopped"]
    environment = os.environ | {"TEXTVAE_TEST_DEVICE": "pretended"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout

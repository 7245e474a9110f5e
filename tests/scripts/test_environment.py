"""scripts/environment, in a checkout of its own and with Pythons that pretend: nothing is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

OLD = "#!/bin/sh\nexit 1\n"
# Passes every check, makes an environment with itself as the interpreter, and writes down each call.
FIT = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$2" in
venv) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
pip) echo "$PIP_SAYS" && [ -z "$PIP_SAYS" ] ;;
esac
"""


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.root, self.bin, self.calls = folder / "check out", folder / "bin", folder / "calls"
        (self.root / "scripts").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "scripts" / "environment", self.root / "scripts")
        for name in ("pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, self.root)
        for tool in ("bash", "cat", "cksum", "cp", "dirname", "grep", "mkdir", "rm", "sh", "tail", "tee"):
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool}"))

    def python(self, name: str, text: str) -> Path:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def make(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the script from another directory, without an input, with this PATH alone."""
        self.calls.write_text("")
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "PIP_SAYS": "", **variables}
        command = [str(self.root / "scripts" / "environment")]
        return subprocess.run(
            command, env=environment, cwd=os.sep, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def installs(self) -> int:
        return sum(line.startswith("-m pip install") for line in self.calls.read_text().splitlines())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_installs_once_with_the_pins_then_does_nothing(checkout: Checkout) -> None:
    checkout.python("python3", FIT)
    first = checkout.make()
    assert first.returncode == 0, first.stderr
    assert f"-c {checkout.root}/constraints.txt -e {checkout.root}[dev]" in checkout.calls.read_text()
    second = checkout.make()
    assert (second.returncode, second.stdout, second.stderr, checkout.installs()) == (0, "", "", 0)


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_installs_again_into_the_same_environment(
    checkout: Checkout, file: str
) -> None:
    checkout.python("python3", FIT)
    checkout.make()
    with (checkout.root / file).open("a") as stream:
        stream.write("# changed\n")
    again = checkout.make()
    assert again.returncode == 0, again.stderr
    assert checkout.installs() == 1
    assert "-m venv" not in checkout.calls.read_text()


def test_a_moved_checkout_installs_again(checkout: Checkout) -> None:
    checkout.python("python3", FIT)
    checkout.make()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.make()
    assert checkout.installs() == 1


def test_the_first_fit_python_is_taken(checkout: Checkout) -> None:
    checkout.python("python3", OLD)
    checkout.python("python3.12", FIT)
    made = checkout.make()
    assert made.returncode == 0, made.stderr
    assert "-m venv" in checkout.calls.read_text()


def test_no_fit_python_is_one_clear_line(checkout: Checkout) -> None:
    checkout.python("python3", OLD)
    failed = checkout.make()
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert "no Python >= 3.11" in line and "TEXTVAE_PYTHON" in line
    assert not (checkout.root / ".venv").exists()


def test_a_named_python_is_taken_or_refused_and_never_replaced(checkout: Checkout) -> None:
    checkout.python("python3", FIT)
    failed = checkout.make(TEXTVAE_PYTHON=str(checkout.python("old", OLD)))
    assert failed.returncode == 1
    (line,) = failed.stderr.splitlines()
    assert f"TEXTVAE_PYTHON={checkout.bin}/old is not a Python >= 3.11" in line
    assert checkout.make(TEXTVAE_PYTHON=str(checkout.python("good", FIT))).returncode == 0


def test_a_failed_installation_says_why_and_is_tried_again(checkout: Checkout) -> None:
    checkout.python("python3", FIT)
    failed = checkout.make(PIP_SAYS="ERROR: No matching distribution found for torch==2.13.0")
    assert failed.returncode == 1
    reason, where = failed.stderr.splitlines()
    assert reason == "ERROR: No matching distribution found for torch==2.13.0"
    assert where.endswith(f"is in {checkout.root}/.venv/install.log")
    assert checkout.make().returncode == 0
    assert checkout.installs() == 1

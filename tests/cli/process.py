"""Runs the command line in real processes."""

import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from textvae.cli.main import main

SMALL = [
    "data=grammar",
    "data.train=120",
    "data.valid=40",
    "data.test=40",
    "encoder.embedding=8",
    "encoder.hidden=8",
    "decoder.embedding=8",
    "decoder.hidden=8",
    "eval.iw_samples=3",
    "train.max_steps=2",
    "tracker=none",
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "textvae.cli.main", *arguments]


def environment(**more: str) -> dict[str, str]:
    """This process's own, with this checkout before whatever PYTHONPATH it has."""
    path = filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(path), **more}


def textvae(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**more),
        cwd=cwd,
        check=False,
    )


def inside(*arguments: str, stdin: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The same in this process, which is quicker where nothing of a process of its own is in question."""
    out, err, before = io.StringIO(), io.StringIO(), (sys.argv, sys.stdin)
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        with redirect_stdout(out), redirect_stderr(err), chdir(cwd or Path.cwd()):
            status = main(arguments)
    finally:
        sys.argv, sys.stdin = before
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def train_small(folder: Path, *overrides: str) -> Path:
    """A run of two steps in `folder`."""
    done = textvae("train", *SMALL, f"run_dir={folder}", *overrides, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def says_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """An error of the user: one line, what and where, no traceback, a status that is not 0."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "Error executing job" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("textvae: ")]
    assert len(lines) == 1 and done.stderr.splitlines()[-1] == lines[0], done.stderr
    for part in parts:
        assert part in lines[0], lines[0]

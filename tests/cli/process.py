"""Runs the command line in real processes, and inside this one."""

import io
import json
import os
import subprocess
import sys
import time
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from safetensors.torch import load_file

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
EPOCHS = [item for item in SMALL if not item.startswith("train.")] + [
    "train.max_epochs=4",
    "train.log_every=2",
    "decoder.word_keep=0.8",
    "data.batch_size=8",
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
    done = inside("train", *SMALL, f"run_dir={folder}", *overrides, cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    return folder


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def metrics(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("train/tokens_per_s", None)
    return rows


def same_weights(a: Path, b: Path) -> bool:
    first, second = load_file(a / "model.safetensors"), load_file(b / "model.safetensors")
    return first.keys() == second.keys() and all((first[key] == second[key]).all() for key in first)


def interrupt(folder: Path, number: int, extra: tuple[str, ...], stage: str = "") -> subprocess.Popen:
    """Starts the run of EPOCHS, and sends a signal once the state of a stage is saved amid its second epoch or later."""
    process = subprocess.Popen(
        command("train", *EPOCHS, f"run_dir={folder}", *extra),
        env=environment(),
        cwd=folder.parent,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline and process.poll() is None:
        rows = folder / stage / "metrics.jsonl"
        if (
            (folder / stage / "last.safetensors").exists()
            and rows.exists()
            and rows.read_text().count("train/rec") >= 6
        ):
            process.send_signal(number)
            break
        time.sleep(0.005)
    process.wait(300)
    return process


def says_one_line(done: subprocess.CompletedProcess[str], *parts: str) -> None:
    """An error of the user: one line, what and where, no traceback, a status that is not 0."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    assert "Error executing job" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("textvae: ")]
    assert len(lines) == 1 and done.stderr.splitlines()[-1] == lines[0], done.stderr
    for part in parts:
        assert part in lines[0], lines[0]

"""The README's first command, with small bounds."""

import os
import subprocess
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("data.train=1000", "data.valid=60", "data.test=60", "train.max_epochs=1", "eval.iw_samples=4")


def test_quickstart_ends_with_all_it_promises(tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        [ROOT / "scripts" / "quickstart", *SMALL],
        env={**os.environ, "TEXTVAE_QUICKSTART_DIR": str(out), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for word in (
        "NLL (IW)",
        "KL",
        "AU",
        "MI bounds",
        "verdict",
        "grammar/collapse",
        "grammar/cured",
        "the truth",
    ):
        assert word in done.stdout, word
    samples = done.stdout.split("Five sentences")[1].split("From one sentence")[0].strip().splitlines()[1:]
    assert len(samples) == 5 and all(line.strip() for line in samples)
    path = done.stdout.split("latent space:")[1].split("Everything lies in")[0].strip().splitlines()
    assert len(path) == 7
    assert str(out) in done.stdout.split("Everything lies in")[1]
    assert (out / "report.html").is_file()
    with Image.open(out / "training.png") as picture:
        assert picture.width > 800

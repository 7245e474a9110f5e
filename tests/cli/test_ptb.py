"""The main job on the Penn Treebank, with a small model and a few steps."""

from tests.cli.process import summary, textvae

SMALL = ("encoder.embedding=8", "encoder.hidden=8", "decoder.embedding=8", "decoder.hidden=8", "tracker=none")


def test_train_on_ptb(ptb_dir, tmp_path):
    folder = tmp_path / "run"
    bounds = ("train.max_steps=2", "eval.iw_samples=2", "eval.iw_sentences=5")
    done = textvae("train", *SMALL, *bounds, f"run_dir={folder}", TEXTVAE_PTB_DIR=str(ptb_dir))
    assert done.returncode == 0, done.stderr
    test = summary(folder)["test"]
    assert (test["sentences"], test["tokens"]) == (3761, 82430)
    assert test["iw_sentences"] == 5


def test_ptb_that_cannot_be_had_is_one_line(tmp_path):
    done = textvae("train", *SMALL, f"run_dir={tmp_path / 'run'}", TEXTVAE_PTB_DIR="")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "TEXTVAE_PTB_DIR" in done.stderr.splitlines()[-1]

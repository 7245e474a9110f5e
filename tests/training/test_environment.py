import subprocess

import torch

from textvae.training.environment import commit, environment


def test_commit_says_whether_the_checkout_is_changed(tmp_path):
    def git(*arguments):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments], cwd=tmp_path, check=True
        )

    assert commit(tmp_path) is None
    git("init", "-q")
    (tmp_path / "docs").mkdir()
    for name in ("file", "docs/results.json"):
        (tmp_path / name).write_text("one")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    first = commit(tmp_path)
    assert len(first) == 10 and int(first, 16) >= 0
    (tmp_path / "docs" / "results.json").write_text("two")
    assert commit(tmp_path) == first
    (tmp_path / "file").write_text("two")
    assert commit(tmp_path) == first + "+"


def test_environment_names_what_a_result_depends_on():
    facts = environment(torch.device("cpu"), torch.bfloat16)
    assert (facts["device"], facts["products"]) == ("cpu", "bfloat16")
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert facts["machine"].endswith(f"({torch.backends.cpu.get_cpu_capability()})")

"""Each verb's help is its own: its name, the groups that it takes, its keys."""

import pytest

from tests.cli.process import inside, says_one_line, textvae
from textvae.cli.locations import config_directory

GROUPS = {
    "analogy": {"decoding"},
    "encode": set(),
    "evaluate": set(),
    "import-he2019": {"data", "model", "latent", "prior", "encoder", "decoder", "initialisation"},
    "interpolate": {"decoding"},
    "reconstruct": {"decoding"},
    "sample": {"decoding"},
}


def groups(text: str) -> set[str]:
    """The names before the colons of the first section."""
    listed = text.partition("Groups (group=choice):\n\n")[2].partition("\n\n")[0]
    return {line.split(":")[0] for line in listed.splitlines()}


@pytest.mark.parametrize("verb", GROUPS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_headed_by_the_verb_and_lists_its_own_groups(verb, flag):
    done = inside(verb, flag)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"textvae {verb}: ") and f"usage: textvae {verb}" in done.stdout
    assert groups(done.stdout) == GROUPS[verb]
    assert "Hydra" not in done.stdout and "seed: 0" in done.stdout


def test_help_of_train_lists_what_a_run_is_made_of():
    text = inside("train", "--help", "latent=none", "encoder=none").stdout
    assert text.startswith("textvae train: ")
    assert {"experiment", "term", "schedule", "sweep"} <= groups(text) and "decoding" not in groups(text)
    assert "grammar/collapse" in text and "latent:\n  name: none" in text


def test_help_imports_no_torch():
    done = textvae("sample", "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0 and "\ncheckpoint: ???\n" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "omegaconf" in imported and not {"torch", "textvae.cli.sample"} & imported


def test_help_is_of_what_the_other_words_choose(tmp_path):
    own = tmp_path / "mine" / "experiment" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package _global_\nname: of my own\nseed: 7\nrun_dir: runs/${name}\n")
    words = ("train", "--config-dir", "mine", "experiment=own", "-h")
    text = inside(*words, cwd=tmp_path).stdout
    assert "name: of my own\n" in text and "seed: 7\n" in text and "run_dir: runs/${name}\n" in text
    assert "run_dir: runs/of my own\n" in inside(*words, "--resolve", cwd=tmp_path).stdout
    says_one_line(inside("train", "--help", "latnt.size=3"), "'latnt.size'; close to it: latent.size")
    says_one_line(inside("sample", "--hepl", "--help"), "there is no flag '--hepl'")


def test_keys_stand_as_they_are_given():
    assert "\nn: 10\n" in inside("sample", "--help").stdout


@pytest.mark.parametrize("how", [["-m"], ["sweep=seeds"], []])
def test_help_beside_a_sweep_is_that_of_its_first_job(how):
    done = inside("train", *how, "seed=3,4", "schedule.beta=interval(2,3)", "latent=none,gaussian", "--help")
    if not how:
        says_one_line(done, "seed=3,4")
    else:
        assert done.returncode == 0, done.stderr
        assert "\nseed: 3\n" in done.stdout and "beta: 2" in done.stdout
        assert "\nlatent:\n  name: none\n" in done.stdout


def test_help_tells_where_its_keys_are_explained_and_what_folder_is_none(tmp_path):
    assert inside("sample", "-h").stdout.splitlines()[-1].endswith(f" {config_directory()}.")
    done = inside("train", "--help", "--config-dir", "nosuch", cwd=tmp_path)
    says_one_line(done, "nosuch, which is no folder")

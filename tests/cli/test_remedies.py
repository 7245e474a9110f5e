"""textvae remedies: the list is complete, and each override does what its experiments do."""

import shlex
import subprocess
import sys
from functools import cache

import pytest

from tests.cli.process import environment, inside, says_one_line
from tests.test_experiments import CONF, EXPERIMENTS, composed
from textvae.cli.remedies import Remedy, line, read_remedies

REMEDIES = read_remedies(CONF / "remedies.yaml")
KNOWN = {
    "reference": "collapse lm",
    "objective": "beta_vae kl_autoencoder cyclical logistic annealing free_bits_batch_mean free_bits_per_sentence "
    "free_bits_per_sentence_dimension free_bits_batch_mean_total free_bits_by_noise hinge soft_free_bits minimum_rate pi_control "
    "bag_of_words infovae mutual_information mu_forcing beta_tc_vae",
    "posterior": "bn_vae bn_vae_zero delta_vae vmf vmf_learned vq vq_dead",
    "prior": "mixture vamp conditional_prior hierarchical",
    "noise": "temperature temperature_learned",
    "architecture": "word_dropout skip shortcut gated_shortcut shortcut_states gated_shortcut_states conditional small_decoder "
    "decoder_dropout inputless convolutional window pooling_mean pooling_max bidirectional",
    "update": "aggressive encoder_rate encoder_steps",
}


@cache
def settings(*overrides: str) -> dict[str, object]:
    """Every leaf of the composed config by its dotted key, but for the name."""

    def leaves(tree: dict, before: str = ""):
        for key, value in tree.items():
            if isinstance(value, dict):
                yield from leaves(value, f"{before}{key}.")
            else:
                yield f"{before}{key}", value

    return dict(leaves({key: value for key, value in composed(*overrides).items() if key != "name"}))


def changes(before: dict[str, object], after: dict[str, object]) -> dict[str, object]:
    """What is otherwise after than before, or new."""
    return {key: value for key, value in after.items() if before.get(key, before) != value}


def test_every_experiment_is_of_a_listed_remedy_and_the_other_way_round():
    listed = [name for remedy in REMEDIES for name in remedy.experiments.values()]
    assert sorted(listed) == EXPERIMENTS


def test_the_published_remedies_are_listed_each_in_its_room():
    listed = {(remedy.family, remedy.name) for remedy in REMEDIES}
    assert {(family, name) for family, names in KNOWN.items() for name in names.split()} <= listed
    assert len({remedy.name for remedy in REMEDIES}) == len(REMEDIES)


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: remedy.name)
def test_the_override_is_what_its_experiments_set(remedy):
    """An experiment may add to the override and choose other strengths, but no other object."""
    switched = changes(settings(), settings(*shlex.split(remedy.override)))
    assert switched or remedy.name == "collapse"
    objects = {key: value for key, value in switched.items() if key.endswith(".name") or value is True}
    for corpus, experiment in remedy.experiments.items():
        chosen = changes(settings(f"experiment={corpus}/collapse"), settings(f"experiment={experiment}"))
        assert set(switched) <= set(chosen)
        assert objects == {key: chosen[key] for key in objects}


def test_one_line_each_with_what_it_does_and_its_override():
    done = inside("remedies")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [line(remedy) for remedy in REMEDIES]
    for remedy, text in zip(REMEDIES, done.stdout.splitlines(), strict=True):
        assert text.split()[:2] == [remedy.family, remedy.name]
        for part in (remedy.override, remedy.does, remedy.source, *remedy.without.values()):
            assert part in text


def test_a_line_names_the_experiments_that_are_called_otherwise():
    remedy = Remedy("a", "noise", "does it", "x=1", ptb="b", without={"grammar": "no reason"})
    assert remedy.experiments == {"ptb": "ptb/b"}
    assert line(remedy).split("# ")[1] == "does it (experiment=ptb/b; not on grammar: no reason)"


def test_families_can_be_asked_for():
    lines = inside("remedies", "prior", "update").stdout.splitlines()
    assert {text.split()[0] for text in lines} == {"prior", "update"}
    says_one_line(inside("remedies", "posteriors"), "posteriors", "posterior, prior")


def test_help_says_how_and_which_families():
    done = inside("remedies", "--help")
    assert done.returncode == 0 and "usage: textvae remedies [FAMILY ...]" in done.stdout
    assert all(remedy.family in done.stdout for remedy in REMEDIES)


def test_nothing_heavy_is_imported():
    code = (
        "import sys; from textvae.cli.main import main; main(['remedies']); "
        "sys.exit(bool({'torch', 'hydra', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, check=False)
    assert done.returncode == 0

"""Each verb's help is its own: its name, the groups that it takes, its keys."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tests.cli.process import inside
from textvae.cli.help import template, with_help

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


def test_only_who_asks_gets_help():
    assert with_help("sample", ["n=3"]) == ["n=3"]


@pytest.mark.parametrize("verb", ["train", *GROUPS])
def test_hydra_reads_the_template_as_it_is(verb):
    override = OverridesParser.create().parse_override(with_help(verb, ["--help"])[-1])
    assert override.value() == template(verb)

"""What `textvae evaluate` takes from the run that it measures."""

from types import SimpleNamespace

import pytest

from tests.cli.process import inside, says_one_line
from textvae.cli import compose
from textvae.cli.evaluate import _normaliser, chosen_batches, share_of_unknown
from textvae.errors import ConfigError
from textvae.training.measurement import Console

QUIET = Console(lambda line: None, lambda what, done, of: None)


@pytest.mark.parametrize(
    ("said", "run", "taken"),
    [
        ("run", {"compute": {"normaliser_words": 64}}, 64),
        ("run", {"compute": {"normaliser_words": None}}, None),
        ("run", {"compute": {}}, None),
        ("run", {}, None),
        (32, {"compute": {"normaliser_words": 64}}, 32),
        (None, {"compute": {"normaliser_words": 64}}, None),
    ],
)
def test_the_normaliser_is_the_runs_unless_the_command_says(said, run, taken):
    settings = {"compute": {"normaliser_words": said}}
    assert _normaliser(SimpleNamespace(config=run), settings) == {"normaliser_words": taken}


@pytest.mark.parametrize("taken", ["compute", "eval"])
def test_a_value_in_the_place_of_a_group_is_refused(taken):
    done = inside("evaluate", "checkpoint=nowhere", f"{taken}=0")
    says_one_line(done, f"{taken} is 0, must be a group of settings")


def test_the_share_of_unknown_words_is_over_all_sentences():
    assert share_of_unknown([[3, 7, 3], [9]], unk=3) == 0.5
    assert share_of_unknown([[4]], unk=3) == 0.0


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("split=valid", "split"),
        ("data.path=/elsewhere", "data.path"),
        ("data.batch_size=8", "data.batch_size"),
    ],
)
def test_sentences_of_ones_own_leave_no_choice_of_the_runs_data(override, named):
    config = compose.composed("evaluate", ["checkpoint=nowhere", "input=mine.txt", override])
    with pytest.raises(ConfigError, match=rf"input=mine.txt .* data: {named} does not go with it"):
        chosen_batches(SimpleNamespace(), config, QUIET)

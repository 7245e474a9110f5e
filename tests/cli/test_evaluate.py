"""What `textvae evaluate` takes from the run that it measures."""

from types import SimpleNamespace

import pytest

from textvae.cli.evaluate import _normaliser


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

"""What ended the stages of a run, and which limits cut it short."""

import pytest

from tests.reporting.reproduction.records import table
from textvae.reporting.reproduction.limits import cut_short, ended, shares_limit
from textvae.reporting.reproduction.tables import Row

ROW = Row("a", ("experiment=x",))


def config(limit: int, first: int | None = None, *overrides: str) -> dict:
    """Of a run with a first stage whose limit is `first`, or (None) is that of the run."""
    pretraining = {"train": {} if first is None else {"max_epochs": first}}
    return {
        "overrides": list(overrides),
        "train": {"max_epochs": limit, "max_steps": None},
        "pretraining": pretraining,
    }


def took(epochs: int, **more: object) -> dict:
    return {"epochs": epochs, "steps": 10 * epochs, **more}


def test_a_run_says_what_ended_it_and_of_an_older_one_its_limits_tell() -> None:
    limits = {"max_epochs": 2, "max_steps": None}
    assert ended(limits, took(40, ended="plateaus")) == "plateaus"  # it was taken beyond its first limit
    assert [ended(limits, took(epochs)) for epochs in (1, 2, 40)] == ["plateaus", "epochs", "epochs"]
    assert ended({"max_epochs": 9, "max_steps": 10}, took(1)) == "steps"


@pytest.mark.parametrize(
    ("config", "first", "cut"),
    [
        (config(100, 100), took(100), False),
        (config(100, 100), took(60), False),  # by plateaus
        (config(2, 2), took(2), True),
        (config(2), took(2), True),
        (config(100, 5), took(5), False),  # a recipe with a short first stage
        (config(5, 5, "pretraining.train.max_epochs=5"), took(5), False),
        (config(100, 2, "train.max_epochs=100", "++pretraining.train.max_epochs=2"), took(2), True),
    ],
)
def test_a_first_stage_that_the_runs_limit_cut_makes_the_run_cut_short(config, first, cut) -> None:
    whole = took(100, ended="plateaus")
    assert cut_short(table(epochs=100), ROW, config, whole, first) is cut
    assert not cut_short(table(epochs=100), ROW, config, whole, None)


def test_without_a_first_stage_no_limit_is_shared() -> None:
    assert shares_limit(config(2, 2))
    assert not shares_limit({**config(2), "pretraining": None}) and not shares_limit(config(2, 3))

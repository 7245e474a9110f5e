"""From a run's files to its record, and from records to figures over seeds."""

import pytest

from tests.reporting.reproduction.records import record, table
from textvae.reporting.reproduction.records import (
    Results,
    beaten,
    command,
    least_by_rate,
    merged,
    record_of,
    same_run,
    spread,
)
from textvae.reporting.reproduction.tables import Row

ROW = Row("a", ("experiment=x",))


def summary(epochs: int = 12, steps: int = 100) -> dict:
    return {
        "name": "x",
        "seed": 3,
        "train": {"epochs": epochs, "steps": steps, "wall_s": 60.0},
        "test": {
            "nll_iw": 20.0,
            "kl_per_dim": [1.0],
            "verdict": {"status": "?"},
            "status": "HEALTHY",
            "kl": 1.0,
        },
        "corpus": {"entropy": 19.9, "test_nll": 19.8, "information": 6.5, "vocabulary": 10},
        "environment": {"commit": "abc", "machine": "m", "date": "d", "threads": 2, "products": "float32"},
    }


def config(*overrides: str, max_epochs: int = 12, max_steps: int | None = None) -> dict:
    return {"overrides": list(overrides), "train": {"max_epochs": max_epochs, "max_steps": max_steps}}


def test_a_record_is_flat_and_names_its_command_without_places() -> None:
    made = record_of(table(), ROW, summary(), config("experiment=x", "seed=3", "run_dir=/r", "tracker=none"))
    assert made["command"] == "textvae train experiment=x seed=3"
    assert (made["row"], made["seed"], made["nll_iw"], made["commit"]) == ("a", 3, 20.0, "abc")
    assert (made["products"], made["device"]) == ("float32", None)
    assert (made["true_nll"], made["entropy"], made["information"]) == (19.8, 19.9, 6.5)
    assert all(value is None or isinstance(value, str | int | float) for value in made.values())


@pytest.mark.parametrize(
    ("epochs", "config", "ended", "cut"),
    [
        (12, config(max_epochs=12), "epochs", True),
        (12, config(max_epochs=40), "plateaus", False),
        (100, config(max_epochs=100), "epochs", False),
        (1, config(max_epochs=100, max_steps=100), "steps", True),
    ],
)
def test_a_run_below_the_published_epochs_is_cut_short_unless_it_ended_by_itself(
    epochs, config, ended, cut
) -> None:
    made = record_of(table(epochs=100), ROW, summary(epochs), config)
    assert (made["ended"], made["cut_short"], made["published_epochs"]) == (ended, cut, 100)


def test_without_published_epochs_a_limit_that_the_row_does_not_ask_for_cuts_short() -> None:
    limited = config("train.max_epochs=2", max_epochs=2)
    assert record_of(table(), ROW, summary(2), limited)["cut_short"]
    assert not record_of(table(), Row("a", ("train.max_epochs=2",)), summary(2), limited)["cut_short"]


def test_where_the_recipe_is_known_its_epochs_tell_what_is_short() -> None:
    for epochs, cut in ((2, True), (12, False)):
        made = record_of(
            table(), ROW, summary(epochs), config(f"train.max_epochs={epochs}", max_epochs=epochs), own=12
        )
        assert made["cut_short"] is cut and made["published_epochs"] is None


def test_limits_that_all_rows_of_a_table_have_cut_nothing_short() -> None:
    shared = table(overrides=("train.max_steps=100",))
    stopped = config("train.max_steps=100", max_epochs=100, max_steps=100)
    assert not record_of(shared, ROW, summary(1), stopped)["cut_short"]


def test_the_first_stage_is_part_of_the_time() -> None:
    made = record_of(table(), ROW, summary(), config(), summary(epochs=6))
    assert (made["wall_s"], made["first_stage_epochs"], made["epochs"]) == (120.0, 6, 12)


def test_a_run_that_was_taken_further_names_its_new_limit() -> None:
    assert (
        command(["train.max_epochs=2", "a=1"], 0, epochs=5) == "textvae train a=1 train.max_epochs=5 seed=0"
    )
    assert (
        command(["train.max_epochs=9", "a=1"], 0, epochs=5) == "textvae train train.max_epochs=9 a=1 seed=0"
    )


def test_a_new_record_takes_the_place_of_its_row_and_seed_in_the_order_of_rows() -> None:
    old = [record("b", 1), record("a", 0, nll_iw=1.0)]
    new = merged(merged(old, record("a", 0, nll_iw=2.0), ["a", "b"]), record("b", 0), ["a", "b"])
    assert [(item["row"], item["seed"], item["nll_iw"]) for item in new] == [
        ("a", 0, 2.0),
        ("b", 0, 101.0),
        ("b", 1, 101.0),
    ]
    assert same_run(new[0], {**new[0], "kl": 9.0}) and not same_run(new[0], {**new[0], "wall_s": 6.0})


def test_a_record_that_is_cut_short_never_takes_the_place_of_one_that_is_not() -> None:
    whole, trial = record("a", 0, nll_iw=1.0), record("a", 0, nll_iw=2.0, cut_short=True)
    assert merged([whole], trial, ["a"]) == [whole] and beaten([whole], trial)
    assert merged([trial], whole, ["a"]) == [whole] and not beaten([trial], whole)
    assert merged([trial], {**trial, "nll_iw": 3.0}, ["a"])[0]["nll_iw"] == 3.0
    assert len(merged([whole], {**trial, "seed": 1}, ["a"])) == 2


def test_a_spread_is_over_what_is_finite() -> None:
    found = spread([1.0, None, 2.0])
    assert found is not None and (found.mean, found.width, found.seeds) == (1.5, 1.0, 2)
    assert found is not None and found.missing == 1
    assert spread([None]) is None
    assert Results(table(), []).spread("lm", "nll_iw") is None


def test_the_least_validation_of_each_learning_rate_in_the_order_of_training():
    rows = [
        {"valid/neg_elbo": 9.0},
        {"train/learning_rate": 1.0},
        {"valid/neg_elbo": 5.0},
        {"valid/neg_elbo": 4.0},
    ]
    rows += [{"valid/neg_elbo": 6.0}, {"train/learning_rate": 0.5}, {"samples": []}, {"valid/neg_elbo": 3.0}]
    assert least_by_rate(rows) == [(1.0, 4.0), (0.5, 3.0)]
    assert least_by_rate([]) == []

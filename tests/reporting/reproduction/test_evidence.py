"""What counts as a remedy that works."""

from dataclasses import replace

import pytest

from tests.reporting.reproduction.records import baselines, record, results, table
from textvae.reporting.reproduction.evidence import evidence
from textvae.reporting.reproduction.records import Results

GOOD = {
    "mi_lower": 2.0,
    "mi_upper": 3.0,
    "active_units": 5,
    "nll_iw": 101.14,
}  # LM: 101.05 in the mean, width 0.1


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "works"),
        ({"mi_lower": 0.0}, "fails: lower MI bound does not rise"),
        ({"mi_lower": 0.004, "mi_upper": 0.02}, "fails: lower MI bound does not rise"),
        ({"mi_upper": 0.0, "active_units": 0}, "fails: upper MI bound does not rise; AU does not rise"),
        ({"nll_iw": 101.2}, "fails: IW-NLL 0.15 above the LM's, allowed 0.10"),
        ({"nll_iw": None}, "fails: no IW-NLL"),
    ],
)
def test_each_part_is_named_where_it_fails(change, verdict) -> None:
    assert evidence(results(record("cure", **{**GOOD, **change})), "cure") == verdict


def test_one_seed_that_does_not_rise_is_enough_to_fail() -> None:
    found = results(record("cure", 0, **GOOD), record("cure", 1, **{**GOOD, "active_units": 0}))
    assert evidence(found, "cure") == "fails: AU does not rise"


def test_a_seed_that_diverged_is_not_left_out_of_the_evidence() -> None:
    """As one whose likelihood or whose information is not finite."""
    for figure, reason in (
        ("nll_iw", "IW-NLL of 1 more not finite"),
        ("mi_lower", "lower MI bound does not rise"),
    ):
        found = results(record("cure", 0, **GOOD), record("cure", 1, **{**GOOD, figure: None}))
        assert evidence(found, "cure") == f"fails: {reason}"


def test_a_kl_alone_is_no_evidence() -> None:
    assert evidence(results(record("cure", kl=9.0, nll_iw=101.0)), "cure").startswith("fails")


def test_baselines_and_what_has_not_run_get_no_verdict() -> None:
    assert evidence(results(), "lm") == "baseline: no z"
    assert evidence(results(), "plain") == "baseline: the plain VAE"
    assert evidence(results(), "cure") == "not run"
    assert evidence(results(record("cure", total_dimensions=0, active_units=0)), "cure") == "no z"
    alone = Results(table(), [record("cure", **GOOD), *baselines()[:2]])
    assert evidence(alone, "cure") == "open: plain not run"
    one_seed = Results(table(), [record("cure", **GOOD), *baselines()[1:]])
    assert evidence(one_seed, "cure") == "open: one seed of the language model has no spread"


def test_less_than_the_true_nll_is_no_likelihood() -> None:
    found = results(record("cure", **{**GOOD, "nll_iw": 90.0, "true_nll": 95.0}))
    assert evidence(found, "cure") == "no likelihood of x: NLL below the corpus's own"


def test_a_likelihood_that_is_given_something_of_x_is_not_compared() -> None:
    rows = tuple(replace(row, told="its label") if row.name == "cure" else row for row in table().rows)
    found = Results(replace(table(), rows=rows), [record("cure", **GOOD), *baselines()])
    assert evidence(found, "cure") == "no likelihood of x: NLL given its label"

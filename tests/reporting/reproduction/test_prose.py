"""Figures in prose come from records alone."""

import pytest

from tests.reporting.reproduction.records import record, results
from textvae.errors import ConfigError
from textvae.reporting.reproduction.prose import fill, written


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{lm.nll_iw} nats", "101.05 nats"),
        ("{lm.nll_iw.width}, {lm.nll_iw.least}, {lm.nll_iw.most}", "0.10, 101.00, 101.10"),
        ("{lm.nll_iw - plain.nll_iw}", "0.00"),
        ("{lm.nll_iw - lm.published.nll_iw}", "0.02"),
        ("{plain.published.nll_iw}", "not run"),
        ("{cure.kl} of {cure.kl - lm.kl}", "not run of not run"),
        ("{lm.no_such_figure}", "not run"),
        ("{truth.entropy}", "19.957"),
        ("{lm.epochs} epochs, {plain.active_units} units", "3 epochs, 0 units"),
        ("latent={name: none}, `{}` and {3}", "latent={name: none}, `{}` and {3}"),
    ],
)
def test_placeholders(text, filled) -> None:
    found = results()
    found.records[0]["entropy"] = 19.95694
    assert fill(text, found) == filled


def test_a_row_that_the_table_lacks_and_an_unknown_statistic_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no row 'lmm'"):
        fill("{lmm.kl}", results())
    with pytest.raises(ConfigError, match="median is none of"):
        fill("{lm.kl.median}", results())


def test_how_figures_are_written() -> None:
    assert [written("kl", -0.0001), written("kl", 2.345)] == ["0.00", "2.35"]
    assert [written("active_units", 4.0), written("active_units", 4.3333)] == ["4", "4.3"]
    assert written("grammatical_prior", 0.4321) == "43.2%"
    assert fill("{cure.grammatical_prior}", results(record("cure", grammatical_prior=0.5))) == "50.0%"

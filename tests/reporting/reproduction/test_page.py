"""The page of a table: nothing on it that no run produced."""

import re
from dataclasses import replace

import pytest

from tests.reporting.reproduction.records import ROWS, record, results, table
from textvae.errors import ConfigError
from textvae.reporting.reproduction.page import cells, page
from textvae.reporting.reproduction.records import Results
from textvae.reporting.reproduction.tables import Row


def line(text: str, start: str) -> list[str]:
    (found,) = [item for item in text.splitlines() if item.startswith(f"| {start}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_what_has_not_run_says_so_and_shows_no_figure_of_ours() -> None:
    text = page(Results(table(), []), "{lm.kl} nats")
    assert line(text, "cure")[:4] == ["cure: free bits", "not run", "", ""]
    assert "not run nats" in text and "## Commands" not in text
    ours = [item for item in text.splitlines() if item.startswith("| ") and "published" not in item]
    assert not any(re.search(r"\d", item) for item in ours)


def test_a_row_has_the_mean_and_width_over_seeds_and_published_figures_below() -> None:
    text = page(results())
    lm = line(text, "lm")
    assert lm[:4] == ["lm", "0 1", "3", "101.05 (0.10)"]
    assert line(text, "*published*")[:8] == [
        "*published* [paper]",
        "",
        "",
        "101.03",
        "",
        "4",
        "",
        "NLL (IW) +0.02",
    ]
    assert "- [paper] A Paper 2019" in text
    assert line(text, "plain")[3] == "101.05"


def test_a_seed_that_diverged_is_told_beside_the_mean_of_the_others() -> None:
    diverged = record("lm", nll_iw=None) | {"seed": 5}
    text = page(Results(table(), [*results().records, diverged]))
    assert line(text, "lm")[3] == "101.05 (0.10), not finite in 1 more"
    assert line(page(Results(table(), [diverged])), "lm")[3] == "not finite"


def test_a_mark_behind_a_commit_is_explained_where_there_is_one() -> None:
    assert "A + behind a commit" not in page(results())
    assert "A + behind a commit" in page(results(record("cure", commit="0123456789+")))


def test_a_run_cut_short_says_of_how_many_epochs() -> None:
    cut = {"epochs": 3, "published_epochs": 100, "cut_short": True}
    assert line(page(results(record("cure", **cut))), "cure")[2] == "3 of 100, cut short"
    whole = {"epochs": 60, "published_epochs": 100}
    assert line(page(results(record("cure", **whole))), "cure")[2] == "60"
    assert line(page(results(record("cure", epochs=0))), "cure")[2] == "9 steps"


def test_differences_above_the_tolerance_are_listed_with_what_explains_them() -> None:
    assert "Differences above" not in page(results())
    far = Results(table(), [record("lm", nll_iw=103.0)])
    assert "- lm against [paper], NLL (IW) +1.97: fewer epochs: 3" in page(far)
    bare = Results(table((Row("lm", (), published=ROWS[0].published),)), far.records)
    assert "not explained yet" in page(bare)


def test_every_figure_that_is_far_off_is_listed_not_the_first_bound_alone() -> None:
    published = {"paper": {"nll_iw": 101.0, "neg_elbo": 102, "rec": 95.8, "kl": 6.5, "ppl_elbo": "> 600"}}
    ours = record("cure", nll_iw=101.2, neg_elbo=101.5, rec=100.0, kl=1.5)
    text = page(Results(table((Row("cure", (), published=published),), baselines={}), [ours]))
    assert "- cure against [paper], rec +4.20, KL -5.00: not explained yet." in text
    assert line(text, "*published*")[7] == "NLL (IW) +0.20"


def test_a_source_of_other_sentences_is_shown_and_not_compared() -> None:
    """A perplexity of 116 at 100 nats: 21.04 tokens, where ours have 21.92."""
    published = {"paper": {"neg_elbo": 100, "ppl_elbo": 116}}
    rows = (Row("cure", (), published=published), Row("lm", (), published={"paper": {"neg_elbo": 135}}))
    ours = [record(name, neg_elbo=100.5, ppl_elbo=98.0) for name in ("cure", "lm")]
    text = page(Results(table(rows, baselines={}), ours))
    assert text.count("| 21.0 tokens a sentence there |") == 2
    assert "Differences above" not in text


def test_every_run_is_listed_with_its_command_and_commit() -> None:
    text = page(results(record("cure", iw_samples=500, iw_sentences=100, sentences=3761)))
    assert text.count("- lm: `textvae train seed=") == 2
    assert "commit abc, 1 threads, m; NLL (IW) from 500 samples of 100 sentences" in text


def test_the_truth_of_a_known_corpus_closes_the_table() -> None:
    known = {"true_nll": 19.9632, "information": 6.5903}
    text = page(Results(table(), [record("lm", **known)]))
    truth = line(text, "the truth")
    assert (truth[3], truth[6]) == ("19.963", "6.590 (plan)")


def test_evidence_of_another_table_is_listed_where_it_ran() -> None:
    cured = record("cure", mi_lower=1.0, mi_upper=2.0, active_units=3)
    text = page(Results(table(), []), elsewhere=results(cured))
    assert "[Small](small.md):" in text and "- cure: works\n" in text and "- plain: baseline" in text
    assert "- not run" in page(results(), elsewhere=Results(table(), []))


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"columns \['kll'\]; known: setting"):
        cells(Results(table(columns=("kll",)), []))


def test_settings_are_spelt_out_where_the_table_asks_for_it() -> None:
    rows = (Row("plain", ()), Row("cure", (), ran="rate=hinge rate.delta=4.0"))
    assert "## Settings" not in page(Results(table(rows), []))
    text = page(Results(replace(table(rows), spell_out=True), []))
    assert "- plain: nothing\n- cure: `rate=hinge rate.delta=4.0`" in text


def test_a_first_stage_is_told_with_its_epochs() -> None:
    cut = {"epochs": 100, "first_stage_epochs": 2, "published_epochs": 100, "cut_short": True}
    text = page(results(record("cure", **cut)))
    assert line(text, "cure")[2] == "first stage 2, then 100 of 100, cut short"
    assert "seed=0`: first stage 2, then 100 epochs in 5 s" in text


def test_device_and_type_of_products_are_told_where_they_are_known() -> None:
    made = record("cure", device="cuda", products="bfloat16")
    assert "1 threads, m, cuda, products in bfloat16" in page(results(made))
    assert "1 threads, m\n" in page(results())


def test_the_parts_of_a_kl_stand_where_they_were_measured() -> None:
    parts = {"index_code_mi": 2.49, "total_correlation": 1.25, "dimension_wise_kl": 0.06}
    asked = replace(table(), columns=("setting", "kl_parts"))
    text = page(Results(asked, [record("cure", **parts), record("lm")]))
    assert line(text, "cure")[1] == "2.49 + 1.25 + 0.06"
    assert line(text, "lm")[1] == ""

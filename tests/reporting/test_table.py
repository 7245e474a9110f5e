import csv
import io

import pytest

from textvae.reporting.comparison import flat, settings
from textvae.reporting.table import comma_separated, duration, figure, markdown, notes, rows, text


def record(setting: str = "plain", seed: int = 0, **more):
    figures = {"nll_iw": 99.0, "ppl_iw": 91.5, "neg_elbo": 100.0, "rec": 98.0, "kl": 2.0, "wall_s": 42.0}
    facts = {"total_dimensions": 32, "mi_cap": 8.23, "iw_samples": 500, "status": "HEALTHY"}
    bounds = {"active_units": 5, "mi_lower": 1.5, "mi_upper": 1.6}
    return {"setting": setting, "seed": seed, **figures, **facts, **bounds, **more}


def cell(table, heading: str, row: int = 1) -> str:
    return table[row][table[0].index(heading)]


def test_known_numbers_of_one_run():
    table = rows([record()])
    assert table[0] == [
        "setting",
        "NLL (IW)",
        "PPL (IW)",
        "-ELBO",
        "rec",
        "KL",
        "AU",
        "MI bounds",
        "cap ln N",
        "verdict",
        "wall",
    ]
    assert table[1] == [
        "plain",
        "99.00",
        "91.50",
        "100.00",
        "98.00",
        "2.00",
        "5/32",
        "1.50 - 1.60",
        "8.23",
        "HEALTHY",
        "42 s",
    ]


def test_seeds_are_one_row_with_mean_and_largest_less_smallest():
    table = rows(
        [
            record(seed=1, kl=3.0, active_units=6, status="HEALTHY"),
            record(seed=0, kl=1.0),
            record(seed=2, kl=2.6, status="PARTIAL COLLAPSE"),
            record("other"),
        ]
    )
    assert len(table) == 3
    assert cell(table, "seeds: mean (max - min)") == "0,1,2"
    assert cell(table, "KL") == "2.20 (2.00)" and cell(table, "KL", 2) == "2.00"
    assert cell(table, "rec") == "98.00 (0.00)"
    assert cell(table, "AU") == "5.3/32 (1)"
    assert cell(table, "verdict") == "2 HEALTHY, 1 PARTIAL COLLAPSE"


def test_runs_of_one_seed_are_counted_where_they_make_a_mean():
    table = rows([record(kl=1.0), record(kl=3.0), record("other")])
    assert [cell(table, "seeds: mean (max - min)", row) for row in (1, 2)] == ["0,0", "0"]
    assert cell(table, "KL") == "2.00 (2.00)"
    assert any("several runs" in line for line in notes([record(), record()]))
    assert "seeds: mean (max - min)" not in rows([record(), record("other")])[0]


def test_a_perplexity_names_its_bound():
    without = record("quick", nll_iw=None, ppl_iw=None, iw_samples=None, ppl_elbo=95.0)
    table = rows([record(ppl_elbo=93.0), without])
    assert cell(table, "PPL (IW)", 2) == "-" and cell(table, "PPL (ELBO)", 2) == "95.00"
    assert any("PPL (ELBO)" in line for line in notes([without]))
    assert "PPL (ELBO)" not in rows([record()])[0]
    assert any("K = 500 samples" in line for line in notes([record()]))


def test_samples_are_a_column_where_they_differ():
    table = rows([record(), record("vq", iw_samples=1)])
    assert [cell(table, "IW samples", row) for row in (1, 2)] == ["500", "1"]
    assert "IW samples" not in rows([record(), record("b")])[0]


def test_what_likelihoods_are_given_is_a_column_where_some_are():
    plain, told = record("plain"), record("shortcut", given="its words")
    head, *cells = rows([plain, told])
    assert [row[head.index("likelihoods given")] for row in cells] == ["-", "its words"]
    assert any("bound no p(x)" in line for line in notes([plain, told]))
    assert "likelihoods given" not in rows([plain])[0]


def test_facts_in_which_seeds_differ_are_all_told():
    first, second = record(seed=0, iw_samples=2), record(seed=1, iw_samples=5, given="its label")
    head, cells = rows([first, second])
    assert cells[head.index("likelihoods given")] == "its label"
    assert any("K = 2 or 5 samples" in line for line in notes([first, second]))
    head, *cells = rows([first, second, record("other", iw_samples=2)])
    assert [row[head.index("IW samples")] for row in cells] == ["2 or 5", "2"]


def test_a_subset_of_sentences_is_said():
    (line,) = [line for line in notes([record(iw_sentences=100, sentences=3761)]) if "IW" in line]
    assert "100 (plain)" in line


def test_the_truth_is_a_row_where_all_runs_share_it():
    known = [record(name, true_nll=19.96, true_information=6.59) for name in "ab"]
    table = rows(known)
    assert table[-1][0] == "the truth" and cell(table, "NLL (IW)", 3) == "19.96"
    assert rows([known[0], record("c", true_nll=20.0, true_information=6.59)])[-1][0] == "c"
    assert rows([known[0], record("c")])[-1][0] == "c"


@pytest.mark.parametrize(
    ("found", "spread", "shown"),
    [(None, None, "-"), (1.005, None, "1.00"), (-0.001, None, "0.00"), (1.0, 0.25, "1.00 (0.25)")],
)
def test_figures(found, spread, shown):
    assert figure(found, spread) == shown


def test_durations():
    assert [duration(value) for value in (42.4, 599, 600, 7200, 36000)] == [
        "42 s",
        "599 s",
        "10 min",
        "120 min",
        "10.0 h",
    ]


def test_csv_reads_back_equal_and_unrounded():
    records = [record(seed=0, kl=1 / 3), record(seed=1, kl=2 / 3), record("a, b", ppl_iw=None)]
    read = list(csv.DictReader(io.StringIO(comma_separated(records))))
    for line, wanted in zip(read, flat(settings(records)), strict=True):
        assert line.keys() == wanted.keys()
        for key, value in wanted.items():
            got = line[key]
            assert got == "" if value is None else type(value)(got) == value


def test_text_and_markdown_hold_every_cell():
    table = rows([record("a|b"), record("c")])
    assert text(table).splitlines()[2].split()[:2] == ["a|b", "99.00"]
    lines = markdown(table).splitlines()
    assert len(lines) == 4 and lines[2].startswith("| a\\|b | 99.00 |")

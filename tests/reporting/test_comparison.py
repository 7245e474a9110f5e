import json

import pytest

from tests.reporting.folders import config, finished, measured, rows, write_run
from textvae.reporting.comparison import flat, results, settings
from textvae.reporting.runs import read_runs


def test_known_numbers_of_three_seeds(tmp_path):
    for seed, kl in ((2, 4.0), (0, 1.0), (1, 2.5)):
        finished(tmp_path / str(seed), seed=seed, rec=100.0 + seed, kl=kl)
    records, without = results(read_runs([tmp_path]))
    (one,) = settings(records)
    assert without == [] and one.name == "ptb/vae" and one.seeds == [0, 1, 2]
    assert one.mean("kl") == pytest.approx(2.5) and one.spread("kl") == pytest.approx(3.0)
    assert one.mean("rec") == pytest.approx(101.0) and one.spread("rec") == pytest.approx(2.0)
    assert (
        one.mean("wall_s") == 61 and one.fact("total_dimensions") == 4 and one.fact("seed") == "0 or 1 or 2"
    )
    (row,) = flat([one])
    assert row["runs"] == 3 and row["seeds"] == "0 1 2" and row["kl_spread"] == pytest.approx(3.0)


def test_a_single_run_has_no_spread(tmp_path):
    (one,) = settings(results(read_runs([finished(tmp_path / "a")]))[0])
    assert one.mean("kl") == 10 and one.spread("kl") is None


def test_no_mean_is_made_of_some_of_the_runs(tmp_path):
    write_run(tmp_path / "a", config(seed=0), measured(ppl_iw=None), rows())
    finished(tmp_path / "b", seed=1)
    (one,) = settings(results(read_runs([tmp_path]))[0])
    assert one.mean("ppl_iw") is None and one.spread("ppl_iw") is None and one.mean("kl") == 10


def test_the_time_of_a_first_stage_counts(tmp_path):
    finished(tmp_path / "a" / "pretraining")
    folder = tmp_path / "a"
    (folder / "config.json").write_text(json.dumps(config()))
    source = finished(tmp_path / "b", seed=3)
    (folder / "summary.json").write_bytes((source / "summary.json").read_bytes())
    (record,) = results(read_runs([folder]))[0]
    assert record["wall_s"] == 60 + 63


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"test": {}}, "lacks test.neg_elbo"),
        ({"test": None}, "lacks test"),
        ({"seed": None}, "lacks seed"),
        ({"train": {"wall_s": "long"}}, "wall_s = 'long'"),
        ({"test": {**measured(), "kl": "low"}}, "kl = 'low'"),
        ({"test": {**measured(), "kl": True}}, "kl = True"),
        ({"test": {**measured(), "mi_cap": "x"}}, "mi_cap = 'x'"),
        ({"corpus": {"test_nll": "x"}}, "test_nll = 'x'"),
        ({"seed": True}, "lacks seed"),
    ],
)
def test_a_summary_that_lacks_something_is_a_problem_of_that_run_alone(tmp_path, change, part):
    finished(tmp_path / "good", seed=1)
    broken = finished(tmp_path / "broken")
    summary = json.loads((broken / "summary.json").read_text()) | change
    (broken / "summary.json").write_text(json.dumps(summary))
    records, (without,) = results(read_runs([tmp_path]))
    assert [record["seed"] for record in records] == [1]
    assert without.path == broken and part in (without.problem or "")


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("config.json", {**config(), "overrides": [1]}, "overrides = [1]"),
        ("pretraining/summary.json", {"train": 5}, "the first stage's summary.json has train = 5"),
        ("pretraining/summary.json", {"train": {"wall_s": "x"}}, "{'wall_s': 'x'}"),
    ],
)
def test_the_files_beside_it_are_looked_at_too(tmp_path, file, content, part):
    broken = finished(tmp_path / "broken")
    (broken / "pretraining").mkdir()
    (broken / file).write_text(json.dumps(content))
    _, (without,) = results(read_runs([broken]))
    assert (without.problem or "").startswith("damaged: ") and part in (without.problem or "")

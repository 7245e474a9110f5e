"""The figure of a search: refused before anything trains where no run has it, and what a run has of it."""

from pathlib import Path

import pytest

from tests.cli.process import SMALL, inside, says_one_line
from textvae.cli.metric import check_metric, check_metrics, known_metrics, score
from textvae.errors import ConfigError
from textvae.training.files import write_json
from textvae.training.trackers_jsonlines import JsonLines


@pytest.mark.parametrize(
    "name", ["neg_elbo", "rec", "kl_aggregate", "active_units", "kappa", "code_perplexity"]
)
def test_the_figures_of_every_family_are_metrics(name: str) -> None:
    check_metric(f"valid/{name}")
    check_metrics([f"metric='valid/{name}'", "metric=${of.another}", "seed=0"])


@pytest.mark.parametrize(
    ("said", "near"),
    [
        ("valid/negelbo", "close to it: valid/neg_elbo"),
        ("rec", "close to it: valid/rec"),
        ("train/rec", "close to it: valid/rec"),
        ("null", f"must be one of: {', '.join(known_metrics())}"),
    ],
)
def test_what_no_run_logs_is_refused_with_what_is_like_it(said: str, near: str) -> None:
    with pytest.raises(ConfigError, match=near):
        check_metrics([f"metric={said}"])


@pytest.mark.parametrize("ready", [["sweep=optuna"], ["-m", "seed=0,1"], ["-m", "hydra/sweeper=optuna"]])
def test_a_misspelt_metric_is_told_before_anything_trains(tmp_path: Path, ready: list[str]) -> None:
    done = inside("train", *ready, "metric=valid/recc", *SMALL, cwd=tmp_path)
    says_one_line(done, "there is no metric=valid/recc; close to it: valid/rec")
    assert not list(tmp_path.iterdir())


def test_one_of_an_experiment_s_own_is_told_before_anything_trains(tmp_path: Path) -> None:
    place = tmp_path / "own" / "experiment" / "mine.yaml"
    place.parent.mkdir(parents=True)
    place.write_text("# @package _global_\nmetric: valid/recc\n")
    given = ("train", "--config-dir", "own", "experiment=mine", *SMALL, "sweep_dir=jobs")
    says_one_line(inside(*given, "sweep=seeds", cwd=tmp_path), "textvae: there is no metric=valid/recc")
    assert not (tmp_path / "jobs").exists()
    says_one_line(
        inside(*given, "-m", "seed=0,1", cwd=tmp_path), "2 of 2 jobs failed", "no metric=valid/recc"
    )
    assert not list(tmp_path.glob("jobs/*/config.json"))


def test_a_score_is_that_of_the_epoch_of_the_least_neg_elbo(tmp_path: Path) -> None:
    rows = JsonLines(tmp_path / "metrics.jsonl")
    for step, (elbo, rec) in enumerate([(9.0, 5.0), (7.0, 6.0), (8.0, 4.0)]):
        rows.log({"valid/neg_elbo": elbo, "valid/rec": rec}, step)
    write_json(tmp_path / "config.json", {"name": "a"})
    assert score(tmp_path, "valid/rec") is None, "it is not finished"
    write_json(tmp_path / "summary.json", {"name": "a"})
    assert score(tmp_path, "valid/rec") == 6.0
    assert score(tmp_path, "valid/kappa") is None

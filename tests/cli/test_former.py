"""Which of two folders is a job's: that of its name today, or the one from before names had digests."""

import json
from pathlib import Path

import pytest

from textvae.cli.folders import folder_name, job_folder
from textvae.cli.former import folder_of

NAME = "data.file='ö.txt'"
CONFIG = {"latent": {"size": 2}, "overrides": ["latent.size=2", NAME]}


def chosen(sweep: Path) -> str:
    """Whether the job takes the `former` folder, or the one of `today`."""
    today = sweep / job_folder(NAME)
    folder = folder_of(today, NAME, ["latent.size"], CONFIG)
    return {today: "today", sweep / folder_name(NAME): "former"}[folder]


def write(folder: Path, text: str) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(text)


@pytest.mark.parametrize(
    ("former", "which"),
    [
        (CONFIG, "former"),
        ({"latent": {"size": 5}, "overrides": ["latent.size=5", NAME]}, "former"),
        ({"latent": {"size": 2}, "overrides": ["latent.size=2", "data.file='ä.txt'"], "seed": 1}, "today"),
        (None, "today"),
    ],
)
def test_a_former_folder_is_that_of_the_job_which_made_it_by_whatever_config(tmp_path, former, which):
    if former is not None:
        write(tmp_path / folder_name(NAME), json.dumps(former))
    assert chosen(tmp_path) == which


def test_a_damaged_former_folder_is_not_passed_over(tmp_path):
    write(tmp_path / folder_name(NAME), "{")
    assert chosen(tmp_path) == "former"


def test_a_run_in_the_folder_of_today_goes_before_one_of_another_config(tmp_path):
    write(tmp_path / folder_name(NAME), json.dumps({**CONFIG, "latent": {"size": 5}}))
    write(tmp_path / job_folder(NAME), json.dumps(CONFIG))
    assert chosen(tmp_path) == "today"

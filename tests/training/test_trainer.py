"""What a run logs of its training: every step counts in some row, wherever a limit ends it."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.test_experiments import QUIET, composed, shrunk
from textvae.errors import ConfigError
from textvae.training import trainer
from textvae.training.checkpoint import RunFolder
from textvae.training.files import load_state
from textvae.training.run import resume_run, start_run


def logged(folder: Path, name: str = "train/beta") -> dict[int, float]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[name] for row in rows if name in row}


def config(max_steps: int, log_every: int) -> dict:
    made = shrunk(composed("schedule=linear", "schedule.start=0"))
    made["train"].update(max_steps=max_steps, log_every=log_every)
    made["data"].update(batch_size=5)  # 12 steps an epoch
    return made


@pytest.mark.parametrize(
    ("max_steps", "log_every", "steps"), [(3, 100, [3]), (3, 2, [2, 3]), (4, 2, [2, 4]), (0, 2, [])]
)
def test_the_steps_since_the_last_row_are_logged_where_a_limit_ends_an_epoch(
    tmp_path, max_steps, log_every, steps
) -> None:
    start_run(config(max_steps, log_every), tmp_path / "run", QUIET)
    assert list(logged(tmp_path / "run")) == steps == list(logged(tmp_path / "run", "train/rec"))


def test_an_epoch_that_ends_with_a_row_has_no_second_one(tmp_path) -> None:
    start_run(config(12, 4), tmp_path / "run", QUIET)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    training = [row for row in rows if "train/tokens_per_s" in row]
    assert [row["step"] for row in training] == [4, 8, 12]
    assert all(row["train/tokens_per_s"] > 0 and "train/rec" in row for row in training)


def test_freed_memory_goes_back_within_an_epoch(tmp_path, monkeypatch) -> None:
    released: list[int] = []
    monkeypatch.setattr(trainer, "RELEASE", 4)
    monkeypatch.setattr(trainer, "release_freed_memory", lambda: released.append(1))
    start_run(config(11, 100), tmp_path / "run", QUIET)  # ends before its epoch does
    assert len(released) == 2


def test_a_run_that_goes_on_logs_as_if_it_had_not_ended(tmp_path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    start_run(config(3, 4), folder, QUIET)
    resume_run(config(6, 4), folder, QUIET)
    start_run(config(6, 4), whole, QUIET)
    assert logged(folder) == logged(whole) and list(logged(whole)) == [4, 6]


def test_a_run_that_goes_on_in_another_precision_says_so(tmp_path) -> None:
    said: list[str] = []
    console = QUIET._replace(say=said.append)
    made = config(1, 100)
    made["compute"]["precision"] = "float32"
    start_run(made, tmp_path / "run", console)
    made["train"]["max_steps"] = 2
    resume_run(made, tmp_path / "run", console)
    assert not [line for line in said if "matrix products" in line]
    made["train"]["max_steps"], made["compute"]["precision"] = 3, "bfloat16"
    resume_run(made, tmp_path / "run", console)
    (warning,) = [line for line in said if "matrix products" in line]
    assert "were in float32 so far and are in bfloat16 from here on" in warning


def test_a_limit_below_what_a_run_has_done_is_refused_and_changes_nothing(tmp_path) -> None:
    made = config(3, 100)
    start_run(made, tmp_path / "run", QUIET)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    made["train"]["max_steps"] = 2
    with pytest.raises(ConfigError, match=r"train\.max_steps is 2, but this run has done 3 already"):
        resume_run(made, tmp_path / "run", QUIET)
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir() if path.is_file()}
    assert after == before


def test_the_batches_that_a_step_asks_for_count_among_its_tokens(tmp_path) -> None:
    one, many = config(2, 100), config(2, 100)
    many["updater"] = {"name": "encoder_steps", "steps": 4}
    tokens = [
        start_run(made, tmp_path / str(number), QUIET)["train"]["tokens"]
        for number, made in enumerate((one, many))
    ]
    assert tokens[1] > 2 * tokens[0]


def test_batches_that_are_asked_for_are_drawn_by_another_stream_than_the_orders_of_epochs(tmp_path) -> None:
    made = config(1, 100)
    start_run(made, tmp_path / "run", QUIET)
    drawn = load_state(RunFolder(tmp_path / "run").last)["chance"]
    for seed in (made["seed"], made["seed"] + 1):
        for epoch in range(5):
            assert np.random.default_rng((seed, epoch)).bit_generator.state != drawn

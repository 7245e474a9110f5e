"""scripts/runner.py: what is left of a job to do, told from the files of its folder."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.reporting.reproduction.records import table
from textvae.errors import ConfigError
from textvae.reporting.reproduction.tables import Row

ROW = Row("a", ("experiment=x",))


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("runner", ROOT / "scripts" / "runner.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Stages:
    """The folder of a run with a first stage, each limited to `limit` epochs when it was begun."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, train = folder, {"max_epochs": limit, "max_steps": None}
        (folder / "pretraining").mkdir(parents=True)
        config = {
            "overrides": ["experiment=x", f"train.max_epochs={limit}"],
            "train": train,
            "pretraining": {"train": {"max_epochs": limit}},
            "compute": {"device": "auto"},
        }
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "pretraining" / "last.safetensors").touch()

    def end(self, stage: str, epochs: int, **more: Any) -> None:
        train = {"epochs": epochs, "steps": 10 * epochs, **more}
        (self.folder / stage / "summary.json").write_text(json.dumps({"train": train}))

    def words(self, runner: ModuleType, epochs: int) -> list[str] | None:
        job = runner.Job(ROW, 0, self.folder)
        return runner.arguments(table(), job, epochs, None)


def test_a_first_stage_that_was_cut_short_is_not_taken_for_a_whole_one(runner, tmp_path) -> None:
    stages = Stages(tmp_path / "0", limit=2)
    with pytest.raises(ConfigError, match=rf"{tmp_path / '0'} has a first stage of 2 epochs, 100 are"):
        stages.words(runner, 100)
    stages.end("pretraining", 2)
    assert stages.words(runner, 2) == [f"resume={tmp_path / '0'}", "train.max_epochs=2"]
    stages.end("", 2)
    assert stages.words(runner, 2) is None
    with pytest.raises(ConfigError, match="move it away"):
        stages.words(runner, 100)


def test_a_first_stage_that_ended_by_itself_lets_the_second_go_further(runner, tmp_path) -> None:
    stages = Stages(tmp_path / "0", limit=50)
    stages.end("pretraining", 40, ended="plateaus")
    stages.end("", 50)
    assert stages.words(runner, 100) == [f"resume={tmp_path / '0'}", "train.max_epochs=100"]
    stages.end("", 60, ended="plateaus")
    assert stages.words(runner, 100) is None  # taken further once, it has ended by itself

"""The config of a run that goes on: it says by which settings the run came to its figures, and by which command."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.process import SMALL, inside, same_weights, says_one_line, summary
from textvae.cli.resumption import amended, with_moved_text
from textvae.errors import ConfigError
from textvae.reporting.comparison import results
from textvae.reporting.runs import read_run
from textvae.training.pretraining import pretraining_of


def config(*overrides: str, pretraining: dict | None = None) -> dict:
    return {
        "name": "a",
        "train": {"max_epochs": 2, "max_steps": None, "log_every": 100},
        "eval": {"iw_samples": 5},
        "tracker": {"name": "none"},
        "schedule": {"name": "constant"},
        "pretraining": pretraining,
        "overrides": list(overrides),
    }


def test_a_changed_setting_and_its_override_take_the_place_of_those_before() -> None:
    before = config("train.max_epochs=2", "seed=1")
    changed = amended(before, ["train.max_epochs=9", "+eval.iw_samples=null", "train.max_epochs=7"])
    assert changed["train"]["max_epochs"] == 7 and changed["eval"]["iw_samples"] is None
    assert changed["overrides"] == ["seed=1", "eval.iw_samples=null", "train.max_epochs=7"]
    assert before == config("train.max_epochs=2", "seed=1") == amended(before, [])


def test_a_key_that_came_after_the_run_was_begun_can_be_given() -> None:
    before = config()
    assert "fisher_sentences" not in before["eval"]
    changed = amended(before, ["eval.fisher_sentences=0"])
    assert changed["eval"]["fisher_sentences"] == 0 and changed["overrides"] == ["eval.fisher_sentences=0"]
    assert amended(before, []) == before


def test_values_are_such_as_a_file_can_hold() -> None:
    settings = config() | {"tracker": {"name": "wandb", "tags": []}}
    changed = amended(settings, ["tracker.tags=[a,b]", "tracker.name={a: 1.5}"])
    assert json.loads(json.dumps(changed))["tracker"] == {"name": {"a": 1.5}, "tags": ["a", "b"]}
    for value in ("${nothing}", "inf", "nan"):
        with pytest.raises(ConfigError, match=r"'eval\.iw_samples="):
            amended(settings, [f"eval.iw_samples={value}"])


def test_nothing_is_empty_text_and_no_limit_is_null() -> None:
    assert amended(config(), ["train.max_steps="])["train"]["max_steps"] == ""
    assert amended(config("train.max_steps=5"), ["train.max_steps=null"])["train"]["max_steps"] is None


def test_values_are_read_as_for_a_new_run() -> None:
    names = {"@home": "@home", "yes": "yes", "'- x'": "- x", "3": 3, "null": None}
    for text, value in names.items():
        assert amended(config(), [f"tracker.name={text}"])["tracker"]["name"] == value
    with pytest.raises(ConfigError, match="several values"):
        amended(config(), ["train.max_epochs=1,2"])


def test_a_text_may_lie_elsewhere_now_and_a_number_is_no_such_place() -> None:
    before = {**config(), "data": {"name": "text", "file": "a.txt", "train": 100}}
    (override,) = with_moved_text(["resume=RUN", "data.file=b.txt"])[1:]
    assert override == "++data.file=b.txt"
    assert amended(before, [override])["data"]["file"] == "b.txt"
    with pytest.raises(ConfigError, match="cannot change there"):
        amended(before, ["data.train=200"])
    assert with_moved_text(["data.file=b.txt"]) == ["data.file=b.txt"]


@pytest.mark.parametrize(
    "override", ["latent.size=3", "train.max_epoch=3", "seed=2", "train=null", "~train.max_steps"]
)
def test_what_a_run_is_made_of_cannot_change(override) -> None:
    with pytest.raises(ConfigError, match=f"'{override}' cannot change there"):
        amended(config(), [override])


@pytest.mark.parametrize("own", [{"schedule": {"beta": 0.0}}, {"train": {"max_epochs": 2}}])
def test_a_first_stage_that_is_over_keeps_the_limit_it_had(own) -> None:
    changed = amended(config(pretraining=own), ["train.max_epochs=9"], own_steps=True)
    first = pretraining_of(changed)
    assert first is not None and (first["train"]["max_epochs"], changed["train"]["max_epochs"]) == (2, 9)
    assert changed["overrides"] == ["train.max_epochs=9", "++pretraining.train.max_epochs=2"]
    further = amended(changed, ["train.max_epochs=20"], own_steps=True)
    assert further["overrides"] == ["++pretraining.train.max_epochs=2", "train.max_epochs=20"]


def test_a_first_stage_that_is_not_over_takes_the_limit_that_it_shares() -> None:
    """As where its experiment refers to the run's limit: a config that is resolved has the value in its place."""
    changed = amended(config(pretraining={"train": {"max_epochs": 2}}), ["train.max_epochs=9"])
    first = pretraining_of(changed)
    assert first is not None and (first["train"]["max_epochs"], changed["train"]["max_epochs"]) == (9, 9)
    assert changed["overrides"] == ["train.max_epochs=9", "++pretraining.train.max_epochs=9"]
    over = amended(changed, ["train.max_epochs=20"], own_steps=True)
    assert over["pretraining"] == changed["pretraining"] and over["train"]["max_epochs"] == 20
    assert amended(changed, ["train.max_epochs=4"])["pretraining"] == {"train": {"max_epochs": 4}}


def test_a_first_stage_with_a_limit_of_its_own_or_still_to_come_is_left_as_it_is() -> None:
    for first, own_steps in (({"train": {"max_epochs": 5}}, True), ({"schedule": {"beta": 0.0}}, False)):
        changed = amended(config(pretraining=first), ["train.max_epochs=9", "train.log_every=3"], own_steps)
        assert changed["pretraining"] == first
        assert changed["overrides"] == ["train.max_epochs=9", "train.log_every=3"]


def test_a_first_stage_s_own_limit_stays_its_own_where_it_was_that_of_the_run_too() -> None:
    said = ["pretraining.train.max_epochs=2", "train.max_epochs=2"]
    before = config(pretraining={"train": {"max_epochs": 2}}) | {"overrides": said}
    changed = amended(before, ["train.max_epochs=9"], own_steps=True)
    assert changed["pretraining"] == before["pretraining"]
    assert changed["overrides"] == ["pretraining.train.max_epochs=2", "train.max_epochs=9"]


def trained(folder: Path, *overrides: str) -> Path:
    done = inside("train", *SMALL, f"run_dir={folder}", *overrides)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """A run of two steps."""
    return trained(tmp_path_factory.mktemp("runs") / "two")


@pytest.fixture
def run(two, tmp_path) -> Path:
    return shutil.copytree(two, tmp_path / "run")


@pytest.fixture(scope="module")
def resumed(two, tmp_path_factory) -> tuple[Path, Path, Path]:
    """The run of two steps, one that was taken from two to five, and one that has had five from the beginning."""
    folder, longer = tmp_path_factory.mktemp("resumed"), ("train.max_steps=5", "eval.iw_samples=4")
    further = shutil.copytree(two, folder / "further")
    assert inside("train", f"resume={further}", *longer).returncode == 0
    return two, further, trained(folder / "five", *longer)


def test_a_report_takes_a_resumed_run_for_one_of_its_last_settings(resumed) -> None:
    _, further, five = resumed
    records, _ = results([read_run(folder) for folder in resumed])
    assert records[1]["setting"] == records[2]["setting"] != records[0]["setting"]
    assert "train.max_steps=5" in records[1]["command"] and "train.max_steps=2" not in records[1]["command"]
    assert same_weights(further, five) and summary(further)["test"] == summary(five)["test"]


def test_the_last_settings_are_those_of_a_further_resumption(resumed) -> None:
    _, further, _ = resumed
    before = (further / "config.json").read_bytes()
    assert inside("train", f"resume={further}").returncode == 0
    assert (further / "config.json").read_bytes() == before
    assert summary(further)["train"]["steps"] == 5


def test_a_kill_while_the_config_is_written_leaves_no_figures_of_other_settings(run, monkeypatch) -> None:
    before = json.loads((run / "config.json").read_text())

    def killed(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as halfway:
        halfway.setattr("textvae.training.checkpoint.write_json", killed)
        assert inside("train", f"resume={run}", "train.max_steps=5").returncode == 130
    left = read_run(run)
    assert left.summary == {} and left.config == before
    assert inside("train", f"resume={run}").returncode == 0
    assert summary(run)["train"]["steps"] == 2


def test_an_empty_limit_is_refused_as_it_is_for_a_new_run(run) -> None:
    before = (run / "config.json").read_bytes()
    for begun in ([f"resume={run}"], [*SMALL, f"run_dir={run.with_name('new')}"]):
        said = "train.max_steps is '', must be of type int, or null"
        says_one_line(inside("train", *begun, "train.max_steps="), said)
    assert (run / "config.json").read_bytes() == before and (run / "summary.json").exists()


def test_a_limit_that_a_run_has_passed_is_refused_and_the_one_that_ends_it_named(run) -> None:
    before = (run / "config.json").read_bytes()
    said = "train.max_steps is 1, but this run has done 2 already: train.max_steps=2 ends it here"
    says_one_line(inside("train", f"resume={run}", "train.max_steps=1"), said)
    assert (run / "config.json").read_bytes() == before
    assert inside("train", f"resume={run}", "train.max_steps=2").returncode == 0
    assert summary(run)["train"]["steps"] == 2


def test_the_command_of_a_second_stage_that_went_further_makes_it_again(tmp_path) -> None:
    folder, again = tmp_path / "run", tmp_path / "again"
    stages = [
        "experiment=grammar/collapse",
        *SMALL,
        "data.train=20",
        "pretraining={schedule:{beta:0.0}}",
    ]
    assert inside("train", *stages, f"run_dir={folder}").returncode == 0
    assert inside("train", f"resume={folder}", "train.max_steps=4").returncode == 0
    said = json.loads((folder / "config.json").read_text())["overrides"]
    words = [word for word in said if not word.startswith("run_dir=")]
    assert inside("train", *words, f"run_dir={again}").returncode == 0
    assert (summary(folder / "pretraining")["train"]["steps"], summary(folder)["train"]["steps"]) == (2, 4)
    assert same_weights(folder, again)

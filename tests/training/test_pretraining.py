"""The config of the first stage: the run's own with changes."""

import pytest

from textvae.errors import ConfigError
from textvae.training.pretraining import merged, pretraining_of

RUN = {
    "name": "a",
    "seed": 3,
    "schedule": {"name": "linear", "start": 0.0, "end": 1.0},
    "optimizer": {"name": "sgd", "lr": 1.0, "plateau": {"patience": 2, "factor": 0.5}},
    "terms": {},
}


def test_without_a_section_there_is_no_first_stage():
    assert pretraining_of(RUN) is None
    assert pretraining_of({**RUN, "pretraining": None}) is None


def test_it_is_the_runs_own_but_for_the_changes():
    first = pretraining_of({**RUN, "pretraining": {"optimizer": {"plateau": {"patience": 5}}}})
    assert first is not None
    assert first.pop("pretraining") is None
    assert first.pop("name") == "a/pretraining"
    assert first["optimizer"].pop("plateau") == {"patience": 5, "factor": 0.5}
    assert first == {
        "seed": 3,
        "schedule": RUN["schedule"],
        "terms": {},
        "optimizer": {"name": "sgd", "lr": 1.0},
    }


def test_another_kind_replaces_all_settings_of_the_former():
    assert merged(RUN, {"schedule": {"name": "constant", "beta": 0.0}})["schedule"] == {
        "name": "constant",
        "beta": 0.0,
    }
    assert merged(RUN, {"schedule": {"name": "linear", "end": 0.5}})["schedule"] == {
        "name": "linear",
        "start": 0.0,
        "end": 0.5,
    }


def test_an_empty_section_replaces_what_the_run_has():
    run = {**RUN, "terms": {"mmd": {"weight": 1.0}}}
    assert merged(run, {"terms": {}})["terms"] == {}
    assert merged(run, {"terms": {"mmd": {"weight": 2.0}}})["terms"] == {"mmd": {"weight": 2.0}}


def test_the_runs_own_config_stays_as_it_is():
    before = repr(RUN)
    pretraining_of({**RUN, "pretraining": {"optimizer": {"plateau": {"patience": 5}}, "terms": {"mmd": {}}}})
    assert repr(RUN) == before


@pytest.mark.parametrize("changes", [{"pretraining": {}}, {"sgd": {}}, 3, "schedule"])
def test_what_is_no_change_is_refused(changes):
    with pytest.raises(ConfigError, match="pretraining"):
        pretraining_of({**RUN, "pretraining": changes})

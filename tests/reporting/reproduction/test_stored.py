"""A file of records is read whole, or refused in one line that names it and what is wrong."""

import json
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.reporting.reproduction.records import baselines, record
from textvae.errors import ConfigError
from textvae.reporting.reproduction.stored import stored_records


def test_records_are_read_as_they_were_written(tmp_path) -> None:
    file = tmp_path / "small.json"
    assert stored_records(file) == []
    file.write_text(json.dumps(baselines()))
    assert stored_records(file) == baselines()


@pytest.mark.parametrize("table", ["grammar", "remedies", "ptb", "ptb_short"])
def test_the_files_of_this_checkout_are_whole(table) -> None:
    assert stored_records(ROOT / "docs" / "results" / f"{table}.json")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in record("lm").items() if name != key}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b'[{"row": "lm"', "Expecting"),
        (b"\xff\xfe[]", "decode"),
        (b"{}", "no list of records"),
        (b"null", "no list of records"),
        ([record("lm"), 3], "record 2 of 2 is no mapping"),
        ([without("row")], "record 1 of 1 lacks row"),
        ([without("wall_s")], "lacks wall_s"),
        ([without("date")], "lacks date"),
        ([record("lm", seed="0")], "has seed = '0'"),
        ([record("lm", cut_short=None)], "has cut_short = None"),
        ([record("lm", kl="low")], "has kl = 'low'"),
        ([record("lm", true_nll=[])], "has true_nll = []"),
        ([record("lm", valid_by_rate=[[1.0]])], "has valid_by_rate = [[1.0]]"),
        ([record("lm", 1), record("lm", 1)], "two records of row 'lm', seed 1"),
    ],
)
def test_what_is_damaged_is_named_with_its_fault(tmp_path, content, reason) -> None:
    file = tmp_path / "small.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ConfigError) as error:
        stored_records(file)
    said = str(error.value)
    assert said.startswith(f"{file} is damaged: ") and reason in said and "\n" not in said

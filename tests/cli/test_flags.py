"""Flags stand anywhere among overrides, and one that there is not is told in one line."""

import pytest

from tests.cli.process import inside, says_one_line
from textvae.cli.flags import flags_last, one_word_flags
from textvae.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["-m", "seed=0,1"], ["-m", "seed=0,1"]),
        (["-c", "job", "seed=1"], ["--cfg=job", "seed=1"]),
        (["--cfg=job", "-p", "decoding"], ["--cfg=job", "--package=decoding"]),
        (["-i", "seed=1"], ["--info=all", "seed=1"]),
        (["--info", "plugins", "-cn", "mine"], ["--info=plugins", "--config-name=mine"]),
    ],
)
def test_each_word_is_a_flag_or_an_override(given, words):
    assert one_word_flags(given) == words == one_word_flags(words)


def test_flags_come_last_and_the_order_of_overrides_stays():
    assert flags_last(["b=1", "-m", "a=2", "--config-dir=x", "b=3"]) == [
        "b=1",
        "a=2",
        "b=3",
        "-m",
        "--config-dir=x",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["n=1", "--multi", "seed=1"], "there is no flag '--multi'; there are -m, --multirun, --help"),
        (["-c", "n=2"], "--cfg is 'n=2', must be one of job, hydra, all"),
        (["-cd"], "--config-dir needs a value"),
        (["--config-name="], "--config-name needs a value"),
    ],
)
@pytest.mark.parametrize("verb", ["sample", "train"])
def test_what_is_no_flag_is_one_line(verb, words, said):
    with pytest.raises(ConfigError, match=said):
        one_word_flags(words)
    says_one_line(inside(verb, *words), said)


def test_a_flag_amid_overrides_is_one_line_of_what_is_wrong_with_them(tmp_path):
    for verb, mark in (("sample", "-m"), ("encode", "--multirun")):
        done = inside(verb, f"checkpoint={tmp_path / 'nowhere'}", mark, "seed=1", cwd=tmp_path)
        says_one_line(done, f"{tmp_path / 'nowhere'} is no folder")
    assert "usage: textvae sample" in inside("sample", "n=1", "--help", "seed=1").stdout

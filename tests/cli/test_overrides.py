"""Overrides that no config has a place for are refused, whatever sign they have."""

import pytest

from tests.cli.process import inside, says_one_line
from textvae.cli.locations import config_directory
from textvae.cli.overrides import check, close, legal, with_text
from textvae.errors import ConfigError
from textvae.keys import LATER, flatten


@pytest.mark.parametrize("sign", ["", "+", "++", "~"])
@pytest.mark.parametrize(
    ("verb", "override", "parts"),
    [
        ("train", "shedule=linear", ["'shedule'", "schedule"]),
        ("train", "free_bits=5", ["'free_bits'", "experiment=ptb/free_bits"]),
        ("train", "train.max_stepz=5", ["train.max_steps"]),
        ("train", "term.mmd.weight=5", ["'term.mmd.weight'"]),
        ("train", "decoding=beam", ["'decoding'"]),
        ("evaluate", "samples=5", ["eval.iw_samples"]),
        ("sample", "temperature=0.1", ["decoding.temperature"]),
        ("sample", "model=he2019", ["'model'", "max_length"]),
        ("import-he2019", "checkpoint=5", ["'checkpoint'"]),
    ],
)
def test_an_unknown_key_is_refused(tmp_path, sign, verb, override, parts):
    says_one_line(inside(verb, f"{sign}{override}", cwd=tmp_path), *parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("override", ["+shedule=linear,constant", "decoder.hiden=8,9"])
def test_an_unknown_key_of_a_sweep_is_refused_and_leaves_nothing(tmp_path, override):
    says_one_line(inside("train", "-m", override, cwd=tmp_path), "has no key", "close to it")
    assert not list(tmp_path.glob("sweeps/*"))


@pytest.mark.parametrize(("verb", "key"), [("sample", "checkpoint"), ("train", "resume")])
def test_a_word_without_a_key_is_told_where_a_run_goes(verb, key):
    with pytest.raises(
        ConfigError, match=f"{verb} takes KEY=VALUE, which 'runs/a' is not; .* as {key}=runs/a"
    ):
        check(verb, ["seed=1", "runs/a"])
    check(verb, ["seed=1", "-m", "~seed"])


def test_a_nested_key_is_not_advised_to_be_added():
    done = inside("train", "decoder.hiden=8")
    says_one_line(done, "'decoder.hiden'; close to it: decoder.hidden, encoder.hidden")
    assert "append" not in done.stderr


@pytest.mark.parametrize(
    ("verb", "override"),
    [
        ("train", "+term=mmd"),
        ("train", "+terms.mmd.weight=3"),
        ("train", "experiment=grammar/lm,grammar/vq"),
        ("train", "+sweep=seeds"),
        ("train", "~tracker"),
        ("train", "+data.labels=true"),
        ("train", "hydra/launcher=joblib"),
        ("train", "hydra.sweeper.max_batch_size=3"),
        ("train", "'pretraining={schedule:{name:constant}}'"),
        ("train", "encoder@encoder=none"),
        ("evaluate", "+data.dataset=here"),
        ("sample", "decoding=beam"),
        ("import-he2019", "decoder=he2019"),
        ("sample", "--multirun"),
    ],
)
def test_what_a_verb_has_a_place_for_is_left_to_hydra(verb, override):
    check(verb, [override])


def test_a_key_of_the_first_stage_is_advised_to_be_added_where_the_config_has_none_yet():
    done = inside("train", "experiment=grammar/pretraining", "pretraining.train.max_steps=3")
    says_one_line(done, "+pretraining.train.max_steps=...")


def test_a_misspelt_key_of_the_first_stage_is_told_from_one_of_the_second():
    done = inside("train", "experiment=grammar/pretraining", "pretraining.train.max_stepz=3")
    says_one_line(done, "'pretraining.train.max_stepz'; close to it: pretraining.train.max_steps")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("term=mmd", "+term=NAME adds one of"),
        ("latent.delta=1", "has no key 'latent.delta'"),
        ("name=null", "name is None, must be text"),
        ("~name", "name must be given: textvae train name=..."),
        ("~seed", "seed must be given: textvae train seed=..."),
        ("~train.log_every", "train.log_every must be given: textvae train train.log_every=..."),
        ("~data.grouping", "data.grouping must be given"),
        ("schedule.name=[linear,cyclical]", "schedule.name is ['linear', 'cyclical']; known: "),
        ("+pretraining={optimizer: adamw}", "pretraining.optimizer is 'adamw', must be a group of settings"),
        ("+pretraining={seed: -1}", "pretraining.seed is -1, must be a whole number"),
        ("run_dir=[1,2]", "run_dir is [1, 2], must be text"),
        ("resume=[1]", "resume is [1], must be text"),
        ("resume=", "resume is empty; give it a value, or leave it out"),
        ("run_dir=''", "run_dir is empty"),
        ("optimizer.clip=inf", "optimizer.clip is inf, must be finite"),
    ],
)
def test_what_is_no_choice_no_text_and_no_number_is_one_line(tmp_path, override, says):
    says_one_line(inside("train", "data=grammar", override, "tracker=none", cwd=tmp_path), says)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "override", "says"),
    [
        ("sample", "~n", "n must be given: textvae sample n=..."),
        ("sample", "~decoding", "decoding must be given: textvae sample decoding=..."),
        (
            "evaluate",
            "~eval.iw_samples",
            "eval.iw_samples must be given: textvae evaluate eval.iw_samples=...",
        ),
        ("evaluate", "eval=0", "eval is 0, must be a group of settings"),
        ("interpolate", "~steps", "steps must be given: textvae interpolate steps=..."),
    ],
)
def test_a_key_taken_away_is_one_line_for_every_verb(verb, override, says):
    says_one_line(inside(verb, "checkpoint=nowhere", override), says)


def test_a_key_that_another_choice_of_its_section_has_is_told_apart():
    done = inside("train", "schedule=linear", "schedule.beta=0.5")
    says_one_line(done, "schedule.beta is nothing that the chosen schedule has")


def test_names_close_to_the_whole_come_first():
    assert close("decoder.hiden", ["encoder.hidden", "decoder.hidden", "seed"]) == [
        "decoder.hidden",
        "encoder.hidden",
    ]


@pytest.mark.parametrize(
    ("verb", "override", "parts"),
    [
        ("train", "experiment=grammar/colapse", ["experiment=grammar/colapse", "grammar/collapse"]),
        ("train", "experiment=colapse", ["ptb/collapse, grammar/collapse"]),
        ("train", "experiment=zzz", ["grammar/aggressive", "ptb/word_dropout"]),
        ("train", "latent=gausian", ["close to it: gaussian"]),
        ("train", "+term=mdd", ["close to it: mmd"]),
        ("sample", "decoding=magic", ["there are: beam, greedy, sample"]),
    ],
)
def test_an_unknown_choice_is_one_line_with_what_there_is(tmp_path, verb, override, parts):
    done = inside(verb, override, cwd=tmp_path)
    says_one_line(done, "there is no", *parts)
    assert "search path" not in done.stderr


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["+schedule=linear"], "schedule is chosen already: give schedule=NAME without a +"),
        (["+term=mmd", "+term=bag_of_words"], "term=[A,B] where an experiment brings one, else +term=[A,B]"),
    ],
)
def test_a_choice_beside_the_one_there_is_is_one_line(overrides, says):
    says_one_line(inside("train", *overrides), says)


def test_every_group_is_taken_by_a_verb():
    folders = {path.name for path in config_directory().iterdir() if path.is_dir()}
    assert folders == {group for verb in ("train", "sample") for group in legal(verb).groups}


@pytest.mark.parametrize(
    ("given", "handed_on"),
    [
        ("name=5", "name='5'"),
        ("+run_dir=2026_01_02", "+run_dir='2026_01_02'"),
        ("checkpoint=1e3", "checkpoint='1e3'"),
        ("output=true", "output='true'"),
        ("name=null", "name=null"),
        ("name=a/b", "name=a/b"),
        ("seed=5", "seed=5"),
        ("seed=1,2", "seed=1,2"),
    ],
)
def test_numbers_are_text_where_a_name_is_meant(given, handed_on):
    assert with_text([given]) == [handed_on]


@pytest.mark.parametrize("name", ["a=b", "runs (1)", "a#b", "o'b", "a[1]"])
def test_any_name_of_a_folder_is_text(tmp_path, name):
    folder = tmp_path / name
    done = inside("sample", f"checkpoint={folder}")
    says_one_line(done, f"{folder} is no folder; give the folder of a run")


@pytest.mark.parametrize("setting", ["sweep_dir=X", "jobs=failed", "launcher=joblib", "metric=valid/rec"])
def test_what_a_sweep_reads_is_refused_beside_a_single_run(tmp_path, setting):
    done = inside("train", "data=grammar", "tracker=none", setting, cwd=tmp_path)
    says_one_line(done, f"{setting.partition('=')[0]} is for a sweep: add -m, or sweep=NAME")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["a:\n\t- b\n", "a: [1\n", "seed: 1\nseed: 2\n"])
@pytest.mark.parametrize("more", [[], ["sweep=seeds"], ["-m"]])
def test_a_slip_in_a_file_of_ones_own_is_one_line_that_names_it(tmp_path, text, more):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")
    done = inside("train", f"--config-dir={tmp_path}", "experiment=mine", *more, cwd=tmp_path)
    says_one_line(done, "mine.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["experiment"]


def test_what_an_experiment_sets_of_another_choice_can_be_left_out(tmp_path):
    chosen = ("experiment=grammar/collapse", "encoder=none", "latent=none", "tracker=none")
    done = inside("train", *chosen, cwd=tmp_path)
    says_one_line(done, "encoder 'none' has no setting 'embedding'; it has: none; add '~encoder.embedding'")
    done = inside(
        "train", "data=grammar", "schedule=linear", "+schedule.warmup_epoch=3", "tracker=none", cwd=tmp_path
    )
    says_one_line(done, "has no setting 'warmup_epoch'")
    assert "leave out" not in done.stderr


def test_keys_that_came_later_stand_for_what_is_their_default():
    known = flatten(legal("train").config)
    assert {key: known[key] for key in LATER} == LATER

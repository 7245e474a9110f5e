import shlex

from hypothesis import given
from hypothesis import strategies as st

from tests.reporting.folders import config
from textvae.reporting.settings import command, labels, setting

VALUES = st.sampled_from([0, 1, 1.0, 0.5, None, "a", True, [1, 2], []])
CONFIGS = st.fixed_dictionaries(
    {"name": st.sampled_from(["x", "y"]), "seed": st.integers(0, 3)},
    optional={
        "rate": st.fixed_dictionaries({"name": VALUES}, optional={"total": VALUES}),
        "terms": st.dictionaries(st.sampled_from(["mmd", "bow"]), st.dictionaries(st.just("w"), VALUES)),
    },
)


def test_seed_place_and_tracker_make_no_other_setting():
    one = config(seed=0)
    other = config(seed=7, run_dir="elsewhere", tracker={"name": "wandb", "group": "g"}, overrides=["seed=7"])
    other["data"] = {**other["data"], "path": "/data", "seed": 3}
    one["data"] = {**one["data"], "seed": 3}
    assert setting(one) == setting(other)
    assert labels([one, other]) == ["ptb/vae", "ptb/vae"]


def test_runs_from_before_there_was_a_key_are_of_the_setting_that_its_default_makes():
    before, now = config(seed=0), config(seed=1, plugins=[])
    now["eval"] = {**now.get("eval", {}), "fisher_sentences": 256}
    assert labels([before, now]) == ["ptb/vae", "ptb/vae"]
    assert labels([before, {**now, "plugins": ["mine"]}]) == [
        "ptb/vae plugins=[]",
        "ptb/vae plugins=[mine]",
    ]


def test_values_that_six_digits_do_not_tell_apart_have_more():
    near = [config(seed=0, schedule={"beta": beta}) for beta in (0.5000001, 0.5000002)]
    assert labels(near) == ["ptb/vae schedule.beta=0.5000001", "ptb/vae schedule.beta=0.5000002"]
    far = [config(seed=0, schedule={"beta": beta}) for beta in (1 / 3, 0.5)]
    assert labels(far) == ["ptb/vae schedule.beta=0.333333", "ptb/vae schedule.beta=0.5"]


def test_the_corpus_seed_is_part_of_the_setting():
    drawn = [config(data={"name": "grammar", "seed": seed}) for seed in (0, 1)]
    assert labels(drawn) == ["ptb/vae data.seed=0", "ptb/vae data.seed=1"]


def test_a_label_names_what_differs_and_a_choice_by_its_group():
    rates = [{"name": "true_kl"}, {"name": "hinge", "delta": 2.0}, {"name": "free_bits", "total": 4.0}]
    assert labels([config(rate=rate) for rate in rates]) == [
        "ptb/vae rate=true_kl",
        "ptb/vae rate=hinge",
        "ptb/vae rate=free_bits",
    ]
    totals = [{"name": "free_bits", "total": total} for total in (0.5, 4)]
    assert labels([config("a"), *(config("b", rate=rate) for rate in totals)]) == [
        "a",
        "b rate.total=0.5",
        "b rate.total=4",
    ]


def test_keys_that_only_some_have_are_named_where_the_others_do_not_tell():
    rates = [{"name": "hinge"}, {"name": "free_bits", "total": 1}, {"name": "free_bits", "total": 2}]
    found = labels([config(rate=rate) for rate in rates])
    assert found == [
        "ptb/vae rate=hinge",
        "ptb/vae rate=free_bits rate.total=1",
        "ptb/vae rate=free_bits rate.total=2",
    ]


@given(st.lists(CONFIGS, min_size=1, max_size=6))
def test_labels_are_equal_where_settings_are(configs):
    named = list(zip(labels(configs), [setting(item) for item in configs], strict=True))
    for label, mine in named:
        for other_label, other in named:
            assert (label == other_label) == (typed(mine) == typed(other))


def typed(flat: dict) -> str:
    """True is not 1, but 1 is 1.0."""
    return repr(sorted((k, float(v) if type(v) is int else v) for k, v in flat.items()))


def test_the_command_leaves_places_out():
    assert command(config("ptb/lm", 3)) == "textvae train experiment=ptb/lm seed=3"


def test_the_command_of_a_sweep_s_job_can_be_typed_for_it_alone():
    said = [
        "sweep=seeds",
        "launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "data.max_length={name: drop, tokens: 9}",
    ]
    typed_again = command({"overrides": [*said, "seed=2"]})
    assert shlex.split(typed_again) == [
        "textvae",
        "train",
        "data.max_length={name: drop, tokens: 9}",
        "seed=2",
    ]


def test_no_command_makes_what_was_imported():
    assert command({"name": "imported"}) == ""
    assert command({"overrides": []}) == "textvae train"


def test_runs_of_several_corpora_say_which_is_theirs():
    here, there = config("a"), config("b", data={"name": "text", "file": "my.txt"})
    assert labels([here, there]) == ["a on ptb", "b on text"]
    assert labels([here, here]) == ["a", "a"]


def test_the_command_names_the_folder_of_configs_of_the_user_s_own_and_the_setting_does_not():
    said = {"name": "mine", "overrides": ["experiment=mine"]}
    mine = said | {"config_dir": "own"}
    assert command(mine) == "textvae train --config-dir=own experiment=mine"
    assert setting(mine) == setting(said)

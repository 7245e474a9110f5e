"""Every experiment file composes, trains two steps on a few sentences, goes on, samples and interpolates."""

import json
from pathlib import Path

import pytest

import textvae
from textvae.cli import compose
from textvae.cli.locations import config_directory
from textvae.errors import ConfigError
from textvae.training.files import load_state
from textvae.training.measurement import Console
from textvae.training.run import resume_run, start_run

CONF = config_directory()
EXPERIMENTS = sorted(
    str(path.relative_to(CONF / "experiment").with_suffix(""))
    for path in (CONF / "experiment").rglob("*.yaml")
)
SIZES = {
    "encoder": {"embedding": 6, "hidden": 6},
    "decoder": {"embedding": 6, "hidden": 6},
    "latent": {"size": 4},
}
SHORT = {"name": "sample", "max_length": 8}  # what has not learnt hardly ends a sentence
QUIET = Console(lambda line: None, lambda what, done, of: None)


def composed(*overrides: str) -> dict:
    return compose.composed("train", overrides)


def shrunk(config: dict) -> dict:
    """The same setting on a few sentences of the grammar, with small sizes where it has sizes."""
    for section, sizes in SIZES.items():
        config[section].update({key: value for key, value in sizes.items() if key in config[section]})
    reading = {key: config["data"][key] for key in ("tokenizer", "batch_size", "grouping", "max_length")}
    config["data"] = {"name": "grammar", "train": 60, "valid": 20, "test": 20, "seed": 0, **reading}
    config["train"].update(max_steps=2)
    config["eval"].update(iw_samples=3)
    config["tracker"] = {"name": "none"}
    if config["updater"]["name"] == "aggressive":
        config["updater"].update(most=3)
    if "steps" in config["refinement"]:
        config["refinement"].update(steps=2)
    return config


def test_there_are_experiments():
    named = (
        "collapse",
        "annealing",
        "word_dropout",
        "free_bits",
        "cyclical",
        "aggressive",
        "inputless",
        "lm",
    )
    assert {f"ptb/{name}" for name in named} <= set(EXPERIMENTS)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_runs_from_end_to_end(experiment, tmp_path):
    config = composed(f"experiment={experiment}")
    assert config["name"] == experiment
    config, folder = shrunk(config), tmp_path / "run"
    first = start_run(config, folder, QUIET)
    assert first["train"]["steps"] == 2
    config = json.loads((folder / "config.json").read_text())
    config["train"]["max_steps"] = 3
    assert resume_run(config, folder, QUIET)["train"]["steps"] == 3
    vae = textvae.load(folder)
    assert len(vae.sample(3, SHORT)) == 3
    assert len((vae.given(0) if vae.labels else vae).interpolate(steps=4, decoding=SHORT)) == 4
    if vae.model.decoder.given:
        with pytest.raises(ConfigError, match="it has no p\\(x\\)"):
            vae.log_prob(vae.sample(2, SHORT), samples=2)
    else:
        assert vae.log_prob(vae.sample(2, SHORT), samples=2).shape == (2,)


def test_what_steers_an_objective_moves_once_a_step_and_goes_on_where_it_was(tmp_path):
    config, folder = composed("+term=minimum_rate", "updater=encoder_steps"), tmp_path / "run"
    config = shrunk(config)
    for steps, run in ((2, start_run), (3, resume_run)):
        config["train"]["max_steps"] = steps
        run(config, folder, QUIET)
        seen = load_state(folder / "last.safetensors")["objective"]["terms.minimum_rate.weight"]
        assert float(seen) == pytest.approx(1 - 0.99**steps)


def test_terms_are_added_by_name():
    assert composed()["terms"] == {}
    terms = composed("+term=[mmd,mu_forcing]", "terms.mmd.weight=3.0")["terms"]
    assert terms["mmd"]["weight"] == 3.0 and set(terms) == {"mmd", "mu_forcing"}


@pytest.mark.parametrize("model", ["he2019", "bowman2016"])
@pytest.mark.parametrize("data", ["ptb", "grammar", "text", "hub"])
def test_groups_compose(model, data):
    overrides = [f"model={model}", f"data={data}"] + (["data.dataset=some/set"] if data == "hub" else [])
    assert composed(*overrides)["data"]["name"] == data


def test_he2019_is_the_published_network():
    config = composed()
    assert config["encoder"] == {
        "name": "lstm",
        "embedding": 256,
        "hidden": 256,
        "layers": 1,
        "bidirectional": False,
        "pooling": "last",
    }
    decoder = config["decoder"]
    assert (decoder["z_into"], decoder["dropout_in"], decoder["dropout_out"]) == (
        ["state", "input"],
        0.5,
        0.5,
    )
    assert config["initialisation"] == {"name": "uniform", "bound": 0.01, "embedding": 0.1}
    assert config["latent"]["size"] == 32 and config["data"]["batch_size"] == 32
    assert (config["optimizer"]["lr"], config["optimizer"]["clip"]) == (1.0, 5.0)
    assert composed("model=bowman2016")["decoder"]["z_into"] == ["state"]


def test_every_config_file_says_what_it_is_for():
    silent = [
        str(path)
        for path in Path(CONF).rglob("*.yaml")
        if path.parent.name in ("experiment", "ptb", "grammar")
        and "# " not in path.read_text().split("\n", 1)[1]
    ]
    assert silent == []

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from textvae.errors import ConfigError
from textvae.reporting.reproduction.experiments import settings_that_ran


def read(file: Path) -> object:
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False)


def experiment(folder: Path, text: str) -> Path:
    (folder / "experiment" / "toy").mkdir(parents=True)
    (folder / "experiment" / "toy" / "one.yaml").write_text(text)
    return folder


def test_an_experiment_is_spelt_out_as_on_the_command_line(tmp_path: Path) -> None:
    conf = experiment(
        tmp_path,
        "# @package _global_\ndefaults:\n  - /setup: shared\n  - /term: mmd\n  - override /rate: hinge\nname: toy/one\n"
        "rate: {delta: 4.0}\nlatent: {size: null}\ndecoder: {z_into: [state, input], inputless: true}\n",
    )
    assert settings_that_ran(conf, ["experiment=toy/one", "latent.codes=256", "rate.delta=5"], read) == (
        "+term=mmd rate=hinge rate.delta=5 latent.size=null "
        "decoder.z_into=[state,input] decoder.inputless=true latent.codes=256"
    )


def test_an_experiment_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other\.yaml does not exist"):
        settings_that_ran(tmp_path, ["experiment=toy/other"], read)

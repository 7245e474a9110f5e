"""textvae import-he2019: a run's folder from weights of the code of He et al. 2019 and Li et al. 2019."""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.training.he2019 import import_run
from textvae.training.shape import check_seed


def main(overrides: Sequence[str]) -> None:
    compose.run("import-he2019", overrides, import_weights)


def import_weights(config: dict[str, Any]) -> None:
    check_seed(config["seed"])
    model = import_run(config["weights"], config["vocabulary"], config, config["run_dir"])
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{count:,} parameters, Z = {model.latent_size}\nrun: {config['run_dir']}")

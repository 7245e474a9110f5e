"""textvae sample: sentences from the prior."""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, open_run


def main(overrides: Sequence[str]) -> None:
    compose.run("sample", overrides, sample)


def sample(config: dict[str, Any]) -> None:
    vae = open_run(config)
    print(*checked(lambda: vae.sample(config["n"], decoding(config), config["seed"])), sep="\n")

"""textvae reconstruct: each sentence, and what is left of it behind q(z|x)."""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, given, open_latent
from textvae.errors import ConfigError


def main(overrides: Sequence[str]) -> None:
    compose.run("reconstruct", overrides, reconstruct)


def reconstruct(config: dict[str, Any]) -> None:
    points = {"mean": False, "sample": True}
    if config["posterior"] not in points:
        raise ConfigError(f"posterior is {config['posterior']!r}, must be one of {', '.join(points)}")
    vae, seed, ways = open_latent(config), config["seed"], decoding(config)
    lines = given(config["input"]) if config["input"] else checked(lambda: vae.sample(config["n"], seed=seed))
    again = checked(lambda: vae.reconstruct(lines, points[config["posterior"]], ways, seed))
    for line, image in zip(lines, again, strict=True):
        print(f"{line}\n    -> {image}")

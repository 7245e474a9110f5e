"""textvae analogy: a is to b as c is to ?"""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, given, open_latent


def main(overrides: Sequence[str]) -> None:
    compose.run("analogy", overrides, analogy)


def analogy(config: dict[str, Any]) -> None:
    vae, lines = open_latent(config), given(config["input"], group=3)
    a, b, c = lines[::3], lines[1::3], lines[2::3]
    print(*checked(lambda: vae.analogy(a, b, c, decoding(config), config["seed"])), sep="\n")

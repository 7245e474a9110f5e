"""textvae interpolate: sentences on the way between two sentences, or two draws from the prior."""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, given, open_run


def main(overrides: Sequence[str]) -> None:
    compose.run("interpolate", overrides, interpolate)


def interpolate(config: dict[str, Any]) -> None:
    vae, seed = open_run(config), config["seed"]
    draws = 2 * config["n"]
    given_ends = config["input"] and given(config["input"], group=2)
    ends = vae.points(given_ends) if given_ends else checked(lambda: vae.draw(draws, seed))
    ways = decoding(config)
    paths = checked(
        lambda: vae.interpolations(ends[::2], ends[1::2], config["steps"], config["path"], ways, seed)
    )
    print("\n\n".join("\n".join(path) for path in paths))

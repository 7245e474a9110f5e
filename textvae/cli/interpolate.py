"""textvae interpolate: sentences on the way between two sentences, or two draws from the prior."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from textvae.api import TextVAE
from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, given, open_latent
from textvae.errors import ConfigError


def main(overrides: Sequence[str]) -> None:
    compose.run("interpolate", overrides, interpolate)


def interpolate(config: dict[str, Any]) -> None:
    vae, seed = open_latent(config), config["seed"]
    ends = vae.points(given(config["input"], group=2)) if config["input"] else drawn(vae, config["n"], seed)
    ways = decoding(config)
    paths = checked(
        lambda: vae.interpolations(ends[::2], ends[1::2], config["steps"], config["path"], ways, seed)
    )
    print("\n\n".join("\n".join(path) for path in paths))


def drawn(vae: TextVAE, pairs: Any, seed: int) -> Tensor:
    """Both ends of each pair, one after the other. ConfigError unless `pairs` is a count."""
    if not isinstance(pairs, int) or isinstance(pairs, bool) or pairs < 1:
        raise ConfigError(f"n is {pairs!r}, must be a whole number of at least 1")
    return vae.draw(2 * pairs, seed)

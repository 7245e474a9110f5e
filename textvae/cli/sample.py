"""textvae sample: sentences from the prior."""

from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, decoding, open_run


def main(overrides: Sequence[str]) -> None:
    compose.run("sample", overrides, sample)


def sample(config: dict[str, Any]) -> None:
    vae = open_run(config)
    ways = decoding(config)
    stream = checked(lambda: vae.stream(config["n"], ways, config["seed"]))
    while (texts := checked(lambda: next(stream, None))) is not None:
        print(*texts, sep="\n", flush=True)

"""textvae encode: posterior means and variances, one JSON object a sentence."""

import json
from collections.abc import Sequence
from typing import Any

from textvae.cli import compose
from textvae.cli.sentences import checked, given, open_latent


def main(overrides: Sequence[str]) -> None:
    compose.run("encode", overrides, encode)


def encode(config: dict[str, Any]) -> None:
    vae = open_latent(config)
    lines = (
        given(config["input"])
        if config["input"]
        else checked(lambda: vae.sample(config["n"], seed=config["seed"]))
    )
    q = vae.encode(lines)
    for sentence, mean, variance in zip(lines, q.mean.tolist(), q.variance.tolist(), strict=True):
        print(json.dumps({"sentence": sentence, "mean": mean, "variance": variance}))

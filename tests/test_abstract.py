"""No part that a config can name leaves a method of its base unwritten."""

from collections.abc import Iterator

import pytest

import textvae.networks.decoders
import textvae.objectives.objective  # noqa: F401
from textvae.latents.priors import Prior
from textvae.networks.decoder import Decoder
from textvae.networks.encoder import Encoder, NoEncoder
from textvae.objectives.controllers import Controller
from textvae.objectives.terms import Weighted

ABSTRACT = {
    Encoder: ["read"],
    Decoder: ["start", "run"],
    Prior: ["forward"],
    Controller: ["control"],
    Weighted: ["value"],
}
READS_NOTHING = {NoEncoder}  # a prior that would have it read is refused at construction


def leaves(kind: type) -> Iterator[type]:
    below = [sub for sub in kind.__subclasses__() if sub.__module__.startswith("textvae")]
    for sub in below:
        yield from leaves(sub)
    if not below:
        yield kind


@pytest.mark.parametrize("base", ABSTRACT, ids=lambda base: base.__name__)
def test_every_kind_writes_what_its_base_leaves_open(base: type) -> None:
    kinds = set(leaves(base)) - READS_NOTHING
    assert kinds and base not in kinds
    for kind in kinds:
        for method in ABSTRACT[base]:
            assert getattr(kind, method) is not getattr(base, method), (kind, method)

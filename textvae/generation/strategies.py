"""The ways of decoding, by name."""

from textvae.generation.beam import Beam
from textvae.generation.decoding import Decoding
from textvae.generation.stepwise import Greedy, Sample

DECODINGS: dict[str, type[Decoding]] = {"greedy": Greedy, "sample": Sample, "beam": Beam}

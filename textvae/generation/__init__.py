"""Sentences to points of latent space and back: encoding, decoding, paths and arithmetic."""

from textvae.generation.beam import Beam
from textvae.generation.decoding import Decoded, Decoding, decode_all, decode_chunks
from textvae.generation.latent import PATHS, Linear, Path, Spherical, analogy, representative
from textvae.generation.sentences import SentenceSpace
from textvae.generation.stepwise import Greedy, Sample
from textvae.generation.strategies import DECODINGS

__all__ = [
    "DECODINGS",
    "PATHS",
    "Beam",
    "Decoded",
    "Decoding",
    "Greedy",
    "Linear",
    "Path",
    "Sample",
    "SentenceSpace",
    "Spherical",
    "analogy",
    "decode_all",
    "decode_chunks",
    "representative",
]

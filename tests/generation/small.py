"""A small random model that was never trained, its words, and plain twins of what generation does at once."""

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from textvae.data.batching import collate
from textvae.generation import Decoded
from textvae.model import SentenceVAE, build_model

WORDS = ["the", "a", "cat", "dog", "bird", "sees", "likes", "finds", "old", "small"]
WORDS += ["big", "red", "under", "over", "quickly", "today"]
PAD, BOS, EOS, UNK = range(4)


def random_model(
    vocabulary: int = 20, latent: int = 4, bound: float = 0.7, seed: int = 0, **decoder: object
) -> SentenceVAE:
    """Large random weights in float64: what comes next depends much on z and on the words before."""
    sizes = {"embedding": 8, "hidden": 12}
    config = {
        "encoder": {"name": "lstm", **sizes} if latent else {"name": "none"},
        "latent": {"name": "gaussian", "size": latent} if latent else {"name": "none"},
        "prior": {"name": "standard_normal"},
        "decoder": {"name": "lstm", **sizes, **decoder},
        "initialisation": {"name": "uniform", "bound": bound, "embedding": 1.0},
    }
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return build_model(config, vocabulary, unk=UNK).double().eval()


def points(rows: int, latent: int = 4, seed: int = 0) -> Tensor:
    return torch.randn(rows, latent, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def words_of(ids: Tensor) -> list[list[int]]:
    """Rows `w1 .. wn </s> <pad>` -> the words alone."""
    return [[i for i in row if i not in (PAD, EOS)] for row in ids.tolist()]


def log_p_of(model: SentenceVAE, decoded: Decoded, z: Tensor) -> Tensor:
    """log p of the decoded words by the decoder's pass over whole sentences; an end counts where there is one."""
    words = words_of(decoded.ids)
    batch = collate(words)
    with torch.no_grad():
        total = model.log_likelihood(batch, z[None])[0]
        logits = model.decoder.output(model.decoder.hidden(batch.inputs, z[None])[0])
    last = torch.tensor([len(row) for row in words])
    end = logits.log_softmax(-1)[torch.arange(len(z)), last, EOS]
    return total - torch.where(decoded.finished, 0.0, end)


def all_sentences(words: list[int], longest: int) -> Iterator[tuple[int, ...]]:
    """Every sentence of 1 to `longest` of these words."""
    for length in range(1, longest + 1):
        yield from product(words, repeat=length)


def next_log_p(model: SentenceVAE, words: list[int], z: Tensor) -> Tensor:
    """log p of each next word (V,) after `words`, for one z (Z,)."""
    with torch.no_grad():
        hidden = model.decoder.hidden(torch.tensor([[BOS, *words]]), z[None, None])[0, 0, -1]
        return model.decoder.output(hidden).log_softmax(-1)

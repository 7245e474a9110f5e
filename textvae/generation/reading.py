"""From sentences to posteriors: what can be read, in batches of like length, back in the order given."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.distributions import Distribution

from textvae.data.batching import Batch, collate
from textvae.data.specials import SPECIAL_WORDS, SPECIALS
from textvae.data.tokenization import Tokenizer
from textvae.errors import DataError
from textvae.latents.distributions import concatenate, select
from textvae.model import SentenceVAE


def read(tokenizer: Tokenizer, sentences: Sequence[str]) -> list[list[int]]:
    """Word ids of each sentence. DataError, with its number, for one that is empty or all unknown words."""
    if isinstance(sentences, str):
        raise DataError(f"one text was given where a list of sentences is due; give [{_short(sentences)!r}]")
    if not len(sentences):
        raise DataError("no sentence was given; give at least one")
    rows = tokenizer.encode(sentences)
    for number, (sentence, row) in enumerate(zip(sentences, rows, strict=True), 1):
        if not row or not sentence.strip():
            raise DataError(f"sentence {number} is empty; take it out, or write a word there")
        if set(row) == {SPECIALS.unk} and SPECIAL_WORDS[SPECIALS.unk] not in sentence.split():
            raise DataError(
                f"sentence {number} ({_short(sentence)!r}) has only words that the model does not know; "
                "use at least one word of its training text"
            )
    return rows


def batches(
    rows: Sequence[Sequence[int]], size: int = 256, label: int | None = None
) -> Iterator[tuple[Tensor, Batch]]:
    """Sentences of like length together, padded, all of one label if any: (which ones (B,), the batch), each once."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        index = order[start : start + size]
        labels = None if label is None else [label] * len(index)
        yield torch.tensor(index), collate([rows[i] for i in index], labels)


def posterior(
    model: SentenceVAE, rows: Sequence[Sequence[int]], size: int = 256, label: int | None = None
) -> Distribution:
    """q(z|x) of each sentence, batch shape (N,), in the order given, whatever the batches were."""
    device = next(model.parameters()).device
    indices, parts = zip(
        *((i, model.posterior(batch.to(device))) for i, batch in batches(rows, size, label)), strict=True
    )
    return select(concatenate(parts), torch.cat(indices).argsort().to(device))


def _short(text: str, longest: int = 40) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."

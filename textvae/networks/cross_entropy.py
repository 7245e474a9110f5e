"""log p of target words from hidden states, without ever holding (tokens x vocabulary) logits."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from textvae.networks.normaliser import estimated_log_normaliser

ALIGNED = 64  # bytes: a line of the cache, and the longest vector of a processor
BLOCK = (
    2048  # words at a time on a CPU, so that what is made of them is met again before it has left the cache
)
LEAST, MOST = 1e-30, 1e30  # of a normaliser that float32 and bfloat16 hold with all digits
SAMPLES = 64  # of the same words: from so many on an estimated normaliser takes less time than a full one


class CrossEntropy:
    """log softmax(h W^T)[target], token by token, in chunks of `chunk` tokens.

    Where gradients are wanted the matrix products are taken in `products`; sums, the softmax and all that a model
    reports without gradients stay in the type of h. `normaliser_words`: of how many words the normaliser is estimated
    without gradients where many samples say the same (see networks.normaliser); None takes the whole vocabulary.
    """

    def __init__(
        self,
        products: torch.dtype | None = None,
        chunk: int = 1024,
        normaliser_words: int | None = None,
    ) -> None:
        self.products, self.chunk, self.normaliser_words = products, chunk, normaliser_words

    def __call__(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """hidden (..,N,H), weight (V,H), targets (N,) -> log p (..,N), nats."""
        words = self.normaliser_words
        learns = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
        if words and not learns and hidden.dim() == 3 and len(hidden) >= SAMPLES and 2 * words < len(weight):
            numerator = torch.einsum("snh,nh->sn", hidden, weight[targets])
            return numerator - estimated_log_normaliser(hidden, weight, words)
        rows, said = hidden.flatten(0, -2), targets.expand(hidden.shape[:-1]).flatten()
        whole = self._with_gradients if learns else self._without_gradients
        return whole(rows, weight, said).view(hidden.shape[:-1])

    def _with_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        return token_log_prob(hidden, weight, targets, self.products or hidden.dtype, self.chunk)

    def _without_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        settings = (None, None, hidden.dtype, self.chunk, (False, False))
        return _gradients(hidden, weight, targets, *settings)[0]


def token_log_prob(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    products: torch.dtype,
    chunk: int,
    counts: Tensor | None = None,
) -> Tensor:
    """h_n . w_target - log sum_v counts_v exp(h_n . w_v) -> (N,), nats; hidden (N,H), weight (V,H), targets (N,).

    counts (V,): for how many words each stands; None: for itself. Matrix products are taken in `products`.
    """
    return _TokenLogProb.apply(hidden, weight, targets, counts, products, chunk)


class _TokenLogProb(torch.autograd.Function):
    """Computes the gradients of sum_n log p_n along with log p, while each chunk of probabilities is at hand.

    A mean or a sum over tokens sends the same gradient g to each of them: then backward only scales by g. Any other
    gradient makes backward compute the chunks once more, weighted.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        counts: Tensor | None,
        products: torch.dtype,
        chunk: int,
    ) -> Tensor:
        settings = (counts, products, chunk, ctx.needs_input_grad[:2])
        log_p, d_hidden, d_weight = _gradients(hidden, weight, targets, None, *settings)
        ctx.save_for_backward(hidden, weight, targets)
        ctx.gradients, ctx.settings = (d_hidden, d_weight), settings
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        hidden, weight, targets = ctx.saved_tensors
        d_hidden, d_weight = ctx.gradients or (None, None)
        if ctx.gradients and len(grad) and bool((grad == grad[0]).all()):
            ctx.gradients = None  # scaled in place, so they serve once
            for gradient in (d_hidden, d_weight):
                if gradient is not None:
                    gradient *= grad[0]
        else:
            _, d_hidden, d_weight = _gradients(hidden, weight, targets, grad, *ctx.settings)
        return d_hidden, d_weight, None, None, None, None


def _gradients(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    scale: Tensor | None,
    counts: Tensor | None,
    products: torch.dtype,
    chunk: int,
    wants: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """log p (N,) and, where wanted, the gradients of sum_n scale_n log p_n (scale and counts 1 where None).

    With E = exp(h W^T), C = diag(counts) and s the row sums of E C: d hidden_n = W[target_n] - E_n C W / s_n and
    d W = sum_n e[target_n] h_n^T - C E^T (h / s). So no pass over E divides it.
    """
    log_p = hidden.new_empty(len(hidden))
    d_hidden = torch.empty_like(hidden) if wants[0] else None
    scaled = hidden if scale is None else hidden * scale[:, None]
    block = BLOCK if weight.device.type == "cpu" else max(1, len(weight))
    columns = [words.to(products) for words in weight.split(block)]
    counted = (
        columns
        if counts is None
        else [words.to(products) for words in (weight * counts[:, None]).split(block)]
    )
    stand_for = None if counts is None else counts.split(block)
    d_weight = (torch.empty_like if len(hidden) else torch.zeros_like)(weight) if wants[1] else None
    for start in range(0, len(hidden), chunk):
        part = slice(start, start + chunk)
        e, sums, log_normaliser = _exponentials(hidden[part].to(products), columns, stand_for, hidden.dtype)
        said = weight[targets[part]]
        log_p[part] = (hidden[part] * said).sum(1) - log_normaliser
        share = sums.reciprocal().neg_()[:, None]
        if d_hidden is not None:
            expected = _total((some @ words for some, words in zip(e, counted, strict=True)), hidden.dtype)
            torch.addcmul(said, expected, share, out=d_hidden[part])
        if d_weight is not None:
            states = (scaled[part] * share).to(products)
            for some, rows in zip(e, d_weight.split(block), strict=True):
                rows.add_(some.T @ states) if start else rows.copy_(some.T @ states)
    if d_hidden is not None and scale is not None:
        d_hidden *= scale[:, None]
    if d_weight is not None:
        if counts is not None:
            d_weight *= counts[:, None]
        d_weight.index_add_(0, targets, scaled)
    return log_p, d_hidden, d_weight


def _exponentials(
    hidden: Tensor, columns: Sequence[Tensor], counts: Sequence[Tensor] | None, dtype: torch.dtype
) -> tuple[list[Tensor], Tensor, Tensor]:
    """exp(h W^T) by blocks of words, its counted row sums in `dtype` and the logarithms of those of the logits themselves (N,).

    On a CPU logits keep their size, which spares two passes over them, unless a sum of so large or small ones would lose
    digits: a look for which a GPU would be waited for.
    """
    if hidden.device.type == "cpu":
        e = [logits_of(hidden, words).exp_() for words in columns]
        sums = _row_sums(e, counts, dtype)
        if bool(((sums > LEAST) & (sums < MOST)).all()):
            return e, sums, sums.log()
    logits = [logits_of(hidden, words) for words in columns]
    top = reduce(torch.maximum, (some.amax(1, keepdim=True) for some in logits))
    e = [some.sub_(top).exp_() for some in logits]
    sums = _row_sums(e, counts, dtype)
    return e, sums, sums.log() + top.squeeze(1).to(dtype)


def logits_of(hidden: Tensor, weight: Tensor) -> Tensor:
    """h W^T (N,V) without gradient; rows in memory begin at multiples of ALIGNED bytes: a view where V is no round number.

    Libraries write, and read again for the gradients, rows that begin anywhere at two thirds of the speed. Types below 32
    bits are left as they are: their products are another library's.
    """
    words, size = len(weight), hidden.element_size()
    if size < 4 or not words * size % ALIGNED:
        return hidden @ weight.T
    stored = -(-words * size // ALIGNED) * ALIGNED // size
    return torch.mm(hidden, weight.T, out=hidden.new_empty(len(hidden), stored)[:, :words])


def _row_sums(e: Sequence[Tensor], counts: Sequence[Tensor] | None, dtype: torch.dtype) -> Tensor:
    """Of blocks (N,v) -> (N,), in `dtype`; uncounted, the sum of a block is rounded once to the type of what it adds up.

    Where that is bfloat16, the logits were rounded as much before: a sum without would take copies of them all.
    """
    if counts is None:
        return _total((some.sum(1) for some in e), dtype)
    return _total((some.to(dtype) @ count for some, count in zip(e, counts, strict=True)), dtype)


def _total(parts: Iterable[Tensor], dtype: torch.dtype) -> Tensor:
    return reduce(torch.add, (part.to(dtype) for part in parts))

"""log p of target words from hidden states, without ever holding (tokens x vocabulary) logits."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from textvae.networks.exponentials import blocks_of, meet
from textvae.networks.normaliser import estimated_log_normaliser

ROUND = 32  # states are multiplied in multiples of it
SAMPLES = 64  # of the same words: from so many on an estimated normaliser takes less time than a full one


class CrossEntropy:
    """log softmax(h W^T)[target], token by token, in chunks of `chunk` tokens.

    Where gradients are wanted the matrix products are taken in `products`, and the exponentials of the logits with them; the
    sums of blocks of words, and all that a model reports without gradients, are in the type of h. `normaliser_words`: of
    how many words the normaliser is estimated without gradients where many samples say the same (see
    networks.normaliser); None takes the whole vocabulary.
    """

    def __init__(
        self,
        products: torch.dtype | None = None,
        chunk: int = 1024,
        normaliser_words: int | None = None,
    ) -> None:
        self.products, self.chunk, self.normaliser_words = products, chunk, normaliser_words

    def __call__(self, hidden: Tensor, weight: Tensor, targets: Tensor, foreseen: float = 1.0) -> Tensor:
        """hidden (..,N,H), weight (V,H), targets (N,) -> log p (..,N), nats.

        `foreseen`, not 0, is the gradient that each of them will probably get: where it does, a pass over the gradient of W is
        spared.
        """
        words = self.normaliser_words
        learns = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
        if words and not learns and hidden.dim() == 3 and len(hidden) >= SAMPLES and 2 * words < len(weight):
            numerator = torch.einsum("snh,nh->sn", hidden, weight[targets])
            return numerator - estimated_log_normaliser(hidden, weight, words)
        rows, said = hidden.flatten(0, -2), targets.expand(hidden.shape[:-1]).flatten()
        whole = self._with_gradients if learns else self._without_gradients
        return whole(rows, weight, said, foreseen).view(hidden.shape[:-1])

    def _with_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor, foreseen: float) -> Tensor:
        products = self.products or hidden.dtype
        return token_log_prob(hidden, weight, targets, foreseen, products, self.chunk)

    def _without_gradients(self, hidden: Tensor, weight: Tensor, targets: Tensor, _: float) -> Tensor:
        settings = (1.0, hidden.dtype, self.chunk, None, (False, False))
        return _gradients(hidden, weight, targets, *settings)[0]


def token_log_prob(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    foreseen: float,
    products: torch.dtype,
    chunk: int,
    counts: Tensor | None = None,
) -> Tensor:
    """h_n . w_target - log sum_v counts_v exp(h_n . w_v) -> (N,), nats; hidden (N,H), weight (V,H), targets (N,).

    counts (V,): for how many words each stands; None: for itself. Matrix products are taken in `products`. foreseen: the
    gradient that each of them probably gets.
    """
    return _TokenLogProb.apply(hidden, weight, targets, foreseen, products, chunk, counts)


class _TokenLogProb(torch.autograd.Function):
    """Computes the gradients of foreseen * sum_n log p_n along with log p, while each chunk of probabilities is at hand.

    A mean or a sum over tokens sends the same gradient g to each of them: then backward has them, but for a factor where g is
    not what was foreseen. Any other gradient makes backward compute the chunks once more, weighted.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Tensor,
        foreseen: float,
        products: torch.dtype,
        chunk: int,
        counts: Tensor | None,
    ) -> Tensor:
        settings = (products, chunk, counts, ctx.needs_input_grad[:2])
        log_p, d_hidden, d_weight = _gradients(hidden, weight, targets, foreseen, *settings)
        ctx.save_for_backward(hidden, weight, targets)
        ctx.gradients, ctx.settings, ctx.foreseen = (d_hidden, d_weight), settings, foreseen
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None, None, None]:
        hidden, weight, targets = ctx.saved_tensors
        d_hidden, d_weight = ctx.gradients or (None, None)
        alike, as_foreseen = _compare(grad, ctx.foreseen)
        if ctx.gradients and alike:
            ctx.gradients = None  # handed on, and scaled in place, so they serve once
            for gradient in (d_hidden, d_weight):
                if gradient is not None and not as_foreseen:
                    gradient *= grad[0] / ctx.foreseen
        else:
            _, d_hidden, d_weight = _gradients(hidden, weight, targets, grad[:, None], *ctx.settings)
        return d_hidden, d_weight, None, None, None, None, None


def _compare(grad: Tensor, foreseen: float) -> tuple[bool, bool]:
    """Whether all of it is one number, and whether that is the foreseen one: a GPU is waited for once."""
    if not len(grad):
        return False, False
    alike, same = torch.stack([(grad == grad[0]).all(), grad[0] == foreseen]).tolist()
    return alike, same


def _gradients(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    scale: Tensor | float,
    products: torch.dtype,
    chunk: int,
    counts: Tensor | None,
    wants: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """log p (N,) and, where wanted, the gradients of sum_n scale_n log p_n; scale one number or (N,1), counts 1 where None.

    With E = exp(h W^T), C = diag(counts) and s the row sums of E C: d hidden_n = W[target_n] - E_n C W / s_n and
    d W = sum_n e[target_n] h_n^T - C E^T (h / s). So no pass over E divides it.
    """
    log_p, scaled = hidden.new_empty(len(hidden)), hidden * scale if wants[1] else hidden
    d_hidden = torch.empty_like(hidden) if wants[0] else None
    d_weight = (torch.empty_like if len(hidden) else torch.zeros_like)(weight) if wants[1] else None
    blocks = blocks_of(weight, counts)
    for start in range(0, len(hidden), chunk):
        part = slice(start, start + chunk)
        met = meet(_rounded_up(hidden[part].to(products)), blocks, hidden.dtype, wants[0])
        asked = len(hidden[part])
        said, share = weight[targets[part]], met.sums[:asked].reciprocal().neg_()[:, None]
        log_p[part] = (hidden[part] * said).sum(1) - met.log_normaliser[:asked]
        if d_hidden is not None and met.sums_of_words is not None:
            torch.addcmul(said, met.sums_of_words[:asked], share, out=d_hidden[part])
        if d_weight is not None:
            states = _rounded_up((scaled[part] * share).to(products))
            for e, rows in zip(met.exponentials, d_weight.split(len(blocks[0].words)), strict=True):
                rows.add_(e.T @ states) if start else rows.copy_(e.T @ states)
    if d_hidden is not None:
        d_hidden *= scale
    if d_weight is not None:
        if counts is not None:
            d_weight *= counts[:, None]
        d_weight.index_add_(0, targets, scaled)
    return log_p, d_hidden, d_weight


def _rounded_up(states: Tensor) -> Tensor:
    """With states of 0 to a multiple of ROUND: a CPU's library prepares and keeps a kernel for every number of them."""
    missing = -len(states) % ROUND
    return F.pad(states, (0, 0, 0, missing)) if missing else states

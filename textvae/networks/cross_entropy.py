"""log p of target words from hidden states, without ever holding (tokens x vocabulary) logits."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def token_log_prob(hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int = 512) -> Tensor:
    """log softmax(hidden weight^T)[targets]: hidden (N,H), weight (V,H), targets (N,) -> (N,), nats."""
    return _TokenLogProb.apply(hidden, weight, targets, chunk)


def _gradients(
    hidden: Tensor,
    weight: Tensor,
    targets: Tensor,
    chunk: int,
    scale: Tensor | None,
    wants: tuple[bool, bool],
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """log p (N,) and, where wanted, the gradients of sum_n scale_n log p_n (scale 1 where None)."""
    log_p = hidden.new_empty(len(hidden))
    d_hidden = torch.empty_like(hidden) if wants[0] else None
    d_weight = torch.zeros_like(weight) if wants[1] else None
    for start in range(0, len(hidden), chunk):
        part = slice(start, start + chunk)
        logits, target = hidden[part] @ weight.T, targets[part, None]
        normaliser = logits.logsumexp(1, keepdim=True)
        log_p[part] = (logits.gather(1, target) - normaliser)[:, 0]
        if not any(wants):
            continue
        d_logits = logits.sub_(normaliser).exp_().neg_()  # d log p_n / d logits = onehot - softmax
        d_logits.scatter_add_(1, target, torch.ones_like(target, dtype=logits.dtype))
        if scale is not None:
            d_logits *= scale[part, None]
        if d_hidden is not None:
            torch.mm(d_logits, weight, out=d_hidden[part])
        if d_weight is not None:
            d_weight.addmm_(d_logits.T, hidden[part])
    return log_p, d_hidden, d_weight


class _TokenLogProb(torch.autograd.Function):
    """Computes the gradients of sum_n log p_n along with log p, while each chunk of logits is at hand.

    A mean or a sum over tokens sends the same gradient g to each of them: then backward only scales by g. Any other
    gradient makes backward compute the chunks once more, weighted.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, chunk: int) -> Tensor:
        wants = ctx.needs_input_grad[:2]
        log_p, d_hidden, d_weight = _gradients(hidden, weight, targets, chunk, None, wants)
        ctx.save_for_backward(hidden, weight, targets, d_hidden, d_weight)
        ctx.chunk = chunk
        return log_p

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, targets, d_hidden, d_weight = ctx.saved_tensors
        if len(grad) and bool((grad == grad[0]).all()):
            d_hidden = None if d_hidden is None else d_hidden * grad[0]
            d_weight = None if d_weight is None else d_weight * grad[0]
        else:
            _, d_hidden, d_weight = _gradients(
                hidden, weight, targets, ctx.chunk, grad, ctx.needs_input_grad[:2]
            )
        return d_hidden, d_weight, None, None

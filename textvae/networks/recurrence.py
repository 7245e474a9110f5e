"""An LSTM over sentences: torch's own where every row has words of its own, unrolled here where samples share them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, ...]  # (h, c), each (layers, N, H)

ROWS = 256  # of states at a time on a CPU
WORDS = 32  # at a time there: each number of words has kernels of its own, whose memory grows with it


class Recurrence:
    """Runs a one-directional, batch-first LSTM over words (B,T,E) for N = S * B rows, all sentences of the first sample first.

    `constant` (N,Z) is joined to every word's input; -> the last layer's states (N,T,H), and the state after them.
    Where gradients are wanted a CPU takes matrix products in `products` (None: in the type of the weights); torch's
    CUDA kernels would take them in float16, so there they keep the type of the weights.
    """

    def __init__(self, products: torch.dtype | None = None) -> None:
        self.products = products

    def __call__(
        self, lstm: nn.LSTM, words: Tensor, state: State, constant: Tensor | None = None
    ) -> tuple[Tensor, State]:
        rows, steps = state[0].shape[1], words.shape[1]
        if rows > len(words) and not torch.is_grad_enabled():
            return unrolled(lstm, words, state, constant)
        inputs = words if rows == len(words) else words.repeat(rows // len(words), 1, 1)
        if constant is not None:
            inputs = torch.cat([inputs, constant[:, None].expand(-1, steps, -1)], dim=-1)
        on_cpu, learns = words.device.type == "cpu", torch.is_grad_enabled()
        rounded = on_cpu and learns and self.products not in (None, words.dtype)
        parts = []
        with torch.autocast("cpu", self.products, enabled=rounded), _keeping_gradients(lstm):
            for part in inputs.split(WORDS if on_cpu else steps, dim=1):
                states, state = lstm(part, (state[0], state[1]))
                parts.append(states)
        states = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return states.to(words.dtype), tuple(last.to(words.dtype) for last in state)


@contextmanager
def _keeping_gradients(lstm: nn.LSTM) -> Iterator[None]:
    """CUDA's LSTM has a gradient in training mode alone, which else changes nothing without dropout inside."""
    before = lstm.training
    lstm.training = before or torch.is_grad_enabled()
    try:
        yield
    finally:
        lstm.training = before


def unrolled(
    lstm: nn.LSTM, words: Tensor, state: State, constant: Tensor | None = None
) -> tuple[Tensor, State]:
    """The same without gradients: the words' products are taken once for all samples, those of `constant` once a row."""
    inputs, last = words.transpose(0, 1), []  # (T,B,E)
    for layer in range(lstm.num_layers):
        w_in, w_state, b_in, b_state = (
            getattr(lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        h, c = state[0][layer], state[1][layer]
        fixed = (b_in + b_state).expand(len(h), -1)
        size = inputs.shape[-1]
        if constant is not None and layer == 0:
            fixed = fixed + constant @ w_in[:, size:].T
        inputs, c = _unroll(F.linear(inputs, w_in[:, :size]), fixed, w_state, h, c)
        last.append((inputs[-1], c))
    h_last, c_last = (torch.stack(parts) for parts in zip(*last, strict=True))
    return inputs.transpose(0, 1), (h_last, c_last)


def _unroll(words: Tensor, fixed: Tensor, weight: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """i, f, g, o = words_t + fixed + h W^T; c = s(f) c + s(i) tanh(g); h = s(o) tanh(c) (Hochreiter & Schmidhuber 1997).

    words (T,B,4H), fixed (N,4H), weight (4H,H), h and c (N,H) -> the states (T,N,H) and the last c (N,H). Some rows at
    a time, so that their gates stay in a processor's cache.
    """
    states, last, sentences = h.new_empty(len(words), *h.shape), torch.empty_like(c), words.shape[1]
    rows = max(1, ROWS // sentences) * sentences if h.device.type == "cpu" else len(h)
    for start in range(0, len(h), rows):
        part = slice(start, start + rows)
        before = h[part], c[part]
        for t, word in enumerate(words):
            before = _cell(word, fixed[part], weight, *before, out=states[t, part])
        last[part] = before[1]
    return states, last


def _cell(
    word: Tensor, fixed: Tensor, weight: Tensor, h: Tensor, c: Tensor, out: Tensor
) -> tuple[Tensor, Tensor]:
    gates = torch.addmm(fixed, h, weight.T)
    gates.view(-1, *word.shape).add_(word)
    i, f, g, o = gates.chunk(4, dim=1)
    gates[:, : 2 * h.shape[1]].sigmoid_()
    c = torch.addcmul(f.mul_(c), i, _tanh(g))
    return torch.mul(o.sigmoid_(), _tanh(c.clone()), out=out), c


def _tanh(x: Tensor) -> Tensor:
    """2 s(2x) - 1, in the place of x: torch's sigmoid is several times as fast as its tanh, with an error of 1e-7."""
    return x.mul_(2).sigmoid_().mul_(2).sub_(1)

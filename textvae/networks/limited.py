"""Decoders that see only the last words: what lies further back they can know from z alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from textvae.networks.decoder import Decoder, Settings, check
from textvae.networks.recurrence import State


class CausalConvolution(nn.Conv1d):
    """y_t = W [x_(t-(k-1)d), .., x_(t-d), x_t] + b, zeros before the first word.

    `past` is what came before x: `reach` = (k-1)d columns.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, dilation: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, dilation=dilation)
        self.reach = (kernel - 1) * dilation

    def start(self, like: Tensor) -> Tensor:
        """(reach, N, C): nothing has been read in N = len(like) rows."""
        return like.new_zeros(self.reach, len(like), self.in_channels)

    def read(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """x (N,C,T), past (reach,N,C) -> y (N,C',T) and what is past after x."""
        joined = torch.cat([past.permute(1, 2, 0), x], dim=2)
        return self(joined), joined[:, :, joined.shape[2] - self.reach :].permute(2, 0, 1)


class ResidualBlock(nn.Module):
    """x + C2(relu(D(relu(C1(relu(x)))))): C1 halves the channels, D is a dilated causal convolution, C2 doubles them."""

    def __init__(self, channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.narrow, self.widen = nn.Conv1d(channels, inner, 1), nn.Conv1d(inner, channels, 1)
        self.dilated = CausalConvolution(inner, inner, kernel, dilation)

    def read(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        seen, past = self.dilated.read(F.relu(self.narrow(F.relu(x))), past)
        return x + self.widen(F.relu(seen)), past


@dataclass(frozen=True)
class ConvolutionalSettings(Settings):
    """Those of a decoder with one residual block for each of `dilations`."""

    kernel: int = 3
    dilations: Sequence[int] = (1, 2, 4)

    def __post_init__(self) -> None:
        super().__post_init__()
        whole = isinstance(self.dilations, list | tuple) and all(type(each) is int for each in self.dilations)
        if not whole or not self.dilations:
            raise ValueError(f"dilations is {self.dilations!r}, must be whole numbers such as [1, 2, 4]")
        check(kernel=self.kernel, dilation=min(self.dilations))


class ConvolutionalDecoder(Decoder):
    """Residual blocks of dilated causal convolutions over [embedding of w_t; z] (Yang et al. 2017, arXiv 1702.08139).

    It sees the last 1 + (kernel - 1) * sum(dilations) words; the smaller that is, the more is left to z.
    """

    def __init__(self, settings: ConvolutionalSettings) -> None:
        super().__init__(settings)
        hidden, kernel = settings.hidden, settings.kernel
        self.enter = nn.Linear(settings.embedding + settings.latent, hidden)
        self.blocks = nn.ModuleList(
            ResidualBlock(hidden, kernel, dilation) for dilation in settings.dilations
        )
        self.context = 1 + (kernel - 1) * sum(settings.dilations)
        self.output = nn.Linear(hidden, settings.vocabulary, bias=False)

    def start(self, z: Tensor) -> State:
        """What each block has read, (reach, N, channels): nothing."""
        return tuple(block.dilated.start(z) for block in self._blocks())

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        x = columns(F.linear(embedded, self.enter.weight[:, : embedded.shape[2]], self.enter.bias), z)
        x = x + F.linear(z, self.enter.weight[:, embedded.shape[2] :])[:, :, None]
        after = []
        for block, past in zip(self._blocks(), state, strict=True):
            x, past = block.read(x, past)
            after.append(past)
        return self.dropout_out(F.relu(x).transpose(1, 2)), tuple(after)

    def _blocks(self) -> Sequence[ResidualBlock]:
        return cast(Sequence[ResidualBlock], self.blocks)


@dataclass(frozen=True)
class WindowSettings(Settings):
    """Those of a decoder that sees the last `window` words."""

    window: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check(window=self.window)


class WindowDecoder(Decoder):
    """h_t = tanh(W [e(w_(t-window+1)); ..; e(w_t); z] + b): an n-gram model with z, n = window + 1 (after Bengio et al. 2003)."""

    def __init__(self, settings: WindowSettings) -> None:
        super().__init__(settings)
        latent, hidden = settings.latent, settings.hidden
        self.context = settings.window
        self.words = CausalConvolution(settings.embedding, hidden, settings.window)
        self.of_z = nn.Linear(latent, hidden, bias=False) if latent else None
        self.output = nn.Linear(hidden, settings.vocabulary, bias=False)

    def start(self, z: Tensor) -> State:
        """The embeddings of the last window - 1 words, (window - 1, N, E): none."""
        return (self.words.start(z),)

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        seen, past = self.words.read(columns(embedded, z), state[0])
        if self.of_z is not None:
            seen = seen + self.of_z(z)[:, :, None]
        return self.dropout_out(torch.tanh(seen).transpose(1, 2)), (past,)


def columns(words: Tensor, z: Tensor) -> Tensor:
    """words (B,T,E) -> (N,E,T), the N = len(z) rows of all samples, those of the first first."""
    return words.transpose(1, 2).repeat(len(z) // len(words), 1, 1)

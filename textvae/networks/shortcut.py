"""A way from x to the decoder past z, for the study of what it does to z.

A decoder that is told of x by another way than z is no p(x|z): rec, bounds and perplexities of such a model are those
given what the shortcut carries, and say nothing of p(x). Generation has no x, and goes without.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from textvae.data.specials import SPECIALS
from textvae.networks.decoder import LSTMDecoder, LSTMSettings, Reading
from textvae.networks.recurrence import State


@dataclass(frozen=True)
class ShortcutSettings(LSTMSettings):
    """Those of a decoder with a shortcut from the words.

    The last `label_size` of the `latent` units are a label's vector, where the decoder reads one beside z.
    """

    label_size: int = 0

    @property
    def own_latent(self) -> int:
        """Units of z itself."""
        return self.latent - self.label_size

    @property
    def told_size(self) -> int:
        """Units of what the shortcut starts from."""
        return self.embedding


@dataclass(frozen=True)
class StatesSettings(ShortcutSettings):
    """Those of a decoder with a shortcut from the encoder, whose vector has `encoder_size` units."""

    encoder_size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.encoder_size < 1:
            raise ValueError("a shortcut from the encoder's states needs an encoder that has some")

    @property
    def told_size(self) -> int:
        return self.encoder_size


class ShortcutDecoder(LSTMDecoder):
    """LSTMDecoder with U b(x) added to each state before the output layer, b(x) the mean of the embeddings of x's words.

    What b tells for nothing z is not paid to tell: the KL falls.
    """

    given = "its words"

    def __init__(self, settings: ShortcutSettings) -> None:
        super().__init__(settings)
        self.of_words = nn.Linear(settings.told_size, settings.hidden, bias=False)

    def told(self, inputs: Tensor, reading: Reading | None) -> Tensor:
        """What the shortcut starts from for the sentences inputs (B,T) and what the encoder reads in them, (B, told_size)."""
        words = (inputs != SPECIALS.pad) & (inputs != SPECIALS.bos)
        return (self.embedding(inputs) * words[:, :, None]).sum(1) / words.sum(1, keepdim=True).clamp_min(1)

    def start(self, z: Tensor) -> State:
        """(h0, c0) of the LSTM and what passes z by, (1,N,H): nothing, as x is not known."""
        return *super().start(z), z.new_zeros(1, len(z), self.hidden_size)

    def knowing(self, inputs: Tensor, z: Tensor, reading: Reading | None = None) -> State:
        """The state before the first word where the sentences inputs (B,T) are known; z (N,Z), N a multiple of B."""
        past = self.of_words(self.told(inputs, reading)).repeat(len(z) // len(inputs), 1)
        return *super().start(z), self.gate(past, z)[None]

    def gate(self, past: Tensor, z: Tensor) -> Tensor:
        """What of past (N,H) is let through."""
        return past

    def hidden(self, inputs: Tensor, z: Tensor, reading: Reading | None = None) -> Tensor:
        flat_z = z.flatten(0, 1)
        states, _ = self._from(inputs, flat_z, self.knowing(inputs, flat_z, reading))
        return states.view(len(z), *inputs.shape, -1)

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        states, lstm_state = super().run(embedded, z, state[:2])
        return states + state[2].transpose(0, 1), (*lstm_state, state[2])


class StatesShortcutDecoder(ShortcutDecoder):
    """The shortcut with U h(x), h(x) the encoder's vector of x: its states, pooled as the encoder pools them for q(z|x).

    rec teaches the encoder past z too. Unlike the bag, h knows the order of the words.
    """

    reads_encoder = True

    def told(self, inputs: Tensor, reading: Reading | None) -> Tensor:
        if reading is None:
            raise ValueError("a shortcut from the encoder's states needs the encoder's reading of x")
        return reading()


class Gated(ShortcutDecoder):
    """The shortcut times tanh(G z), unit by unit, G without bias; a label's vector beside z is none of the gate's.

    The gate opens by the size of G z and its sign must be known: under a z of noise the shortcut carries noise, so that
    what it says is of use only to the degree that q(z|x) is sure of its gate.
    """

    def __init__(self, settings: ShortcutSettings) -> None:
        super().__init__(settings)
        if settings.own_latent < 1:
            raise ValueError("a gate needs a z; the shortcuts of a model without z are those without a gate")
        self.to_gate = nn.Linear(settings.own_latent, settings.hidden, bias=False)

    def gate(self, past: Tensor, z: Tensor) -> Tensor:
        return past * torch.tanh(self.to_gate(z[:, : self.to_gate.in_features]))


class GatedShortcutDecoder(Gated):
    """The words' bag, gated by z."""


class GatedStatesShortcutDecoder(Gated, StatesShortcutDecoder):
    """The encoder's vector, gated by z."""

"""A way from x to the decoder past z, for the study of what it does to z.

A decoder that is told of x by another way than z is no p(x|z): rec, bounds and perplexities of such a model are those
given what the shortcut carries, and say nothing of p(x). Generation has no x, and goes without.
"""

import torch
from torch import Tensor, nn

from textvae.data.specials import SPECIALS
from textvae.networks.decoder import LSTMDecoder, LSTMSettings
from textvae.networks.recurrence import State


class ShortcutDecoder(LSTMDecoder):
    """LSTMDecoder with U b(x) added to each state before the output layer, b(x) the mean of the embeddings of x's words.

    What b tells for nothing z is not paid to tell: the KL falls.
    """

    def __init__(self, settings: LSTMSettings) -> None:
        super().__init__(settings)
        self.of_words = nn.Linear(settings.embedding, settings.hidden, bias=False)

    def start(self, z: Tensor) -> State:
        """(h0, c0) of the LSTM and what passes z by, (1,N,H): nothing, as x is not known."""
        return *super().start(z), z.new_zeros(1, len(z), self.hidden_size)

    def knowing(self, inputs: Tensor, z: Tensor) -> State:
        """The state before the first word where the sentences inputs (B,T) are known; z (N,Z), N a multiple of B."""
        words = (inputs != SPECIALS.pad) & (inputs != SPECIALS.bos)
        bag = (self.embedding(inputs) * words[:, :, None]).sum(1) / words.sum(1, keepdim=True).clamp_min(1)
        past = self.of_words(bag).repeat(len(z) // len(inputs), 1)
        return *super().start(z), self.gate(past, z)[None]

    def gate(self, past: Tensor, z: Tensor) -> Tensor:
        return past

    def hidden(self, inputs: Tensor, z: Tensor) -> Tensor:
        flat_z = z.flatten(0, 1)
        states, _ = self._from(inputs, flat_z, self.knowing(inputs, flat_z))
        return states.view(len(z), *inputs.shape, -1)

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        states, lstm_state = super().run(embedded, z, state[:2])
        return states + state[2].transpose(0, 1), (*lstm_state, state[2])


class GatedShortcutDecoder(ShortcutDecoder):
    """The shortcut times tanh(G z), unit by unit, G without bias.

    The gate opens by the size of G z and its sign must be known: under a z of noise the shortcut carries noise, so that
    the words' bag is of use only to the degree that q(z|x) is sure of its gate.
    """

    def __init__(self, settings: LSTMSettings) -> None:
        super().__init__(settings)
        if settings.latent < 1:
            raise ValueError("a gate needs a z; the shortcut of a model without z is decoder=shortcut")
        self.to_gate = nn.Linear(settings.latent, settings.hidden, bias=False)

    def gate(self, past: Tensor, z: Tensor) -> Tensor:
        return past * torch.tanh(self.to_gate(z))

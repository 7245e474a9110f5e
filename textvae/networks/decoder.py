"""From z and the words so far to the state that predicts the next word."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from textvae.networks.corruption import Inputless, WordDropout
from textvae.networks.dropout import Dropout
from textvae.networks.recurrence import Recurrence, State
from textvae.networks.temperature import Fixed, Learned

Reading = Callable[[], Tensor]  # the encoder's vector of each sentence, (B, size), had where it is asked for

PLACES = ("state", "input", "output")


def check(**settings: float) -> None:
    """ValueError unless each size is at least 1 and each dropout in [0, 1)."""
    for name, value in settings.items():
        if name.startswith("dropout") and not 0 <= value < 1:
            raise ValueError(f"{name} is {value}, must be in [0, 1)")
        if not name.startswith("dropout") and value < 1:
            raise ValueError(f"{name} is {value}, must be at least 1")


@dataclass(frozen=True)
class Settings:
    """What a decoder of any kind is made from: `latent` = Z, 0 without z, and the keys that it has in a config.

    word_keep is the keep rate of word dropout; the output layer's logits are divided by `temperature`, which is
    learned from there where learn_temperature. ValueError for a value out of range.
    """

    vocabulary: int
    latent: int
    unk: int
    embedding: int = 256
    hidden: int = 256
    dropout_in: float = 0.5
    dropout_out: float = 0.5
    word_keep: float = 1.0
    inputless: bool = False
    temperature: float = 1.0
    learn_temperature: bool = False

    def __post_init__(self) -> None:
        sizes = {"embedding": self.embedding, "hidden": self.hidden}
        check(**sizes, dropout_in=self.dropout_in, dropout_out=self.dropout_out)


class Decoder(nn.Module):
    """From z and the words so far to what the output layer reads, a whole sentence at once or word by word.

    The output layer is without bias. A kind of decoder says by `start` and `run` what lies between words and output.
    """

    reads_encoder = False  # past z, what the encoder says of x
    given = ""  # what of x it is told past z: where that is something, no likelihood is one of x
    output: (
        nn.Linear
    )  # made by each kind after its own parts: the order of parameters is that of their first draws

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.hidden_size = settings.hidden
        self.reads = (
            Inputless(settings.unk) if settings.inputless else WordDropout(settings.word_keep, settings.unk)
        )
        self.embedding = nn.Embedding(settings.vocabulary, settings.embedding)
        self.dropout_in, self.dropout_out = Dropout(settings.dropout_in), Dropout(settings.dropout_out)
        self.temperature = (Learned if settings.learn_temperature else Fixed)(settings.temperature)

    def start(self, z: Tensor) -> State:
        """z (N,Z) -> the state before the first word; dimension 1 of each tensor is N."""
        raise NotImplementedError

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        """embedded (B,T,E), z (N,Z) with N a multiple of B, from `state` on -> (N,T,H) and the state after."""
        raise NotImplementedError

    def hidden(self, inputs: Tensor, z: Tensor, reading: Reading | None = None) -> Tensor:
        """inputs (B,T), z (S,B,Z) -> what the output layer reads, (S,B,T,H); `reading` is for shortcuts past z alone."""
        flat_z = z.flatten(0, 1)
        return self._from(inputs, flat_z, self.start(flat_z))[0].view(len(z), *inputs.shape, -1)

    def step(self, tokens: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        """The next word's logits (N,V) after tokens (N,), and the state to go on from."""
        states, state = self._from(tokens[:, None], z, state)
        return self.output(states[:, 0]), state

    def gauges(self) -> dict[str, Tensor]:
        """What a log of training should show of the decoder."""
        return {"temperature": self.temperature.tau().detach()}

    def _from(self, inputs: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        embedded = self.dropout_in(self.embedding(self.reads(inputs, self.training)))
        states, state = self.run(embedded, z, state)
        return self.temperature(states), state


@dataclass(frozen=True)
class LSTMSettings(Settings):
    """Those of an LSTM: `z_into` says where z enters, see LSTMDecoder."""

    layers: int = 1
    z_into: Collection[str] = ("state", "input")

    def __post_init__(self) -> None:
        super().__post_init__()
        check(layers=self.layers)
        if isinstance(self.z_into, str):
            raise ValueError(f"z_into is {self.z_into!r}, must be a list of some of {', '.join(PLACES)}")
        if self.latent and not set() < self.places <= set(PLACES):
            raise ValueError(f"z_into is {sorted(self.z_into)}, must be some of {', '.join(PLACES)}")

    @property
    def places(self) -> set[str]:
        """Where z enters: nowhere without z."""
        return set(self.z_into) if self.latent else set()


class LSTMDecoder(Decoder):
    """An LSTM that reads `<s> w1 .. wn` and z.

    `z_into` says where z enters: "state": c0 = W z, h0 = tanh(c0), W without bias; "input": joined to the embedding
    of each word; "output": W' z is added to each hidden state before the output layer. He et al. 2019 (arXiv 1901.05534) use
    state and input, Bowman et al. 2016 (arXiv 1511.06349) the state alone, Dieng et al. 2019 (arXiv 1807.04863) skip
    from z to the output as well.
    """

    def __init__(self, settings: LSTMSettings) -> None:
        super().__init__(settings)
        latent, hidden, places = settings.latent, settings.hidden, settings.places
        self.layers = settings.layers
        self.input_latent = latent if "input" in places else 0
        self.lstm = nn.LSTM(settings.embedding + self.input_latent, hidden, self.layers, batch_first=True)
        self.to_state = nn.Linear(latent, self.layers * hidden, bias=False) if "state" in places else None
        self.to_output = nn.Linear(latent, hidden, bias=False) if "output" in places else None
        self.output = nn.Linear(hidden, settings.vocabulary, bias=False)
        self.recurrence = Recurrence()

    def start(self, z: Tensor) -> State:
        """z (N,Z) -> (h0, c0), each (layers, N, H); zeros where z does not enter the state."""
        if self.to_state is None:
            zero = z.new_zeros(self.layers, len(z), self.hidden_size)
            return zero, zero
        c = self.to_state(z).view(len(z), self.layers, self.hidden_size).transpose(0, 1).contiguous()
        return torch.tanh(c), c

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        states, state = self.recurrence(self.lstm, embedded, state, z if self.input_latent else None)
        states = self.dropout_out(states)
        if self.to_output is not None:
            states = states + self.to_output(z)[:, None]
        return states, state

"""From z and the words so far to the state that predicts the next word."""

from collections.abc import Collection

import torch
from torch import Tensor, nn

from textvae.networks.corruption import Inputless, WordDropout
from textvae.networks.dropout import Dropout
from textvae.networks.recurrence import Recurrence, State
from textvae.networks.temperature import Fixed, Learned

PLACES = ("state", "input", "output")


class Decoder(nn.Module):
    """From z and the words so far to what the output layer reads, a whole sentence at once or word by word.

    The output layer is without bias; its logits over V words are divided by `temperature`, which is learned from
    there where learn_temperature. A kind of decoder says by `start` and `run` what lies between words and output.
    """

    output: (
        nn.Linear
    )  # made by each kind after its own parts: the order of parameters is that of their first draws

    def __init__(
        self,
        vocabulary: int,
        unk: int,
        embedding: int,
        hidden: int,
        dropout_in: float,
        dropout_out: float,
        word_keep: float,
        inputless: bool,
        temperature: float,
        learn_temperature: bool,
    ) -> None:
        super().__init__()
        check(embedding=embedding, hidden=hidden, dropout_in=dropout_in, dropout_out=dropout_out)
        self.hidden_size = hidden
        self.reads = Inputless(unk) if inputless else WordDropout(word_keep, unk)
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.dropout_in, self.dropout_out = Dropout(dropout_in), Dropout(dropout_out)
        self.temperature = (Learned if learn_temperature else Fixed)(temperature)

    def start(self, z: Tensor) -> State:
        """z (N,Z) -> the state before the first word; dimension 1 of each tensor is N."""
        raise NotImplementedError

    def run(self, embedded: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
        """embedded (B,T,E), z (N,Z) with N a multiple of B, from `state` on -> (N,T,H) and the state after."""
        raise NotImplementedError

    def hidden(self, inputs: Tensor, z: Tensor) -> Tensor:
        """inputs (B,T), z (S,B,Z) -> what the output layer reads, (S,B,T,H)."""
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


class LSTMDecoder(Decoder):
    """An LSTM that reads `<s> w1 .. wn` and z.

    `z_into` says where z enters: "state": c0 = W z, h0 = tanh(c0), W without bias; "input": joined to the embedding
    of each word; "output": W' z is added to each hidden state before the output layer. He et al. 2019 (arXiv 1901.05534) use
    state and input, Bowman et al. 2016 (arXiv 1511.06349) the state alone, Dieng et al. 2019 (arXiv 1807.04863) skip
    from z to the output as well.
    """

    def __init__(
        self,
        vocabulary: int,
        latent: int,
        unk: int,
        embedding: int = 256,
        hidden: int = 256,
        layers: int = 1,
        z_into: Collection[str] = ("state", "input"),
        dropout_in: float = 0.5,
        dropout_out: float = 0.5,
        word_keep: float = 1.0,
        inputless: bool = False,
        temperature: float = 1.0,
        learn_temperature: bool = False,
    ) -> None:
        super().__init__(
            vocabulary,
            unk,
            embedding,
            hidden,
            dropout_in,
            dropout_out,
            word_keep,
            inputless,
            temperature,
            learn_temperature,
        )
        check(layers=layers)
        places = set(z_into) if latent else set()
        if places - set(PLACES) or (latent and not places):
            raise ValueError(f"z_into is {sorted(z_into)}, must be some of {', '.join(PLACES)}")
        self.layers = layers
        self.input_latent = latent if "input" in places else 0
        self.lstm = nn.LSTM(embedding + self.input_latent, hidden, layers, batch_first=True)
        self.to_state = nn.Linear(latent, layers * hidden, bias=False) if "state" in places else None
        self.to_output = nn.Linear(latent, hidden, bias=False) if "output" in places else None
        self.output = nn.Linear(hidden, vocabulary, bias=False)
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


def check(**settings: float) -> None:
    """ValueError unless each size is at least 1 and each dropout in [0, 1)."""
    for name, value in settings.items():
        if name.startswith("dropout") and not 0 <= value < 1:
            raise ValueError(f"{name} is {value}, must be in [0, 1)")
        if not name.startswith("dropout") and value < 1:
            raise ValueError(f"{name} is {value}, must be at least 1")

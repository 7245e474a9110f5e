"""From token ids to one vector a sentence."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textvae.networks.pooling import POOLINGS
from textvae.networks.recurrence import Recurrence


class Encoder(nn.Module):
    """ids (B,T+1) `<s> w1 .. wn </s>` and their lengths (B,) -> (B, size)."""

    size: int
    embedding_size: int

    def read(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """The same from embedded words (B,T+1,E) on."""
        raise NotImplementedError


class LSTMEncoder(Encoder):
    """The states of an LSTM that reads `<s> w1 .. wn </s>`, pooled to one vector: (B,T+1) -> (B, size).

    `pooling` takes the last state, or the mean or maximum over all. A bidirectional encoder joins the states of the
    forward direction with those of the backward one, which reads from `</s>` to `<s>`; padding is never read.
    """

    def __init__(
        self,
        vocabulary: int,
        embedding: int = 256,
        hidden: int = 256,
        layers: int = 1,
        bidirectional: bool = False,
        pooling: str = "last",
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f"pooling is {pooling!r}, must be one of {', '.join(POOLINGS)}")
        for name, value in {"embedding": embedding, "hidden": hidden, "layers": layers}.items():
            if value < 1:
                raise ValueError(f"{name} is {value}, must be at least 1")
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.size, self.embedding_size = hidden * (2 if bidirectional else 1), embedding
        self.recurrence, self.pool = Recurrence(), POOLINGS[pooling]

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.read(self.embedding(ids), lengths)

    def read(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        return self.pool(self._states(embedded, lengths), lengths, 1 + self.lstm.bidirectional)

    def _states(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """(B,T+1,E) -> (B,T+1,size)."""
        if self.lstm.bidirectional:
            packed = pack_padded_sequence(embedded, lengths.cpu(), batch_first=True, enforce_sorted=False)
            return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]
        zeros = embedded.new_zeros(self.lstm.num_layers, len(embedded), self.lstm.hidden_size)
        return self.recurrence(self.lstm, embedded, (zeros, zeros))[0]


class NoEncoder(Encoder):
    """The encoder of a model without z: a vector of size 0."""

    size = embedding_size = 0
    nothing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.zeros(0), persistent=False)  # knows the model's type and device

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        return self.nothing.expand(len(ids), 0)


ENCODERS: dict[str, type[Encoder]] = {"lstm": LSTMEncoder, "none": NoEncoder}

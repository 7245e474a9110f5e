"""Sentences as points of a model's latent space."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from itertools import chain
from typing import Self

import torch
from torch import Tensor
from torch.distributions import Distribution

from textvae.data.tokenization import Tokenizer
from textvae.generation import latent
from textvae.generation.choices import Choice, Points, chosen, is_text, numbered, whole
from textvae.generation.decoding import Decoding, decode_chunks
from textvae.generation.inference import at_rest, seeds
from textvae.generation.latent import PATHS, Path, representative
from textvae.generation.reading import posterior, read
from textvae.generation.strategies import DECODINGS
from textvae.model import SentenceVAE


class SentenceSpace:
    """A model and its tokenizer: text in, text out, all sentences of a call at once.

    Every method runs in evaluation mode without gradients, draws from generators of its own seeded by `seed`,
    and leaves the model and torch's random states as they were. A decoding or a path is an object, its name, or
    a mapping with its name and settings. Where points are due, sentences stand for their posteriors' modes.
    DataError, with its number, for a sentence that is empty or all unknown words.

    `remark` hears of sentences that were cut before their end.
    `labels` are the names of the labels that the model reads. Where its networks read them `given` says which label
    all sentences and points have; DataError where none is given and one is needed.
    """

    def __init__(self, model: SentenceVAE, tokenizer: Tokenizer, labels: Sequence[str] = ()) -> None:
        self.model, self.tokenizer = model, tokenizer
        # the data may have labels that the model does not read
        self.labels = tuple(labels)[: model.labels]
        self.label: int | None = None
        self.remark: Callable[[str], None] = lambda line: None

    def given(self, label: str | int) -> Self:
        """The same where every sentence has this label, by name or number. ConfigError where the model knows no such label."""
        conditioned = copy(self)
        conditioned.label = numbered(self.labels, label)
        return conditioned

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def encode(self, sentences: Sequence[str]) -> Distribution:
        """q(z|x) of each sentence, batch shape (N,), in the order given; unknown words become <unk>."""
        with at_rest(self.model):
            return posterior(self.model, read(self.tokenizer, sentences), label=self.label)

    def points(self, x: Sequence[str] | Points) -> Tensor:
        """N sentences, or points (N,Z) as they are, such as a tensor or an array of NumPy -> (N,Z).

        ValueError for points of another shape, and for a number that is not finite.
        """
        if is_text(x):
            return representative(self.encode(x))
        weight = next(self.model.parameters())
        z = torch.as_tensor(x, dtype=weight.dtype, device=weight.device)
        if z.dim() != 2 or z.shape[1] != self.model.latent_size:
            raise ValueError(f"z is of shape {tuple(z.shape)}, must be (N,{self.model.latent_size})")
        if not bool(z.isfinite().all()):
            raise ValueError("z holds numbers that are not finite")
        return z

    def draw(self, n: int, seed: int = 0) -> Tensor:
        """n points z ~ p(z) -> (n,Z). ValueError for n below 1."""
        with at_rest(self.model, seeds(seed)[0]):
            return self._draw(n, self._labels(whole(n)))

    def decode(self, z: Points, decoding: Decoding | Choice = "greedy", seed: int = 0) -> list[str]:
        """z (N,Z) -> N sentences. ValueError for points of another shape."""
        points = self.points(z)
        return list(chain.from_iterable(self._decoded(points, self._labels(len(points)), decoding, seed)))

    def sample(
        self,
        n: int,
        decoding: Decoding | Choice = "sample",
        seed: int = 0,
        label: str | int | None = None,
    ) -> list[str]:
        """n sentences x ~ p(x|z), z ~ p(z); the first ones of a larger n with the same seed are the same.

        All of `label` where it is given. Where the model reads labels and none is given each sentence has one of
        its own, all equally likely.
        """
        return list(chain.from_iterable(self.stream(n, decoding, seed, label)))

    def stream(
        self,
        n: int,
        decoding: Decoding | Choice = "sample",
        seed: int = 0,
        label: str | int | None = None,
    ) -> Iterator[list[str]]:
        """The sentences of `sample` some at a time, as soon as they are there."""
        if label is not None:
            return self.given(label).stream(n, decoding, seed)
        labels = self._labels(whole(n))
        if labels is None and self.labels:
            chance = torch.Generator().manual_seed(seeds(seed)[2])
            labels = torch.randint(len(self.labels), (whole(n),), generator=chance).to(self.device)
        with at_rest(self.model, seeds(seed)[0]):
            z = self._draw(n, labels)
        return self._decoded(z, None if labels is None else labels[:n], decoding, seed)

    def reconstruct(
        self,
        sentences: Sequence[str],
        sample_posterior: bool = False,
        decoding: Decoding | Choice = "greedy",
        seed: int = 0,
    ) -> list[str]:
        """Each sentence decoded from its posterior's mode or, with sample_posterior, from a draw of it."""
        q = self.encode(sentences)
        with at_rest(self.model, seeds(seed)[0]):
            z = q.sample() if sample_posterior else representative(q)
        return self.decode(z, decoding, seed)

    def interpolate(
        self,
        a: str | None = None,
        b: str | None = None,
        steps: int = 7,
        path: Path | Choice | None = None,
        decoding: Decoding | Choice = "greedy",
        seed: int = 0,
    ) -> list[str]:
        """`steps` sentences on the way from a to b, from reconstruction to reconstruction.

        An end that is not given is a draw from the prior. Without a path it is the latent's own: along a
        line, or along the sphere that z lies on.
        """
        ends = self.draw(2, seed)
        for row, sentence in enumerate((a, b)):
            if sentence is not None:
                ends[row] = self.points([sentence])[0]
        return self.interpolations(ends[:1], ends[1:], steps, path, decoding, seed)[0]

    def interpolations(
        self,
        a: Sequence[str] | Points,
        b: Sequence[str] | Points,
        steps: int = 7,
        path: Path | Choice | None = None,
        decoding: Decoding | Choice = "greedy",
        seed: int = 0,
    ) -> list[list[str]]:
        """P pairs of sentences or points -> for each the `steps` sentences on the way, both ends among them.

        Where z lies on a sphere or is made of codes, by the points of these that are nearest to the way.
        ValueError for steps below 2 and for unequal numbers of a and b.
        """
        starts, ends = self._as_many(a, b)
        natural = self.model.head.path if path is None else path
        way = chosen(PATHS, natural, "path")(starts, ends, steps)  # (steps,P,Z)
        way[1:-1] = self.model.head.onto_space(way[1:-1])
        texts = self.decode(way.transpose(0, 1).flatten(0, 1), decoding, seed)
        return [texts[start : start + steps] for start in range(0, len(texts), steps)]

    def analogy(
        self,
        a: Sequence[str] | Points,
        b: Sequence[str] | Points,
        c: Sequence[str] | Points,
        decoding: Decoding | Choice = "greedy",
        seed: int = 0,
    ) -> list[str]:
        """a is to b as c is to what: the sentences at b - a + c, for P of each. ValueError for unequal numbers.

        Where z lies on a sphere or is made of codes, at the point of these that is nearest to it.
        """
        z = self.model.head.onto_space(latent.analogy(*self._as_many(a, b, c)))
        return self.decode(z, decoding, seed)

    def neighbours(
        self, queries: Sequence[str] | Points, corpus: Sequence[str], count: int = 5
    ) -> list[list[tuple[str, float]]]:
        """For each query the `count` sentences of the corpus nearest to it, with the distances of their points."""
        if count < 1:
            raise ValueError(f"count is {count}, must be at least 1")
        distances, indices = latent.nearest(
            self.points(queries), self.points(corpus), min(count, len(corpus))
        )
        pairs = zip(distances.tolist(), indices.tolist(), strict=True)
        return [[(corpus[i], d) for d, i in zip(near, which, strict=True)] for near, which in pairs]

    def _labels(self, n: int) -> Tensor | None:
        """The label of each of n sentences, (n,); None where none is given."""
        return None if self.label is None else torch.full((n,), self.label, device=self.device)

    def _draw(self, n: int, labels: Tensor | None) -> Tensor:
        """n points of p(z), or of p(z|label) for the first n of the labels."""
        prior = self.model.prior_given(labels)
        return prior.sample(torch.Size([] if prior.batch_shape else [whole(n)]))[:n]

    def _decoded(
        self, z: Tensor, labels: Tensor | None, decoding: Decoding | Choice, seed: int
    ) -> Iterator[list[str]]:
        strategy = chosen(DECODINGS, decoding, "decoding")
        with at_rest(self.model):
            told = self.model.decoder_input(z.to(self.device), labels)
        chunks, cut = decode_chunks(self.model.decoder, told, strategy, seeds(seed)[1]), 0
        while True:
            with at_rest(self.model):  # and not while a caller has the turn
                chunk = next(chunks, None)
            if chunk is None:
                break
            cut += int((~chunk.finished).sum())
            yield self.tokenizer.decode(chunk.ids)
        if cut:
            self.remark(
                f"note: {cut} of {len(z)} sentences were cut at max_length={strategy.max_length}, before their end"
            )

    def _as_many(self, *groups: Sequence[str] | Points) -> list[Tensor]:
        """The points of groups of one size P, each (P,Z)."""
        for group in groups:
            if isinstance(group, str):
                self.encode(group)  # which tells that a list is due
        counts = [len(group) for group in groups]
        if len(set(counts)) > 1:
            raise ValueError(f"there are {', '.join(map(str, counts))} sentences, must be as many of each")
        return [self.points(group) for group in groups]

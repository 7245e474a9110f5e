"""The public object: a trained model as one thing that reads, writes and weighs sentences."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textvae.data.tokenization import Tokenizer
from textvae.errors import ConfigError
from textvae.evaluation.likelihood import importance_weighted_log_prob
from textvae.generation.inference import at_rest
from textvae.generation.reading import batches, read
from textvae.generation.sentences import SentenceSpace
from textvae.latents.divergence import kl_groups
from textvae.model import SentenceVAE
from textvae.training.checkpoint import load_model


class TextVAE(SentenceSpace):
    """A trained sentence VAE with its tokenizer and the config of its run.

    >>> vae = textvae.load("runs/cured")
    >>> q = vae.encode(["the cat sleeps", "the dogs ran"])  # q(z|x): q.mode and q.mean (2,Z), q.sample()
    >>> vae.decode(q.mode, decoding="beam")
    >>> vae.sample(5, decoding={"name": "sample", "top_p": 0.9, "ban_unk": True}, seed=1)
    >>> vae.interpolate("the cat sleeps", "the dogs ran", steps=7, path="spherical")
    >>> vae.sample(5, label="music")  # of a conditional model; vae.given("music") reads and decodes with that label too
    """

    def __init__(
        self, model: SentenceVAE, tokenizer: Tokenizer, config: Mapping[str, Any], labels: Sequence[str] = ()
    ) -> None:
        super().__init__(model, tokenizer, labels)
        self.config = config

    def log_prob(self, sentences: Sequence[str], samples: int = 500, seed: int = 0) -> Tensor:
        """log p(x) of each sentence with its end, (N,) float64 nats: a lower bound in the mean.

        log (1/K) sum_k p(x, z_k) / q(z_k|x), z_k ~ q(z|x), K = samples (Burda et al. 2016, arXiv 1509.00519).
        Unknown words count as <unk>. Of a conditional model it is log p(x|label) once a label is given, else that of
        the mean over all labels, log (1/C) sum_c p(x|c). ValueError for samples below 1; ConfigError for a decoder with
        a shortcut past z, which has no p(x).
        """
        if samples < 1:
            raise ValueError(f"samples is {samples}, must be at least 1")
        if told := self.model.decoder.given:
            raise ConfigError(f"log_prob: this decoder is given {told} past z, so that it has no p(x)")
        rows = read(self.tokenizer, sentences)
        labels = range(len(self.labels)) if self.labels and self.label is None else [self.label]
        given = torch.stack([self._log_prob(rows, label, samples, seed) for label in labels])
        return given.logsumexp(0) - math.log(len(given))

    def _log_prob(self, rows: Sequence[Sequence[int]], label: int | None, samples: int, seed: int) -> Tensor:
        log_p = torch.empty(len(rows), dtype=torch.float64)
        with at_rest(self.model, seed):
            for index, batch in batches(rows, size=32, label=label):
                log_p[index] = importance_weighted_log_prob(self.model, batch.to(self.device), samples).cpu()
        return log_p

    def kl(self, sentences: Sequence[str]) -> Tensor:
        """KL(q(z|x) || p(z)) of each sentence, (N,) nats: the price of its z, of which noise may be a part."""
        q = self.encode(sentences)
        with at_rest(self.model):
            prior = self.model.prior_given(self._labels(len(sentences)))
            return kl_groups(q, prior, q.sample(torch.Size([16]))).sum(-1)


def load(path: str | Path) -> TextVAE:
    """The model in a run's folder. CheckpointError where the folder is incomplete or does not fit."""
    return TextVAE(*load_model(path))

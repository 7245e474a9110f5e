"""Priors p(z), event shape (Z,), batch shape () or, where the prior is conditional, (B,)."""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent

from textvae.errors import DataError
from textvae.latents.codes import Quantised, UniformOverCodes
from textvae.latents.heads import CODES, EUCLIDEAN, LAYERS, NOWHERE, SPHERE, Head, gaussian
from textvae.latents.layers import LayeredPrior
from textvae.latents.mixtures import GaussianMixture
from textvae.latents.spheres import UniformOnSphere


class Inference(Protocol):
    """What a prior may ask of the model that it belongs to."""

    head: Head

    def posterior_of_embeddings(self, embedded: Tensor) -> Distribution:
        """q(z|text) of texts given as vectors in the place of embedded words (K,L,E), batch shape (K,)."""


class Prior(nn.Module):
    """(labels (B,) or None, the model's side of q(z|x)) -> p(z).

    `spaces` are those that its densities are of, `labels` how many labels it tells apart.
    """

    spaces: tuple[str, ...] = (EUCLIDEAN,)
    labels = 0

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        raise NotImplementedError

    def objection(self, head: Head) -> str | None:
        """Why posteriors of `head` cannot be held against this prior, or None where they can."""
        if head.space in self.spaces:
            return None
        return f"the posterior's z is of {head.space}, the prior's of {' or '.join(self.spaces)}"


class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    spaces = (EUCLIDEAN, NOWHERE)
    mean: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size), persistent=False)

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        return gaussian(self.mean, torch.ones_like(self.mean))


class UniformSphere(Prior):
    """p(z) = 1 / area of the unit sphere of R^Z."""

    spaces = (SPHERE,)
    centre: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(size), persistent=False)

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        return UniformOnSphere(self.centre, validate_args=False)


class UniformCodes(Prior):
    """p(z) = K^-M for each of the points of the posterior's codebooks."""

    spaces = (CODES,)

    def __init__(self) -> None:
        super().__init__()

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        head = inference.head
        if not isinstance(head, Quantised):
            raise TypeError(f"uniform codes need a quantised head, not {type(head).__name__}")
        return UniformOverCodes(head.codebooks, validate_args=False)


class Hierarchical(Prior):
    """p(z1, z2) = N(z2; 0, I) N(z1; mu(z2), diag sigma(z2)^2), mu and log sigma^2 of a layer of `hidden` tanh units.

    The KL is had for each layer, that of z1 at the samples of z2. Two layers as in Sonderby et al. 2016,
    arXiv 1602.02282.
    """

    spaces = (LAYERS,)
    centre: Tensor

    def __init__(self, size: int, hidden: int = 64) -> None:
        super().__init__()
        check_count("hidden", hidden)
        self.register_buffer("centre", torch.zeros(size // 2), persistent=False)
        self.network = nn.Sequential(
            nn.Linear(size // 2, hidden), nn.Tanh(), nn.Linear(hidden, 2 * (size // 2))
        )

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        return LayeredPrior(self.centre, self.below, validate_args=False)

    def below(self, z2: Tensor) -> Independent:
        """p(z1|z2)."""
        mu, logvar = self.network(z2).chunk(2, -1)
        return gaussian(mu, (0.5 * logvar).exp())


class Mixture(Prior):
    """p(z) = sum_k pi_k N(z; mu_k, diag sigma_k^2), K components, all learned; the KL is sampled.

    The means start at draws from N(0, spread^2 I), which training moves: the same start for all would leave
    them together. Dilokthanakul et al. 2016, arXiv 1611.02648, and Tomczak & Welling 2018, arXiv 1705.07120.
    """

    start: Tensor

    def __init__(self, size: int, components: int = 20, spread: float = 1.0) -> None:
        super().__init__()
        check_count("components", components)
        if not 0 < spread < math.inf:
            raise ValueError(f"spread is {spread}, must be above 0")
        self.register_buffer("start", spread * torch.randn(components, size))
        self.move = nn.Parameter(torch.zeros(components, size))
        self.logvar = nn.Parameter(torch.zeros(components, size))
        self.logits = nn.Parameter(torch.zeros(components))

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        scale = (0.5 * self.logvar).exp()
        return GaussianMixture(self.logits, self.start + self.move, scale, validate_args=False)


class Vamp(Prior):
    """p(z) = (1/K) sum_k q(z | u_k): the mean of the posteriors of K learned texts; the KL is sampled.

    A pseudo-input u_k is `length` vectors that the encoder reads in the place of embedded words. Not with a
    posterior that depends on its batch: sentences and pseudo-inputs would alter each other. Tomczak & Welling
    2018, arXiv 1705.07120.
    """

    def __init__(
        self,
        size: int,
        embedding: int,
        components: int = 50,
        length: int = 10,
        posterior_reads_labels: bool = False,
    ) -> None:
        super().__init__()
        if posterior_reads_labels:
            raise ValueError(
                "its texts have no label, which the posterior would read (condition.encoder is above 0)"
            )
        check_count("components", components)
        check_count("length", length)
        check_count("the encoder's embedding", embedding)
        self.length = length
        self.inputs = nn.Embedding(components * length, embedding)  # starts as the words' embeddings do

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        texts = self.inputs.weight.unflatten(0, (-1, self.length))
        posterior = inference.posterior_of_embeddings(texts)
        loc, scale = posterior.mean, posterior.stddev
        return GaussianMixture(loc.new_zeros(len(loc)), loc, scale, validate_args=False)

    def objection(self, head: Head) -> str | None:
        if head.joint:
            return "pseudo-inputs would take part in the normalisation of the sentences' posteriors"
        other = (
            None
            if head.gaussian
            else "its posteriors are not Gaussian, as those of the pseudo-inputs are taken to be"
        )
        return super().objection(head) or other


class Conditional(Prior):
    """p(z|c) = N(mu_c, diag sigma_c^2) for each label c, learned (Sohn et al. 2015).

    There are `known_labels` in the data; `labels`, where it is given, must be as many. Without labels, as in drawing
    sentences, p(z) is the mean over all, (1/C) sum_c p(z|c). DataError for training sentences without labels, and
    for a label out of range.
    """

    def __init__(self, size: int, labels: int | None = None, known_labels: int = 0) -> None:
        super().__init__()
        if labels is None and not known_labels:
            raise ValueError("the data has no labels (your own text has them by data.labels=true)")
        if labels is not None and known_labels not in (0, labels):
            raise ValueError(f"labels is {labels}, but the data has {known_labels}")
        self.labels = known_labels if labels is None else labels
        check_count("labels", self.labels)
        self.mean = nn.Parameter(torch.zeros(self.labels, size))
        self.logvar = nn.Parameter(torch.zeros(self.labels, size))

    def forward(self, labels: Tensor | None, inference: Inference) -> Distribution:
        scale = (0.5 * self.logvar).exp()
        if labels is not None:
            self._check(labels)
            return gaussian(self.mean[labels], scale[labels])
        if self.training:
            raise DataError("prior 'conditional' is given sentences without labels; it needs one for each")
        return GaussianMixture(self.mean.new_zeros(len(scale)), self.mean, scale, validate_args=False)

    def _check(self, labels: Tensor) -> None:
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.mean):
            raise DataError(
                f"labels go from {int(labels.min())} to {int(labels.max())}; prior 'conditional' has labels={len(self.mean)}"
            )


def check_count(name: str, value: int) -> None:
    """ValueError for a number of things below 1."""
    if value < 1:
        raise ValueError(f"{name} is {value}, must be at least 1")


PRIORS: dict[str, Callable[..., Prior]] = {
    "standard_normal": StandardNormal,
    "mixture": Mixture,
    "vamp": Vamp,
    "conditional": Conditional,
    "uniform_sphere": UniformSphere,
    "uniform_codes": UniformCodes,
    "hierarchical": Hierarchical,
}

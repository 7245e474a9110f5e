"""What an objective charges for the KL: pure functions (B,G) -> (B,), nats a sentence.

The published forms of free bits (Kingma et al. 2016, arXiv 1606.04934; Li et al. 2019, arXiv 1909.00868) differ in what is
compared with the threshold lambda; each has its own name here.
"""

from collections.abc import Callable
from math import inf
from typing import Protocol

from torch import Tensor


class Rate(Protocol):
    """KL (B,G) -> what is charged for it (B,). free: whether there is a KL above 0 that costs nothing."""

    free: bool

    def __call__(self, kl: Tensor) -> Tensor: ...


class TrueKL:
    """sum_j KL_j."""

    free = False

    def __call__(self, kl: Tensor) -> Tensor:
        return kl.sum(-1)


class _Threshold:
    """A free amount of KL, given as nats `per_dimension` or as a `total` over all dimensions.

    `dimensions` of z: a group of a KL that has no part for each of them stands for as many as its share. None: each
    group is one. Where the KL is a log ratio at one draw of z (`kl_kind` sampled) that is what a threshold is held
    against: E max(lambda, sample) is above max(lambda, KL), and draws above lambda pull on sentences whose KL is below it, in
    the forms for each sentence more than in those of a batch's mean.
    """

    free = True

    def __init__(
        self, per_dimension: float | None = None, total: float | None = None, dimensions: int | None = None
    ) -> None:
        if (per_dimension is None) == (total is None):
            raise ValueError("give the free nats either as per_dimension or as total")
        if (value := per_dimension if total is None else total) is None or not 0 <= value < inf:
            raise ValueError(
                f"{'per_dimension' if total is None else 'total'} is {value} nats, must be at least 0 and finite"
            )
        self._per_dimension, self._total, self._dimensions = per_dimension, total, dimensions

    def each(self, groups: int) -> float:
        """lambda of one of the groups."""
        if self._per_dimension is None:
            return (self._total or 0.0) / max(groups, 1)
        return self._per_dimension * ((self._dimensions or groups) / max(groups, 1))

    def all(self, groups: int) -> float:
        """lambda of all groups together; of none 0, for a model without z has no KL to charge for."""
        if not groups:
            return 0.0
        return self._total if self._total is not None else self.each(groups) * groups


class FreeBitsBatchMean(_Threshold):
    """sum_j max(lambda_j, mean_b KL_bj), the same for every sentence (Kingma et al. 2016, eq. 16)."""

    def __call__(self, kl: Tensor) -> Tensor:
        return kl.mean(0).clamp_min(self.each(kl.shape[1])).sum().expand(len(kl))


class FreeBitsPerSentenceDimension(_Threshold):
    """sum_j max(lambda_j, KL_bj): the form "2" of the code of Li et al. 2019."""

    def __call__(self, kl: Tensor) -> Tensor:
        return kl.clamp_min(self.each(kl.shape[1])).sum(-1)


class FreeBitsPerSentence(_Threshold):
    """max(lambda, sum_j KL_bj): the form "1" of the code of Li et al. 2019."""

    def __call__(self, kl: Tensor) -> Tensor:
        return kl.sum(-1).clamp_min(self.all(kl.shape[1]))


class Hinge(FreeBitsPerSentence):
    """max(delta, sum_j KL_bj) of each sentence b, delta nats: FreeBitsPerSentence by the name of its one number.

    Free bits (Kingma et al. 2016, arXiv 1606.04934) held against a sentence's whole KL, as in Li et al. 2019.
    """

    def __init__(self, delta: float) -> None:
        if not 0 <= delta < inf:
            raise ValueError(f"delta is {delta} nats, must be at least 0 and finite")
        super().__init__(total=delta)


class FreeBitsBatchMeanTotal(_Threshold):
    """max(lambda, mean_b sum_j KL_bj), the same for every sentence: the form "3" of the code of Li et al. 2019."""

    def __call__(self, kl: Tensor) -> Tensor:
        return kl.sum(-1).mean().clamp_min(self.all(kl.shape[1])).expand(len(kl))


RATES: dict[str, Callable[..., Rate]] = {
    "true_kl": TrueKL,
    "free_bits_batch_mean": FreeBitsBatchMean,
    "free_bits_per_sentence_dimension": FreeBitsPerSentenceDimension,
    "free_bits_per_sentence": FreeBitsPerSentence,
    "free_bits_batch_mean_total": FreeBitsBatchMeanTotal,
    "hinge": Hinge,
}

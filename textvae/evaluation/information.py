"""Mutual information between sentences and z under q, bounded over a whole split, and active units."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from textvae.latents.distributions import select
from textvae.latents.divergence import PairDensity, full_precision, pair_density

# A block of the pair matrix, in float32, that stays in a core's cache between the passes over it.
ROWS, COLUMNS = 512, 2048
# Below it exp() meets subnormal numbers, which take it many times as long and add nothing to a sum above 1.
NEGLIGIBLE = -80.0
LOWEST = torch.finfo(torch.float32).min
# He et al. mix over their minibatches.
HE_BATCH = 32

Item = TypeVar("Item")
Result = TypeVar("Result")


class Information(NamedTuple):
    """Nats. `lower` <= I(x; z) <= `upper` in the mean over draws of the split, and `lower` <= `cap` always.

    `upper` is the smaller of two estimates that are such bounds each, and so, where they are equal but for noise, too low by
    some of their standard error: the two sides can cross by it. The standard errors are those of a mean over sentences as if
    they were independent. Where the posterior reads a label c, all of this is of I((x, c); z).
    """

    lower: float
    lower_stderr: float
    upper: float
    upper_stderr: float
    cap: float
    kl_aggregate: float | None  # KL(q(z) || p(z)); None under a conditional prior, where no p(z) is known
    he2019_batch: float
    li2019: float


def information(
    q: Distribution,
    z: Tensor,
    kl: Tensor,
    batch_sizes: Sequence[int],
    told: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Information:
    """Bounds on I(x; z) from q of batch shape (N,), z_n ~ q_n (N,Z) and kl_n = KL(q_n || p) (N,).

    lower: the mean of log q_n(z_n) - log (1/N) sum_m q_m(z_n), at most `cap` = ln N. upper: the smaller of
    the same with m = n left out (Poole et al. 2019, arXiv 1905.06922) and of the mean KL. `told`: nats H(c) of the
    label c that the prior is given, None where it is given none; I(x; z) <= I(x; z | c) + I(c; z), so that the second
    bound is the mean KL + H(c). `batch_sizes` are those of consecutive sentences, for He et al.'s estimate.
    Time grows as N^2, memory as N.
    """
    total, own = len(z), q.log_prob(z).double()
    others = log_sum_of_others(q, z, progress)
    mixture = torch.logaddexp(own, others) - math.log(total)
    gains, left_out = own - mixture, own - (others - math.log(max(1, total - 1)))
    average_kl = float(kl.double().mean())
    lower = float(gains.mean())
    upper = min((left_out, kl.double() + (told or 0.0)), key=lambda values: float(values.mean()))
    return Information(
        lower=lower,
        lower_stderr=standard_error(gains),
        upper=float(upper.mean()),
        upper_stderr=standard_error(upper),
        cap=math.log(total),
        kl_aggregate=None if told is not None else average_kl - lower,
        he2019_batch=he2019_batch(q, z, batch_sizes),
        li2019=float((_negative_entropy(q, z) - mixture).mean()),
    )


def log_ratios(q: Distribution, z: Tensor) -> Tensor:
    """log q_m(z_m) - log (1/N) sum_n q_n(z_m) -> (M,) float64: q (N,), z (M,Z) the draws of its first M members."""
    own = select(q, slice(len(z))).log_prob(z).double()
    return own - torch.logaddexp(own, log_sum_of_others(q, z)) + math.log(q.batch_shape[0])


def lower_bound_within(q: Distribution, z: Tensor, labels: Tensor) -> tuple[float, float]:
    """A lower bound on I(x; z | c), nats, and the most that it can be, for labels c (N,).

    The mean of log q_n(z_n) - log (1/N_c) sum_m q_m(z_n), m over the N_c sentences of n's own label: at most the mean of ln N_c.
    """
    gains, caps = 0.0, 0.0
    for label in labels.unique():
        rows = torch.where(labels == label)[0]
        gains += float(log_ratios(select(q, rows), z[rows]).sum())
        caps += len(rows) * math.log(len(rows))
    return gains / len(z), caps / len(z)


def log_sum_of_others(
    q: Distribution, z: Tensor, progress: Callable[[int, int], None] | None = None
) -> Tensor:
    """log sum_{n != m} q_n(z_m) -> (M,) float64, without gradient; -inf where no other posterior reaches z_m.

    q (N,), z (M,Z) the draws of its first M members. In blocks with a running maximum, so that the (M,N) matrix is
    never held.
    """
    total, starts = len(z), range(0, q.batch_shape[0], COLUMNS)
    blocks = [(start, pair_density(select(q, slice(start, start + COLUMNS)))) for start in starts]
    tops, results = range(0, total, ROWS), []
    with full_precision():
        for result in _on_all_cores(
            lambda top: _others_of_rows(z[top : top + ROWS], top, blocks), tops, z.device
        ):
            results.append(result)
            if progress is not None:
                progress(min(len(results) * ROWS, total), total)
    return torch.cat(results)


@torch.no_grad()
def _others_of_rows(rows: Tensor, top: int, blocks: Sequence[tuple[int, PairDensity]]) -> Tensor:
    """The sums of the rows from `top` on, over blocks given as (first column, density)."""
    # Finite, so that a row of nothing but -inf (N = 1) gives exp(-inf) = 0 and not exp(inf - inf).
    highest = torch.full((len(rows),), LOWEST, dtype=torch.float64, device=rows.device)
    summed = torch.zeros_like(highest)
    for left, density in blocks:
        tile = density(rows)
        tile.diagonal(top - left).fill_(-math.inf)  # own component; empty where the block holds none
        raised = torch.maximum(highest, tile.amax(1).double())
        summed *= (highest - raised).exp_()
        shifted = tile.sub_(raised.to(tile.dtype)[:, None]).float()
        summed += shifted.clamp_min_(NEGLIGIBLE).exp_().sum(1)
        highest = raised
    return torch.where(highest > LOWEST, highest + summed.log(), -math.inf)


def _on_all_cores(
    work: Callable[[Item], Result], items: Sequence[Item], device: torch.device
) -> Iterator[Result]:
    """work(item) in order, on as many Python threads as torch has, one of torch's each.

    Small operations that wait for each other's threads, as torch would do them, stall where cores are shared.
    """
    threads = torch.get_num_threads()
    if threads == 1 or device.type != "cpu":
        yield from map(work, items)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, items)
    finally:
        torch.set_num_threads(threads)


def he2019_batch(q: Distribution, z: Tensor, batch_sizes: Sequence[int]) -> float:
    """-E H(q_n) - E log q(z_n), q(z) mixed over batches of at most 32, which are weighted by their size.

    Cannot tell more than ln 32 = 3.47 nats but for noise: entropies are means, log q(z_n) is of one draw. He et al.
    2019, arXiv 1901.05534.
    """

    @torch.no_grad()
    def log_aggregate(part: slice) -> Tensor:
        pairs = pair_density(select(q, part))(z[part]).double()
        return pairs.logsumexp(1) - math.log(len(pairs))

    with full_precision():
        aggregate = torch.cat(list(_on_all_cores(log_aggregate, list(_he_batches(batch_sizes)), z.device)))
    return float((_negative_entropy(q, z) - aggregate).mean())


def active_units(means: Tensor, threshold: float = 0.01, unit: float | Tensor = 1.0) -> int:
    """Dimensions whose posterior mean, of (N,Z), has an unbiased variance over x above threshold * unit.

    Burda et al. 2016, arXiv 1509.00519, whose prior is N(0, I): `unit`, () or (Z,), is what stands for its variance
    of 1 where z lives on another scale.
    """
    return int((variance_over_sentences(means) > threshold * unit).sum())


def variance_over_sentences(means: Tensor) -> Tensor:
    """(N,...) -> (...) float64: the unbiased variance; 0 for a single sentence."""
    spread = means.double() - means.double().mean(0)
    return spread.square().sum(0) / max(1, len(means) - 1)


def standard_error(values: Tensor) -> float:
    """Of the mean of (N,) values; 0 for a single one."""
    return float((variance_over_sentences(values) / len(values)).sqrt())


def _he_batches(batch_sizes: Sequence[int]) -> Iterator[slice]:
    start = 0
    for size in batch_sizes:
        for first in range(start, start + size, HE_BATCH):
            yield slice(first, min(first + HE_BATCH, start + size))
        start += size


def _negative_entropy(q: Distribution, z: Tensor) -> Tensor:
    """E_q log q (N,): in closed form as both papers have it, at the sample where a family has none."""
    try:
        return -q.entropy().double()
    except NotImplementedError:
        return q.log_prob(z).double()

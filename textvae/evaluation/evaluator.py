"""Every measurement of a model on a split, for every family of latents alike."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from textvae.data.batching import Batch
from textvae.errors import ConfigError, DataError
from textvae.evaluation.decomposition import kl_parts, total_correlation
from textvae.evaluation.diagnosis import diagnose
from textvae.evaluation.geometry import fisher_information, spectrum
from textvae.evaluation.information import (
    Information,
    active_units,
    information,
    lower_bound_within,
    standard_error,
)
from textvae.evaluation.likelihood import LatentVariableModel, importance_weighted_log_prob, perplexity
from textvae.evaluation.passes import Measured, measuring, one_pass
from textvae.latents.distributions import facts, is_deterministic, select
from textvae.latents.divergence import PER_DIMENSION

# The numbers that every evaluation gives, `kl_aggregate` alone where there is one p(z), `label_entropy` where there is
# one for each label, and `_given_label` where likelihoods are told one; the families' own are `tells` of their heads.
FIGURES = (
    *("sentences", "tokens", "rec", "kl", "elbo", "neg_elbo", "ppl_elbo", "kl_aggregate"),
    *("mi_lower", "mi_lower_stderr", "mi_upper", "mi_upper_stderr", "mi_cap", "mi_he2019_batch", "mi_li2019"),
    *("active_units", "total_dimensions", "label_entropy", "mi_lower_given_label", "mi_cap_given_label"),
)
# (stage, done, in all): "elbo", "information", "likelihood", "geometry" count sentences, "total correlation" dimensions.
Progress = Callable[[str, int, int], None]


def evaluate(
    model: LatentVariableModel,
    batches: Iterable[Batch],
    *,
    iw_samples: int = 0,
    iw_sentences: int | None = None,
    tc_sentences: int | None = 0,
    fisher_sentences: int | None = 0,
    seed: int = 0,
    row_budget: int = 1024,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Mean nats a sentence: rec = -log p(x|z) at one draw, kl, elbo = -(rec + kl), bounds on I(x; z).

    With iw_samples = K > 0 also nll_iw and ppl_iw, for which at most `iw_sentences` sentences, drawn
    uniformly by `seed`, are decoded K times, `row_budget` at once. Unless tc_sentences is 0 also the parts of a KL
    that factorises, the total correlation over as many sentences (None: all), which takes Z times as long as the
    information, itself as N^2; unless fisher_sentences is 0, and where the prior has a variance on all of R^Z, what
    the Fisher information of p(x|z) at the modes of as many tells. The same arguments give the same numbers; the model's modes
    and the random state are left as they were.
    `given` is there where the likelihoods are not those of x alone: what they are told beside z; `label_entropy`, nats,
    where the prior is given a label: what I(x; z) may hold that the KL does not pay for; mi_lower_given_label where
    prior or decoder are: what z tells beyond it.
    Raises ConfigError for counts out of range, DataError where there is no sentence.
    """
    _check(iw_samples, iw_sentences, tc_sentences, fisher_sentences, row_budget)
    held = list(batches)
    if not held:
        raise DataError("there is no sentence to evaluate: the split gave no batch")
    report = progress or _silent
    with measuring(model, seed) as device:
        seen = one_pass(model, held, device, partial(report, "elbo"))
        done = partial(report, "information")
        bounds = information(seen.posterior, seen.z, seen.kl.sum(-1), seen.batch_sizes, seen.told, done)
        metrics = _bounds(seen) | _information_metrics(bounds) | _latent_metrics(seen)
        metrics |= _metrics_of_what_is_told(model.given, seen)
        if tc_sentences != 0 and seen.factorised and seen.told is None:
            metrics |= _parts(seen, bounds, tc_sentences, seed, partial(report, "total correlation"))
        if fisher_sentences != 0 and (variance := seen.prior_variance) is not None and variance.shape[1]:
            chosen, done = _subset(held, fisher_sentences, seed, device), partial(report, "geometry")
            metrics |= _fisher(model, chosen, seen.posterior, variance, done)
        if iw_samples:
            chosen = _subset(held, iw_sentences, seed, device)
            metrics |= _importance_weighted(
                model, chosen, seen, iw_samples, row_budget, partial(report, "likelihood")
            )
    return metrics


def _bounds(seen: Measured) -> dict[str, Any]:
    sentences = len(seen.z)
    rec, kl = float(-seen.log_px_z.mean()), float(seen.kl.sum(-1).mean())
    return {
        "sentences": sentences,
        "tokens": seen.tokens,
        "rec": rec,
        "kl": kl,
        "elbo": -(rec + kl),
        "neg_elbo": rec + kl,
        "ppl_elbo": perplexity((rec + kl) * sentences, seen.tokens),
        "kl_per_dim": seen.kl.mean(0).tolist(),
        "kl_kind": seen.kl_kind,
    }


def _information_metrics(facts: Information) -> dict[str, float]:
    named = {f"mi_{name}": value for name, value in facts._asdict().items() if name != "kl_aggregate"}
    return named if facts.kl_aggregate is None else named | {"kl_aggregate": facts.kl_aggregate}


def _latent_metrics(seen: Measured) -> dict[str, Any]:
    means, variances = seen.posterior.mean, seen.posterior.variance
    units = active_units(means, unit=seen.unit_variance)
    # As many groups as dimensions need not be these: two layers of one dimension each are two groups as well. And a whole KL
    # that is the same for every sentence, as of codes, says of the one dimension nothing either.
    parted = seen.kl_kind == PER_DIMENSION or (means.shape[1] == 1 and bool((seen.kl != seen.kl[0]).any()))
    verdict = diagnose(seen.kl.mean(0), means, variances, units, parted)
    return facts(seen.posterior) | {
        "active_units": units,
        "total_dimensions": verdict["total_dimensions"],
        "status": verdict["status"],
        "verdict": verdict,
    }


def _metrics_of_what_is_told(given: str, seen: Measured) -> dict[str, Any]:
    """Of models whose prior or likelihoods are told more than x alone: a prior of unlabelled sentences is told nothing."""
    known = " and ".join(filter(None, [given, "its label" if seen.labels is not None else ""]))
    metrics: dict[str, Any] = {"given": known} if known else {}
    metrics |= {} if seen.told is None else {"label_entropy": seen.told}
    if seen.labels is not None:
        lower, cap = lower_bound_within(seen.posterior, seen.z, seen.labels)
        metrics |= {"mi_lower_given_label": lower, "mi_cap_given_label": cap}
    return metrics


def _importance_weighted(
    model: LatentVariableModel,
    chosen: Sequence[tuple[Tensor, Batch]],
    seen: Measured,
    samples: int,
    row_budget: int,
    done: Callable[[int, int], None],
) -> dict[str, Any]:
    """nll_iw = -ELBO of the whole split less the mean gap of the two bounds over the chosen sentences.

    Where all are chosen that is the mean of the bound itself. Where they are not it is unbiased for it, and
    sentences differ far less in the gap than in log p(x). nll_iw_stderr is the error of choosing sentences.
    """
    total, finished, count = len(seen.z), 0, sum(len(rows) for rows, _ in chosen)
    neg_elbo = seen.kl.sum(-1) - seen.log_px_z
    gaps = []
    for rows, batch in chosen:
        nll = -importance_weighted_log_prob(model, batch, samples, row_budget)
        gaps.append(neg_elbo[rows] - nll)
        finished += len(rows)
        done(finished, count)
    gap = torch.cat(gaps)
    nll_iw = float(neg_elbo.mean() - gap.mean())
    return {
        "nll_iw": nll_iw,
        "nll_iw_stderr": standard_error(gap) * (1 - count / total) ** 0.5,
        "ppl_iw": perplexity(nll_iw * total, seen.tokens),
        "iw_samples": 1 if is_deterministic(seen.posterior) else samples,
        "iw_sentences": count,
    }


def _parts(
    seen: Measured, bounds: Information, sentences: int | None, seed: int, done: Callable[[int, int], None]
) -> dict[str, float]:
    correlation = total_correlation(seen.posterior, seen.z, sentences, seed, done)
    return kl_parts(float(seen.kl.sum(-1).mean()), bounds.lower, correlation)


def _fisher(
    model: LatentVariableModel,
    chosen: Sequence[tuple[Tensor, Batch]],
    q: Distribution,
    variance: Tensor,
    done: Callable[[int, int], None],
) -> dict[str, Any]:
    """The spectrum at the modes of the chosen sentences; q (N,) and the variance (N,Z) of each one's prior are of all."""
    found: list[Tensor] = []
    count = sum(len(rows) for rows, _ in chosen)
    for rows, batch in chosen:
        found.append(fisher_information(model, batch, select(q, rows).mode))
        done(sum(map(len, found)), count)
    variances = torch.cat([variance[rows] for rows, _ in chosen])
    return spectrum(torch.cat(found), variances) | {"fisher_sentences": count}


def _subset(
    batches: Sequence[Batch], sentences: int | None, seed: int, device: torch.device
) -> list[tuple[Tensor, Batch]]:
    """(numbers in the split, their part of a batch) of `sentences` sentences, each as likely as any other."""
    total = sum(len(batch.lengths) for batch in batches)
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    wanted = torch.zeros(total, dtype=torch.bool)
    wanted[order[:sentences]] = True
    numbers = torch.arange(total).split([len(batch.lengths) for batch in batches])
    pairs = zip(numbers, batches, strict=True)
    picked = [
        (rows[wanted[rows]], batch.rows(wanted[rows].to(batch.lengths.device)))
        for rows, batch in pairs
        if wanted[rows].any()
    ]
    return [(rows.to(device), batch.to(device)) for rows, batch in picked]


def _check(
    iw_samples: int,
    iw_sentences: int | None,
    tc_sentences: int | None,
    fisher_sentences: int | None,
    row_budget: int,
) -> None:
    if iw_samples < 0:
        raise ConfigError(f"iw_samples is {iw_samples}; it must be 0 (no importance weighting) or more")
    if iw_sentences is not None and iw_sentences < 1:
        raise ConfigError(
            f"iw_sentences is {iw_sentences}; it must be at least 1, or none for the whole split"
        )
    if tc_sentences is not None and tc_sentences < 0:
        raise ConfigError(
            f"tc_sentences is {tc_sentences}; it must be 0 (no parts of the KL) or more, or none for the whole split"
        )
    if fisher_sentences is not None and fisher_sentences < 0:
        raise ConfigError(
            f"fisher_sentences is {fisher_sentences}; it must be 0 (no Fisher information) or more, or none for the whole split"
        )
    if row_budget < 1:
        raise ConfigError(f"row_budget is {row_budget}; it must be at least 1")


def _silent(stage: str, done: int, total: int) -> None: ...

"""Whether the posterior has collapsed onto the prior, with the evidence."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from textvae.evaluation.information import variance_over_sentences
from textvae.latents.divergence import PER_DIMENSION

ACTIVE_KL = 0.01
NEAR = 0.9  # of its cap a bound can show no more
LOW_KL = 0.1  # nats a sentence
NO_LATENT, UNKNOWN, FULL = "NO LATENT", "UNKNOWN", "FULL COLLAPSE"
# (share of active dimensions, status below it)
STATUSES = ((0.1, "SEVERE COLLAPSE"), (0.5, "PARTIAL COLLAPSE"))


def kl_is_low(kl: float | Tensor, threshold: float = LOW_KL) -> bool:
    """Whether the mean KL of a sentence, in nats, is that of a collapsed posterior."""
    return float(kl) < threshold


def diagnose(
    kl_per_dim: Tensor | Sequence[float], means: Tensor, variances: Tensor, active_units: int, parted: bool
) -> dict[str, Any]:
    """The status, with its evidence, from each group's mean KL (G,) and all posteriors' mean, variance (N,Z).

    A dimension is active where its KL is above 0.01 nats. Where the groups are not the dimensions (`parted` false: layers,
    or the KL as a whole) the active units count, which a single sentence cannot show. mu_variance: over x, in the mean of
    the dimensions; mean_logvar: the mean over x and dimensions.
    """
    kl = torch.as_tensor(kl_per_dim, dtype=torch.float64)
    sentences, total = means.shape
    active = int((kl > ACTIVE_KL).sum()) if parted else active_units
    # A point mass has variance 0: the smallest number keeps the logarithm one that JSON can hold.
    log_variances = variances.double().clamp_min(torch.finfo(torch.float32).tiny).log()
    return {
        "active_dimensions": active,
        "total_dimensions": total,
        "utilization": active / total if total else 0.0,
        "total_kl": float(kl.sum()),
        "mu_variance": float(variance_over_sentences(means).mean()) if total else 0.0,
        "mean_logvar": float(log_variances.mean()) if total else 0.0,
        "kl_per_dim": kl.tolist(),
        "status": _status(active, total) if parted or sentences > 1 else UNKNOWN,
    }


def verdict_lines(metrics: Mapping[str, Any]) -> list[str]:
    """What `evaluate` found, as lines of plain text, with warnings: of a KL of noise, of likelihoods not of x alone."""
    told = metrics.get("given")
    caution = [f"WARNING: rec, bounds and perplexities are those of a sentence given {told}, not of p(x)"]
    return _of_latent(metrics) + (caution if told else [])


def _of_latent(metrics: Mapping[str, Any]) -> list[str]:
    verdict = metrics["verdict"]
    if verdict["status"] == NO_LATENT:
        return [f"{NO_LATENT}: a language model, nothing to collapse"]
    if verdict["status"] == UNKNOWN:
        return [
            f"{UNKNOWN}: KL {verdict['total_kl']:.3f} nats, of which no dimension has a part, and one sentence shows no more"
        ]
    kl, active, total = (verdict[key] for key in ("total_kl", "active_dimensions", "total_dimensions"))
    lower, upper, cap = (metrics[key] for key in ("mi_lower", "mi_upper", "mi_cap"))
    shown, highest, beyond = _beyond_the_label(metrics)
    beside = f", at least {shown:.3f}{beyond}" if beyond else ""
    units = f"{metrics['active_units']} active units (by the variance of their means)"
    apart = (
        f"{active} of {total} dimensions with a KL above {ACTIVE_KL} ({verdict['utilization']:.0%}), {units}"
    )
    parted = metrics["kl_kind"] == PER_DIMENSION
    lines = [
        f"{verdict['status']}: {apart if parted else f'of {total} dimensions {units}'}",
        f"KL {kl:.3f} nats a sentence{', low' if kl_is_low(kl) else ''}",
        f"mutual information {lower:.3f} to {upper:.3f} nats{beside} (lower bound's cap ln N = {cap:.3f}; "
        f"within batches, He et al. 2019: {metrics['mi_he2019_batch']:.3f})",
        f"variance of the means {verdict['mu_variance']:.4f}, mean log-variance {verdict['mean_logvar']:.3f}",
    ]
    return lines + _warnings(kl, shown, highest, beyond, verdict["status"])


def in_brief(figures: Mapping[str, Any]) -> str:
    """The status, and where it is by a KL that is low, or of which less than half is shown to be information, that."""
    status = str(figures.get("status") or "-")
    if any(figures.get(key) is None for key in ("kl", "mi_lower", "mi_cap")):
        return status
    kl, (shown, cap, _) = float(figures["kl"]), _beyond_the_label(figures)
    if kl_is_low(kl):
        return status if status in (FULL, NO_LATENT) else f"{status}, KL < {LOW_KL:g}"
    if shown >= kl / 2:
        return status
    return f"{status}, {'MI at its cap' if shown > NEAR * cap else 'MI < KL/2'}"


def _beyond_the_label(figures: Mapping[str, Any]) -> tuple[float, float, str]:
    """The lower bound on information that the likelihoods are not told already, its cap, and how to call it."""
    if figures.get("mi_lower_given_label") is None:
        return float(figures["mi_lower"]), float(figures["mi_cap"]), ""
    return float(figures["mi_lower_given_label"]), float(figures["mi_cap_given_label"]), " beyond the label"


def _status(active: int, total: int) -> str:
    if total == 0:
        return NO_LATENT
    if active == 0:
        return FULL
    return next((status for share, status in STATUSES if active / total < share), "HEALTHY")


def _warnings(kl: float, mi_lower: float, mi_cap: float, beyond: str, status: str) -> list[str]:
    if kl_is_low(kl):
        hidden = [
            f"WARNING: {status} by its dimensions, but a KL of {kl:.3f} is that of a collapsed posterior"
        ]
        return [] if status == FULL else hidden
    if mi_lower >= kl / 2:
        return []
    if mi_lower > NEAR * mi_cap:
        return [
            f"WARNING: the lower bound on information stands at its cap of {mi_cap:.3f} nats, under half the "
            f"KL of {kl:.3f}: so few sentences cannot show whether the rest is information or noise"
        ]
    return [
        f"WARNING: at least {max(0.0, mi_lower):.3f} nats of information{beyond} for a KL of {kl:.3f}, under half of it: "
        "KL may be paid with noise"
    ]

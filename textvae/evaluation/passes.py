"""One pass of a model over a split: posteriors, draws, likelihoods and KL of every sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import Distribution

from textvae.chance import drawing_from
from textvae.data.batching import Batch
from textvae.evaluation.likelihood import LatentVariableModel
from textvae.latents.distributions import concatenate, draw, factorises, spread, unit_variance
from textvae.latents.divergence import kl_groups, kl_kind


class Measured(NamedTuple):
    """One pass over a split, sentences in the order of its batches."""

    posterior: Distribution  # batch shape (N,)
    z: Tensor  # (N,Z), one draw each
    log_px_z: Tensor  # (N,) float64, at that draw
    kl: Tensor  # (N,G) float64
    kl_kind: str
    factorised: bool  # both q and p, over the dimensions of z
    batch_sizes: list[int]
    tokens: int
    told: float | None  # H(c) of the label that the prior is given, nats; None where it is given none
    labels: Tensor | None  # (N,) of the sentences, where likelihoods or the prior are given them
    unit_variance: float | Tensor  # of z_j, by the prior's family
    prior_variance: Tensor | None  # (N,Z) of z_j under each sentence's prior, where that lies on all of R^Z


@contextmanager
def measuring(model: LatentVariableModel, seed: int) -> Iterator[torch.device]:
    """Evaluation mode, no gradients and a random state of its own; modes and random state are put back."""
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in model.modules()]
    try:
        with torch.no_grad(), drawing_from(seed, device):
            for module, _ in modes:
                module.training = False
            yield device
    finally:
        for module, training in modes:
            module.training = training


def one_pass(
    model: LatentVariableModel,
    batches: Sequence[Batch],
    device: torch.device,
    done: Callable[[int, int], None],
) -> Measured:
    """Every batch once, by what `measuring` has set; done(sentences, in all) after each."""
    posteriors, draws, likelihoods, kls, variances = [], [], [], [], []
    sizes = [len(batch.lengths) for batch in batches]
    for batch, finished in zip(batches, accumulate(sizes), strict=True):
        batch = batch.to(device)
        q, p = model.posterior(batch), model.prior(batch)
        z = draw(q, 1)
        posteriors.append(q)
        draws.append(z[0])
        likelihoods.append(model.log_likelihood(batch, z)[0].double())
        kls.append(kl_groups(q, p, z).double())
        if (variance := spread(p)) is not None:
            variances.append(variance.expand(z.shape[1:]))
        done(finished, sum(sizes))
    return Measured(
        posterior=concatenate(posteriors),
        z=torch.cat(draws),
        log_px_z=torch.cat(likelihoods),
        kl=torch.cat(kls),
        kl_kind=kl_kind(q, p),
        factorised=factorises(q) and factorises(p),
        batch_sizes=sizes,
        tokens=sum(batch.tokens for batch in batches),
        told=_label_entropy(batches) if p.batch_shape else None,
        labels=_labels(batches) if model.reads_labels else None,
        unit_variance=unit_variance(p),
        prior_variance=torch.cat(variances) if variances else None,
    )


def _labels(batches: Sequence[Batch]) -> Tensor | None:
    labels = [batch.labels for batch in batches if batch.labels is not None]
    return torch.cat(labels) if labels else None


def _label_entropy(batches: Sequence[Batch]) -> float:
    """H(c) of the sentences' labels, nats; of no labels 0."""
    labels = _labels(batches)
    share = torch.ones(1) if labels is None else labels.unique(return_counts=True)[1].double()
    share = share / share.sum()
    return float(-(share * share.log()).sum())

"""Terms of an objective: Output -> scalar, nats a sentence, added to rec + beta * rate.

Those of q(z), the aggregate of the posteriors, see that of a batch. Where batches hold sentences of one length, as
`data.grouping=equal_length` cuts them, that is q(z | length): what z says of the length is then charged by the MMD even where
q(z) is the prior, and is outside the information and the spread that the others reward or charge.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Independent

from textvae.errors import ConfigError
from textvae.latents.distributions import draw, unit_variance
from textvae.latents.heads import CODES, EUCLIDEAN, Head
from textvae.model import Output
from textvae.objectives.commitment import Commitment
from textvae.objectives.controllers import MinimumRate
from textvae.objectives.term import Term

# Of a kernel's squared width, which is 0 for no dimension at all and for codes that are all the same.
LEAST = 1e-12


class Weighted(Term):
    """weight * value(output)."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight is {weight}, must be finite and at least 0")
        self.weight = weight

    def forward(self, output: Output) -> Tensor:
        return self.weight * self.value(output)

    def value(self, output: Output) -> Tensor:
        raise NotImplementedError


class BagOfWords(Weighted):
    """-weight sum_t log f(w_t; z) over a sentence's words without its end, f = softmax(W2 tanh(W1 z)).

    z must say which words come, in no order, without the help of those before (Zhao et al. 2017, arXiv
    1703.10960). Where the decoder reads a vector of `label` units beside z so does f, as published: z need not say what
    is known. f is a network of this term's own and trains with the generative part; no measurement reads it.
    """

    def __init__(
        self, vocabulary: int, latent: int, label: int = 0, weight: float = 1.0, hidden: int = 256
    ) -> None:
        super().__init__(weight)
        if latent < 1 or hidden < 1:
            raise ValueError(
                f"a bag of words needs a z (of {latent}) and hidden units ({hidden}), at least 1"
            )
        self.predict = nn.Sequential(
            nn.Linear(latent + label, hidden), nn.Tanh(), nn.Linear(hidden, vocabulary)
        )
        self.latent, self.label = latent, label
        self.register_load_state_dict_pre_hook(_refuse_without_label)

    def value(self, output: Output) -> Tensor:
        targets, last = output.batch.targets, output.batch.lengths[:, None] - 1
        words = torch.arange(targets.shape[1], device=targets.device) < last
        log_f = self.predict(output.told).log_softmax(-1)  # (S,B,V)
        chosen = log_f.gather(-1, targets.expand(len(log_f), -1, -1))
        return -(chosen * words).sum(-1).mean()


def _refuse_without_label(term: BagOfWords, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """ValueError for a state of before the term was told the label: its network has no weights for that."""
    weight = state.get(f"{prefix}predict.0.weight")
    if term.label and weight is not None and weight.shape[1] == term.latent:
        raise ValueError(
            f"its bag of words was trained on the {term.latent} units of z alone, and is now told the {term.label} of the "
            "decoder's label as well; the run can still be measured and sampled from, but not go on: begin a new one"
        )


class MaximumMeanDiscrepancy(Weighted):
    """weight * MMD^2(q(z), p(z)), k(a, b) = exp(-|a - b|^2 / (2 Z v bandwidth)), from a batch's z and as many of the prior.

    InfoVAE (Zhao et al. 2017, arXiv 1706.02262): (1 - alpha) KL + (alpha + lambda - 1) MMD, so schedule.beta = 1 - alpha
    and this weight alpha + lambda - 1. v is the variance of a z_j that counts as one, 1 on all of R^Z (on a sphere or of
    codes runs from before 2026-11-28 had 1 as well: another term). Unbiased for a batch
    of sentences drawn one by one, so that it can be below 0: only pairs of different sentences count,
    since draws of the same one, or of the prior given its label, are no two draws of the aggregate. 0 for a single sentence.
    A learned prior has a gradient of it where its draws have one; a mixture's have none, and at beta 0 it stays as it starts.
    """

    def __init__(self, weight: float = 10.0, bandwidth: float = 1.0) -> None:
        super().__init__(weight)
        if not bandwidth > 0:
            raise ValueError(f"bandwidth is {bandwidth}, must be above 0")
        self.bandwidth = bandwidth

    def value(self, output: Output) -> Tensor:
        z = output.z
        samples, sentences, _ = z.shape
        if sentences < 2:
            return 0.0 * z.sum()
        draws = samples * sentences // output.prior.batch_shape.numel()
        prior = draw(output.prior, draws).reshape(z.shape)
        total = torch.as_tensor(unit_variance(output.prior)).to(z).expand(z.shape[2]).sum()  # Z v
        width = (2 * self.bandwidth * total).clamp_min(LEAST).sqrt()
        z, prior = z / width, prior / width
        return _likeness(z, z) + _likeness(prior, prior) - 2 * _likeness(z, prior)


def _likeness(a: Tensor, b: Tensor) -> Tensor:
    """The mean of exp(-|a - b|^2) over pairs of draws a, b (S,B,Z) of different sentences, B > 1."""
    samples, sentences, _ = a.shape
    k = torch.exp(-(a[:, :, None, None] - b).square().sum(-1))  # (S,B,S,B)
    same = k.diagonal(dim1=1, dim2=3)
    return (k.sum() - same.sum()) / (samples**2 * sentences * (sentences - 1))


class MutualInformation(Weighted):
    """-weight * mean_n [log q(z_n|x_n) - log (1/B) sum_m q(z_n|x_m)], z_n ~ q(z|x_n): information within the batch, at most ln B.

    The lower bound on I(x; z) by the known conditional (Poole et al. 2019, arXiv 1905.06922). With beta = 1 and weight 1 what
    is left of KL = I + KL(q(z)||p(z)) to pay is the second part, as in InfoVAE at alpha = 1 (Zhao et al. 2017, arXiv
    1706.02262); beyond ln B, 3.47 nats for 32 sentences, this term sees nothing.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)

    def objection(self, head: Head) -> str | None:
        return None if head.space != CODES else "the density of a point has no gradient; terms.commitment has"

    def value(self, output: Output) -> Tensor:
        log_q = output.posterior.log_prob(output.z[:, :, None])  # (S,B,B): draw n under posterior m
        mixture = log_q.logsumexp(2) - math.log(log_q.shape[2])
        return (mixture - log_q.diagonal(dim1=1, dim2=2)).mean()


class TotalCorrelation(Weighted):
    """weight * mean_n [log q(z_n) - sum_j log q(z_nj)], q(z) the batch's mixture of posteriors: 0 where the z_j are independent.

    beta-TC-VAE (Chen et al. 2018, arXiv 1802.04942): this part of the KL at beta in all is weight = beta - 1 beside
    schedule.beta = 1. Its estimate by weighted minibatches differs from this one by a constant alone. At most (Z - 1) ln B.
    Where z tells about ln B nats or more of which sentence of a batch it is, the joint part has ended there, and what is
    left charges for information: independent dimensions that tell 3.7 nats are charged 0.5 (Z = 2) to 1.0 (Z = 32)
    in batches of 32. Large batches put that off, and nothing else does.
    ConfigError where q does not factorise over the dimensions of z.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__(weight)

    def objection(self, head: Head) -> str | None:
        return None if head.factorises else "its q(z|x) does not factorise over the dimensions of z"

    def value(self, output: Output) -> Tensor:
        q = output.posterior
        if not isinstance(q, Independent) or q.base_dist.event_shape:
            raise ConfigError(f"total_correlation needs a q(z|x) that factorises over z, this is {q}")
        log_q = q.base_dist.log_prob(output.z[:, :, None])  # (S,B,B,Z): draw n under posterior m
        constant = math.log(log_q.shape[2])
        joint = log_q.sum(-1).logsumexp(2) - constant
        return (joint - (log_q.logsumexp(2) - constant).sum(-1)).mean()


class MuForcing(Weighted):
    """weight * max(0, margin - mean_b |mu_b|^2 / 2), mu_b the mean of q(z|x_b), margin in nats.

    mu-forcing (Liu et al. 2019, arXiv 1905.10072): |mu|^2 / 2 is the part of a Gaussian's KL that says where z is, so
    that noise cannot meet this margin as it can that of free bits; one mean for all sentences can. So is it against N(0, I):
    a learned prior can move along, or widen, and leave the margin met for nothing. ConfigError where z does not lie in
    R^Z: elsewhere |mu| is bounded, and so is what it says.
    """

    def __init__(self, margin: float, weight: float = 1.0) -> None:
        super().__init__(weight)
        if not (math.isfinite(margin) and margin >= 0):
            raise ValueError(f"margin is {margin} nats, must be finite and at least 0")
        self.margin = margin

    def objection(self, head: Head) -> str | None:
        return (
            None if head.space == EUCLIDEAN else f"z lies in {head.space}, where means cannot be driven out"
        )

    def value(self, output: Output) -> Tensor:
        mu = output.posterior.mean
        return (self.margin - 0.5 * mu.square().sum(-1).mean()).clamp_min(0.0)


class CentredMuForcing(MuForcing):
    """weight * max(0, margin - mean_b |mu_b - mean mu|^2 / 2): mu-forcing about the batch's mean, which no single mean can meet.

    The published code of Liu et al. 2019 has this form, with the mean over the Z dimensions in the place of half the sum: its
    v is margin = Z v / 2 at weight = 2 / Z. A batch of one sentence has no spread and is charged nothing.
    """

    def value(self, output: Output) -> Tensor:
        mu = output.posterior.mean
        if len(mu) < 2:
            return 0.0 * mu.sum()
        return (self.margin - 0.5 * mu.var(0, unbiased=False).sum()).clamp_min(0.0)


TERMS: dict[str, Callable[..., Term]] = {
    "bag_of_words": BagOfWords,
    "mmd": MaximumMeanDiscrepancy,
    "mutual_information": MutualInformation,
    "total_correlation": TotalCorrelation,
    "minimum_rate": MinimumRate,
    "mu_forcing": MuForcing,
    "mu_forcing_centred": CentredMuForcing,
    "commitment": Commitment,
}

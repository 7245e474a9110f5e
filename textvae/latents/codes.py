"""Vector-quantised latents: each z is one of finitely many points, M codes out of K each."""

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints, register_kl

from textvae.latents.distributions import Shape, facts, spread, unit_variance
from textvae.latents.heads import CODES, Head, check_size


class Code(Distribution):
    """All of q(z|x) on one point: loc (B,Z), the vectors of its codes (B,M).

    Probabilities, not densities: log_prob is 0 at loc and -inf elsewhere. `query` (B,Z) is what was quantised.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {
        "loc": constraints.real_vector,
        "codes": constraints.nonnegative_integer,
    }
    support = constraints.real_vector
    has_rsample = True
    point_mass = True
    query: Tensor | None = None

    def __init__(self, loc: Tensor, codes: Tensor, validate_args: bool | None = None) -> None:
        self.loc, self.codes = loc, codes
        super().__init__(loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return torch.zeros_like(self.loc)

    def rsample(self, sample_shape: Shape = ()) -> Tensor:
        return self.loc.expand(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        same = (value == self.loc).all(-1)
        return torch.zeros_like(same, dtype=self.loc.dtype).masked_fill(~same, -math.inf)

    def entropy(self) -> Tensor:
        return torch.zeros_like(self.loc[..., 0])


class UniformOverCodes(Distribution):
    """p(z) = K^-M for each of the points that codebooks (M,K,Z/M) make; other points are not asked for."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {"codebooks": constraints.real}
    support = constraints.real_vector

    def __init__(self, codebooks: Tensor, validate_args: bool | None = None) -> None:
        self.codebooks = codebooks
        super().__init__(torch.Size(), torch.Size([codebooks[:, 0].numel()]), validate_args=validate_args)

    @property
    def rate(self) -> float:
        """M ln K nats: what it costs to name one point."""
        slots, codes = self.codebooks.shape[:2]
        return slots * math.log(codes)

    @property
    def mean(self) -> Tensor:
        return self.codebooks.mean(1).flatten()

    @property
    def variance(self) -> Tensor:
        return self.codebooks.var(1, unbiased=False).flatten()

    @torch.no_grad()
    def sample(self, sample_shape: Shape = ()) -> Tensor:
        slots, codes, _ = self.codebooks.shape
        shape = (*torch.Size(sample_shape), slots)
        chance = torch.rand(shape, dtype=torch.float64, device=self.codebooks.device)
        return look_up(self.codebooks, (codes * chance).long())

    def log_prob(self, value: Tensor) -> Tensor:
        return torch.full_like(value[..., 0], -self.rate)


@spread.register
def _(p: UniformOverCodes) -> None:
    return None


@unit_variance.register
def _(p: UniformOverCodes) -> Tensor:
    return p.variance


class Quantised(Head):
    """q(z|x) = 1 at the codes nearest to W h, M `slots` of Z/M dimensions with K `codes` each: KL = M ln K always.

    Gradients pass straight through to W h; terms.commitment keeps it near its codes. A code is the moving
    average, with `decay`, of what it stood for (van den Oord et al. 2017, arXiv 1711.00937, appendix A); one
    that stood for nothing over `patience` batches starts anew at a vector of the present one, as all do first.
    """

    space = CODES
    fixed_kl = True
    tells = ("codes_used", "code_perplexity")
    codebooks: Tensor  # (M,K,Z/M)
    counts: Tensor  # (M,K) moving averages, of 1 at a code's start
    use: Tensor  # (M,K) the same from 0 on: what stood for nothing has none
    idle: Tensor  # (M,K) batches since a code stood for anything

    def __init__(
        self,
        inputs: int,
        size: int = 32,
        slots: int = 4,
        codes: int = 256,
        decay: float = 0.99,
        patience: int = 100,
    ) -> None:
        super().__init__()
        if slots < 1 or check_size(size) % slots:
            raise ValueError(f"slots is {slots}, must be at least 1 and divide size, which is {size}")
        if codes < 2 or patience < 1 or not 0 < decay < 1:
            raise ValueError(
                f"codes is {codes} (at least 2), patience {patience} (at least 1), decay {decay} (between 0 and 1)"
            )
        self.size, self.decay, self.patience = size, decay, patience
        self.path = {"name": "codes", "slots": slots}
        self.linear = nn.Linear(inputs, size, bias=False)
        self.register_buffer("codebooks", torch.randn(slots, codes, size // slots))
        self.register_buffer("counts", torch.ones(slots, codes))
        self.register_buffer("use", torch.zeros(slots, codes))
        self.register_buffer("idle", torch.full((slots, codes), patience))

    def forward(self, h: Tensor) -> Distribution:
        query = self.linear(h)
        parts = self._parts(query.detach())
        if self.training:
            self._revive(parts)
        codes = self._nearest(parts)
        # The bits of the code exactly, so that equal codes are equal points; the gradient is the query's.
        posterior = Code(
            look_up(self.codebooks, codes) + (query - query.detach()), codes, validate_args=False
        )
        posterior.query = query
        if self.training:
            self._follow(parts, codes.T)
        return posterior

    def onto_space(self, z: Tensor) -> Tensor:
        rows = z.flatten(0, -2)
        return look_up(self.codebooks, self._nearest(self._parts(rows))).view_as(z)

    def _parts(self, rows: Tensor) -> Tensor:
        """(B,Z) -> (M,B,Z/M): what each slot quantises."""
        return rows.unflatten(-1, (len(self.codebooks), -1)).transpose(0, 1)

    def _nearest(self, parts: Tensor) -> Tensor:
        """(M,B,Z/M) -> codes (B,M)."""
        return torch.cdist(parts, self.codebooks).argmin(-1).T

    @torch.no_grad()
    def gauges(self) -> dict[str, Tensor]:
        """Of each slot, in the mean: codes that stood for anything in the last `patience` batches, and exp of the
        entropy of their use, by its moving average."""
        known = self.use.sum(-1)
        share = self.use / torch.where(known > 0, known, 1.0).unsqueeze(-1)
        perplexity = (-torch.special.xlogy(share, share).sum(-1)).exp()
        return {
            "codes_used": (self.idle < self.patience).sum(-1).to(share.dtype).mean(),
            "code_perplexity": torch.where(known > 0, perplexity, 0.0).mean(),
        }

    @torch.no_grad()
    def _revive(self, parts: Tensor) -> None:
        dead = (self.idle >= self.patience) & (self.idle % self.patience == 0)
        chosen = torch.randint(parts.shape[1], dead.shape, device=dead.device)
        vectors = parts.gather(1, chosen.unsqueeze(-1).expand_as(self.codebooks))
        self.codebooks.copy_(torch.where(dead.unsqueeze(-1), vectors, self.codebooks))
        self.counts.masked_fill_(dead, 1)

    @torch.no_grad()
    def _follow(self, parts: Tensor, codes: Tensor) -> None:
        """The moving averages after a batch: parts (M,B,Z/M), codes (M,B).

        A code goes the share (1 - decay) n / count of the way to the mean of the n parts that it stood for, which takes
        it to the published ratio of two averages, that of sums and count. One that stood for nothing stays.
        """
        stood = torch.zeros_like(self.counts).scatter_add_(1, codes, torch.ones_like(parts[..., 0]))
        sums = torch.zeros_like(self.codebooks)
        sums.scatter_add_(1, codes.unsqueeze(-1).expand_as(parts), parts)
        # Long without use a count would round to 0, and the share be 0/0.
        self.counts.lerp_(stood, 1 - self.decay).clamp_min_(torch.finfo(self.counts.dtype).tiny)
        means, share = sums / stood.clamp_min(1).unsqueeze(-1), (1 - self.decay) * stood / self.counts
        self.codebooks.lerp_(means, share.unsqueeze(-1))
        self.use.lerp_(stood, 1 - self.decay)
        self.idle.copy_(torch.where(stood > 0, 0, self.idle + 1))


def look_up(codebooks: Tensor, codes: Tensor) -> Tensor:
    """(M,K,D), (...,M) -> (...,M D): the vectors of codes side by side."""
    slots = torch.arange(len(codebooks), device=codes.device)
    return codebooks[slots, codes].flatten(-2)


@register_kl(Code, UniformOverCodes)
def _kl_of_a_point(q: Code, p: UniformOverCodes) -> Tensor:
    return torch.full_like(q.loc[..., 0], p.rate)


@facts.register
def _(q: Code) -> dict[str, float]:
    """Of each slot, in the mean: how many codes are used, and exp of the entropy of their use."""
    used, perplexities = [], []
    for slot in q.codes.unbind(-1):
        counts = slot.unique(return_counts=True)[1].double()
        share = counts / counts.sum()
        used.append(len(counts))
        perplexities.append(float((-(share * share.log()).sum()).exp()))
    return {
        "codes_used": sum(used) / len(used),
        "code_perplexity": sum(perplexities) / len(perplexities),
    }

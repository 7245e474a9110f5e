"""A posterior that is refined sentence by sentence after the encoder: a SentenceVAE around a SentenceVAE."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.distributions import Distribution

from textvae.chance import drawing_from
from textvae.data.batching import Batch
from textvae.errors import ConfigError
from textvae.latents.divergence import kl_groups
from textvae.latents.heads import GaussianHead, Head
from textvae.model import SentenceVAE, build_model
from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.decoder import LSTMDecoder
from textvae.networks.encoder import LSTMEncoder
from textvae.networks.frozen import frozen
from textvae.registry import construct

# Of the noise of an evaluation's steps: one that nobody gives an evaluation, whose draws would be that noise again.
NOISE_SEED = 180202550


class Refinement(Protocol):
    """How posteriors come from what the encoder says of them."""

    def objection(self, head: Head) -> str | None:
        """Why posteriors of `head` cannot be refined like this, or None where they can."""

    def __call__(self, model: SentenceVAE) -> SentenceVAE:
        """The model with refined posteriors; its parameters stay those of `model`, and so do their names."""


class Unrefined:
    """The posterior is what the encoder says."""

    def objection(self, head: Head) -> str | None:
        return None

    def __call__(self, model: SentenceVAE) -> SentenceVAE:
        return model


@dataclass(frozen=True)
class SemiAmortised:
    """`steps` of gradient ascent on a sentence's ELBO, with rate `lr` and `momentum`, its gradient norm at most `clip`."""

    steps: int = 5
    lr: float = 0.03
    momentum: float = 0.5
    clip: float = 25.0

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ValueError(f"steps is {self.steps}, must be at least 0")
        if not (0 < self.lr < torch.inf and 0 < self.clip < torch.inf):
            raise ValueError(f"lr is {self.lr} and clip {self.clip}, both must be above 0 and finite")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum}, must be in [0, 1)")

    def objection(self, head: Head) -> str | None:
        if not isinstance(head, GaussianHead):
            return "the posterior has no mu and logvar that gradient steps could change"
        if type(head).forward is not GaussianHead.forward:
            return "its posterior is more than mu and logvar, which alone the steps would change"
        return "a sentence's posterior depends on the others of its batch" if head.joint else None

    def __call__(self, model: SentenceVAE) -> SentenceVAE:
        return SemiAmortisedVAE(model, self)


class SemiAmortisedVAE(SentenceVAE):
    """q(z|x) = q(z; l_K): v_k = momentum v_(k-1) + clip(grad ELBO(x; l_(k-1))), l_k = l_(k-1) + lr v_k, l_0 = W h.

    SA-VAE (Kim et al. 2018, arXiv 1802.02550). l (B,2Z) are the head's own parameters, (mu, logvar) of a Gaussian. Each
    step's ELBO is that of one z, of new noise in training; in evaluation each step has its noise for all sentences, so
    that q(z|x) is a function of x alone. A loss's gradient goes through the steps to encoder, decoder and prior, as
    published, where it is clipped on the way as well; there an annealed KL is annealed in the steps' ELBO too, here it
    counts in full: of annealing, another beta, free bits and terms the steps know nothing. Pseudo-inputs of a prior are not
    refined. K steps are K more passes through the decoder, forward and back, and 2 K for the gradient through them.
    """

    head: GaussianHead
    noise: Tensor

    def __init__(self, model: SentenceVAE, settings: SemiAmortised) -> None:
        super().__init__(model.encoder, model.head, model.prior_module, model.decoder, model.condition)
        self.settings = settings
        chance = torch.Generator().manual_seed(NOISE_SEED)
        noise = torch.randn(settings.steps, 1, model.latent_size, generator=chance)
        self.register_buffer("noise", noise, persistent=False)

    def posterior(self, batch: Batch) -> Distribution:
        """q(z|x) after refinement, batch shape (B,), with or without gradients (but not within inference_mode)."""
        start = self.head.linear(self.condition.encoder(self.read(batch), batch.labels))
        return self.head.at(self._refined(start, batch))

    def _refined(self, place: Tensor, batch: Batch) -> Tensor:
        """l_0 (B,2Z) -> l_K (B,2Z)."""
        chosen, velocity = self.settings, torch.zeros_like(place)
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        for noise, seed in self._chance(place):
            slope = Slope.apply(self._elbo(batch, noise, seed), place, *trained)
            size = slope.norm(dim=-1, keepdim=True)
            velocity = chosen.momentum * velocity + slope * (chosen.clip / size.clamp_min(chosen.clip))
            place = place + chosen.lr * velocity
        return place

    def _chance(self, place: Tensor) -> Iterator[tuple[Tensor, int]]:
        """For each step the noise of z, (B,Z) or (1,Z), and the seed of what else is drawn, such as dropout."""
        steps, shape = self.settings.steps, (len(place), self.latent_size)
        if not self.training:
            return zip(self.noise, range(steps), strict=True)
        noise = torch.randn(steps, *shape, dtype=place.dtype, device=place.device)
        return zip(noise, torch.randint(2**62, (steps,)).tolist(), strict=True)

    def _elbo(self, batch: Batch, noise: Tensor, seed: int) -> Callable[[Tensor], Tensor]:
        """l (B,2Z) -> the sentences' ELBOs (B,) at z = mu + sigma noise, nats; the same l gives the same."""

        def elbo(place: Tensor) -> Tensor:
            with drawing_from(seed, place.device), _exact_products(self):
                q = self.head.at(place)
                z = (q.mean + q.stddev * noise)[None]
                return self.log_likelihood(batch, z)[0] - kl_groups(q, self.prior(batch), z).sum(-1)

        return elbo


class Slope(torch.autograd.Function):
    """grad f_b(x_b) (B,L) of f(x) (B,), row by row, whose own gradient needs first derivatives of f alone.

    f is any function of x (B,L) and of `parameters`, f_b one of the row x_b. For a gradient w of the slope, that of
    sum_b <w_b, grad f_b> in x and in the parameters is the gradient of sum_b (f_b(x + r w) - f_b(x - r w)) / 2 r_b, with
    an error of order r_b^2: fast cross-entropies and recurrences have no second derivative. Each row has an r_b of its
    own, lest a large w_b leave the others' differences to rounding.
    """

    @staticmethod
    def forward(ctx: Any, f: Callable[[Tensor], Tensor], x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.f = f
        ctx.save_for_backward(x, *parameters)
        with torch.enable_grad(), frozen(parameters):
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(f(x).sum(), x)
        return slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, w: Tensor) -> tuple[Tensor | None, ...]:
        x, *parameters = ctx.saved_tensors
        limits = torch.finfo(x.dtype)
        largest = w.abs().amax(-1, keepdim=True).clamp_min(limits.tiny)
        r = limits.eps ** (1 / 3) / largest  # where rounding and r^2 err alike
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            difference = (ctx.f(x + r * w) - ctx.f(x - r * w)) / (2 * r[:, 0])
            return None, *torch.autograd.grad(difference.sum(), [x, *parameters], allow_unused=True)


@contextmanager
def _exact_products(model: SentenceVAE) -> Iterator[None]:
    """Matrix products in the type of the weights: what is measured must not hang on how a model was trained."""
    rounding = [part.recurrence for part in model.modules() if isinstance(part, LSTMEncoder | LSTMDecoder)]
    cross_entropy, products = model.cross_entropy, [part.products for part in rounding]
    model.cross_entropy = CrossEntropy()
    try:
        for part in rounding:
            part.products = None
        yield
    finally:
        model.cross_entropy = cross_entropy
        for part, before in zip(rounding, products, strict=True):
            part.products = before


REFINEMENTS: dict[str, Callable[..., Refinement]] = {"none": Unrefined, "semi_amortised": SemiAmortised}


def build_refined(config: Mapping[str, Any], vocabulary: int, unk: int, labels: int = 0) -> SentenceVAE:
    """The model of a config, with the posteriors of its section refinement where it has one.

    Raises ConfigError as build_model does, and for a posterior and a refinement that do not go together.
    """
    model = build_model(config, vocabulary, unk, labels)
    section = config.get("refinement") or {"name": "none"}
    refinement = construct(REFINEMENTS, section, "refinement")
    if (reason := refinement.objection(model.head)) is not None:
        names = f"latent {config['latent']['name']!r} and refinement {section['name']!r}"
        raise ConfigError(f"{names} do not go together: {reason}")
    return refinement(model)

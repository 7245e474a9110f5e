"""Parts of an objective with a state that moves once a training step, driven by the KL of that step's batch."""

import math

import torch
from torch import Tensor, nn

from textvae.latents.heads import Head
from textvae.model import Output
from textvae.objectives.term import Term


def fixed(head: Head) -> str | None:
    """Why a controller has nothing to control in the posteriors of `head`; None where it has."""
    return "the KL of each sentence is one number, which no training changes" if head.fixed_kl else None


class Controller(nn.Module):
    """Holds a KL near a target (nats a sentence): `advance`, once a step, hands the mean KL to `control`.

    The mean is an average over batches that forgets by `smoothing` in [0, 1) a step (0: the batch's own KL).
    """

    average: Tensor
    weight: Tensor

    def __init__(self, target: float, smoothing: float) -> None:
        super().__init__()
        if not (math.isfinite(target) and target >= 0):
            raise ValueError(f"target is {target} nats, must be finite and at least 0")
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing is {smoothing}, must be in [0, 1)")
        self.target, self.smoothing = target, smoothing
        self.keep("average", 0.0)
        self.keep("weight", 0.0)

    def keep(self, name: str, value: float) -> None:
        """A number that checkpoints hold."""
        self.register_buffer(name, torch.tensor(value, dtype=torch.float64))

    def advance(self, kl: Tensor | float) -> None:
        """kl (): the batch mean of a training step."""
        with torch.no_grad():
            self.average.lerp_(torch.as_tensor(kl).to(self.average), 1 - self.smoothing)
            self.weight.lerp_(torch.ones_like(self.weight), 1 - self.smoothing)
            self.control(self.average / self.weight)

    def control(self, kl: Tensor) -> None:
        raise NotImplementedError

    def settled(self, step: int) -> bool:
        """As of a schedule: it follows the KL and knows no rise."""
        return True

    def gauges(self) -> dict[str, Tensor | float]:
        """What of the state a log should show."""
        return {}


class PIControl(Controller):
    """A schedule: beta(t) = kp / (1 + exp(e)) - ki sum e + minimum, e = target - KL(t), kept in [minimum, maximum].

    ControlVAE (Shao et al. 2020, arXiv 2004.05988, algorithm 1), whose settings for text are the defaults here. Before the
    first KL beta is the minimum; the KL of a step moves the beta of the next one, as in the authors' code for text. The
    algorithm holds the sum while the last beta is out of its range, but has clamped that beta before: its sum winds up. Here
    the sum's own part, - ki sum e, is kept in [0, maximum - minimum]. ValueError for a negative gain and for minimum above
    maximum.
    """

    integral: Tensor
    beta: Tensor

    def __init__(
        self,
        target: float,
        kp: float = 0.01,
        ki: float = 1e-4,
        minimum: float = 0.0,
        maximum: float = 1.0,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(target, smoothing)
        if kp < 0 or ki < 0:
            raise ValueError(f"kp is {kp} and ki {ki}, neither may be negative")
        if not 0 <= minimum <= maximum < math.inf:
            raise ValueError(f"minimum is {minimum} and maximum {maximum}, must be 0 <= minimum <= maximum")
        self.kp, self.ki, self.minimum, self.final = kp, ki, minimum, maximum
        self.least = minimum
        self.keep("integral", 0.0)
        self.keep("beta", minimum)

    def forward(self, step: int) -> float:
        return float(self.beta)

    def control(self, kl: Tensor) -> None:
        error = self.target - kl
        self.integral.sub_(self.ki * error).clamp_(0, self.final - self.minimum)
        beta = self.kp * torch.sigmoid(-error) + self.integral + self.minimum
        self.beta.copy_(beta.clamp(self.minimum, self.final))


class SoftFreeBits(Controller):
    """A schedule: beta grows by the share `change` where KL > (1 + slack) target, shrinks by it where KL < target.

    Kept in [minimum, 1]; the published 10% and 5% (Chen et al. 2017, arXiv 1611.02731, appendix C) are the defaults. The
    minimum is not published: without one a KL long below its target leaves a beta from which no growth comes back. Without
    `smoothing` it weighs how often a batch's KL is above the target against how often it is below: the median of batches comes
    near the target, and their mean may be further off, the more so the more batches differ (of one length each, or of few
    sentences).
    """

    beta: Tensor
    final = 1.0

    def __init__(
        self,
        target: float,
        change: float = 0.1,
        slack: float = 0.05,
        start: float = 1.0,
        minimum: float = 1e-3,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(target, smoothing)
        if not 0 < change < 1 or slack < 0:
            raise ValueError(f"change is {change} (in (0, 1)) and slack {slack} (at least 0)")
        if not 0 < minimum <= start <= 1:
            raise ValueError(f"minimum is {minimum} and start {start}, must be 0 < minimum <= start <= 1")
        self.change, self.slack, self.minimum = change, slack, minimum
        self.least = minimum
        self.keep("beta", start)

    def forward(self, step: int) -> float:
        return float(self.beta)

    def control(self, kl: Tensor) -> None:
        up, down = kl > (1 + self.slack) * self.target, kl < self.target
        self.beta.mul_(1 + self.change * (up.double() - down.double())).clamp_(self.minimum, 1.0)


class MinimumRate(Controller, Term):
    """A term: lambda (target - KL), lambda <- clamp(lambda + lr (target - mean KL), 0, maximum), from lambda = 0.

    The minimum desired rate of Pelsmaeker & Aziz 2020 (arXiv 1904.08194): the Lagrangian of min rec + KL subject to
    KL >= target. With KL charged at 1 its weight is 1 - lambda in all. A lambda above 1 would pay for every further
    nat until it has come down again, and where rec falls by less than a nat for each nat of KL the constraint needs
    none: hence the maximum of 1, which is an autoencoder; where lambda stands there, the constraint need not hold. Beside
    a KL that is charged less than the maximum, as in annealing or by free bits, it would pay for every nat just so: refused, as
    is a posterior whose KL nothing can change. A slow mean drives lambda, so that it does not swing.
    """

    multiplier: Tensor

    def __init__(
        self, target: float, lr: float = 1e-3, maximum: float = 1.0, smoothing: float = 0.99
    ) -> None:
        super().__init__(target, smoothing)
        if not lr > 0 or not maximum > 0:
            raise ValueError(f"lr is {lr} and maximum {maximum}, both must be above 0")
        self.lr, self.maximum = lr, maximum
        self.keep("multiplier", 0.0)

    def objection(self, head: Head) -> str | None:
        return fixed(head)

    def objection_to(self, least: float) -> str | None:
        if least >= self.maximum:
            return None
        return (
            f"the KL is charged {least:g} at times, and the term pays up to its maximum of {self.maximum:g}"
        )

    def forward(self, output: Output) -> Tensor:
        if not output.kl.shape[1]:  # a model without z, which has none to raise
            return output.kl.sum()
        shortfall = self.target - output.kl.sum(-1).mean()
        return self.multiplier.to(shortfall) * shortfall

    def control(self, kl: Tensor) -> None:
        self.multiplier.add_(self.lr * (self.target - kl)).clamp_(0, self.maximum)

    def gauges(self) -> dict[str, Tensor | float]:
        return {"multiplier": self.multiplier.clone()}

"""The KL weight beta: pure functions of the training step, and the controllers that see the KL."""

import math
from collections.abc import Callable
from typing import Protocol

from textvae.objectives.controllers import PIControl, SoftFreeBits


class Schedule(Protocol):
    """step -> beta, never below `least`; checkpoints are compared at `final`: the last beta, or a controller's largest.

    settled: whether the step is no part of a rise, so that a loss compared at `final` may tell that training has come to rest.
    """

    final: float
    least: float = 0.0

    def __call__(self, step: int) -> float: ...

    def settled(self, step: int) -> bool:
        return True


def _span(what: str, epochs: float | None, steps: int | None, steps_per_epoch: int) -> float:
    """A length given as either epochs or steps, in steps."""
    if (epochs is None) == (steps is None):
        raise ValueError(
            f"give either {what}_epochs or {what}_steps, not {'both' if epochs is not None else 'neither'}"
        )
    span = float(steps) if steps is not None else float(epochs or 0) * steps_per_epoch
    if span <= 0:
        raise ValueError(f"{what} is {span:g} steps long, must be above 0")
    return span


def _weight(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value}, must be finite and at least 0")
    return value


class Constant(Schedule):
    """beta(t) = beta: 1 is the plain VAE, 0 the autoencoder, above 1 beta-VAE (Higgins et al., ICLR 2017), far below 1 KL-AE.

    What the ELBO's two parts trade for each other at each beta: Alemi et al. 2018 (arXiv 1711.00464).
    """

    def __init__(self, beta: float = 1.0) -> None:
        self.final = self.least = _weight("beta", beta)

    def __call__(self, step: int) -> float:
        return self.final


class Linear(Schedule):
    """beta(t) = start + (end - start) min(t / warmup, 1).

    He et al. 2019 (arXiv 1901.05534) start at 0.1, Li et al. 2019 (arXiv 1909.00868) at 0, both over ten epochs.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        start: float = 0.0,
        end: float = 1.0,
        warmup_epochs: float | None = None,
        warmup_steps: int | None = None,
    ) -> None:
        self.start, self.final = _weight("start", start), _weight("end", end)
        self.least = min(start, end)
        self.warmup = _span("warmup", warmup_epochs, warmup_steps, steps_per_epoch)

    def __call__(self, step: int) -> float:
        return self.start + (self.final - self.start) * min(step / self.warmup, 1.0)

    def settled(self, step: int) -> bool:
        return step >= self.warmup


class Logistic(Schedule):
    """beta(t) = end (s(t) - s(0)) / (s(warmup) - s(0)), s(t) = 1 / (1 + exp(-slope (t / warmup - 1/2))), until t = warmup.

    The sigmoid of Bowman et al. 2016 with its middle at half the warm-up, stretched to start at 0 and to reach `end`
    exactly; constant afterwards.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        slope: float = 10.0,
        end: float = 1.0,
        warmup_epochs: float | None = None,
        warmup_steps: int | None = None,
    ) -> None:
        if not 1e-6 <= slope <= 1e3:
            raise ValueError(f"slope is {slope}, must be from 1e-6 to 1000")
        self.slope, self.final = slope, _weight("end", end)
        self.warmup = _span("warmup", warmup_epochs, warmup_steps, steps_per_epoch)

    def __call__(self, step: int) -> float:
        low, high = self._sigmoid(0.0), self._sigmoid(1.0)
        return self.final * (self._sigmoid(min(step / self.warmup, 1.0)) - low) / (high - low)

    def settled(self, step: int) -> bool:
        return step >= self.warmup

    def _sigmoid(self, progress: float) -> float:
        return 1 / (1 + math.exp(-self.slope * (progress - 0.5)))


class Cyclical(Schedule):
    """`cycles` times: beta rises from 0 to `end` over the first `rise` of a cycle and stays there for the rest.

    After the last cycle beta = end. Fu et al. 2019 (arXiv 1903.10145): 4 cycles, rise 1/2.
    """

    def __init__(
        self,
        steps_per_epoch: int,
        cycles: int = 4,
        rise: float = 0.5,
        end: float = 1.0,
        cycle_epochs: float | None = None,
        cycle_steps: int | None = None,
    ) -> None:
        if cycles < 1 or not 0 < rise <= 1:
            raise ValueError(f"cycles is {cycles} (at least 1) and rise {rise} (in (0, 1])")
        self.cycles, self.rise, self.final = cycles, rise, _weight("end", end)
        self.cycle = _span("cycle", cycle_epochs, cycle_steps, steps_per_epoch)

    def __call__(self, step: int) -> float:
        if step >= self.cycles * self.cycle:
            return self.final
        return self.final * min(step % self.cycle / self.cycle / self.rise, 1.0)

    def settled(self, step: int) -> bool:
        return step >= self.cycles * self.cycle or step % self.cycle >= self.rise * self.cycle


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": Constant,
    "linear": Linear,
    "logistic": Logistic,
    "cyclical": Cyclical,
    "pi_control": PIControl,
    "soft_free_bits": SoftFreeBits,
}

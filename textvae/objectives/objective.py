"""The loss of a step: rec + beta * rate + the sum of the terms."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from textvae.model import Output
from textvae.objectives.commitment import Commitment
from textvae.objectives.rates import RATES, Rate
from textvae.objectives.schedules import SCHEDULES, Schedule
from textvae.registry import construct


class Loss(NamedTuple):
    """`total` is minimised; `logs` are batch means in nats a sentence: true rec and kl, and what was charged."""

    total: Tensor
    logs: dict[str, Tensor | float]


class Objective(nn.Module):
    """mean_b [rec_b + beta(step) rate_b] + sum of terms; each term maps an Output to a scalar."""

    def __init__(self, schedule: Schedule, rate: Rate, terms: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.schedule, self.rate, self.terms = schedule, rate, nn.ModuleDict(terms or {})

    @property
    def final_beta(self) -> float:
        """The schedule's last beta: what checkpoints are compared at."""
        return self.schedule.final

    def forward(self, output: Output, step: int) -> Loss:
        rec = -output.log_px_z.mean()
        beta, rate = self.schedule(step), self.rate(output.kl).mean()
        total = rec + beta * rate
        logs: dict[str, Tensor | float] = {
            "rec": rec.detach(),
            "kl": output.kl.detach().sum(-1).mean(),
            "beta": beta,
        }
        logs |= {"charged_rate": rate.detach(), "loss": total.detach()}
        for name, term in self.terms.items():
            value = term(output)
            total = total + value
            logs |= {f"term_{name}": value.detach(), "loss": total.detach()}
        return Loss(total, logs)


TERMS: dict[str, Callable[..., nn.Module]] = {"commitment": Commitment}


def build_objective(config: Mapping[str, Any], steps_per_epoch: int) -> Objective:
    """The objective of a config with the sections schedule, rate and terms (a mapping from name to settings)."""
    schedule = construct(SCHEDULES, config["schedule"], "schedule", steps_per_epoch=steps_per_epoch)
    rate = construct(RATES, config["rate"], "rate")
    terms = {
        name: construct(TERMS, {"name": name, **settings}, "terms")
        for name, settings in (config.get("terms") or {}).items()
    }
    return Objective(schedule, rate, terms)

"""The loss of a step: rec + beta * rate + the sum of the terms."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from textvae.errors import ConfigError
from textvae.latents.heads import Head
from textvae.model import Output
from textvae.objectives.controllers import Controller, fixed
from textvae.objectives.rates import RATES, Rate
from textvae.objectives.schedules import SCHEDULES, Schedule
from textvae.objectives.term import Term
from textvae.objectives.terms import TERMS
from textvae.registry import construct


class Loss(NamedTuple):
    """`total` is minimised; `logs` are batch means in nats a sentence: true rec and kl, and what was charged."""

    total: Tensor
    logs: dict[str, Tensor | float]


class Objective(nn.Module):
    """mean_b [rec_b + beta(step) rate_b] + sum of terms; each term maps an Output to a scalar.

    Its state_dict holds what its controllers have seen and the parameters of terms that have any; those train.
    """

    def __init__(self, schedule: Schedule, rate: Rate, terms: Mapping[str, Term] | None = None) -> None:
        super().__init__()
        self.schedule, self.rate, self.terms = schedule, rate, nn.ModuleDict(terms or {})

    @property
    def final_beta(self) -> float:
        """The beta that checkpoints are compared at: the schedule's last one, or the largest of a controller."""
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
        for controller in self._controllers():
            logs |= controller.gauges()
        return Loss(total, logs)

    def advance(self, loss: Loss) -> None:
        """Moves the controllers on: once a training step, however many passes its updates took, with the last one's loss."""
        for controller in self._controllers():
            controller.advance(loss.logs["kl"])

    def _controllers(self) -> Iterator[Controller]:
        return (module for module in self.modules() if isinstance(module, Controller))


def build_objective(
    config: Mapping[str, Any], steps_per_epoch: int, vocabulary: int, head: Head
) -> Objective:
    """The objective of a config with the sections schedule, rate and terms (a mapping from name to settings).

    `vocabulary` and `head` are the model's, for terms with networks of their own. Raises ConfigError for an unknown
    name or setting, a value out of range, and a term or a controller that does not go with the posterior, the rate or the
    schedule.
    """
    schedule = construct(SCHEDULES, config["schedule"], "schedule", steps_per_epoch=steps_per_epoch)
    _require(config, "schedule", schedule, "final", "least", "settled")
    if isinstance(schedule, Controller):
        _refuse(config, "schedule", f"latent {config['latent']['name']!r}", fixed(head))
    rate = construct(RATES, config["rate"], "rate", dimensions=head.size)
    _require(config, "rate", rate, "free")
    terms: dict[str, Term] = {}
    label = (config.get("condition") or {}).get("decoder", 0)
    sizes = {"vocabulary": vocabulary, "latent": head.size, "label": label}
    for name, settings in (config.get("terms") or {}).items():
        if not isinstance(settings, Mapping):
            raise ConfigError(
                f"terms.{name} is {settings!r}, must be a group of settings; ~terms.{name} is without it"
            )
        terms[name] = construct(TERMS, {"name": name, **settings}, f"terms.{name}", **sizes)
        if not isinstance(terms[name], Term):
            raise ConfigError(
                f"terms.{name} is of {type(terms[name])}, must be a textvae.objectives.term.Term"
            )
        _refuse(config, "latent", f"terms.{name}", terms[name].objection(head))
        least = 0.0 if rate.free else schedule.least
        _refuse(config, "rate" if rate.free else "schedule", f"terms.{name}", terms[name].objection_to(least))
    return Objective(schedule, rate, terms)


def without_effect(objective: Objective, head: Head) -> str | None:
    """What of the objective trains nothing, since the KL of every sentence under `head` is one number; None where all does."""
    schedule, reason = objective.schedule, fixed(head)
    charged_as_it_is = schedule.least == schedule.final == 1 and not objective.rate.free
    if reason is None or charged_as_it_is:
        return None
    return f"{reason}: schedule and rate change only the loss that is logged"


def _require(config: Mapping[str, Any], section: str, made: object, *names: str) -> None:
    """ConfigError where what the section chose, perhaps of the user's own, lacks what its protocol names."""
    missing = [name for name in names if not hasattr(made, name)]
    if missing:
        raise ConfigError(
            f"{section} {config[section]['name']!r} has no {missing[0]}; a {section} needs {', '.join(names)}"
        )


def _refuse(config: Mapping[str, Any], section: str, other: str, reason: str | None) -> None:
    """ConfigError where there is a reason why what the section chose and the other do not go together."""
    if reason is not None:
        raise ConfigError(f"{section} {config[section]['name']!r} and {other} do not go together: {reason}")

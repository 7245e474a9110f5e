"""What training measures after each epoch, and by which score it judges epochs."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from textvae.data.batching import Batcher
from textvae.errors import TrainingError
from textvae.evaluation.evaluator import evaluate
from textvae.model import SentenceVAE
from textvae.objectives.objective import Objective
from textvae.training.plateau import Decision
from textvae.training.trackers import Tracker


class Validation(NamedTuple):
    """Measures `model` on `batches` and logs it.

    The score is rec + final beta * kl, so that epochs of annealing cannot win and an autoencoder is judged by its
    reconstruction.
    """

    model: SentenceVAE
    objective: Objective
    batches: Batcher
    tracker: Tracker
    seed: int
    progress: Callable[[str, int, int], None]

    def measure(self, step: int, epoch: int) -> tuple[dict[str, Any], float]:
        """The metrics and the score after `epoch` epochs. TrainingError where the score is not finite."""
        metrics = evaluate(self.model, self.batches.in_order(), seed=self.seed, progress=self.progress)
        score = metrics["rec"] + self.objective.final_beta * metrics["kl"]
        if not math.isfinite(score):
            raise TrainingError(
                f"validation after step {step} gave rec + beta kl = {score}; nothing was saved of it"
            )
        scalars = {name: value for name, value in metrics.items() if isinstance(value, int | float)}
        self.tracker.log({f"valid/{name}": value for name, value in scalars.items()} | {"epoch": epoch}, step)
        self.tracker.histogram("valid/kl_per_dim", metrics["kl_per_dim"], step)
        return metrics, score


def epoch_line(
    epoch: int,
    metrics: Mapping[str, Any],
    beta: float,
    learning_rate: float,
    tokens_per_s: float,
    decision: Decision,
) -> str:
    """An epoch in one line for the user."""
    facts = "  ".join(f"{name} {metrics[name]:.2f}" for name in ("neg_elbo", "rec", "kl", "mi_lower"))
    events = [text for text, holds in (("best", decision.improved), ("plateau", decision.decay)) if holds]
    return (
        f"epoch {epoch}: {facts}  au {metrics['active_units']}  beta {beta:.2f}  lr {learning_rate:g}  "
        f"{tokens_per_s:,.0f} tokens/s  {' '.join(events)}".rstrip()
    )

"""What a validation score leads to: keep, lower the learning rate, or stop."""

import math
from typing import Any, NamedTuple


class Decision(NamedTuple):
    improved: bool
    decay: bool
    stop: bool


class Plateau:
    """`patience` epochs in a row without a better score make a plateau, which multiplies the learning rate by `factor`.

    The `plateaus`-th one ends the run. None is seen before the epoch numbered `from_epoch` (the first is 0). As in the code of
    He et al. 2019 (there 1/2, 2, 5, 15), a plateau's last score is what the next epochs are compared with, while `best`
    stays the best of all; with `reload_best` training goes on from the best weights. Epochs that end while the KL weight
    rises (`settled` false) are not waited for: they are compared at a weight that they were not trained at. With a
    patience of 0 every epoch from `from_epoch` on ends one, better or not: a schedule that is known beforehand.
    """

    def __init__(
        self,
        factor: float = 0.5,
        patience: int = 2,
        from_epoch: int = 15,
        plateaus: int = 5,
        reload_best: bool = True,
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"factor is {factor}, must be in (0, 1]")
        if patience < 0 or plateaus < 1 or from_epoch < 0:
            raise ValueError(
                f"patience is {patience} and from_epoch {from_epoch} (at least 0), plateaus {plateaus} (at least 1)"
            )
        self.factor, self.patience, self.from_epoch, self.plateaus = factor, patience, from_epoch, plateaus
        self.reload_best = reload_best
        self.best = self.reference = math.inf
        self.waited = self.seen = 0

    def update(self, score: float, epoch: int, settled: bool = True) -> Decision:
        """`score` (lower is better) at the end of `epoch`."""
        improved = score < self.best
        self.best = min(self.best, score)
        if score <= self.reference:
            self.reference, self.waited = score, 0
        elif settled:
            self.waited += 1
        if self.waited < self.patience or epoch < self.from_epoch:
            return Decision(improved, decay=False, stop=False)
        self.reference, self.waited = score, 0
        self.seen += 1
        return Decision(improved, decay=True, stop=self.seen >= self.plateaus)

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("best", "reference", "waited", "seen")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.reference = state["best"], state["reference"]
        self.waited, self.seen = state["waited"], state["seen"]

"""Where a training run ends, how often it speaks and saves, and what it has used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Where training ends and how often it speaks and saves."""

    max_epochs: int = 40
    max_steps: int | None = None
    log_every: int = 100
    checkpoint_minutes: float = 10.0

    def __post_init__(self) -> None:
        if self.max_epochs < 0 or (self.max_steps is not None and self.max_steps < 0):
            raise ValueError(
                f"max_epochs is {self.max_epochs} and max_steps {self.max_steps}, neither may be negative"
            )
        if self.log_every < 1 or self.checkpoint_minutes <= 0:
            raise ValueError(
                f"log_every is {self.log_every} (at least 1), checkpoint_minutes {self.checkpoint_minutes} (above 0)"
            )


@dataclass
class Clock:
    """What a run has used, over all of its resumptions."""

    wall_s: float = 0.0
    train_s: float = 0.0
    tokens: int = 0

    def tokens_per_s(self, since: "Clock") -> float:
        """Of the training steps after `since`, an earlier reading; 0 where there were none."""
        seconds = self.train_s - since.train_s
        return (self.tokens - since.tokens) / seconds if seconds else 0.0

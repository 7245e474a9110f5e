"""How one batch changes parameters."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from textvae.data.batching import Batch
from textvae.model import SentenceVAE
from textvae.networks.estimated_cross_entropy import EstimatedCrossEntropy
from textvae.networks.frozen import frozen
from textvae.objectives.objective import Loss, Objective
from textvae.training.clipping import clips
from textvae.training.descent import Descent, Part

More = Callable[[], Batch]


class Updater(Protocol):
    """`more` draws another random training batch; `metrics` are those of validation."""

    def step(self, batch: Batch, more: More, step: int) -> Loss: ...

    def epoch_end(self, metrics: Mapping[str, Any]) -> None: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class Joint:
    """One gradient step of all parameters a batch."""

    def __init__(self, model: SentenceVAE, objective: Objective, descent: Descent) -> None:
        self.model, self.objective, self.descent = model, objective, descent

    def step(self, batch: Batch, more: More, step: int) -> Loss:
        return self.descend(batch, step, self.descent.parts, self.descent.parts)

    def descend(
        self,
        batch: Batch,
        step: int,
        update: Sequence[Part],
        norm_over: Sequence[Part],
        norm_a_nat: float = 0.0,
    ) -> Loss:
        """The loss of one pass, after the step down its gradient."""
        loss = self.objective(self.model(batch), step)
        norm = self.descent.descend(loss.total, update, norm_over, norm_a_nat)
        return loss._replace(logs=loss.logs | {"gradient_norm": norm, **self.model.gauges()})

    def epoch_end(self, metrics: Mapping[str, Any]) -> None:
        return None

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        return None


class Aggressive(Joint):
    """Encoder updates until they no longer help, then one of the decoder (He et al. 2019, algorithm 1 and its code).

    The first encoder update takes the decoder's own batch, the next ones random batches, at most `most` of them;
    after every `window` the mean loss a token is compared with that of the window before, and they end when it
    rose. The phase ends for good, and joint steps follow, at the first validation whose `mi_he2019_batch` is below
    that of the one before, or after `epochs` of them, if that comes first; the first validation has none before it,
    since noise can take that estimate below 0. `clip` says whose gradient norm is bounded in encoder updates: "joint",
    that of all parameters as published; "own", the encoder's, which needs no gradient of the decoder's weights;
    "foretold", that of all as the loss and the last update of the decoder tell it (see clipping.NormANat), which needs
    none either. Without those encoder updates may estimate the normaliser of each word from the batch's words and at
    least `words` others; None takes all. p(x, z) is held in encoder updates but for what follows the encoder by itself:
    codebooks, which are averages of what is encoded, and a prior that is made of the encoder's posteriors (vamp).
    """

    def __init__(
        self,
        model: SentenceVAE,
        objective: Objective,
        descent: Descent,
        clip: str = "joint",
        window: int = 15,
        most: int = 99,
        words: int | None = None,
        epochs: int | None = None,
    ) -> None:
        super().__init__(model, objective, descent)
        _check_encoder(descent)
        choices = clips(descent)
        if clip not in choices:
            raise ValueError(f"clip is {clip!r}, must be one of {', '.join(choices)}")
        if window < 1 or most < 1:
            raise ValueError(f"window is {window} and most {most}, both must be at least 1")
        if words is not None and (words < 1 or choices[clip].decoder_mode is not frozen):
            raise ValueError(
                f"words is {words} and clip {clip!r}: some words of at least 1 need the clip 'own' or 'foretold'"
            )
        if epochs is not None and epochs < 1:
            raise ValueError(f"epochs is {epochs}, a limit of the aggressive phase must be at least 1")
        self.clip = choices[clip]
        self.window, self.most, self.words = window, most, words
        self.epochs_left = math.inf if epochs is None else epochs
        self.active, self.mutual_information = True, -math.inf

    def step(self, batch: Batch, more: More, step: int) -> Loss:
        if not self.active:
            loss = super().step(batch, more, step)
            return loss._replace(logs=loss.logs | {"inner_updates": 0.0})
        with self.decoder_held():
            inner = self._encoder_updates(batch, more, step)
        loss = self.descend(batch, step, [self.descent.generative], self.descent.parts)
        self.clip.beside.see(loss)
        return loss._replace(logs=loss.logs | {"inner_updates": float(inner)})

    def encoder_update(self, batch: Batch, step: int) -> Loss:
        """One gradient step of the inference parameters alone, while the decoder is held."""
        clip = self.clip
        return self.descend(batch, step, [self.descent.inference], clip.norm_over, clip.beside.value)

    @contextmanager
    def decoder_held(self) -> Iterator[None]:
        """What encoder updates spare: gradients of the decoder where its norm does not count, words where some will do."""
        with self.clip.decoder_mode(self.descent.generative.parameters), _from_words(self.model, self.words):
            yield

    def _encoder_updates(self, batch: Batch, more: More, step: int) -> int:
        before, total, tokens = float("inf"), 0.0, 0
        for inner in range(1, self.most + 1):
            loss = self.encoder_update(batch, step)
            total += float(loss.logs["loss"]) * len(batch.lengths)
            tokens += batch.tokens
            if inner % self.window == 0:
                if total / tokens > before:
                    break
                before, total, tokens = total / tokens, 0.0, 0
            batch = more()
        return inner

    def epoch_end(self, metrics: Mapping[str, Any]) -> None:
        now = float(metrics["mi_he2019_batch"])
        self.epochs_left -= 1
        self.active = self.active and now >= self.mutual_information and self.epochs_left > 0
        self.mutual_information = now

    def state_dict(self) -> dict[str, Any]:
        names = ("active", "mutual_information", "epochs_left")
        return {name: getattr(self, name) for name in names} | {"norm_a_nat": self.clip.beside.value}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.active, self.mutual_information = state["active"], state["mutual_information"]
        self.epochs_left = state.get("epochs_left", math.inf)  # runs from before there was a limit have none
        self.clip.beside.value = state.get("norm_a_nat", 0.0)  # which those of before do not hold, nor need


class EncoderSteps(Joint):
    """`steps` steps of the encoder for one of the decoder: all but the last on random batches, the last together.

    Of aggressive training (He et al. 2019) with a fixed number in the place of its stopping rule, and for good. The
    gradient norm of the steps of the encoder alone is clipped as their own. One step is joint training.
    """

    def __init__(self, model: SentenceVAE, objective: Objective, descent: Descent, steps: int = 5) -> None:
        super().__init__(model, objective, descent)
        _check_encoder(descent)
        if steps < 1:
            raise ValueError(f"steps is {steps}, must be at least 1")
        self.steps = steps

    def step(self, batch: Batch, more: More, step: int) -> Loss:
        with frozen(self.descent.generative.parameters):
            for _ in range(self.steps - 1):
                self.descend(more(), step, [self.descent.inference], [self.descent.inference])
        return super().step(batch, more, step)


def _check_encoder(descent: Descent) -> None:
    if not descent.inference.parameters:
        raise ValueError("it updates the encoder by itself, and this model has none that learns")


@contextmanager
def _from_words(model: SentenceVAE, words: int | None) -> Iterator[None]:
    """The model takes the normaliser of each word from so many words within; None: from all."""
    exact = model.cross_entropy
    if words is not None:
        model.cross_entropy = EstimatedCrossEntropy(exact, words)
    try:
        yield
    finally:
        model.cross_entropy = exact


UPDATERS: dict[str, Callable[..., Updater]] = {
    "joint": Joint,
    "aggressive": Aggressive,
    "encoder_steps": EncoderSteps,
}

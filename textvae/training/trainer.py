"""The training loop. It knows of no remedy and of no latent family."""

import time
from collections.abc import Callable
from dataclasses import replace
from shlex import quote
from typing import Any

import numpy as np

from textvae.data.batching import Batch, Batcher
from textvae.errors import CheckpointError, ConfigError, Interrupted, TrainingError
from textvae.model import SentenceVAE
from textvae.objectives.objective import Objective
from textvae.training.best import Best
from textvae.training.checkpoint import RunFolder, save_weights
from textvae.training.compute import release_freed_memory
from textvae.training.descent import Descent
from textvae.training.files import load_state, save_state
from textvae.training.limits import Clock, Limits
from textvae.training.means import Means
from textvae.training.plateau import Plateau
from textvae.training.randomness import random_state, set_random_state
from textvae.training.trackers import Tracker
from textvae.training.updaters import Updater
from textvae.training.validation import Validation, epoch_line

Progress = Callable[[str, int, int], None]  # what, done, of

RELEASE = 100  # steps, after which freed memory goes back: more often would cost time, and less often blocks spread in it


class Trainer:
    """Goes through the epochs of `batches`, validates after each, keeps the best weights and the last state."""

    def __init__(
        self,
        model: SentenceVAE,
        objective: Objective,
        updater: Updater,
        descent: Descent,
        plateau: Plateau,
        batches: Batcher,
        validation: Batcher,
        folder: RunFolder,
        tracker: Tracker,
        limits: Limits,
        seed: int,
        progress: Progress,
        say: Callable[[str], None],
        show: Callable[[int], None],
        stop_requested: Callable[[], bool],
    ) -> None:
        self.model, self.objective, self.updater, self.descent = model, objective, updater, descent
        self.plateau, self.batches, self.limits = plateau, batches, limits
        self.folder, self.tracker = folder, tracker
        self.validation = Validation(model, objective, validation, tracker, seed, progress)
        self.progress, self.say, self.show, self.stop_requested = progress, say, show, stop_requested
        self.best = Best(model, objective, folder)
        self.device = next(model.parameters()).device
        self.step = self.epoch = self.position = 0
        self.stopped = False
        self.clock, self.means, self.chance = Clock(), Means(), np.random.default_rng((seed, 0, 1))
        self._resumed = self._saved = time.monotonic()
        self._row_began = self._epoch_began = Clock()

    def fit(self) -> None:
        """Trains until a limit or the last plateau, then leaves the weights to use in the folder and in the model."""
        self._resumed = self._saved = time.monotonic()
        self._row_began = self._epoch_began = replace(self.clock)
        if self.stopped:
            self.say(f"its last plateau ended this run after {self.epoch} epochs: no limit takes it further")
        if self.position == self.batches.steps_per_epoch:
            self._close_epoch()  # it was stopped between the last step of an epoch and its end
        while not self.stopped and self.epoch < self.limits.max_epochs and not self._steps_reached():
            self._train_epoch()
            if self.position == self.batches.steps_per_epoch:
                self._close_epoch()
        self.save()
        self._export()

    def _train_epoch(self) -> None:
        self.model.train()
        name = f"epoch {self.epoch + 1}/{self.limits.max_epochs}"
        began = time.monotonic()
        for batch in self.batches.epoch(self.epoch, start=self.position):
            if self._steps_reached():
                break
            self._update(batch.to(self.device))
            self.clock.tokens += batch.tokens
            self.clock.train_s += time.monotonic() - began
            self.progress(name, self.position, self.batches.steps_per_epoch)
            self._between_steps()
            began = time.monotonic()

    def _update(self, batch: Batch) -> None:
        try:
            loss = self.updater.step(batch, self._more, self.step)
        except TrainingError as error:
            kept = "keeps the last good" if self.folder.last.exists() else "holds no"
            raise TrainingError(
                f"training stopped at step {self.step}: {error}; {self.folder.path} {kept} checkpoint. "
                "A lower learning rate or a tighter clip may help"
            ) from error
        self.objective.advance(loss)
        self.means.add(loss.logs, len(batch.lengths))
        self.step += 1
        self.position += 1

    def _between_steps(self) -> None:
        if self.step % self.limits.log_every == 0:
            self._log_training()
        if self.step % RELEASE == 0:
            release_freed_memory()
        if self.stop_requested():
            self.save()
            raise Interrupted(
                f"stopped at step {self.step}; go on with: textvae train resume={quote(str(self.folder.path))}"
            )
        if time.monotonic() - self._saved > 60 * self.limits.checkpoint_minutes:
            self.save()

    def _more(self) -> Batch:
        batch = self.batches.draw(self.chance)
        self.clock.tokens += batch.tokens
        return batch.to(self.device)

    def _steps_reached(self) -> bool:
        return self.limits.max_steps is not None and self.step >= self.limits.max_steps

    def _log_training(self) -> None:
        values = {f"train/{name}": value for name, value in self.means.take().items()}
        values["train/learning_rate"] = self.descent.learning_rate
        values["train/tokens_per_s"] = self.clock.tokens_per_s(since=self._row_began)
        self._row_began = replace(self.clock)
        self.tracker.log(values, self.step)

    def facts(self) -> dict[str, float | int | str]:
        """What training took, over all resumptions, and what ended it: plateaus, steps or epochs."""
        counts = {"epochs": self.epoch, "steps": self.step, "tokens": self.clock.tokens}
        times = {
            "wall_s": self.clock.wall_s,
            "train_s": self.clock.train_s,
            "tokens_per_s": self.clock.tokens_per_s(since=Clock()),
        }
        ended = "plateaus" if self.stopped else "steps" if self._steps_reached() else "epochs"
        return {**counts, **times, "ended": ended}

    @property
    def _products(self) -> str:
        """The type of matrix products in training, as compute.precision names it."""
        return str(self.model.cross_entropy.products).removeprefix("torch.")

    def _close_epoch(self) -> None:
        if self.means:
            self._log_training()
        release_freed_memory()
        metrics, score = self.validation.measure(self.step, self.epoch + 1)
        self.updater.epoch_end(metrics)
        settled = self.objective.schedule.settled(self.step - 1)
        decision = self.plateau.update(score, self.epoch, settled)
        self.epoch, self.position = self.epoch + 1, 0
        if decision.improved:
            self.best.keep()
        if decision.decay:
            self._decay()
        self.stopped = decision.stop
        beta, rate = self.objective.schedule(self.step), self.descent.learning_rate
        # One that was stopped after its last step has none of this process's: then the run's.
        speed = self.clock.tokens_per_s(since=self._epoch_began) or self.clock.tokens_per_s(since=Clock())
        self._epoch_began = replace(self.clock)
        self.say(epoch_line(self.epoch, metrics, beta, rate, speed, decision))
        self.show(self.step)
        self.save()
        release_freed_memory()

    def _decay(self) -> None:
        if self.plateau.reload_best:
            self.best.restore()
            self.descent.forget()
        self.descent.scale_learning_rate(self.plateau.factor)

    def _export(self) -> None:
        """The weights to use: the best epoch's, or those at hand where an unfinished epoch has made them better."""
        if self.position or not self.folder.best.exists():
            if self.means:
                self._log_training()
            _, score = self.validation.measure(self.step, self.epoch + 1)
            if score < self.plateau.best:
                return save_weights(self.model, self.folder.final)
        self.best.restore()
        save_weights(self.model, self.folder.final)

    def save(self) -> None:
        """Writes all that training needs to go on exactly."""
        now = time.monotonic()
        self.clock.wall_s, self._resumed, self._saved = self.clock.wall_s + now - self._resumed, now, now
        save_state(self.folder.last, self.state_dict())

    def restore(self) -> None:
        """CheckpointError where the saved state is that of another config."""
        state = load_state(self.folder.last)
        try:
            self.load_state_dict(state)
        except (KeyError, RuntimeError, ValueError) as error:
            first = "".join(str(error).splitlines()[:2])  # the other tensors' lines would follow
            raise CheckpointError(f"{self.folder.last} does not fit the run's config: {first}") from error
        for name, done in (("max_epochs", self.epoch), ("max_steps", self.step)):
            limit = getattr(self.limits, name)
            if limit is not None and limit < done:
                raise ConfigError(
                    f"train.{name} is {limit}, but this run has done {done} already: train.{name}={done} ends it here"
                )

    def _stateful(self) -> dict[str, Any]:
        parts = ("model", "objective", "updater", "descent", "plateau", "means", "tracker")
        return {name: getattr(self, name) for name in parts}

    def state_dict(self) -> dict[str, Any]:
        counters = {name: getattr(self, name) for name in ("step", "epoch", "position", "stopped")}
        parts = {name: part.state_dict() for name, part in self._stateful().items()}
        chance = self.chance.bit_generator.state
        return {
            **counters,
            **parts,
            "clock": vars(self.clock).copy(),
            "products": self._products,
            "chance": chance,
            "random": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name in ("step", "epoch", "position", "stopped"):
            setattr(self, name, state[name])
        for name, part in self._stateful().items():
            part.load_state_dict(state[name])
        self.clock = Clock(**state["clock"])
        self.chance.bit_generator.state = state["chance"]
        before = state.get("products", self._products)  # runs from before it was kept do not tell
        if before != self._products:
            self.say(
                f"WARNING: matrix products were in {before} so far and are in {self._products} from here on, which changes "
                f"the run's course; one that is begun with compute.precision={before} keeps to it"
            )
        set_random_state(state["random"])

"""Sentences that show what the latent space of a run holds, for its tracker."""

from textvae.generation.sentences import SentenceSpace
from textvae.training.trackers import Tracker


def show_sentences(
    vae: SentenceSpace, tracker: Tracker, step: int, count: int = 5, steps: int = 7, seed: int = 0
) -> None:
    """Logs `count` draws from the prior and the path between two draws, of the first label if any, as tables."""
    tracker.table("samples", ["sentence"], [[sentence] for sentence in vae.sample(count, seed=seed)], step)
    alike = vae.given(0) if vae.labels else vae
    path = alike.interpolate(steps=steps, seed=seed + 1)
    tracker.table(
        "interpolation", ["position", "sentence"], [[i / (steps - 1), s] for i, s in enumerate(path)], step
    )

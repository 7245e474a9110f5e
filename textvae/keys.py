"""Dotted keys of nested configs, those of overrides, and which of them change no figure by intent."""

from collections.abc import Collection, Mapping
from typing import Any

# How a run goes on and what it tells meanwhile, and where it lies: neither is part of what the run is.
HOW = frozenset(
    {
        "jobs",
        "tracker",
        "compute.device",
        "compute.threads",
        "compute.kernels",
        "train.log_every",
        "train.checkpoint_minutes",
        "eval.row_budget",
    }
)
WHERE = frozenset({"run_dir", "sweep_dir", "resume", "data.path", "metric", "overrides", "config_dir"})
# Keys that runs made before there were such keys lack, with the values that mean the same run.
LATER: Mapping[str, Any] = {"plugins": [], "eval.fisher_sentences": 256}
# Keys of `data` that say where the same text lies.
TEXT_LIES = frozenset({"path", "file", "train", "valid", "test"})
BY_WHOM = frozenset(  # a sweep's jobs are run, and how many at a time
    {"launcher", "hydra/launcher", "hydra.launcher", "hydra.sweeper.max_batch_size"}
)

OWN_FOLDER = "--config-dir"  # the flag for configs of the user's own beside those of the program

KEPT = "++pretraining."  # begins the override of a first stage's limit that a resumption spells out where it was the run's too


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}; an empty section stands for itself."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return flat


def key_of(override: str) -> str:
    """`a.b` of `+a.b=c`."""
    return override.lstrip("+~").partition("=")[0]


def within(key: str, sections: Collection[str]) -> bool:
    """Whether `a.b.c` or one of a.b and a, in which it lies, is among the sections."""
    parts = key.split(".")
    return any(".".join(parts[:depth]) in sections for depth in range(1, len(parts) + 1))

"""Folders of runs as training leaves them, made without training."""

import json
import math
from pathlib import Path
from typing import Any


def config(name: str = "ptb/vae", seed: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "data": {"name": "ptb", "path": None},
        "latent": {"name": "gaussian", "size": 4},
        "rate": {"name": "true_kl"},
        "schedule": {"name": "constant", "beta": 1.0},
        "tracker": {"name": "none"},
        "name": name,
        "seed": seed,
        "run_dir": f"somewhere/{seed}",
        "overrides": [f"experiment={name}", f"seed={seed}", "tracker=none", f"run_dir=somewhere/{seed}"],
        **more,
    }


def measured(rec: float = 90.0, kl: float = 10.0, **more: Any) -> dict[str, Any]:
    neg_elbo = rec + kl
    return {
        "sentences": 100,
        "tokens": 2000,
        "rec": rec,
        "kl": kl,
        "neg_elbo": neg_elbo,
        "ppl_elbo": math.exp(neg_elbo / 20),
        "nll_iw": neg_elbo - 1,
        "ppl_iw": math.exp((neg_elbo - 1) / 20),
        "iw_samples": 100,
        "iw_sentences": 100,
        "mi_lower": kl / 2,
        "mi_upper": kl * 0.75,
        "mi_cap": math.log(100),
        "active_units": 3,
        "total_dimensions": 4,
        "status": "HEALTHY",
    } | more


def rows(kl: float = 10.0, epochs: int = 3, dimensions: int = 4) -> list[dict[str, Any]]:
    """Steps of 50, an epoch of 100; dimension i ends with i + 1 parts of the KL."""
    logged: list[dict[str, Any]] = []
    parts = [(i + 1) / (dimensions * (dimensions + 1) / 2) for i in range(dimensions)]
    for epoch in range(1, epochs + 1):
        now = kl * (1 + 1 / epoch) / (1 + 1 / epochs)
        logged += [{"step": 100 * epoch - 50, "train/beta": min(1.0, epoch / 2)}]
        logged += [{"step": 100 * epoch, "valid/kl": now, "valid/active_units": 3, "epoch": epoch}]
        logged += [{"step": 100 * epoch, "valid/kl_per_dim": [now * part for part in parts]}]
        shown = {"columns": ["sentence"], "rows": [[f"it was <unk> after epoch {epoch}"]]}
        logged += [{"step": 100 * epoch, "samples": shown}]
    return logged


def write_run(
    folder: Path, settings: dict[str, Any], figures: dict[str, Any] | None, logged: list[Any]
) -> Path:
    """The folder of a run with this config, these figures on test (None: it has not ended) and these rows."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in logged))
    if figures is not None:
        train = {"epochs": 3, "steps": 300, "wall_s": 60.0 + settings["seed"]}
        made = {"commit": "abc", "machine": "2 cores", "date": "2026-01-01"}
        summary = {"name": settings["name"], "seed": settings["seed"], "train": train, "test": figures}
        (folder / "summary.json").write_text(json.dumps(summary | {"corpus": {}, "environment": made}))
    return folder


def finished(
    folder: Path, name: str = "ptb/vae", seed: int = 0, rec: float = 90.0, kl: float = 10.0, **more: Any
) -> Path:
    return write_run(folder, config(name, seed, **more), measured(rec, kl), rows(kl))

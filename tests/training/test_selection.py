"""The weights that a run leaves are those of its best epoch by rec + final beta * kl: each objective's own figure."""

import pytest
from safetensors.torch import load_file

from tests.test_experiments import composed, shrunk
from textvae.training import validation
from textvae.training.checkpoint import save_weights
from textvae.training.measurement import Console
from textvae.training.run import start_run

EPOCHS = [
    (10.0, 0.0),
    (9.0, 5.0),
    (8.5, 20.0),
]  # rec, kl: 10, 14, 28.5 at beta 1; 10, 9.5, 10.5 at 0.1; rec at 0


@pytest.mark.parametrize(
    ("overrides", "best"),
    [
        (["schedule.beta=1"], 1),
        (["schedule.beta=0.1"], 2),
        (["schedule.beta=0"], 3),
        (["schedule=linear", "schedule.start=1", "schedule.end=0"], 3),
        (["schedule=linear", "schedule.start=0", "rate=free_bits_per_sentence"], 1),
    ],
)
def test_the_best_epoch_is_judged_at_the_runs_own_beta(monkeypatch, tmp_path, overrides, best):
    measured, true_evaluate = iter(EPOCHS), validation.evaluate

    def evaluate(model, *arguments, **settings):
        rec, kl = next(measured)
        save_weights(model, tmp_path / f"{rec}")
        return true_evaluate(model, *arguments, **settings) | {"rec": rec, "kl": kl}

    monkeypatch.setattr(validation, "evaluate", evaluate)
    config = shrunk(composed(*overrides))
    config["train"].update(max_epochs=3, max_steps=None)
    start_run(config, tmp_path / "run", Console(lambda line: None, lambda what, done, of: None))
    left, then = (
        load_file(path)
        for path in (tmp_path / "run" / "model.safetensors", tmp_path / f"{EPOCHS[best - 1][0]}")
    )
    assert all((left[name] == then[name]).all() for name in left)

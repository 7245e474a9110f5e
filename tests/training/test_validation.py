"""What a user reads of an epoch, and what training refuses to go on from."""

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model, tiny_objective
from textvae.errors import TrainingError
from textvae.training.plateau import Decision
from textvae.training.trackers import Nothing
from textvae.training.validation import Validation, epoch_line


class OneBatch:
    def in_order(self):
        return iter([tiny_batch()])


def validation(model, **schedule) -> Validation:
    objective = tiny_objective(schedule={"name": "constant", **schedule})
    return Validation(model, objective, OneBatch(), Nothing(), 0, lambda what, done, of: None)


@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_the_score_is_rec_and_kl_by_the_final_weight(beta):
    metrics, score = validation(tiny_model().eval(), beta=beta).measure(step=7, epoch=2)
    assert score == pytest.approx(metrics["rec"] + beta * metrics["kl"])


def test_a_score_that_is_no_number_ends_training_with_the_step():
    model = tiny_model().eval()
    with torch.no_grad():
        next(model.decoder.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="validation after step 7 gave rec \\+ beta kl = nan"):
        validation(model, beta=1.0).measure(step=7, epoch=2)


@pytest.mark.parametrize(
    ("improved", "decay", "end"),
    [(True, False, "  best"), (False, True, "  plateau"), (False, False, "tokens/s")],
)
def test_the_line_of_an_epoch(improved, decay, end):
    metrics = {"neg_elbo": 105.678, "rec": 104.0, "kl": 1.678, "mi_lower": 1.234, "active_units": 3}
    decision = Decision(improved=improved, decay=decay, stop=False)
    line = epoch_line(4, metrics, 0.5, 0.25, 12_345.6, decision)
    assert line.startswith(
        "epoch 4: neg_elbo 105.68  rec 104.00  kl 1.68  mi_lower 1.23  au 3  beta 0.50  lr 0.25  12,346"
    )
    assert line.endswith(end)

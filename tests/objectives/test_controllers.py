"""What drives an objective by the KL that it sees: fixed points, limits, and a state that checkpoints hold."""

import math
from contextlib import nullcontext

import pytest
import torch

from tests.tiny import tiny_batch, tiny_model, tiny_objective
from textvae.errors import ConfigError
from textvae.latents.posteriors import HEADS
from textvae.objectives.controllers import MinimumRate, PIControl, SoftFreeBits
from textvae.objectives.objective import Loss, without_effect
from textvae.training.files import load_state, save_state


def see(controller, *kls):
    for kl in kls:
        controller.advance(torch.tensor(kl))
    return controller


def test_pi_control_follows_its_formula():
    controller = PIControl(target=3.0, kp=0.5, ki=0.01, minimum=0.1, maximum=2.0)
    assert controller(0) == pytest.approx(0.1)
    errors = [3.0 - kl for kl in (5.0, 4.0, 7.0)]
    see(controller, 5.0, 4.0, 7.0)
    expected = 0.5 / (1 + torch.tensor(errors[-1]).exp()) - 0.01 * sum(errors) + 0.1
    assert controller(1) == pytest.approx(expected.item())


def test_pi_control_does_not_wind_up():
    controller = see(PIControl(target=3.0, ki=0.1), *[0.0] * 500)
    assert controller(0) == pytest.approx(0.0, abs=1e-3)
    assert see(controller, *[5.0] * 6)(0) == 1.0
    assert see(controller, *[0.0] * 4)(0) < 0.2


def test_pi_control_is_the_published_algorithm_where_its_sum_does_not_wind_up():
    controller, total = PIControl(target=3.0, kp=0.2, ki=0.005), 0.0
    for kl in (6.0, 8.5, 2.0, 30.0, 2.5, 4.0):
        total -= 0.005 * (3.0 - kl)
        published = min(max(0.2 / (1 + math.exp(3.0 - kl)) + total, 0.0), 1.0)
        assert total > 0
        assert see(controller, kl)(0) == pytest.approx(published)


def test_pi_control_rises_with_the_first_kl_above_target_however_long_it_was_below():
    controller = see(PIControl(target=3.0), *[0.0] * 10_000)
    low = controller(0)
    assert see(controller, 13.0)(0) == pytest.approx(1e-4 * 10 + 0.01 / (1 + math.exp(-10)))
    assert controller(0) > low


def test_pi_control_bears_any_kl():
    for kl in (0.0, 1e4, 1e30):
        assert 0 <= see(PIControl(target=3.0), kl)(0) <= 1


def kl_at(beta):
    """The KL of a channel whose rate falls with its price."""
    return 4.0 * (1 - beta)


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_pi_control_settles_at_its_target(start):
    controller = PIControl(target=1.5, ki=0.02)
    controller.integral.fill_(start)
    for _ in range(400):
        see(controller, kl_at(controller(0)))
    assert kl_at(controller(0)) == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize(("kl", "expected"), [(2.2, 0.55), (2.05, 0.5), (1.9, 0.45)])
def test_soft_free_bits_moves_by_a_tenth(kl, expected):
    assert see(SoftFreeBits(target=2.0, start=0.5), kl)(0) == pytest.approx(expected)


def test_soft_free_bits_stays_in_its_range_and_comes_back():
    controller = SoftFreeBits(target=2.0, minimum=0.01)
    assert see(controller, *[9.0] * 5)(0) == 1.0
    assert see(controller, *[0.0] * 9999)(0) == 0.01
    assert see(controller, *[9.0] * 60)(0) == 1.0


def test_soft_free_bits_settles_between_its_thresholds():
    controller = SoftFreeBits(target=1.5)
    for _ in range(200):
        see(controller, kl_at(controller(0)))
    around = []
    for _ in range(50):
        around.append(kl_at(controller(0)))
        see(controller, around[-1])
    assert 1.5 * 0.85 < min(around) <= max(around) < 1.5 * 1.05 * 1.15


def test_multiplier_starts_at_zero_and_never_pays_beyond_the_kl():
    controller = MinimumRate(target=5.0, lr=0.1, smoothing=0.0)
    assert controller.multiplier == 0
    assert see(controller, 0.0).multiplier == pytest.approx(0.5)
    assert see(controller, *[0.0] * 100).multiplier == 1.0
    assert see(controller, *[50.0] * 3).multiplier == 0.0


def test_multiplier_settles_where_the_constraint_holds():
    controller = MinimumRate(target=1.5, lr=0.01, smoothing=0.5)
    for _ in range(2000):
        see(controller, kl_at(1 - float(controller.multiplier)))
    assert kl_at(1 - float(controller.multiplier)) == pytest.approx(1.5, abs=1e-3)


def test_the_moving_average_has_no_bias_to_where_it_starts():
    controller = MinimumRate(target=3.0, lr=1.0, maximum=9.0, smoothing=0.99)
    assert see(controller, 1.0).multiplier == pytest.approx(2.0)
    assert see(controller, 3.0).multiplier == pytest.approx(2.0 + 3.0 - (0.99 * 1 + 3.0) / 1.99)


def test_minimum_rate_lowers_the_weight_of_the_kl():
    objective, output = tiny_objective(terms={"minimum_rate": {"target": 5.0}}), tiny_model()(tiny_batch())
    plain = tiny_objective()(output, 0)
    assert objective(output, 0).total == plain.total
    objective.terms["minimum_rate"].multiplier.fill_(0.25)
    loss = objective(output, 0)
    torch.testing.assert_close(loss.total, plain.logs["rec"] + 0.75 * plain.logs["kl"] + 0.25 * 5.0)
    assert loss.logs["multiplier"] == 0.25 and loss.logs["kl"] == plain.logs["kl"]


@pytest.mark.parametrize(
    ("schedule", "maximum", "refused"),
    [
        ({"name": "constant", "beta": 1.0}, 1.0, False),
        ({"name": "constant", "beta": 0.8}, 1.0, True),
        ({"name": "linear", "start": 0.1, "warmup_steps": 10}, 1.0, True),
        ({"name": "linear", "start": 0.5, "warmup_steps": 10}, 0.5, False),
        ({"name": "cyclical", "cycle_steps": 10}, 0.1, True),
    ],
)
def test_minimum_rate_pays_no_more_than_the_kl_is_charged(schedule, maximum, refused):
    terms = {"minimum_rate": {"target": 5.0, "maximum": maximum}}
    with pytest.raises(ConfigError, match="do not go together") if refused else nullcontext():
        tiny_objective(schedule=schedule, terms=terms)


def test_passes_do_not_advance_but_steps_do():
    objective, output = tiny_objective(terms={"minimum_rate": {"target": 5.0}}), tiny_model()(tiny_batch())
    for _ in range(3):
        loss = objective(output, 0)
    assert objective.terms["minimum_rate"].multiplier == 0
    objective.advance(loss)
    expected = 1e-3 * (5.0 - float(loss.logs["kl"]))
    assert float(objective.terms["minimum_rate"].multiplier) == pytest.approx(expected)


def test_state_comes_back_from_a_checkpoint(tmp_path):
    sections = {
        "schedule": {"name": "pi_control", "target": 2.0, "minimum": 0.5},
        "terms": {"minimum_rate": {"target": 5.0, "maximum": 0.5}},
    }
    first, second = tiny_objective(**sections), tiny_objective(**sections)
    for kl in (4.0, 1.0, 9.0):
        first.advance(Loss(torch.zeros(()), {"kl": torch.tensor(kl)}))
    save_state(tmp_path / "state", first.state_dict())
    second.load_state_dict(load_state(tmp_path / "state"))
    assert second.schedule(0) == first.schedule(0) > 0
    assert second.state_dict() == first.state_dict()


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (PIControl, {"target": -1.0}),
        (PIControl, {"target": 1.0, "kp": -1.0}),
        (PIControl, {"target": 1.0, "minimum": 2.0}),
        (SoftFreeBits, {"target": 1.0, "change": 1.0}),
        (SoftFreeBits, {"target": 1.0, "start": 2.0}),
        (SoftFreeBits, {"target": 1.0, "smoothing": 1.0}),
        (MinimumRate, {"target": float("inf")}),
        (MinimumRate, {"target": 1.0, "lr": 0.0}),
    ],
)
def test_settings_out_of_range(make, settings):
    with pytest.raises(ValueError):
        make(**settings)


@pytest.mark.parametrize("rate", ["free_bits_per_sentence", "free_bits_batch_mean_total"])
def test_minimum_rate_is_refused_beside_a_kl_that_is_free_at_times(rate):
    with pytest.raises(ConfigError, match=f"rate '{rate}' and terms.minimum_rate .*charged 0 at times"):
        tiny_objective(rate={"name": rate, "total": 20.0}, terms={"minimum_rate": {"target": 5.0}})


@pytest.mark.parametrize(
    ("sections", "idle"),
    [
        ({}, False),
        ({"schedule": {"name": "linear", "warmup_epochs": 2}}, True),
        ({"schedule": {"name": "constant", "beta": 0.5}}, True),
        ({"rate": {"name": "free_bits_per_sentence", "total": 2.0}}, True),
        ({"rate": {"name": "hinge", "delta": 2.0}}, True),
    ],
)
def test_what_charges_another_share_of_a_kl_that_is_one_number_is_told(sections, idle):
    for name, fixed_kl in (("von_mises_fisher", True), ("gaussian", False)):
        head = HEADS[name](5, size=4)
        note = without_effect(tiny_objective(latent={"name": name, "size": 4}, **sections), head)
        assert (note is not None and "only the loss that is logged" in note) == (idle and fixed_kl)


@pytest.mark.parametrize(
    "latent", [{"name": "von_mises_fisher", "size": 4}, {"name": "quantised", "size": 4}]
)
def test_a_kl_that_is_one_number_cannot_be_controlled(latent):
    for sections in (
        {"schedule": {"name": "pi_control", "target": 2.0}},
        {"terms": {"minimum_rate": {"target": 5.0}}},
    ):
        with pytest.raises(ConfigError, match="do not go together: the KL of each sentence is one number"):
            tiny_objective(latent=latent, **sections)

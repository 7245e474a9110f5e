import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textvae.objectives.schedules import SCHEDULES, Constant, Cyclical, Linear, Logistic


@given(st.integers(1, 500), st.floats(0, 1), st.floats(0, 2))
def test_linear_runs_from_start_to_end(warmup, start, end):
    schedule = Linear(10, start, end, warmup_steps=warmup)
    assert schedule(0) == pytest.approx(start)
    assert schedule(warmup) == pytest.approx(end)
    assert schedule(10**9) == pytest.approx(schedule.final) == pytest.approx(end)
    assert schedule(warmup // 2) == pytest.approx(start + (end - start) * (warmup // 2) / warmup)


@given(st.integers(2, 500), st.floats(0.1, 50), st.floats(0.01, 2))
def test_logistic_rises_from_zero_to_its_end(warmup, slope, end):
    schedule = Logistic(10, slope, end, warmup_steps=warmup)
    values = [schedule(t) for t in range(warmup + 2)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(schedule.final) == pytest.approx(end)
    assert all(a <= b for a, b in itertools.pairwise(values))


def test_logistic_is_half_way_at_half_time():
    assert Logistic(1, warmup_steps=100)(50) == pytest.approx(0.5)


def test_cyclical_repeats_and_ends_at_its_end():
    schedule = Cyclical(100, cycles=4, rise=0.5, cycle_epochs=1)
    first = [schedule(t) for t in range(100)]
    assert first[0] == 0
    assert first[25] == pytest.approx(0.5)
    assert first[50:] == [1.0] * 50
    assert [schedule(t) for t in range(300, 400)] == pytest.approx(first)
    assert schedule(400) == schedule(10**6) == schedule.final == 1


def test_epochs_and_steps_say_the_same():
    by_epochs, by_steps = Linear(50, warmup_epochs=2), Linear(50, warmup_steps=100)
    assert [by_epochs(t) for t in range(120)] == [by_steps(t) for t in range(120)]


@pytest.mark.parametrize("name", ["linear", "logistic"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"warmup_epochs": 1, "warmup_steps": 5}, {"warmup_steps": 0}, {"end": -1, "warmup_steps": 5}],
)
def test_settings_that_make_no_sense(name, settings):
    with pytest.raises(ValueError):
        SCHEDULES[name](10, **settings)


@pytest.mark.parametrize("slope", [0.0, 1e-17, 2e3, float("nan"), float("inf")])
def test_slopes_that_no_float_can_follow(slope):
    with pytest.raises(ValueError, match="slope is"):
        SCHEDULES["logistic"](10, warmup_steps=5, slope=slope)


@pytest.mark.parametrize("beta", [-1.0, float("nan"), float("inf")])
def test_beta_out_of_range(beta):
    with pytest.raises(ValueError):
        Constant(beta)


@pytest.mark.parametrize("settings", [{"cycles": 0}, {"rise": 0.0}, {"rise": 1.5}])
def test_cycles_out_of_range(settings):
    with pytest.raises(ValueError):
        Cyclical(10, cycle_steps=5, **settings)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(0.3),
        Linear(10, 0.1, 1.0, warmup_steps=20),
        Linear(10, 1.0, 0.2, warmup_steps=20),
        Logistic(10, warmup_steps=20),
        Cyclical(10, cycle_steps=20),
    ],
)
def test_the_least_beta_is_that_of_some_step_and_of_none_below(schedule):
    assert min(schedule(step) for step in range(100)) == pytest.approx(schedule.least)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(0.3),
        Linear(1, warmup_steps=7),
        Logistic(1, warmup_steps=7),
        Cyclical(1, cycles=3, rise=0.3, cycle_steps=10),
        Cyclical(1, cycles=2, rise=1.0, cycle_steps=5),
    ],
)
def test_a_schedule_has_settled_where_its_weight_is_the_last_one(schedule):
    assert [schedule.settled(t) for t in range(40)] == [
        schedule(t) == pytest.approx(schedule.final) for t in range(40)
    ]


def test_what_follows_the_kl_has_always_settled():
    assert SCHEDULES["pi_control"](target=2.0).settled(0)

import pytest
import torch

from textvae.training import hardware
from textvae.training.hardware import (
    float32_precision,
    gains_by_bfloat16,
    has_bfloat16_lstm,
    multiplies_bfloat16,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def afresh():
    """What was found is kept for a process: each test finds it anew."""
    yield
    gains_by_bfloat16.cache_clear()
    float32_precision.cache_clear()


def timed(monkeypatch, seconds):
    """Lets ways of multiplying take these seconds, in the order in which they are tried."""
    gains_by_bfloat16.cache_clear()
    float32_precision.cache_clear()
    monkeypatch.setattr(hardware, "_shortest", lambda device, *ways: [*seconds])


@pytest.mark.parametrize(("seconds", "gains"), [((1.0, 2.0), True), ((2.0, 1.0), False), ((1.0, 1.1), False)])
def test_bfloat16_is_taken_where_it_is_faster(monkeypatch, seconds, gains):
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda device: True)
    timed(monkeypatch, seconds)
    assert gains_by_bfloat16(CPU) is gains


def test_bfloat16_is_not_tried_where_the_hardware_lacks_it(monkeypatch):
    monkeypatch.setattr(hardware, "multiplies_bfloat16", lambda device: False)
    timed(monkeypatch, (1.0, 2.0))
    assert not gains_by_bfloat16(CPU)


@pytest.mark.parametrize("seconds", [(2.0, 1.0), (1.0, 1.1)])
def test_a_path_of_float32_that_is_not_clearly_faster_is_left_alone(monkeypatch, seconds):
    timed(monkeypatch, seconds)
    assert float32_precision(CPU) == "highest"


@pytest.mark.parametrize(("error", "precision"), [(1.0, "medium"), (-1.0, "highest")])
def test_the_faster_path_of_float32_must_keep_its_digits(monkeypatch, error, precision):
    timed(monkeypatch, (1.0, 2.0))
    monkeypatch.setattr(hardware, "FLOAT32_ERROR", error)
    assert float32_precision(CPU) == precision


def test_trying_changes_no_setting():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        float32_precision(CPU)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def test_one_answer_for_a_process(monkeypatch):
    first = gains_by_bfloat16(CPU)
    monkeypatch.setattr(hardware, "_shortest", lambda device, *ways: [0.0, 1.0] if not first else [1.0, 0.0])
    assert gains_by_bfloat16(CPU) is first
    assert isinstance(multiplies_bfloat16(CPU), bool)


def test_a_look_for_an_lstm_leaves_the_random_state():
    has_bfloat16_lstm.cache_clear()
    before = torch.get_rng_state()
    assert isinstance(has_bfloat16_lstm(), bool)
    assert torch.equal(torch.get_rng_state(), before)

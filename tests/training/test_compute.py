import pytest
import torch

from tests.tiny import tiny_model
from textvae.training.compute import compute


def test_choices_are_kept():
    machine = compute("cpu", "bfloat16")
    assert machine.place(tiny_model()).cross_entropy.products == torch.bfloat16
    assert machine.place(tiny_model()).cross_entropy.normaliser_words == 512
    assert compute("cpu", normaliser_words=None).place(tiny_model()).cross_entropy.normaliser_words is None
    assert compute("cpu", "float32").products == torch.float32
    assert compute("cpu", "auto").products in (torch.float32, torch.bfloat16)


def test_products_in_float32_stay_in_float32():
    compute("cpu", "auto")
    a, b = torch.randn(300, 200), torch.randn(200, 100)
    exact = a.double() @ b.double()
    assert ((a @ b).double() - exact).abs().max() / exact.abs().max() < 1e-5


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"device": "tpu"}, "auto, cpu, cuda"),
        ({"precision": "int4"}, "bfloat16"),
        ({"threads": 0}, "threads is 0"),
        ({"normaliser_words": 0}, "normaliser_words is 0"),
    ],
)
def test_what_is_not_there_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        compute(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_that_is_not_there():
    with pytest.raises(ValueError, match="no CUDA device"):
        compute("cuda")

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny import tiny_model
from textvae.training import compute as module
from textvae.training.compute import compute
from textvae.training.hardware import multiplies_bfloat16


def test_choices_are_kept():
    machine = compute("cpu", "bfloat16")
    assert machine.place(tiny_model()).cross_entropy.products == torch.bfloat16
    assert machine.place(tiny_model()).cross_entropy.normaliser_words == 512
    assert compute("cpu", normaliser_words=None).place(tiny_model()).cross_entropy.normaliser_words is None
    assert compute("cpu", "float32").products == torch.float32
    assert compute("cpu", "auto").products in (torch.float32, torch.bfloat16)


@pytest.mark.parametrize(("there", "taken"), [(True, torch.bfloat16), (False, None)])
def test_lstms_keep_float32_where_the_processor_has_none_in_bfloat16(monkeypatch, there, taken):
    monkeypatch.setattr(module, "has_bfloat16_lstm", lambda: there)
    model = compute("cpu", "bfloat16").place(tiny_model())
    assert model.encoder.recurrence.products == model.decoder.recurrence.products == taken
    assert model.cross_entropy.products == torch.bfloat16


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
        ({"kernels": 0}, "kernels is 0"),
    ],
)
def test_what_is_not_there_is_refused(settings, says):
    with pytest.raises(ValueError, match=says):
        compute(**settings)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_that_is_not_there():
    with pytest.raises(ValueError, match="no CUDA device"):
        compute("cuda")


MEMORY = """
import sys
from pathlib import Path
import torch
from textvae.training import compute as module
from textvae.training.compute import compute

def anonymous():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024

compute("cpu", "bfloat16", threads=1, kernels=int(sys.argv[1]) or None)
lstm = torch.nn.LSTM(256, 256, batch_first=True)
for rows in range(1, 401):
    with torch.autocast("cpu", torch.bfloat16):
        lstm(torch.randn(rows % 50 + 1, rows // 50 + 1, 256))[0].sum().backward()
print(anonymous())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads memory in /proc")
@pytest.mark.skipif(
    not multiplies_bfloat16(torch.device("cpu")), reason="elsewhere torch has other kernels of an LSTM"
)
def test_kernels_of_many_shapes_do_not_pile_up():
    def memory(kernels: int) -> float:
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(kernels)], capture_output=True, text=True, check=True
        )
        return float(done.stdout)

    assert memory(64) < memory(0) - 50, "MiB"

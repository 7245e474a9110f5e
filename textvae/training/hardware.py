"""Which way of multiplying matrices is the fast one on this machine: found by trying, since no name of a feature tells."""

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from textvae.networks.exponentials import logits_of

FLOAT32_ERROR = 1e-5  # of a product in float32, relative to its largest element
GAIN = 1.4  # in time: where two ways are near each other, chance must not decide between them from one process to the next
ROUNDS = 16  # of a product in either way, by turns; the first is a warm-up and the shortest counts


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the hardware has matrix products in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@cache
def gains_by_bfloat16(device: torch.device) -> bool:
    """Whether products in bfloat16 take less time than those in float32, once for a process.

    Processors that have the instruction may run it at twice the rate of float32 or, without AMX, at half of it.
    """
    if not multiplies_bfloat16(device):
        return False
    a, b = _factors(device)
    rounded_a, rounded_b = a.bfloat16(), b.bfloat16()
    rounded, whole = _shortest(device, lambda: logits_of(rounded_a, rounded_b), lambda: logits_of(a, b))
    return GAIN * rounded < whole


@cache
def has_bfloat16_lstm() -> bool:
    """Whether torch has an LSTM in bfloat16 on this processor: without AVX-512 there is none, though there are products."""
    with torch.random.fork_rng(devices=[]):
        lstm = torch.nn.LSTM(8, 8)
    try:
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            lstm(torch.zeros(1, 1, 8))
    except RuntimeError:
        return False
    return True


@cache
def float32_precision(device: torch.device) -> str:
    """What torch.set_float32_matmul_precision is to be told: its other path where that is faster and keeps the precision.

    On some processors "medium" means another library at the same precision, faster on one and slower on the next; on
    others (AMX, CUDA) products of fewer digits: only time and error tell. Leaves the setting as it was.
    """
    a, b = _factors(device)
    exact = a.double() @ b.double().T
    before = torch.get_float32_matmul_precision()

    def product(precision: str) -> Tensor:
        torch.set_float32_matmul_precision(precision)
        return logits_of(a, b)

    try:
        other, plain = _shortest(device, lambda: product("medium"), lambda: product("highest"))
        error = float((product("medium").double() - exact).abs().max() / exact.abs().max())
    finally:
        torch.set_float32_matmul_precision(before)
    return "medium" if error <= FLOAT32_ERROR and GAIN * other < plain else "highest"


def _factors(device: torch.device) -> tuple[Tensor, Tensor]:
    """As of the states of some sentences and as many words as are met at once: on a CPU a block, on a GPU all; no round sizes."""
    generator = torch.Generator().manual_seed(0)
    words = 2002 if device.type == "cpu" else 10_002
    a, b = (torch.randn(size, 256, generator=generator).to(device) for size in (256, words))
    return a, b


def _shortest(device: torch.device, *ways: Callable[[], Tensor]) -> list[float]:
    """Seconds of each way, by turns. On a CPU of one thread's own time, which other programs do not take part of."""
    now = partial(_synchronised, device) if device.type == "cuda" else time.thread_time
    taken: list[list[float]] = [[] for _ in ways]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for _ in range(ROUNDS):
            for way, times in zip(ways, taken, strict=True):
                began = now()
                way()
                times.append(now() - began)
    finally:
        torch.set_num_threads(threads)
    return [min(times[1:]) for times in taken]


def _synchronised(device: torch.device) -> float:
    torch.cuda.synchronize(device)
    return time.perf_counter()

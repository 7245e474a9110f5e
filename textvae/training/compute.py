"""On what and how exactly a model is computed: device, threads, the type of matrix products."""

import ctypes
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch

from textvae.model import SentenceVAE
from textvae.networks.cross_entropy import CrossEntropy
from textvae.networks.decoder import LSTMDecoder
from textvae.networks.encoder import LSTMEncoder
from textvae.networks.recurrence import Recurrence
from textvae.registry import construct
from textvae.training.hardware import float32_precision, gains_by_bfloat16, has_bfloat16_lstm

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h


class Compute(NamedTuple):
    """`products`: the type of matrix products where gradients are wanted; what is reported is computed in float32.

    LSTMs keep float32 on a processor that has none in that type. `normaliser_words`: see CrossEntropy.
    """

    device: torch.device
    products: torch.dtype
    normaliser_words: int | None = None

    def place(self, model: SentenceVAE) -> SentenceVAE:
        """The model on the device, with the ways of computing that are fast there."""
        model.cross_entropy = CrossEntropy(self.products, normaliser_words=self.normaliser_words)
        rounded = self.products != torch.bfloat16 or self.device.type != "cpu" or has_bfloat16_lstm()
        for module in model.modules():
            if isinstance(module, LSTMEncoder | LSTMDecoder):
                module.recurrence = Recurrence(self.products if rounded else None)
        return model.to(self.device)


def compute(
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    normaliser_words: int | None = 512,
    kernels: int | None = None,
) -> Compute:
    """device: auto, cpu or cuda; precision: auto, float32 or bfloat16; threads: null leaves them to torch (see Crowding).

    auto takes CUDA where it is, and bfloat16 where products in it are the faster ones. normaliser_words: null is exact.
    kernels: see keep_kernels; null leaves it to the library. ValueError for anything else, for a device that is not
    there, and for less than one word or kernel.
    """
    if kernels is not None and kernels < 1:
        raise ValueError(
            f"kernels is {kernels}, must be at least 1, or null for as many as the library keeps"
        )
    if normaliser_words is not None and normaliser_words < 1:
        raise ValueError(f"normaliser_words is {normaliser_words}, must be at least 1, or null for all words")
    if threads is not None:
        if threads < 1:
            raise ValueError(f"threads is {threads}, must be at least 1")
        torch.set_num_threads(threads)
    devices: Mapping[str, Callable[[], str]] = {
        "auto": _best_device,
        "cpu": lambda: "cpu",
        "cuda": lambda: "cuda",
    }
    chosen = torch.device(_choice("device", device, devices)())
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch finds no CUDA device here")
    types: Mapping[str, Callable[[], torch.dtype]] = {
        "auto": lambda: torch.bfloat16 if gains_by_bfloat16(chosen) else torch.float32,
        "float32": lambda: torch.float32,
        "bfloat16": lambda: torch.bfloat16,
    }
    if kernels is not None:
        keep_kernels(kernels)
    torch.backends.cudnn.allow_tf32 = False  # of CUDA's LSTMs, which would lose digits
    torch.set_float32_matmul_precision(float32_precision(chosen))
    keep_freed_memory()
    return Compute(chosen, _choice("precision", precision, types)(), normaliser_words)


def build_compute(config: Mapping[str, Any]) -> Compute:
    """That of a config with the section compute. ConfigError for what is not there."""
    return construct({"compute": compute}, {"name": "compute", **config["compute"]}, "compute")


@contextmanager
def threads_of_its_own() -> Iterator[None]:
    """compute.threads holds within it: the next stage, or the next of a sweep's jobs, begins with what the process had."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def keep_kernels(count: int) -> None:
    """Lets oneDNN, which multiplies on a CPU, keep so many of the kernels that it prepares for every shape of a batch.

    Each holds memory of its own, and by itself it keeps up to 1,024. Fewer make less memory and more work of preparing.
    Counts from the first product of a process on, or not at all.
    """
    stores = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")  # oneDNN's own and torch's
    os.environ.update(dict.fromkeys(stores, str(count)))


def keep_freed_memory(threshold: int = 1 << 30) -> None:
    """Lets glibc keep blocks below `threshold` bytes that are freed: else each step asks the system for the same pages anew.

    Where there is no glibc nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    mallopt(_MMAP_THRESHOLD, threshold)
    mallopt(_TRIM_THRESHOLD, min(2 * threshold, 2**31 - 1))


def release_freed_memory() -> None:
    """Gives the system back what keep_freed_memory has kept: over epochs blocks of many sizes leave ever more of it unused.

    Where there is no glibc nothing happens.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError, TypeError):
        return


def _best_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _choice(what: str, value: str, choices: Mapping[str, Callable[[], Any]]) -> Callable[[], Any]:
    if value not in choices:
        raise ValueError(f"{what} is {value!r}, must be one of {', '.join(choices)}")
    return choices[value]

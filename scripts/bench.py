"""What the rows of scripts/benchmark.py share: the corpus, our side of a comparison, and measuring two sides in turns."""

import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

import torch
from torch import nn

from textvae.data.batching import Batch, Batcher
from textvae.data.prepare import Prepared
from textvae.model import build_model
from textvae.objectives.objective import build_objective
from textvae.training.compute import compute, keep_freed_memory
from textvae.training.descent import Descent
from textvae.training.optimizers import sgd
from textvae.training.updaters import Aggressive, Joint

MODEL: dict[str, Any] = {
    "encoder": {"name": "lstm"},
    "latent": {"name": "gaussian", "size": 32},
    "prior": {"name": "standard_normal"},
    "decoder": {"name": "lstm"},
    "initialisation": {"name": "uniform"},
    "schedule": {"name": "constant"},
    "rate": {"name": "true_kl"},
}


class Bench(NamedTuple):
    """What both sides get: the corpus and the device. `plain` makes the reference for a vocabulary."""

    data: Prepared
    device: torch.device
    plain: Callable[[int], nn.Module]

    @property
    def vocabulary(self) -> int:
        return self.data.tokenizer.size

    def endless(self) -> Iterator[Batch]:
        """Batches of 32 training sentences of one length."""
        batcher = Batcher(self.data.stores["train"], 32, seed=0)
        return (batch.to(self.device) for epoch in count() for batch in batcher.epoch(epoch))

    def reference(self) -> Any:
        return self.plain(self.vocabulary).to(self.device)

    def ours(self, precision: str = "auto", beta: float = 1.0) -> "Ours":
        return Ours(self.vocabulary, self.device, precision, beta)

    def now(self) -> float:
        """Seconds, once the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def tokens(self, split: str) -> int:
        lengths = self.data.stores[split].lengths
        return int(lengths.sum()) + len(lengths)


class Ours:
    """textvae's model, objective and updates at a precision."""

    def __init__(self, vocabulary: int, device: torch.device, precision: str, beta: float) -> None:
        torch.manual_seed(0)
        self.model = compute(device.type, precision).place(build_model(MODEL, vocabulary, unk=3))
        settings = MODEL | {"schedule": {"name": "constant", "beta": beta}}
        self.objective = build_objective(settings, 1000, vocabulary, self.model.head)
        self.descent = Descent(self.model, sgd(), 5.0)
        self.updater = Joint(self.model, self.objective, self.descent)

    def step(self, batch: Batch) -> None:
        self.updater.step(batch, self._no_more, 0)

    def aggressive(self, clip: str = "own", **settings: Any) -> Aggressive:
        return Aggressive(self.model, self.objective, self.descent, clip=clip, **settings)

    @staticmethod
    def _no_more() -> Batch:
        raise RuntimeError("a joint step draws no further batch")


def plainly(step: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """The step under the default settings of torch for products in float32, and of the system for freed memory."""

    def run(batch: Batch) -> Any:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        keep_freed_memory(32 << 20)  # what glibc's own rule arrives at
        try:
            return step(batch)
        finally:
            keep_freed_memory()
            torch.set_float32_matmul_precision(before)

    return run


def in_turns(
    bench: Bench, ours: Callable[[Batch], Any], theirs: Callable[[Batch], Any], seconds: float
) -> dict[str, float]:
    """Blocks of the same batches, A B A B ..., until each has had `seconds`; the first block is a warm-up.

    Each side's block begins with a step that does not count, on its longest batch: the other side has given back the
    memory that this one keeps, or keeps what this one has just given back.
    """
    batches, spent, tokens, steps = bench.endless(), {"a": 0.0, "b": 0.0}, 0, 0
    for number in count():
        block = list(islice(batches, 20))
        longest = max(block, key=lambda batch: batch.tokens)
        for name, step in (("a", ours), ("b", theirs)):
            step(longest)
            began = bench.now()
            for batch in block:
                step(batch)
            spent[name] += bench.now() - began if number else 0.0
        tokens, steps = (tokens + sum(b.tokens for b in block), steps + len(block)) if number else (0, 0)
        if min(spent.values()) >= seconds:
            break
    a, b = tokens / spent["a"], tokens / spent["b"]
    times = {"ms_a_step": 1000 * spent["a"] / steps, "reference_ms_a_step": 1000 * spent["b"] / steps}
    return {"tokens_per_s": a, "reference_tokens_per_s": b, "ratio": a / b, **times}


def product_rate(bench: Bench, dtype: torch.dtype) -> float:
    """GFLOP/s of a matrix product like the output layer's."""
    a, b = (torch.randn(shape, device=bench.device).to(dtype) for shape in ((704, 256), (256, 10002)))
    times = []
    for _ in range(12):
        began = bench.now()
        a @ b
        times.append(bench.now() - began)
    return 2 * 704 * 256 * 10002 / min(times) / 1e9

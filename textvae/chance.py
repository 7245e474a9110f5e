"""A stretch of draws that leaves the common stream of them as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawing_from(seed: int, device: torch.device) -> Iterator[None]:
    """What is drawn within, on a CPU or on `device`, is that of `seed`; what is drawn afterwards is as if it had not been."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield

"""Points of latent space: the one that stands for a posterior, paths between two of them, and arithmetic."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor
from torch.distributions import Distribution


def representative(q: Distribution) -> Tensor:
    """The point (B,Z) that stands for each posterior: its mode, which of a Gaussian is its mean."""
    return q.mode


class Path(Protocol):
    """A way from one point to another."""

    def __call__(self, a: Tensor, b: Tensor, steps: int) -> Tensor:
        """a, b (P,Z) -> (steps,P,Z), the first exactly a, the last exactly b. ValueError for steps below 2."""


def _times(a: Tensor, steps: int) -> Tensor:
    if not isinstance(steps, int) or steps < 2:
        raise ValueError(
            f"steps is {steps!r}, must be a whole number of at least 2: both ends are among them"
        )
    return torch.linspace(0, 1, steps, dtype=a.dtype, device=a.device)[:, None, None]


class Linear:
    """(1 - t) a + t b."""

    def __call__(self, a: Tensor, b: Tensor, steps: int) -> Tensor:
        t = _times(a, steps)
        return (1 - t) * a + t * b


class Spherical:
    """sin((1 - t) w) / sin w a + sin(t w) / sin w b, w the angle between a and b (White 2016, arXiv 1609.04468).

    Where |a| = |b| every point has that norm. Linear where a and b lie on one line through 0.
    """

    def __call__(self, a: Tensor, b: Tensor, steps: int) -> Tensor:
        t = _times(a, steps)
        norms = (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True)).clamp_min(
            torch.finfo(a.dtype).tiny
        )
        angle = ((a * b).sum(-1, keepdim=True) / norms).clamp(-1, 1).acos()
        arc = angle.sin()
        turned = ((1 - t) * angle).sin() / arc * a + (t * angle).sin() / arc * b
        on_a_line = (arc < 1e-3) | (norms <= torch.finfo(a.dtype).tiny)
        return torch.where(on_a_line, (1 - t) * a + t * b, turned)


class Codes:
    """Slot by slot: the t-th part of the `slots` equal parts of z are those of b, the rest those of a."""

    def __init__(self, slots: int = 1) -> None:
        if slots < 1:
            raise ValueError(f"slots is {slots}, must be at least 1")
        self.slots = slots

    def __call__(self, a: Tensor, b: Tensor, steps: int) -> Tensor:
        if a.shape[-1] % self.slots:
            raise ValueError(f"slots is {self.slots}, must divide the {a.shape[-1]} dimensions of z")
        middles = (torch.arange(self.slots, dtype=a.dtype, device=a.device) + 0.5) / self.slots
        changed = _times(a, steps) > middles.repeat_interleave(a.shape[-1] // self.slots)
        return torch.where(changed, b, a)


PATHS: dict[str, Callable[..., Path]] = {"linear": Linear, "spherical": Spherical, "codes": Codes}


def analogy(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """What is to c as b is to a: b - a + c, all (P,Z) (Mikolov et al. 2013, arXiv 1301.3781)."""
    return b - a + c


def nearest(z: Tensor, corpus: Tensor, count: int, rows: int = 1024) -> tuple[Tensor, Tensor]:
    """z (M,Z), corpus (N,Z) -> Euclidean distances and indices (M,count) of the corpus's nearest points."""
    exactly = "donot_use_mm_for_euclid_dist"  # products cancel for points that are close to each other
    parts = [
        torch.cdist(part, corpus, compute_mode=exactly).topk(count, largest=False) for part in z.split(rows)
    ]
    return torch.cat([part.values for part in parts]), torch.cat([part.indices for part in parts])

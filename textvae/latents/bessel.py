"""The modified Bessel function of the first kind, of real order, where it overflows and where it vanishes."""

import math

import torch
from torch import Tensor

# From this order on, five terms of the expansion in 1 / order are exact to a few units of 1e-11.
LARGE_ORDER = 50.0
# U_k(p) of DLMF 10.41.10 as (common divisor, {power of p: coefficient}).
EXPANSION: tuple[tuple[float, dict[int, float]], ...] = (
    (24.0, {1: 3.0, 3: -5.0}),
    (1152.0, {2: 81.0, 4: -462.0, 6: 385.0}),
    (414720.0, {3: 30375.0, 5: -369603.0, 7: 765765.0, 9: -425425.0}),
    (
        39813120.0,
        {4: 4465125.0, 6: -94121676.0, 8: 349922430.0, 10: -446185740.0, 12: 185910725.0},
    ),
)


def log_bessel(order: float, x: Tensor) -> tuple[Tensor, Tensor]:
    """log I_order(x) and I_(order+1)(x) / I_order(x), float64, order >= 0, x > 0; differentiable in x.

    Olver's expansion for large orders (DLMF 10.41.3), uniform in x; from an order of 50 or more down to the
    wanted one by I_(v-1) = I_(v+1) + (2 v / x) I_v, in which no two terms cancel.
    """
    x = x.double()
    top = order + max(0, math.ceil(LARGE_ORDER - order))
    value = _log_bessel_of_large_order(top, x)
    ratio = (_log_bessel_of_large_order(top + 1, x) - value).exp()
    while top > order:
        ratio = 1 / (2 * top / x + ratio)
        value = value - ratio.log()
        top -= 1
    return value, ratio


def _log_bessel_of_large_order(order: float, x: Tensor) -> Tensor:
    z = x / order
    root = (1 + z.square()).sqrt()
    p = 1 / root
    series = torch.ones_like(x)
    for k, (divisor, powers) in enumerate(EXPANSION, start=1):
        series = series + sum(c * p**n for n, c in powers.items()) / (divisor * order**k)
    exponent = order * (root + (z / (1 + root)).log())
    return exponent - 0.5 * math.log(2 * math.pi * order) - 0.5 * root.log() + series.log()

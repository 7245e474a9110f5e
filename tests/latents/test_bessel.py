import pytest
import torch
from torch import Tensor

from textvae.latents.bessel import log_bessel


def series(order: float, x: Tensor) -> Tensor:
    """log sum_m (x/2)^(2m+v) / (m! Gamma(m+v+1)): every term positive."""
    m = torch.arange(4000, dtype=torch.float64)[:, None]
    return ((2 * m + order) * (x / 2).log() - torch.lgamma(m + 1) - torch.lgamma(m + order + 1)).logsumexp(0)


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 7.0, 15.5, 49.0, 50.0, 63.0, 127.0])
def test_it_is_the_sum_of_its_series(order):
    x = torch.tensor([1e-6, 1e-3, 0.1, 1.0, 10.0, 100.0, 1000.0], dtype=torch.float64)
    value, ratio = log_bessel(order, x)
    torch.testing.assert_close(value, series(order, x), atol=1e-9, rtol=1e-12)
    torch.testing.assert_close(ratio, (series(order + 1, x) - series(order, x)).exp(), atol=0, rtol=1e-9)


def test_order_one_half_is_elementary_and_large_arguments_do_not_overflow():
    x = torch.tensor([0.5, 3.0, 50.0, 1e4, 1e6], dtype=torch.float64)
    log_sinh = x + torch.log1p(-torch.exp(-2 * x)) - torch.log(torch.tensor(2.0, dtype=torch.float64))
    expected = 0.5 * torch.log(2 / (torch.pi * x)) + log_sinh
    torch.testing.assert_close(log_bessel(0.5, x)[0], expected, atol=1e-9, rtol=1e-13)


@pytest.mark.parametrize("order", [0.0, 15.0, 63.0])
def test_the_gradient_is_that_of_the_recurrence(order):
    x = torch.tensor([0.01, 1.0, 30.0, 3000.0], dtype=torch.float64, requires_grad=True)
    value, ratio = log_bessel(order, x)
    (gradient,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
    torch.testing.assert_close(gradient, ratio + order / x, rtol=1e-8, atol=1e-10)
    (slope,) = torch.autograd.grad(ratio.sum(), x)
    torch.testing.assert_close(slope, 1 - ratio**2 - (2 * order + 1) / x * ratio, rtol=1e-4, atol=1e-10)

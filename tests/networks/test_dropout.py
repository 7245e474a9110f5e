import pytest
import torch

from textvae.networks.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.83])
def test_share_and_scale(p):
    torch.manual_seed(0)
    x = torch.full((501, 401), 3.0, dtype=torch.float64)
    y = Dropout(p)(x)
    kept = y != 0
    assert kept.double().mean().item() == pytest.approx(1 - p, abs=0.004)
    torch.testing.assert_close(y[kept], torch.full_like(y[kept], 3 / (1 - p)), rtol=1e-4, atol=0)
    assert kept.double().mean(0).std() < 0.05 and kept.double().mean(1).std() < 0.05


def test_gradient_is_that_of_the_mask():
    x = torch.ones(7, 9, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_off_in_evaluation_and_at_zero():
    x = torch.randn(5, 3)
    assert Dropout(0.0)(x) is x
    assert Dropout(0)(x) is x
    assert Dropout(0.5).eval()(x) is x


def test_the_seed_decides():
    x = torch.ones(100)
    torch.manual_seed(3)
    first = Dropout(0.5)(x)
    torch.manual_seed(3)
    assert torch.equal(first, Dropout(0.5)(x))


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_out_of_range(p):
    with pytest.raises(ValueError, match="dropout is"):
        Dropout(p)

import pytest
import torch

from textvae.objectives.rates import RATES, TrueKL

FREE = [name for name in RATES if name.startswith("free_bits")]
KL = torch.tensor([[0.0, 0.2, 3.0], [0.4, 0.0, 1.0]], dtype=torch.float64)


@pytest.mark.parametrize("name", FREE)
def test_no_free_bits_is_the_true_kl(name):
    torch.testing.assert_close(RATES[name](total=0.0)(KL).mean(), TrueKL()(KL).mean())


@pytest.mark.parametrize("name", FREE)
def test_per_dimension_and_total_say_the_same(name):
    torch.testing.assert_close(RATES[name](per_dimension=0.3)(KL), RATES[name](total=0.9)(KL))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("free_bits_batch_mean", [0.3 + 0.3 + 2.0] * 2),
        ("free_bits_per_sentence_dimension", [0.3 + 0.3 + 3.0, 0.4 + 0.3 + 1.0]),
        ("free_bits_per_sentence", [3.2, 1.4]),
        ("free_bits_batch_mean_total", [2.3] * 2),
    ],
)
def test_published_forms(name, expected):
    torch.testing.assert_close(
        RATES[name](per_dimension=0.3)(KL), torch.tensor(expected, dtype=torch.float64)
    )


@pytest.mark.parametrize("name", FREE)
def test_a_group_of_several_dimensions_is_free_for_each_of_them(name):
    """A KL in one part of a z of 3, and in two of 3 dimensions each."""
    kl = torch.full((2, 1), 0.2, dtype=torch.float64)
    torch.testing.assert_close(RATES[name](per_dimension=0.3, dimensions=3)(kl), RATES[name](total=0.9)(kl))
    for groups, parts in ((2, kl.expand(2, 2)), (6, kl.expand(2, 6))):
        found = RATES[name](per_dimension=0.3, dimensions=6)(parts)
        torch.testing.assert_close(found, RATES[name](total=1.8)(parts), msg=f"{groups} groups")


@pytest.mark.parametrize("name", FREE)
def test_what_is_free_has_no_gradient(name):
    kl = torch.full((2, 3), 0.1, requires_grad=True)
    RATES[name](per_dimension=0.5)(kl).sum().backward()
    assert not kl.grad.any()


@pytest.mark.parametrize("name", FREE)
def test_what_is_not_free_has_the_gradient_of_the_kl(name):
    kl = torch.full((2, 3), 0.7, requires_grad=True)
    RATES[name](per_dimension=0.5)(kl).mean().backward()
    torch.testing.assert_close(kl.grad, torch.full((2, 3), 0.5))


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"total": 1.0, "per_dimension": 1.0},
        {"total": -1.0},
        {"per_dimension": -0.1},
        {"total": float("nan")},
    ],
)
def test_threshold_is_one_and_not_negative(name, settings):
    with pytest.raises(ValueError):
        RATES[name](**settings)


def test_hinge_is_free_bits_per_sentence():
    torch.testing.assert_close(RATES["hinge"](1.5)(KL), RATES["free_bits_per_sentence"](total=1.5)(KL))
    torch.testing.assert_close(RATES["hinge"](1.5)(KL), torch.tensor([3.2, 1.5], dtype=torch.float64))
    with pytest.raises(ValueError, match="delta is -1"):
        RATES["hinge"](-1)


@pytest.mark.parametrize("name", sorted(set(RATES) - {"true_kl"}))
def test_without_z_there_is_nothing_to_charge_for(name):
    amount = {"delta": 5.0} if name == "hinge" else {"total": 5.0}
    given = {} if name == "hinge" else {"dimensions": 0}
    assert RATES[name](**amount, **given)(torch.zeros(3, 0)).tolist() == [0.0] * 3

"""A label's vector beside what a network reads."""

import pytest
import torch

from textvae.errors import DataError
from textvae.networks.labels import Condition, LabelVectors, NoLabels

LABELS = torch.tensor([2, 0])


def test_the_vector_of_its_label_is_joined_to_each_row_of_every_sample():
    vectors, x = LabelVectors(count=3, size=4), torch.randn(5, 2, 6)
    joined = vectors(x, LABELS)
    assert joined.shape == (5, 2, 10)
    assert torch.equal(joined[..., :6], x)
    for row, label in enumerate(LABELS):
        assert torch.equal(joined[:, row, 6:], vectors.vectors.weight[label].expand(5, -1))


def test_nothing_is_joined_where_labels_are_not_read():
    x = torch.randn(5, 2, 6)
    assert NoLabels()(x, LABELS) is x and NoLabels()(x, None) is x
    assert list(Condition(labels=3).parameters()) == [] and Condition(labels=3).labels == 0


def test_a_label_that_is_read_must_be_given():
    with pytest.raises(DataError, match="0 to 2"):
        LabelVectors(count=3, size=4)(torch.randn(2, 6), None)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"labels": 0, "decoder": 2}, "decoder is 2, but the data has no labels"),
        ({"labels": 0, "encoder": 1}, "encoder is 1, but the data has no labels"),
        ({"labels": 3, "encoder": -1}, "encoder is -1"),
    ],
)
def test_settings_out_of_range(settings, says):
    with pytest.raises(ValueError, match=says):
        Condition(**settings)

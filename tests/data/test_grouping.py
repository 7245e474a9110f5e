"""Sentences sorted by length in pieces are those sorted at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textvae.data import grouping
from textvae.data.grouping import LengthIndex


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=60), chunk=st.integers(1, 70))
def test_length_index_is_a_stable_sort(lengths, chunk) -> None:
    values = np.array(lengths, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grouping, "_CHUNK", chunk)
        index = LengthIndex.of(values)
    assert index.order.tolist() == np.argsort(values, kind="stable").tolist()
    groups = [values[index.order[a:b]] for a, b in zip(index.edges[:-1], index.edges[1:], strict=True)]
    assert [set(group.tolist()) for group in groups] == [{n} for n in sorted(set(lengths))]


def test_an_index_and_an_epoch_take_12_bytes_a_sentence() -> None:
    index = LengthIndex.of(np.full(1000, 7, dtype=np.int32))
    order = grouping.EqualLength().shuffled(index, 32, np.random.default_rng(0))
    assert index.lengths.nbytes + index.order.nbytes + order.nbytes == 12 * 1000

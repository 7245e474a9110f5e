"""Token ids come back from the mapped file as they were written, whatever the record batches."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textvae.data.store import TokenStore, write_store
from textvae.errors import DataError

ROWS = st.lists(st.lists(st.integers(3, 2**31 - 1), max_size=9), min_size=1, max_size=30)


@given(rows=ROWS, chunk=st.integers(1, 40), data=st.data())
def test_rows_and_labels_come_back(store_of, rows, chunk, data) -> None:
    labels = data.draw(st.lists(st.integers(0, 99), min_size=len(rows), max_size=len(rows)))
    store = store_of(rows, labels, chunk)
    index = np.array(data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=12)), dtype=np.int64)
    assert len(store) == len(rows)
    assert store.lengths.tolist() == [len(row) for row in rows]
    assert [row.tolist() for row in store.rows(index)] == [rows[i] for i in index]
    assert store.labels_of(index).tolist() == [labels[i] for i in index]


@given(rows=ROWS, chunk=st.integers(1, 40))
def test_padded_is_rows_and_padding(store_of, rows, chunk) -> None:
    store = store_of(rows, chunk=chunk)
    index = np.arange(len(rows))[::-1]
    padded = store.padded(index, pad=-7)
    assert padded.shape == (len(rows), max(map(len, rows)))
    for line, i in zip(padded.tolist(), index, strict=True):
        assert line[: len(rows[i])] == rows[i]
        assert set(line[len(rows[i]) :]) <= {-7}


def test_without_labels_there_are_none(store_of) -> None:
    assert store_of([[5]]).labels_of(np.array([0])) is None


def test_rows_are_views_of_the_file_and_lengths_are_all_that_is_held(store_of) -> None:
    store = store_of([[5, 6, 7]] * 1000)
    held = [value for value in vars(store).values() if isinstance(value, np.ndarray) and value.flags.owndata]
    assert sum(value.nbytes for value in held) <= 4 * 1000 + 100
    assert not any(row.flags.owndata for row in store.rows(np.arange(10)))


@pytest.mark.parametrize("keep", [0, 5, 300, -3])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "train.arrow"
    write_store(path, [[5, 6], [7]])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"train\.arrow is not a readable file of token ids"):
        TokenStore(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        TokenStore(tmp_path / "absent.arrow")


def test_fewer_labels_than_sentences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 vs 2"):
        write_store(tmp_path / "train.arrow", [[5], [6]], labels=[1])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent.* cannot be written"):
        write_store(tmp_path / "absent" / "train.arrow", [[5]])


def test_writing_holds_one_chunk_at_a_time(tmp_path: Path) -> None:
    taken = 0

    def rows():
        nonlocal taken
        for taken in range(1, 101):
            yield [taken]

    def labels():
        for label in range(100):
            assert taken - label <= 10, "more than a chunk of sentences was read before their labels"
            yield label

    write_store(tmp_path / "train.arrow", rows(), labels(), chunk=10)
    assert TokenStore(tmp_path / "train.arrow").labels_of(np.array([99])).tolist() == [99]

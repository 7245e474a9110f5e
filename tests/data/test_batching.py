"""A batch holds its sentences and nothing else; an epoch holds every sentence once, in an order that can be restored."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from textvae.data.batching import Batch, Batcher, collate
from textvae.data.grouping import GROUPINGS, Bucketed, EqualLength
from textvae.data.specials import SPECIALS
from textvae.errors import ConfigError, DataError
from textvae.registry import construct

SENTENCES = st.lists(st.lists(st.integers(3, 50), max_size=7), min_size=1, max_size=40)
GROUPING = st.one_of(st.just(EqualLength()), st.builds(Bucketed, pool=st.integers(1, 4)))


def words(batch: Batch) -> list[list[int]]:
    """The sentences of a batch, read from targets and lengths."""
    return [row[: n - 1] for row, n in zip(batch.targets.tolist(), batch.lengths.tolist(), strict=True)]


def same(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a[:3], b[:3], strict=True))


def numbered(store_of, lengths):
    """A store in which sentence i consists of word i + 3."""
    return store_of([[i + 3] * n for i, n in enumerate(lengths)])


@given(rows=SENTENCES)
def test_collate_frames_each_sentence_whatever_stands_beside_it(rows) -> None:
    batch = collate(rows)
    pad, bos, eos, _ = SPECIALS
    for i, row in enumerate(rows):
        n = len(row) + 1
        assert batch.inputs[i, :n].tolist() == [bos, *row]
        assert batch.targets[i, :n].tolist() == [*row, eos]
        assert batch.sentences[i, : n + 1].tolist() == [bos, *row, eos]
        assert set(batch.inputs[i, n:].tolist() + batch.targets[i, n:].tolist()) <= {pad}
        assert batch.mask[i].tolist() == [t < n for t in range(batch.targets.shape[1])]
    assert batch.tokens == sum(map(len, rows)) + len(rows) == int(batch.mask.sum())
    assert {part.dtype for part in batch[:3]} == {torch.int64}


def test_labels_stay_with_their_sentences(store_of) -> None:
    rows = [[3] * (1 + i % 4) + [i + 3] for i in range(20)]
    batches = Batcher(store_of(rows, range(20)), 3, Bucketed(pool=2)).epoch(0)
    pairs = [
        (row[-1] - 3, label)
        for batch in batches
        for row, label in zip(words(batch), batch.labels, strict=True)
    ]
    assert len(pairs) == 20 and all(i == label for i, label in pairs)
    assert collate([[3]], labels=[7]).to("cpu").labels.tolist() == [7]


def test_to_moves_every_part() -> None:
    moved = collate([[3, 4], [5]], labels=[0, 1]).to("meta")
    assert {part.device.type for part in moved} == {"meta"}


@given(
    rows=SENTENCES, size=st.integers(1, 9), grouping=GROUPING, seed=st.integers(0, 3), epoch=st.integers(0, 3)
)
def test_every_sentence_once_an_epoch_unaltered(store_of, rows, size, grouping, seed, epoch) -> None:
    batcher = Batcher(store_of(rows), size, grouping, seed)
    for batches in (list(batcher.epoch(epoch)), list(batcher.in_order())):
        assert sorted(row for batch in batches for row in words(batch)) == sorted(rows)
        assert len(batches) == batcher.steps_per_epoch
        assert all(same(batch, collate(words(batch))) for batch in batches)
        assert max(len(batch.lengths) for batch in batches) <= size


@given(rows=SENTENCES, size=st.integers(1, 9), grouping=GROUPING, data=st.data())
def test_a_restored_position_gives_the_tail_of_the_epoch(store_of, rows, size, grouping, data) -> None:
    store = store_of(rows)
    whole = list(Batcher(store, size, grouping, 5).epoch(2))
    start = data.draw(st.integers(0, len(whole)))
    tail = list(Batcher(store, size, grouping, 5).epoch(2, start))
    assert len(tail) == len(whole) - start
    assert all(same(a, b) for a, b in zip(whole[start:], tail, strict=True))


@pytest.mark.parametrize("grouping", [EqualLength(), Bucketed()])
def test_order_depends_on_seed_and_epoch_alone(store_of, grouping) -> None:
    store = numbered(store_of, [4] * 40)

    def order(seed: int, epoch: int, before: int = 0) -> list[int]:
        batcher = Batcher(store, 4, grouping, seed)
        for earlier in range(before):
            list(batcher.epoch(earlier))
        return [row[0] for batch in batcher.epoch(epoch) for row in words(batch)]

    assert order(1, 2) == order(1, 2, before=2)
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=60), size=st.integers(1, 9))
def test_equal_length_never_pads_and_fills_all_but_one_batch_of_a_length(store_of, lengths, size) -> None:
    batches = list(Batcher(numbered(store_of, lengths), size, EqualLength()).epoch(0))
    assert all(batch.mask.all() for batch in batches)
    assert len(batches) == sum(-(-lengths.count(n) // size) for n in set(lengths))


def test_bucketed_batches_are_full_and_pad_little(store_of) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 1000)
    store = numbered(store_of, lengths)

    def padding(pool: int) -> float:
        batches = list(Batcher(store, 10, Bucketed(pool)).epoch(0))
        assert len(batches) == 100
        return 1 - sum(b.tokens for b in batches) / sum(b.targets.numel() for b in batches)

    assert padding(100) < 0.03 < 0.2 < padding(1)


@pytest.mark.parametrize("grouping", [EqualLength(), Bucketed(pool=3)])
def test_in_order_is_shortest_first_and_the_same_each_time(store_of, grouping) -> None:
    batcher = Batcher(numbered(store_of, [5, 2, 9, 2, 2, 7, 5, 5]), 2, grouping)
    first, second = list(batcher.in_order()), list(batcher.in_order())
    assert all(same(a, b) for a, b in zip(first, second, strict=True))
    lengths = [n for batch in first for n in batch.lengths.tolist()]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("grouping", [EqualLength(), Bucketed(pool=2)])
def test_draws_are_like_batches_of_an_epoch(store_of, grouping) -> None:
    batcher = Batcher(numbered(store_of, [3] * 7 + [4] * 2 + [6] * 11), 4, grouping)
    generator = np.random.default_rng(0)
    drawn = [batcher.draw(generator) for _ in range(3000)]
    seen = np.bincount([row[0] - 3 for batch in drawn for row in words(batch)], minlength=20) / len(drawn)
    assert all(len({row[0] for row in words(batch)}) == len(batch.lengths) for batch in drawn)
    # A batch of an epoch holds a given sentence with probability 1 / steps; 3000 draws have a deviation of 0.007.
    np.testing.assert_allclose(seen, 1 / batcher.steps_per_epoch, atol=0.03)
    if isinstance(grouping, EqualLength):
        assert all(batch.mask.all() for batch in drawn)


def test_what_cannot_be_is_refused(store_of) -> None:
    store = store_of([[5]])
    with pytest.raises(ConfigError, match="batch size is 0"):
        Batcher(store, 0)
    with pytest.raises(DataError, match="no sentences"):
        Batcher(store_of([]), 4)
    with pytest.raises(DataError, match="1 batches; it cannot start at batch 2"):
        Batcher(store, 4).epoch(0, start=2)
    with pytest.raises(DataError, match="no sentence"):
        collate([])
    with pytest.raises(ConfigError, match="pool is 0"):
        construct(GROUPINGS, {"name": "bucketed", "pool": 0}, "grouping")

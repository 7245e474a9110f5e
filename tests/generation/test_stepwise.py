"""Greedy search and sampling against plain twins, and the two functions that sampling rests on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.generation.small import BOS, EOS, PAD, next_log_p, points, random_model, words_of
from textvae.generation import Greedy, Sample, decode_all
from textvae.generation.stepwise import BLOCK, draw, exponentials, nucleus
from textvae.model import SentenceVAE


def test_greedy_takes_the_most_probable_word_at_each_step(model: SentenceVAE) -> None:
    z = points(8)
    for point, words in zip(z, words_of(decode_all(model.decoder, z, Greedy(max_length=9)).ids), strict=True):
        said: list[int] = []
        while len(said) < 9:
            log_p = next_log_p(model, said, point)
            log_p[[PAD, BOS, *([] if said else [EOS])]] = -torch.inf
            best = int(log_p.argmax())
            if best == EOS:
                break
            said.append(best)
        assert words == said


@pytest.mark.parametrize("decoding", [Sample(top_k=1), Sample(top_p=1e-9), Sample(temperature=1e-6)])
def test_sampling_cut_to_one_word_is_greedy(model: SentenceVAE, decoding: Sample) -> None:
    expected = decode_all(model.decoder, points(100), Greedy())
    assert torch.equal(decode_all(model.decoder, points(100), decoding).ids, expected.ids)


def test_a_cut_that_takes_all_words_is_no_cut(model: SentenceVAE) -> None:
    plain = decode_all(model.decoder, points(50), Sample())
    wide = decode_all(model.decoder, points(50), Sample(top_p=1 - 1e-15))
    assert torch.equal(plain.ids, wide.ids)


def test_a_seed_gives_the_same_sentences_again(model: SentenceVAE) -> None:
    first, again, other = (decode_all(model.decoder, points(50), Sample(), seed) for seed in (1, 1, 2))
    assert torch.equal(first.ids, again.ids)
    assert first.ids.shape != other.ids.shape or not torch.equal(first.ids, other.ids)


@pytest.mark.parametrize(
    "decoding",
    [
        Sample(max_length=1),
        Sample(0.5, max_length=1),
        Sample(top_k=4, max_length=1),
        Sample(top_p=0.6, max_length=1),
    ],
)
def test_first_words_come_as_often_as_they_should(model: SentenceVAE, decoding: Sample) -> None:
    n, point = 20_000, points(1)
    said = decode_all(model.decoder, point.expand(n, -1), decoding, rows=n).ids[:, 0].bincount(minlength=20)
    log_p = next_log_p(model, [], point[0])
    log_p[[PAD, BOS, EOS]] = -torch.inf
    p = (log_p / decoding.temperature).softmax(0).numpy()
    falling = np.argsort(-p)
    kept = falling[: decoding.top_k or None]
    p_kept = p[kept] / p[kept].sum()
    kept = kept[: np.searchsorted(p_kept.cumsum(), decoding.top_p - 1e-12) + 1]
    expected = np.zeros(20)
    expected[kept] = p[kept] / p[kept].sum()
    assert (said.numpy()[expected == 0] == 0).all()
    five_deviations = 5 * np.sqrt(n * expected * (1 - expected)) + 1e-9
    assert (abs(said.numpy() - n * expected) <= five_deviations).all()


@given(
    st.lists(st.floats(0.001, 1), min_size=1, max_size=30, unique=True),
    st.floats(0.01, 1),
    st.integers(0, 400),
)
def test_the_nucleus_is_the_fewest_words_that_hold_the_mass(
    some: list[float], mass: float, others: int
) -> None:
    weights = torch.tensor([some + [1e-3 / (i + 1) for i in range(others)]], dtype=torch.float64).unique()[
        None
    ]
    p = weights / weights.sum()
    kept = nucleus(p, mass)[0]
    inside = kept > 0
    assert torch.equal(kept[inside], p[0][inside])
    assert kept.sum() >= mass - 1e-12
    assert kept.sum() - kept[inside].min() < mass + 1e-12
    assert not (~inside).any() or p[0][~inside].max() < kept[inside].min()


def test_each_row_has_a_nucleus_of_its_own() -> None:
    flat, peaked = torch.linspace(1, 2, 1000), torch.linspace(1, 2, 1000) ** 80
    p = torch.stack([flat / flat.sum(), peaked / peaked.sum(), flat.flip(0) / flat.sum()])
    together = nucleus(p, 0.9)
    for row, alone in zip(together, p.split(1), strict=True):
        assert torch.equal(row, nucleus(alone, 0.9)[0])
    assert (together > 0).sum(1)[0] > 500 > 256 > (together > 0).sum(1)[1]


def test_evenly_spaced_noise_draws_each_column_in_proportion() -> None:
    n, weights = 1000, torch.tensor([0.0, 1.0, 0.0, 3.0, 4.0, 0.0])
    columns = draw(weights.expand(n, -1), (torch.arange(n) + 0.5) / n)
    assert columns.bincount(minlength=6).tolist() == [0, 125, 0, 375, 500, 0]


def test_a_weight_of_zero_is_never_drawn() -> None:
    weights = torch.rand(50, 300).pow(20)
    weights[:, ::7] = 0
    weights[:, -1] = 0
    for noise in (0.0, 1 - 2**-24, 1.0):
        columns = draw(weights, torch.full((50,), noise))
        assert (weights.gather(1, columns[:, None]) > 0).all()


def test_sampling_a_large_vocabulary_keeps_to_the_bans() -> None:
    model = random_model(vocabulary=3000, bound=0.01)
    ids = decode_all(model.decoder, points(300), Sample(max_length=3, banned=range(100, 3000))).ids
    assert ids.max() < 100


@pytest.mark.parametrize("columns", [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_blocks_draw_the_column_that_sums_up_to_each_one_do(columns: int) -> None:
    weights = torch.rand(200, columns, dtype=torch.float64).pow(3)
    noise = torch.rand(200, dtype=torch.float64)
    sums = weights.cumsum(1)
    expected = torch.searchsorted(sums, noise[:, None] * sums[:, -1:], right=True)[:, 0]
    assert torch.equal(draw(weights, noise), expected)


@pytest.mark.parametrize("shift", [0.0, -300.0, 300.0])
def test_exponentials_keep_to_the_range_of_their_type(shift: float) -> None:
    logits = torch.randn(7, 50)
    logits[3] += shift
    logits[:, 2] = -torch.inf
    weights, normaliser = exponentials(logits)
    torch.testing.assert_close(weights / weights.sum(1, keepdim=True), logits.softmax(1))
    torch.testing.assert_close(normaliser, logits.logsumexp(1))

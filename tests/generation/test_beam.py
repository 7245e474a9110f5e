"""Beam search against greedy search, exhaustive search and a plain twin for one sentence."""

import pytest
import torch
from torch import Tensor

from tests.generation.small import BOS, EOS, PAD, all_sentences, next_log_p, points, random_model, words_of
from textvae.data.batching import collate
from textvae.generation import Beam, Greedy, decode_all
from textvae.model import SentenceVAE


def test_a_beam_of_one_is_greedy(model: SentenceVAE) -> None:
    z = points(200)
    greedy, beam = (decode_all(model.decoder, z, d) for d in (Greedy(max_length=20), Beam(1, max_length=20)))
    assert torch.equal(greedy.ids, beam.ids)
    assert torch.equal(greedy.finished, beam.finished)
    torch.testing.assert_close(greedy.log_p, beam.log_p)


@pytest.mark.parametrize("penalty", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wide_beam_finds_what_exhaustive_search_finds(penalty: float, seed: int) -> None:
    model, z = random_model(vocabulary=7, seed=seed), points(12)
    sentences = list(all_sentences([3, 4, 5, 6], longest=4))
    batch = collate(sentences)
    with torch.no_grad():
        log_p = torch.stack([model.log_likelihood(batch, p.expand(1, len(sentences), -1))[0] for p in z])
    best = (log_p / ((5 + batch.lengths) / 6) ** penalty).max(1).indices
    found = decode_all(model.decoder, z, Beam(4**4, penalty, max_length=5))
    assert found.finished.all()
    assert [tuple(words) for words in words_of(found.ids)] == [sentences[i] for i in best]
    torch.testing.assert_close(found.log_p, log_p.gather(1, best[:, None])[:, 0])


def _plain_beam(
    model: SentenceVAE, z: Tensor, size: int, penalty: float, longest: int
) -> tuple[list[int], float, bool]:
    """(words, log p, whether they have ended) by lists, going on to the last step whatever was found."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    ended: list[tuple[float, float, list[int]]] = []
    for length in range(1, longest + 1):
        grown = []
        for log_p, words in live:
            step = next_log_p(model, words, z)
            step[[PAD, BOS, *([] if words else [EOS])]] = -torch.inf
            grown += [(log_p + float(p), [*words, i]) for i, p in enumerate(step)]
        grown.sort(reverse=True)
        finished = [(p, words[:-1]) for p, words in grown[:size] if words[-1] == EOS]
        ended += [(p / ((5 + length) / 6) ** penalty, p, words) for p, words in finished]
        live = [(p, words) for p, words in grown if words[-1] != EOS][:size]
    if ended:
        _, log_p, words = max(ended)
        return words, log_p, True
    return live[0][1], live[0][0], False


@pytest.mark.parametrize(("size", "penalty"), [(2, 0.0), (3, 1.0), (5, 2.5)])
def test_the_beam_is_that_of_a_plain_twin(model: SentenceVAE, size: int, penalty: float) -> None:
    z = points(16)
    found = decode_all(model.decoder, z, Beam(size, penalty, max_length=7))
    expected = [_plain_beam(model, point, size, penalty, 7) for point in z]
    assert words_of(found.ids) == [words for words, _, _ in expected]
    torch.testing.assert_close(found.log_p, torch.tensor([p for _, p, _ in expected], dtype=torch.float64))
    assert found.finished.tolist() == [whether for _, _, whether in expected]


def test_a_length_penalty_favours_longer_sentences(model: SentenceVAE) -> None:
    z = points(200)
    short, long = ((decode_all(model.decoder, z, Beam(5, p)).ids != PAD).sum() for p in (0.0, 3.0))
    assert long > short


def test_a_beam_wider_than_the_vocabulary(model: SentenceVAE) -> None:
    found = decode_all(model.decoder, points(3), Beam(60, max_length=4))
    narrow = decode_all(model.decoder, points(3), Beam(3, max_length=4))
    both = found.finished & narrow.finished
    assert (found.log_p[both] >= narrow.log_p[both] - 1e-9).all()

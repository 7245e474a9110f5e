"""What holds for every way of decoding."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.generation.small import BOS, EOS, PAD, UNK, log_p_of, points, random_model
from textvae.errors import ConfigError
from textvae.generation import DECODINGS, Beam, Decoding, Greedy, Sample, decode_all
from textvae.generation.decoding import State
from textvae.model import SentenceVAE
from textvae.registry import construct

LONGEST = 12
EVERY = {
    "greedy": Greedy(max_length=LONGEST),
    "ancestral": Sample(max_length=LONGEST),
    "cut": Sample(0.7, top_k=6, top_p=0.9, max_length=LONGEST),
    "beam": Beam(3, max_length=LONGEST),
    "long_beam": Beam(4, 1.5, max_length=LONGEST),
}
every_decoding = pytest.mark.parametrize("decoding", EVERY.values(), ids=EVERY)


@every_decoding
@pytest.mark.parametrize(
    "model",
    [
        random_model(),
        random_model(latent=0),
        random_model(inputless=True),
        random_model(layers=2, z_into=["state", "output"]),
    ],
    ids=["he2019", "no_latent", "inputless", "two_layers"],
)
def test_log_p_is_that_of_the_model(model: SentenceVAE, decoding: Decoding) -> None:
    z = points(60, model.latent_size)
    decoded = decode_all(model.decoder, z, decoding)
    torch.testing.assert_close(decoded.log_p, log_p_of(model, decoded, z))
    assert not decoded.log_p.requires_grad


@every_decoding
def test_log_p_is_that_of_the_model_where_words_are_banned(decoding: Decoding, model: SentenceVAE) -> None:
    z, banned = points(60), type(decoding)(max_length=LONGEST, banned=[4, 5, 6], ban_unk=True)
    decoded = decode_all(model.decoder, z, banned)
    assert not torch.isin(decoded.ids, torch.tensor([BOS, UNK, 4, 5, 6])).any()
    torch.testing.assert_close(decoded.log_p, log_p_of(model, decoded, z))
    assert not decoded.log_p.requires_grad


@every_decoding
def test_neither_chunks_nor_company_change_a_sentence(decoding: Decoding, model: SentenceVAE) -> None:
    z = points(200)
    at_once = decode_all(model.decoder, z, decoding, seed=3, rows=10_000)
    in_chunks = decode_all(model.decoder, z, decoding, seed=3, rows=31)
    two = decode_all(model.decoder, z[:2], decoding, seed=3)
    assert torch.equal(at_once.ids, in_chunks.ids)
    assert torch.equal(at_once.finished, in_chunks.finished)
    torch.testing.assert_close(at_once.log_p, in_chunks.log_p)
    width = two.ids.shape[1]
    assert torch.equal(at_once.ids[:2, :width], two.ids)
    assert (at_once.ids[:2, width:] == PAD).all()


@every_decoding
def test_the_decoder_steps_once_a_word_for_all_sentences(decoding: Decoding, model: SentenceVAE) -> None:
    steps = []

    class Counting:
        start = model.decoder.start

        def step(self, tokens: Tensor, z: Tensor, state: State) -> tuple[Tensor, State]:
            steps.append(len(tokens))
            return model.decoder.step(tokens, z, state)

    decode_all(Counting(), points(200), decoding, rows=10_000)
    assert len(steps) <= LONGEST
    assert steps[0] == 200 * decoding.width
    assert steps[-1] < steps[0], "sentences that have ended should take no part"


@every_decoding
def test_form_of_the_ids(decoding: Decoding, model: SentenceVAE) -> None:
    ids, _, finished = decode_all(model.decoder, points(200), decoding)
    ends = (ids == EOS).sum(1)
    assert finished.any() and not finished.all()
    assert torch.equal(ends, finished.long())
    after_end = (ids == EOS).cumsum(1) - (ids == EOS).long() > 0
    assert torch.equal(ids == PAD, after_end)
    assert not (ids == BOS).any()
    assert (ids[:, 0] != EOS).all()
    assert ids.shape[1] == LONGEST


@every_decoding
def test_the_ids_are_no_wider_than_the_longest_sentence(decoding: Decoding, model: SentenceVAE) -> None:
    alone = [decode_all(model.decoder, z[None], decoding, seed).ids for seed, z in enumerate(points(20))]
    assert all((ids[:, -1] != PAD).all() for ids in alone)
    assert len({ids.shape[1] for ids in alone}) > 1


def test_the_empty_sentence_comes_only_where_it_is_allowed(model: SentenceVAE) -> None:
    z = points(200)
    allowed = decode_all(model.decoder, z, Sample(allow_empty=True))
    assert (allowed.ids[:, 0] == EOS).any()
    torch.testing.assert_close(allowed.log_p, log_p_of(model, allowed, z))


def test_no_points_give_no_sentences(model: SentenceVAE) -> None:
    for decoding in EVERY.values():
        assert len(decode_all(model.decoder, points(0), decoding).ids) == 0


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("greedy", {"max_length": 0}, "max_length is 0"),
        ("greedy", {"banned": [EOS]}, "end of a sentence"),
        ("greedy", {"temperature": 2}, "no setting 'temperature'"),
        ("sample", {"temperature": 0}, "temperature is 0"),
        ("sample", {"temperature": -1.0}, "temperature is -1"),
        ("sample", {"temperature": float("nan")}, "temperature is nan"),
        ("sample", {"top_k": -1}, "top_k is -1"),
        ("sample", {"top_p": 0.0}, "top_p is 0"),
        ("sample", {"top_p": 1.1}, "top_p is 1.1"),
        ("beam", {"size": 0}, "size is 0"),
        ("beam", {"length_penalty": -0.1}, "length_penalty is -0.1"),
        ("nucleus", {}, "known: beam, greedy, sample"),
    ],
)
def test_values_out_of_range_are_refused(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        construct(DECODINGS, {"name": name, **settings}, "decoding")


@pytest.mark.parametrize(
    ("banned", "said"), [([20], "20, but ids go from 0 to 19"), (list(range(3, 20)), "no word is left")]
)
def test_bans_that_do_not_fit_the_vocabulary(model: SentenceVAE, banned: list[int], said: str) -> None:
    for decoding in DECODINGS.values():
        with pytest.raises(ConfigError, match=said):
            decode_all(model.decoder, points(2), decoding(banned=banned))

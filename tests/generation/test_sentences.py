"""Text in, text out: what the methods say of each other, and what they leave as it was."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch

from tests.generation.small import WORDS, random_model
from tests.tiny import tiny_model
from textvae.errors import ConfigError, DataError
from textvae.generation import Beam, Decoding, Path, SentenceSpace, Spherical
from textvae.generation.inference import seeds

A, B, C = "the cat sees a bird", "old dog finds today", "a bird likes the big dog"


@pytest.mark.parametrize("path", ["linear", Spherical()])
@pytest.mark.parametrize("decoding", ["greedy", Beam(3)])
def test_interpolation_ends_are_the_reconstructions(
    space: SentenceSpace, path: Path | str, decoding: Decoding | str
) -> None:
    found = space.interpolate(A, B, 5, path=path, decoding=decoding)
    assert len(found) == 5
    assert [found[0], found[-1]] == space.reconstruct([A, B], decoding=decoding)


def test_interpolations_of_many_pairs_are_those_of_each(space: SentenceSpace) -> None:
    together = space.interpolations([A, B, C], [B, C, A], steps=4)
    assert together == [space.interpolate(x, y, steps=4) for x, y in [(A, B), (B, C), (C, A)]]


def test_an_end_that_is_not_given_is_a_draw(space: SentenceSpace) -> None:
    draws = space.decode(space.draw(2, seed=5))
    way = space.interpolate(steps=3, seed=5)
    assert [way[0], way[-1]] == draws
    half = space.interpolate(A, steps=3, seed=5)
    assert [half[0], half[-1]] == [*space.reconstruct([A]), draws[1]]


def test_a_seed_gives_the_same_sentences_whatever_torch_has_drawn(space: SentenceSpace) -> None:
    first = space.sample(20, seed=3)
    torch.rand(7)
    assert space.sample(20, seed=3) == first
    assert space.sample(20, seed=4) != first
    assert space.sample(200, seed=3)[:20] == first
    z = space.draw(20)
    assert space.decode(z, "sample", seed=3) != space.decode(z, "sample", seed=4)


def test_draws_of_z_of_words_and_of_labels_never_share_a_seed() -> None:
    assert len({seed for i in range(100) for seed in seeds(i)}) == 300


@pytest.mark.parametrize(
    "call",
    [
        lambda space: space.encode([A]),
        lambda space: space.sample(3),
        lambda space: space.reconstruct([A], sample_posterior=True),
        lambda space: space.interpolate(A, B),
        lambda space: space.analogy([A], [B], [C]),
    ],
)
def test_the_model_and_the_random_state_stay_as_they_were(
    space: SentenceSpace, call: Callable[[SentenceSpace], object]
) -> None:
    space.model.train()
    space.model.encoder.eval()
    modes = [module.training for module in space.model.modules()]
    before = torch.get_rng_state()
    call(space)
    assert [module.training for module in space.model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)


def test_dropout_is_off_while_training(space: SentenceSpace) -> None:
    at_rest = space.sample(20)
    space.model.train()
    assert space.sample(20) == at_rest
    assert not space.encode([A]).mean.requires_grad


def test_reconstruction_from_a_draw_of_the_posterior(space: SentenceSpace) -> None:
    many = [A] * 50
    assert len(set(space.reconstruct(many))) == 1
    drawn = space.reconstruct(many, sample_posterior=True, seed=1)
    assert len(set(drawn)) > 1
    assert drawn == space.reconstruct(many, sample_posterior=True, seed=1)


def test_analogies(space: SentenceSpace) -> None:
    assert space.analogy([A, A], [B, A], [A, C]) == space.reconstruct([B, C])


def test_analogies_are_decoded_from_points_of_the_space_that_z_lies_in(
    space: SentenceSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[torch.Tensor] = []
    monkeypatch.setattr(space.model.head, "onto_space", lambda z: told.append(z) or space.points([C]))
    assert space.analogy([A], [B], [A]) == space.reconstruct([C])
    torch.testing.assert_close(told[0], space.points([B]))


def test_a_sentence_is_its_own_nearest_neighbour(space: SentenceSpace) -> None:
    corpus = [A, B, C, *WORDS]
    near = space.neighbours([B, C], corpus, count=3)
    assert [found[0][0] for found in near] == [B, C]
    assert all(found[0][1] == pytest.approx(0, abs=1e-6) for found in near)
    assert all(x[1] <= y[1] for found in near for x, y in pairwise(found))
    assert len(space.neighbours([A], [B, C], count=9)[0]) == 2


def test_choices_by_name_by_mapping_and_as_objects_are_the_same(space: SentenceSpace) -> None:
    z = space.draw(30)
    assert space.decode(z, "beam") == space.decode(z, {"name": "beam", "size": 5}) == space.decode(z, Beam())
    with pytest.raises(ConfigError, match="known: beam, greedy, sample"):
        space.decode(z, "viterbi")
    with pytest.raises(ConfigError, match="decoding 'beam': size is 0"):
        space.decode(z, {"name": "beam", "size": 0})


def test_requests_that_make_no_sense(space: SentenceSpace) -> None:
    with pytest.raises(ValueError, match="n is 0"):
        space.sample(0)
    with pytest.raises(ValueError, match="2, 1 sentences"):
        space.interpolations([A, B], [C])
    with pytest.raises(DataError, match="sentence 1"):
        space.interpolate("zebra", A)


def test_a_model_without_z_still_talks(space: SentenceSpace) -> None:
    plain = SentenceSpace(random_model(latent=0), space.tokenizer)
    assert len(set(plain.sample(20))) > 1
    assert len(set(plain.reconstruct([A, B, C]))) == 1
    assert len(plain.interpolate(A, B, 4, path="spherical")) == 4


def test_points_may_come_as_arrays_and_lists_of_any_float(space: SentenceSpace) -> None:
    z = space.draw(3)
    expected = space.decode(z)
    for points in (z.double(), z.numpy(), z.double().numpy(), z.tolist()):
        assert space.decode(points) == expected


@pytest.mark.parametrize("shape", [(4,), (2, 5), (3, 2, 4)])
def test_points_of_another_shape_are_refused(space: SentenceSpace, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"z is of shape \(.*\), must be \(N,4\)"):
        space.decode(torch.zeros(shape))
    with pytest.raises(ValueError, match="not finite"):
        space.decode(torch.full((1, 4), torch.nan))


def test_one_text_in_the_place_of_a_list_is_told(space: SentenceSpace) -> None:
    with pytest.raises(DataError, match="one text was given"):
        space.analogy(A, B, C)


def test_a_stream_gives_the_sentences_of_a_sample_as_they_come(space: SentenceSpace) -> None:
    space.model.train()
    stream = space.stream(1100, seed=3)
    state = torch.get_rng_state()
    first = next(stream)
    assert 0 < len(first) < 1100
    assert space.model.training and torch.equal(torch.get_rng_state(), state)
    assert first + [text for texts in stream for text in texts] == space.sample(1100, seed=3)
    space.model.eval()


def test_sentences_that_are_cut_are_counted(space: SentenceSpace) -> None:
    heard: list[str] = []
    space.remark = heard.append
    space.decode(space.draw(8), {"name": "greedy", "max_length": 1})
    assert heard == ["note: 8 of 8 sentences were cut at max_length=1, before their end"]


@pytest.mark.parametrize("latent", ["von_mises_fisher", "quantised"])
def test_a_way_of_another_shape_stays_where_z_lies(space: SentenceSpace, latent: str) -> None:
    prior = {"von_mises_fisher": "uniform_sphere", "quantised": "uniform_codes"}[latent]
    model = tiny_model(latent={"name": latent, "size": 4}, prior={"name": prior})
    other, seen = SentenceSpace(model, space.tokenizer), []
    other.decode = lambda z, *rest: seen.append(z) or [""] * len(z)  # type: ignore[method-assign, func-returns-value]
    ends = other.draw(2)
    other.interpolations(ends[:1], ends[1:], steps=5, path="linear")
    torch.testing.assert_close(seen[0], model.head.onto_space(seen[0]))
    torch.testing.assert_close(seen[0][[0, -1]], ends)
    other.interpolations(ends[:1], ends[1:], steps=2, path="linear")
    torch.testing.assert_close(seen[1], ends)


def test_the_first_draws_are_the_same_for_every_n(space: SentenceSpace) -> None:
    many = space.draw(100, seed=4)
    for n in (1, 3, 16, 33):
        assert torch.equal(space.draw(n, seed=4), many[:n])


def test_arrays_of_sentences_are_taken_as_lists_are(space):
    several = np.array([A, B])
    assert space.interpolations(several, several[::-1], steps=3) == space.interpolations(
        [A, B], [B, A], steps=3
    )
    assert space.neighbours(several, several.astype(object), count=1) == space.neighbours(
        [A, B], [A, B], count=1
    )

"""Paths and arithmetic in latent space: ends, norms, angles and degenerate cases."""

import pytest
import torch

from tests.generation.small import points
from textvae.errors import ConfigError
from textvae.generation import PATHS, Linear, Path, Spherical, analogy
from textvae.generation.latent import nearest
from textvae.registry import construct

every_path = pytest.mark.parametrize("path", [make() for make in PATHS.values()], ids=PATHS)
A, B = points(30, seed=1), points(30, seed=2)


@every_path
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_are_exact(path: Path, dtype: torch.dtype) -> None:
    way = path(A.to(dtype), B.to(dtype), 9)
    assert way.shape == (9, 30, 4)
    assert torch.equal(way[0], A.to(dtype)) and torch.equal(way[-1], B.to(dtype))
    assert torch.equal(path(A, B, 2), torch.stack([A, B]))


@every_path
def test_the_way_back_is_the_way_reversed(path: Path) -> None:
    torch.testing.assert_close(path(A, B, 6), path(B, A, 6).flip(0))


@every_path
@pytest.mark.parametrize("steps", [1, 0, -3])
def test_a_path_has_both_ends(path: Path, steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps is {steps}, must be a whole number of at least 2"):
        path(A, B, steps)


@pytest.mark.parametrize("path", [Linear(), Spherical()], ids=["linear", "spherical"])
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([0.0, 0.0], [3.0, 4.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1.0, 2.0], [2.0, 4.0]),
        ([1.0, 2.0], [-1.0, -2.0]),
        ([], []),
    ],
    ids=["from 0", "to itself", "outwards", "through 0", "no z"],
)
def test_points_on_a_line_through_0_are_joined_by_it(path: Path, a: list[float], b: list[float]) -> None:
    ends = torch.tensor([a]), torch.tensor([b])
    torch.testing.assert_close(path(*ends, 5), Linear()(*ends, 5))


def test_linear_steps_are_equal() -> None:
    way = Linear()(A, B, 5)
    torch.testing.assert_close(way.diff(dim=0), ((B - A) / 4).expand(4, -1, -1))


def test_spherical_keeps_the_norm_of_equally_long_ends_and_turns_evenly() -> None:
    a, b = 3 * A / A.norm(dim=1, keepdim=True), 3 * B / B.norm(dim=1, keepdim=True)
    way = Spherical()(a, b, 7)
    torch.testing.assert_close(way.norm(dim=-1), torch.full((7, 30), 3.0, dtype=torch.float64))
    turns = (way[1:] * way[:-1]).sum(-1).div(9).acos()
    torch.testing.assert_close(turns, turns[:1].expand_as(turns))


def test_paths_are_chosen_by_name() -> None:
    assert isinstance(construct(PATHS, {"name": "spherical"}, "path"), Spherical)
    with pytest.raises(ConfigError, match="known: codes, linear, spherical"):
        construct(PATHS, {"name": "geodesic"}, "path")


def test_analogy_with_a_difference_of_nothing_and_with_itself() -> None:
    c = points(30, seed=3)
    torch.testing.assert_close(analogy(A, A, c), c)
    torch.testing.assert_close(analogy(A, B, A), B)


def test_nearest_points_by_plain_distances() -> None:
    corpus = points(50, seed=4)
    distances, indices = nearest(A, corpus, 3, rows=7)
    plain = (A[:, None] - corpus).square().sum(-1).sqrt()
    torch.testing.assert_close(distances, plain.sort(1).values[:, :3])
    assert torch.equal(indices, plain.argsort(1)[:, :3])


def test_nearest_points_of_a_tight_cluster_are_told_apart() -> None:
    cluster = 0.5 + 1e-4 * torch.randn(200, 32, generator=torch.Generator().manual_seed(0))
    distances, indices = nearest(cluster, cluster, 2)
    plain = torch.stack([(cluster - point).square().sum(-1) for point in cluster])
    assert torch.equal(indices, plain.argsort(1)[:, :2])
    assert not distances[:, 0].any()

"""What every head says of the space that its z lies in."""

import pytest
import torch

from textvae.latents.heads import CODES, SPHERE
from textvae.latents.posteriors import HEADS

SIZES = {"quantised": {"slots": 2, "codes": 5}}
WITH_Z = sorted(set(HEADS) - {"none"})


def head(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    return HEADS[name](6, size=4, **SIZES.get(name, {})).eval()


@pytest.mark.parametrize("name", WITH_Z)
def test_points_of_the_space_stay_where_they_are(name: str) -> None:
    part = head(name)
    z = part(torch.randn(7, 6)).mode.detach()
    torch.testing.assert_close(part.onto_space(z), z)
    torch.testing.assert_close(part.onto_space(z.view(1, 7, 4)), z.view(1, 7, 4))


@pytest.mark.parametrize("name", [name for name in WITH_Z if HEADS[name].space in (SPHERE, CODES)])
def test_other_points_go_to_the_nearest_one(name: str) -> None:
    part = head(name)
    others = part(torch.randn(50, 6)).mode.detach()
    z = 3 * torch.randn(9, 4)
    near = part.onto_space(z)
    torch.testing.assert_close(part.onto_space(near), near)
    assert ((z - near).norm(dim=-1) <= torch.cdist(z, others).min(-1).values + 1e-6).all()

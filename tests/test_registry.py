import pytest

from textvae.errors import ConfigError
from textvae.registry import construct


def make(size: int, rate: float = 0.5, name_of: str | None = None, wide: bool = False, depth: int = 0):
    if size < 0:
        raise ValueError(f"size is {size}, must not be negative")
    return size, rate, name_of, wide, depth


KNOWN = {"thing": make}


def test_arguments_come_from_the_spec_and_the_context():
    assert construct(KNOWN, {"name": "thing", "size": 3, "rate": 1}, "a", depth=2, unused=9) == (
        3,
        1,
        None,
        False,
        2,
    )


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "a.name is None; known: thing"),
        (None, "a is None, must be a group of settings"),
        ("thing", "a is 'thing', must be a group of settings"),
        ({"name": "other"}, "'other'; known: thing"),
        ({"name": "thing", "siez": 1}, "no setting 'siez'; it has: size, rate"),
        ({"name": "thing", "size": 1, "depth": 4}, "no setting 'depth'"),
        ({"name": "thing", "size": -1}, "size is -1, must not be negative"),
        ({"name": "thing"}, "size"),
        ({"name": "thing", "size": "many"}, "a.size is 'many', must be of type int"),
        ({"name": "thing", "size": 1.5}, "a.size is 1.5"),
        ({"name": "thing", "size": True}, "a.size is True"),
        ({"name": "thing", "size": 1, "rate": None}, "a.rate is None"),
        ({"name": "thing", "size": 1, "name_of": 3}, "str, or null"),
        ({"name": "thing", "size": 1, "wide": "yes"}, "a.wide is 'yes'"),
    ],
)
def test_errors_name_the_section_and_the_value(spec, says):
    with pytest.raises(ConfigError, match=says):
        construct(KNOWN, spec, "a", depth=0)

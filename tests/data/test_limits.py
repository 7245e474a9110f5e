"""Long sentences are dropped or truncated, and those of the very limit are neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textvae.data.limits import LIMITS, Drop, Truncate
from textvae.errors import ConfigError
from textvae.registry import construct


@given(ids=st.lists(st.integers(3, 9), max_size=8), tokens=st.integers(1, 8))
def test_what_is_kept(ids, tokens) -> None:
    fits = len(ids) <= tokens
    assert Drop(tokens)(ids) == (ids if fits else [])
    assert Truncate(tokens)(ids) == (ids if fits else ids[:tokens])


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="tokens is 0"):
        construct(LIMITS, {"name": "drop", "tokens": 0}, "max_length")

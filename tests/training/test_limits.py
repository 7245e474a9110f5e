"""Where training ends, and what it has used."""

import pytest

from textvae.training.limits import Clock, Limits


def test_speed_is_of_the_steps_since_an_earlier_reading():
    early, late = Clock(train_s=2.0, tokens=100), Clock(train_s=4.0, tokens=700)
    assert late.tokens_per_s(since=early) == 300.0
    assert late.tokens_per_s(since=Clock()) == 175.0
    assert late.tokens_per_s(since=late) == 0.0


@pytest.mark.parametrize(
    "settings",
    [{"max_epochs": -1}, {"max_steps": -1}, {"log_every": 0}, {"checkpoint_minutes": 0.0}],
)
def test_limits_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Limits(**settings)

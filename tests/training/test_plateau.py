import json

import pytest

from textvae.training.plateau import Plateau


def decisions(plateau, scores, first=0):
    return [plateau.update(score, epoch) for epoch, score in enumerate(scores, start=first)]


def test_two_epochs_without_a_better_score_make_a_plateau():
    seen = decisions(Plateau(patience=2, from_epoch=0, plateaus=9), [5, 4, 4.5, 4.6, 4.5, 3])
    assert [d.improved for d in seen] == [True, True, False, False, False, True]
    assert [d.decay for d in seen] == [False, False, False, True, False, False]


def test_after_a_plateau_its_last_score_is_the_reference_but_best_stays():
    plateau = Plateau(patience=1, from_epoch=0, plateaus=9)
    seen = decisions(plateau, [4, 6, 5, 5.5])
    assert [d.decay for d in seen] == [False, True, False, True]
    assert plateau.best == 4
    assert not seen[2].improved


def test_no_plateau_before_from_epoch():
    seen = decisions(Plateau(patience=1, from_epoch=3, plateaus=9), [1, 2, 3, 4, 5])
    assert [d.decay for d in seen] == [False, False, False, True, True]


def test_the_last_plateau_stops():
    seen = decisions(Plateau(patience=1, from_epoch=0, plateaus=2), [1, 2, 3])
    assert [d.stop for d in seen] == [False, False, True]


def test_state_goes_through_json_and_back():
    scores = [3, 2, 2.5, 2.6, 2.4, 2.7, 2.8, 1]
    whole, first = Plateau(from_epoch=0), Plateau(from_epoch=0)
    expected = decisions(whole, scores)[4:]
    decisions(first, scores[:4])
    second = Plateau(from_epoch=0)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert decisions(second, scores[4:], first=4) == expected


@pytest.mark.parametrize(
    "settings", [{"factor": 0}, {"factor": 1.1}, {"patience": -1}, {"plateaus": 0}, {"from_epoch": -1}]
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError):
        Plateau(**settings)


def test_without_patience_every_epoch_from_the_first_one_on_lowers_the_rate():
    seen = decisions(Plateau(patience=0, from_epoch=2, plateaus=3), [5, 4, 3, 4, 2])
    assert [decision.decay for decision in seen] == [False, False, True, True, True]
    assert [decision.stop for decision in seen] == [False, False, False, False, True]
    assert [decision.improved for decision in seen] == [True, True, True, False, True]


def test_epochs_while_the_weight_rises_are_not_waited_for():
    plateau = Plateau(patience=2, from_epoch=0, plateaus=9)
    seen = [
        plateau.update(score, epoch, settled=epoch not in (1, 2, 3))
        for epoch, score in enumerate([1, 5, 5, 5, 2, 2])
    ]
    assert [d.decay for d in seen] == [False, False, False, False, False, True]
    better = plateau.update(0.5, 6, settled=False)
    assert better.improved and plateau.reference == 0.5

"""Pictures are not blank, whatever the number of runs, and a setting keeps its style."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.reporting.folders import config, finished, measured, rows, write_run
from textvae.reporting.figures import _lines, _part, kl_per_dimension, pictures
from textvae.reporting.plane import _distortions, _rates
from textvae.reporting.runs import read_runs
from textvae.reporting.styles import styles


def drawn(png: bytes) -> np.ndarray:
    """The pixels; the picture is wide enough to read and has colours on its white."""
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=int)
    coloured = np.ptp(pixels, axis=2) > 60
    assert pixels.shape[1] > 800 and 20 < coloured.sum() < coloured.size / 2
    return pixels


def test_a_single_run_has_all_pictures(tmp_path):
    found = pictures(read_runs([finished(tmp_path / "run")]))
    assert list(found) == ["training", "rate_distortion", "kl_per_dimension"]
    for png in found.values():
        drawn(png)


def test_a_dollar_in_a_name_begins_no_formula(tmp_path):
    finished(tmp_path / "a", name="costs $5 or $x^{ $")
    finished(tmp_path / "b", name="b")
    for folders in ([tmp_path / "a"], [tmp_path]):
        assert all(drawn(png) is not None for png in pictures(read_runs(folders)).values())


def test_forty_runs_leave_the_panels_their_room(tmp_path):
    for i in range(40):
        finished(tmp_path / f"{i:02}", name=f"a remedy with a name, number {i}", rec=100 - i, kl=i / 2)
    found = pictures(read_runs([tmp_path]))
    assert list(found) == ["training", "rate_distortion"]
    one = pictures(read_runs([tmp_path / "00"]))
    for name, png in found.items():
        assert drawn(png).shape[0] > drawn(one[name]).shape[0]


def test_outliers_unfinished_runs_and_nothing_at_all(tmp_path):
    finished(tmp_path / "a", rec=1.0, kl=900.0)
    finished(tmp_path / "b", name="b", rec=99.0, kl=1.0)
    finished(tmp_path / "c", name="c", rec=99.0, kl=0.0)
    write_run(tmp_path / "d", config("d"), None, rows())
    for png in pictures(read_runs([tmp_path])).values():
        drawn(png)
    assert list(pictures(read_runs([tmp_path / "d"]))) == ["training", "kl_per_dimension"]
    assert pictures(read_runs([write_run(tmp_path / "e", config(), None, [])])) == {}


def test_outliers_get_a_second_panel_for_the_others(tmp_path):
    for i, kl in enumerate((0.0, 3.0, 400.0)):
        finished(tmp_path / str(i), name=str(i), kl=kl, rec=max(1.0, 100 - kl))
    alike = pictures(read_runs([tmp_path / "0", tmp_path / "1"]))["rate_distortion"]
    apart = pictures(read_runs([tmp_path]))["rate_distortion"]
    assert drawn(apart).shape[1] > drawn(alike).shape[1]


@pytest.mark.parametrize(("epochs", "dimensions", "kl"), [(1, 1, 5.0), (12, 128, 40.0), (3, 16, 0.0)])
def test_the_dimensions_of_any_run_are_drawn(tmp_path, epochs, dimensions, kl):
    logged = rows(kl, epochs, dimensions)
    drawn(kl_per_dimension(read_runs([write_run(tmp_path / "run", config(), None, logged)])[0]))


@pytest.mark.parametrize(
    ("latent", "groups", "dimensions", "part"),
    [
        ("gaussian", 2, 2, "dimension"),
        ("gaussian", 1, 1, "dimension"),
        ("hierarchical", 2, 2, "group"),
        ("hierarchical", 2, 4, "group"),
        ("von_mises_fisher", 1, 4, "group"),
        (None, 2, 2, "dimension"),
    ],
)
def test_two_layers_are_no_dimensions_however_many_there_are(tmp_path, latent, groups, dimensions, part):
    logged = [*rows(dimensions=groups), {"step": 300, "valid/total_dimensions": dimensions}]
    settings = config(latent={"name": latent} if latent else None)
    (run,) = read_runs([write_run(tmp_path / "run", settings, None, logged)])
    assert _part(run, groups) == part
    drawn(kl_per_dimension(run))


def test_figures_beyond_all_bounds_leave_gaps(tmp_path):
    logged = [{"step": 1, "valid/kl": None, "valid/kl_per_dim": [None, 1.0]}]
    logged += [{"step": 2, "valid/kl": 3.0, "valid/kl_per_dim": [2.0, 1.0]}]
    runs = read_runs(
        [write_run(tmp_path / "run", config(), {**measured(), "kl": None, "ppl_iw": None}, logged)]
    )
    assert list(pictures(runs)) == ["training", "kl_per_dimension"]


def test_a_language_model_has_no_dimensions_to_draw(tmp_path):
    logged = [{"step": 1, "valid/kl": 0.0}, {"step": 1, "valid/kl_per_dim": []}]
    assert list(pictures(read_runs([write_run(tmp_path / "lm", config(), None, logged)]))) == ["training"]


def test_curves_say_what_has_not_ended_and_a_first_stage_has_its_own(tmp_path):
    whole = finished(tmp_path / "a", name="a")
    finished(whole / "pretraining")
    write_run(tmp_path / "b", config("b"), None, [*rows(), {"step": 301, "failed": "nan"}])
    half = write_run(tmp_path / "c", config("c"), None, [])
    write_run(half / "pretraining", config("c"), None, rows())
    assert [[name for name, _ in _lines(run.config["name"], run)] for run in read_runs([tmp_path])] == [
        ["a: first stage", "a"],
        ["b (failed)"],
        ["c: first stage (unfinished)"],
    ]
    drawn(pictures(read_runs([tmp_path]))["training"])


def beta_panel(folder, logged) -> np.ndarray:
    """The pixels of the middle panel within its frame."""
    run = write_run(folder, config(), None, [{"step": 9, "valid/kl": 1.0}, *logged])
    pixels = drawn(pictures(read_runs([run]))["training"])
    height, width = pixels.shape[:2]
    return pixels[height // 12 : -height // 3, 2 * width // 5 : 3 * width // 5]


def test_a_single_beta_is_seen_and_that_there_is_none_is_said(tmp_path):
    one = beta_panel(tmp_path / "one", [{"step": 9, "train/beta": 0.5}])
    none = beta_panel(tmp_path / "none", [])
    assert (np.ptp(one, axis=2) > 60).any() and not (np.ptp(none, axis=2) > 60).any()
    assert (none.max(axis=2) < 60).any() and not (one.max(axis=2) < 60).any()


def test_no_rate_below_0_is_offered_but_what_an_estimate_has():
    assert _rates([0.0, 5.0])[0] == pytest.approx(-0.108)
    assert _rates([-0.5, 100.0])[0] < -0.5 and _rates([0.0])[1] == 2.0


def test_a_panel_reaches_the_truth_only_where_that_leaves_the_points_their_room():
    low, high = _distortions([16.0, 22.0], 15.0)
    assert 14.5 < low < 15.0 and high > 22.0
    assert _distortions([101.0, 103.0], 19.96) == _distortions([101.0, 103.0], None)
    assert _distortions([21.7, 21.8], 30.0) == pytest.approx((20.75, 22.75))
    assert -2.5 < _distortions([0.5, 100.0], None)[0] < 0


def test_styles_of_84_settings_differ():
    names = [str(i) for i in range(84)]
    assert len(set(styles(names).values())) == 84

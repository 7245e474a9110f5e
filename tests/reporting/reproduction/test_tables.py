"""Rows and what they tell textvae train; the tables of this checkout."""

import pytest
from omegaconf import OmegaConf

from tests.conftest import ROOT
from tests.reporting.reproduction.records import table
from tests.test_experiments import EXPERIMENTS, composed
from textvae.errors import ConfigError
from textvae.reporting.reproduction.columns import COLUMNS
from textvae.reporting.reproduction.page import page
from textvae.reporting.reproduction.records import Results
from textvae.reporting.reproduction.tables import Row, Table, settings_of, table_of

DEFINITIONS = sorted((ROOT / "docs" / "results" / "tables").glob("*.yaml"))


def test_a_row_says_its_overrides_then_its_limit_of_epochs() -> None:
    made = table(epochs=100, overrides=("optimizer=sgd", "latent.size=16"))
    row = Row("a", ("experiment=x", "latent.size=32"))
    assert made.overrides_of(row) == [
        "optimizer=sgd",
        "latent.size=32",
        "experiment=x",
        "train.max_epochs=100",
    ]
    assert made.overrides_of(row, epochs=2)[-1] == "train.max_epochs=2"
    assert table().overrides_of(row) == ["experiment=x", "latent.size=32"]


def test_settings_are_what_remains_without_places_seed_and_limits() -> None:
    said = [
        "experiment=x",
        "seed=3",
        "run_dir=a",
        "tracker=none",
        "compute.device=cuda",
        "train.max_epochs=4",
        "++pretraining.train.max_epochs=2",
    ]
    assert settings_of(said) == {"experiment=x"}


def test_unknown_rows_and_keys_are_refused_with_their_names() -> None:
    with pytest.raises(ConfigError, match=r"small has no row 'lmm'; it has lm, plain, cure"):
        table().chosen(["lmm"])
    assert [row.name for row in table().chosen([])] == ["lm", "plain", "cure"]
    with pytest.raises(ConfigError, match=r"row 'a' of a table: .*'sees'"):
        table_of({"name": "t", "rows": [{"name": "a", "overrides": [], "sees": [0]}]})


def test_remedies_stand_between_the_named_rows_and_the_failures() -> None:
    settings = {key: getattr(table(), key) for key in ("name", "title", "page", "runs", "columns")}
    entry = {"does": "cures", "override": "rate=hinge"}
    made = table_of(
        {
            **settings,
            "rows": [{"name": "lm", "overrides": ["a"]}],
            "failures": [{"name": "dead", "overrides": []}],
        },
        {
            "reference": {"lm": entry},
            "objective": {"hinge": entry, "other": {**entry, "grammar": "another"}},
            "prior": {"ptb_only": {**entry, "without": {"grammar": "no"}}},
        },
    )
    assert [row.name for row in made.rows] == ["lm", "hinge", "other", "dead"]
    assert [row.overrides for row in made.rows[1:3]] == [
        ("experiment=grammar/hinge",),
        ("experiment=grammar/another",),
    ]


def defined(path) -> Table:
    settings = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    listed = settings.pop("remedies", None)
    remedies = OmegaConf.to_container(OmegaConf.load(ROOT / listed)) if listed else None
    return table_of({"name": path.stem, **settings}, remedies)


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_a_table_of_this_checkout_is_whole(path) -> None:
    """Its rows compose, its baselines are rows, its sources are named, and prose and columns know what they ask for."""
    made = defined(path)
    names = [row.name for row in made.rows]
    assert len(set(names)) == len(names) and set(made.baselines.values()) <= set(names)
    assert set(made.columns) <= set(COLUMNS)
    assert {source for row in made.rows for source in row.published} <= set(made.sources)
    for row in made.rows:
        words = made.overrides_of(row, epochs=2)
        assert words[len(made.overrides)].removeprefix("experiment=") in EXPERIMENTS
        if set(words[1:]) != {"train.max_epochs=2"}:  # the experiments themselves have tests of their own
            assert composed(*words)["train"]["max_epochs"] == 2
    notes = path.parents[1] / "notes" / f"{path.stem}.md"
    assert "not run" in page(Results(made, []), notes.read_text() if notes.exists() else "")

"""How many epochs a row's own recipe has, where its table names none: what its experiment says."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from textvae.cli.compose import composed
from textvae.keys import key_of
from textvae.reporting.reproduction.tables import LIMIT, Row, Table


def recipe_epochs(table: Table, row: Row) -> int:
    """The limit of epochs of a row that nothing else bounds. ConfigError where its overrides do not compose."""
    return table.epochs_of(row) or _composed_epochs(tuple(table.overrides_of(row)))


def bound_of(table: Table, row: Row, epochs: int | None) -> int | None:
    """The bound that `--epochs` is for a row; None where it is none, since the recipe ends no later."""
    return None if epochs is None or epochs >= recipe_epochs(table, row) else epochs


def was_bounded(config: Mapping[str, Any]) -> bool:
    """Whether a run with this config was given a limit of epochs, which may not be its recipe's."""
    return any(key_of(word) == LIMIT for word in config.get("overrides", []))


@cache
def _composed_epochs(overrides: tuple[str, ...]) -> int:
    return int(composed("train", overrides)["train"]["max_epochs"])

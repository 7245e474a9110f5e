"""What ended the stages of a run, and whether a limit that its row does not ask for was it."""

from collections.abc import Mapping
from typing import Any

from textvae.keys import KEPT, key_of
from textvae.reporting.reproduction.tables import LIMIT, Row, Table

Facts = Mapping[str, Any]
FIRST_LIMIT = f"pretraining.{LIMIT}"


def ended(limits: Facts, train: Facts) -> str:
    """plateaus, epochs or steps: of a finished stage with these limits (section train) and facts (train of its summary).

    A summary that does not say it was made before summaries did: then only the last plateau ends a run before its limits.
    """
    if "ended" in train:
        return str(train["ended"])
    if limits.get("max_steps") is not None and train["steps"] >= limits["max_steps"]:
        return "steps"
    return "epochs" if train["epochs"] >= limits["max_epochs"] else "plateaus"


def first_limits(config: Facts) -> dict[str, Any]:
    """The section train of a run's first stage."""
    return {**config["train"], **((config.get("pretraining") or {}).get("train") or {})}


def shares_limit(config: Facts) -> bool:
    """Whether a run has a first stage for which the limit of epochs of the run itself was meant too."""
    said = [word for word in config.get("overrides", []) if key_of(word) == FIRST_LIMIT]
    # A resumption found it to be the run's, whatever that has since.
    if any(word.startswith(KEPT) for word in said):
        return True
    same = first_limits(config)["max_epochs"] == config["train"]["max_epochs"]
    return config.get("pretraining") is not None and same and not said


def cut_short(
    table: Table, row: Row, config: Facts, train: Facts, first: Facts | None, own: int | None = None
) -> bool:
    """Whether a limit that the row does not ask for ended the run, or its first stage (facts `first`).

    own: the epochs of the row's recipe, where they are known and the table says none.
    """
    most = table.epochs_of(row) or own
    if ended(config["train"], train) != "plateaus" and _below(table, row, config, train, most):
        return True
    if first is None or not shares_limit(config):
        return False
    return ended(first_limits(config), first) != "plateaus" and _below(table, row, config, first, most)


def _below(table: Table, row: Row, config: Facts, train: Facts, most: int | None) -> bool:
    if most is not None:
        return bool(train["epochs"] < most)
    given = {word for word in config.get("overrides", []) if word.startswith("train.max_")}
    return bool(given - set(table.overrides_of(row)))

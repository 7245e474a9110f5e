"""Tables that are to be reproduced: their rows, what each row runs, and what was published of it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textvae.errors import ConfigError
from textvae.keys import HOW, KEPT, WHERE, key_of, within

LIMIT = "train.max_epochs"

Figures = Mapping[str, float | str]
Remedies = Mapping[str, Mapping[str, Mapping[str, Any]]]  # family -> name -> does, override, source


@dataclass(frozen=True)
class Row:
    """One setting: `overrides` of textvae train make it, `epochs` are those published.

    published: figures by the key of their source. explained: what a difference above the table's tolerance comes
    from, with placeholders. switch: the override that turns a remedy on by itself. ran: its overrides, with the experiment
    among them spelt out. told: what of x the likelihood is given.
    """

    name: str
    overrides: tuple[str, ...]
    about: str = ""
    seeds: tuple[int, ...] = ()
    epochs: int | None = None
    published: Mapping[str, Figures] = field(default_factory=dict, hash=False)
    explained: str = ""
    family: str = ""
    source: str = ""
    switch: str = ""
    ran: str = ""
    told: str = ""


@dataclass(frozen=True)
class Table:
    """Rows with what they share. `runs`: the folder of its runs below that of all; tables may share one.

    spell_out: whether the page says what each row's experiment changes. samples: sentences drawn from prior and aggregated
    posterior of a run on the grammar, 0: none. baselines: the rows of the language model and of the plain VAE. page: where
    it is rendered. elsewhere: a table whose rows give evidence too.
    """

    name: str
    title: str
    page: str
    runs: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    intro: str = ""
    epochs: int | None = None
    seeds: tuple[int, ...] = (0,)
    overrides: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    baselines: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.5
    spell_out: bool = False
    samples: int = 0
    elsewhere: str = ""

    def seeds_of(self, row: Row) -> tuple[int, ...]:
        return row.seeds or self.seeds

    def epochs_of(self, row: Row) -> int | None:
        return row.epochs or self.epochs

    def overrides_of(self, row: Row, epochs: int | None = None) -> list[str]:
        """What textvae train is told, a later word on the same key taking the place of the earlier."""
        limit = epochs or self.epochs_of(row)
        words = [*self.overrides, *row.overrides, *([f"{LIMIT}={limit}"] if limit else [])]
        return list({word.partition("=")[0]: word for word in words}.values())

    def chosen(self, names: Sequence[str]) -> list[Row]:
        """The rows of these names, all of them for none. ConfigError for a name that no row has."""
        known = {row.name: row for row in self.rows}
        for name in names:
            if name not in known:
                raise ConfigError(f"table {self.name} has no row {name!r}; it has {', '.join(known)}")
        return [known[name] for name in names] if names else list(self.rows)


def table_of(settings: Mapping[str, Any], remedies: Remedies | None = None) -> Table:
    """A table from the content of its file: `rows`, then each remedy that they do not name, then `failures`."""
    shared = {key: value for key, value in settings.items() if key != "failures"}
    first, last = (
        [_made(Row, entry, "row") for entry in settings.get(key, ())] for key in ("rows", "failures")
    )
    taken = {row.name for row in (*first, *last)}
    between = [row for row in _remedy_rows(remedies or {}) if row.name not in taken]
    table: Table = _made(Table, {**shared, "rows": (*first, *between, *last)}, "table")
    return table


def settings_of(overrides: Iterable[str]) -> set[str]:
    """The overrides that make a setting: without the limits of epochs."""
    words = made_from(overrides)
    return {word for word in words if key_of(word) != LIMIT and not word.startswith(f"{KEPT}{LIMIT}=")}


def made_from(overrides: Iterable[str]) -> list[str]:
    """Those that may change a figure, but for the seed, which names the run."""
    return [word for word in overrides if not within(key_of(word), HOW | WHERE | {"seed"})]


def _remedy_rows(remedies: Remedies) -> Iterator[Row]:
    """A row for each remedy that has an experiment on the grammar corpus."""
    for family, entries in remedies.items():
        for name, entry in entries.items():
            if "grammar" in entry.get("without", {}):
                continue
            yield Row(
                name=name,
                overrides=(f"experiment=grammar/{entry.get('grammar', name)}",),
                about=entry["does"],
                family=family,
                source=entry.get("source", ""),
                switch=entry["override"],
                told=entry.get("told", ""),
            )


def _made(kind: Any, settings: Mapping[str, Any], what: str) -> Any:
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    try:
        return kind(**values)
    except TypeError as error:
        reason = str(error).replace("__init__() ", "").split(".")[-1]
        raise ConfigError(f"{what} {settings.get('name', settings)!r} of a table: {reason}") from error

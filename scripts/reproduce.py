"""Rebuilds a table of docs/: trains each (row, seed) as a process of its own and keeps its figures as soon as it is done.

scripts/reproduce ptb                              every row with its seeds, one after the other
scripts/reproduce grammar --jobs 2                 two at a time, which share the cores
scripts/reproduce ptb --rows lm,plain --seeds 0    some of it
scripts/reproduce remedies --collect               no training: the figures of the runs that are there

Run again, it goes on where it was stopped: finished runs are skipped, half-done ones resumed, failed ones tried again.
What another process trains is skipped too, so that several may share the rows of a table.
Runs lie in DIR/TABLE/ROW/SEED (remedies share those of the grammar), figures in docs/results/TABLE.json, and the page in
docs/ is the one that the table's file, docs/results/tables/TABLE.yaml, names.
"""

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from recipe import recipe_epochs, was_bounded  # noqa: E402
from runner import Job, Runner, arguments  # noqa: E402

import textvae  # noqa: E402
from textvae.errors import ConfigError, TextVAEError  # noqa: E402
from textvae.replacing import replacing  # noqa: E402
from textvae.reporting.reproduction.experiments import settings_that_ran  # noqa: E402
from textvae.reporting.reproduction.grammaticality import sample_figures  # noqa: E402
from textvae.reporting.reproduction.page import page  # noqa: E402
from textvae.reporting.reproduction.records import (  # noqa: E402
    Record,
    Results,
    beaten,
    least_by_rate,
    merged,
    record_of,
    same_run,
)
from textvae.reporting.reproduction.stored import stored_records  # noqa: E402
from textvae.reporting.reproduction.tables import Table, settings_of, table_of  # noqa: E402
from textvae.reporting.runs import read_run  # noqa: E402
from textvae.training.files import write_json  # noqa: E402
from textvae.training.locks import awaited  # noqa: E402

TABLES = Path("results") / "tables"


def tables(docs: Path) -> list[str]:
    return sorted(path.stem for path in (docs / TABLES).glob("*.yaml"))


def content(file: Path) -> Any:
    """Of a YAML file. ConfigError where it is none."""
    try:
        return OmegaConf.to_container(OmegaConf.load(file), resolve=False)
    except (YAMLError, OmegaConfBaseException, ValueError, OSError) as error:
        raise ConfigError(f"{file} cannot be read: {' '.join(str(error).split())}") from error


class Book:
    """A table's files below docs/: its definition, records, notes and page."""

    def __init__(self, name: str, docs: Path) -> None:
        results = docs / "results"
        source = docs / TABLES / f"{name}.yaml"
        if not source.is_file():
            known = ", ".join(tables(docs)) or "none"
            raise ConfigError(f"{name!r} is no table; {source.parent} has {known}")
        settings = content(source)
        if not isinstance(settings, dict):
            raise ConfigError(f"{source} holds no settings of a table")
        remedies = settings.pop("remedies", None)
        if remedies and not (ROOT / remedies).is_file():
            raise ConfigError(f"{source} names {remedies}, which does not exist in {ROOT}")
        listed = content(ROOT / remedies) if remedies else None
        table = table_of({"name": name, **settings}, listed)
        rows = (
            replace(row, ran=settings_that_ran(ROOT / "conf", row.overrides, content)) for row in table.rows
        )
        self.table: Table = replace(table, rows=tuple(rows))
        self.source, self.file = source, results / f"{name}.json"
        self.notes = results / "notes" / f"{name}.md"
        self.page = docs / self.table.page
        self.elsewhere = Book(self.table.elsewhere, docs) if self.table.elsewhere else None

    def records(self) -> list[Record]:
        return stored_records(self.file)

    def results(self) -> Results:
        return Results(self.table, self.records())

    def keep(self, job: Job) -> None:
        """A finished run's record, and the page with it, by one process at a time."""
        with awaited(self.source):
            self._keep(job)

    def _keep(self, job: Job) -> None:
        """What samples show is measured once for a run."""
        records, record = self.records(), self._record(job)
        if beaten(records, record):
            print(f"{told(job, record)}; {self.file} keeps the whole run that it has", flush=True)
            return
        before = next((old for old in records if same_run(old, record)), None)
        record |= {name: value for name, value in (before or {}).items() if name.startswith("grammatical_")}
        if self.table.samples and before is None and (job.folder / "model.safetensors").is_file():
            record |= sample_figures(textvae.load(job.folder), self.table.samples)
        write_json(self.file, merged(records, record, [row.name for row in self.table.rows]))
        self.render()
        print(told(job, record), flush=True)

    def _record(self, job: Job) -> Record:
        config, first = job.read("config.json"), Path("pretraining") / "summary.json"
        ran, asked = settings_of(config.get("overrides", [])), settings_of(self.table.overrides_of(job.row))
        if ran != asked:
            others = " ".join(sorted(ran ^ asked))
            print(f"note: {job.folder} ran with other settings than its row: {others}", file=sys.stderr)
        earlier = job.read(str(first)) if (job.folder / first).is_file() else None
        rates = {"valid_by_rate": least_by_rate(read_run(job.folder).rows)}
        own = recipe_epochs(self.table, job.row) if was_bounded(config) else None
        return record_of(self.table, job.row, job.read("summary.json"), config, earlier, own) | rates

    def render(self) -> None:
        notes = self.notes.read_text(encoding="utf-8") if self.notes.exists() else ""
        text = page(self.results(), notes, self.elsewhere.results() if self.elsewhere else None)
        with replacing(self.page) as beside:
            beside.write_text(text, encoding="utf-8")


def told(job: Job, record: Record) -> str:
    """A record's figures in a line, and by what it was cut short."""
    names = ("nll_iw", "neg_elbo", "rec", "kl")
    figures = [f"{name} {record[name]:.2f}" for name in names if record.get(name) is not None]
    if record["cut_short"]:
        stages = [record["first_stage_epochs"]] if "first_stage_epochs" in record else []
        epochs = " and ".join(str(count) for count in [*stages, record["epochs"]])
        figures.append(f"cut short after {epochs} epochs (without --epochs it goes further)")
    return f"{job.name}: {', '.join(figures)}"


def numbers(text: str) -> list[int]:
    return [int(item) for item in text.split(",")]


def positive(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return int(text)


def options_of(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "scripts/reproduce", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("table", help=f"one of {', '.join(tables(ROOT / 'docs'))} (docs/results/tables)")
    add("--rows", default="", metavar="A,B", help="some rows; without it all")
    add("--seeds", type=numbers, metavar="0,1,2", help="without it those that the table gives each row")
    add(
        "--epochs",
        type=positive,
        metavar="N",
        help="at most so many; the page says where a run was cut short, and without it that run goes on",
    )
    add(
        "--jobs", type=positive, default=1, metavar="J", help="processes at a time, which share the cores (1)"
    )
    add(
        "--device",
        metavar="D",
        help="cpu or cuda, of new runs, others keep theirs; without it cuda where there is one",
    )
    add(
        "--folder",
        type=Path,
        default=ROOT / "runs" / "reproduce",
        metavar="DIR",
        help="of runs (runs/reproduce)",
    )
    add("--collect", action="store_true", help="no training: figures of the finished runs, and the page")
    add("--docs", type=Path, default=ROOT / "docs", metavar="DIR", help="where tables and pages lie (docs)")
    return parser.parse_args(words)


def jobs_of(table: Table, options: argparse.Namespace) -> list[Job]:
    """The first seed of every row, then the second ones: what is stopped early has a figure in most rows."""
    base, jobs = options.folder.resolve() / table.runs, []
    for row in table.chosen([name for name in options.rows.split(",") if name]):
        there = sorted(int(path.name) for path in (base / row.name).glob("*") if path.name.isdecimal())
        seeds = options.seeds or (there if options.collect else table.seeds_of(row))
        jobs += [(number, Job(row, seed, base / row.name / str(seed))) for number, seed in enumerate(seeds)]
    return [job for _, job in sorted(jobs, key=lambda numbered: numbered[0])]


def main(words: list[str] | None = None) -> int:
    options = options_of(words)
    try:
        book = Book(options.table, options.docs)
        jobs = jobs_of(book.table, options)
        with awaited(book.source):
            book.render()
    except (TextVAEError, OSError) as error:
        print(f"scripts/reproduce: {error}", file=sys.stderr)
        return 1
    plan = partial(arguments, book.table, epochs=options.epochs, device=options.device)
    runner = Runner(plan, book.keep, options.jobs)
    if options.collect:
        finished = [job for job in jobs if job.finished]
        print(
            f"{len(finished)} finished runs of {len(jobs)} in {options.folder / book.table.runs}", flush=True
        )
        for job in finished:
            runner.done(job)
    else:
        runner.run(jobs)
    print(f"figures: {book.file}\npage: {book.page}")
    for name, reason in runner.failures.items():
        print(f"failed: {name}: {reason}", file=sys.stderr)
    if runner.stopping:
        print("stopped; the same command goes on", file=sys.stderr)
        return 130
    return 1 if runner.failures else 0


if __name__ == "__main__":
    sys.exit(main())

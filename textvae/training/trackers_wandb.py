"""Weights & Biases: the only module that imports wandb, and that when a run starts."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textvae.errors import TextVAEError
from textvae.training.trackers_jsonlines import plain

if TYPE_CHECKING:
    import wandb

logger = logging.getLogger(__name__)

MODES = ("offline", "online", "disabled")
LONGEST_NAME = 128  # wandb's server refuses runs whose name, group or job type is longer
NOT_IN_PROJECTS = "/\\#?%:"  # wandb refuses them, at the first row
HISTOGRAM_BINS = 64


class Wandb:
    """A run of Weights & Biases under `directory`/wandb, begun by the first row.

    Offline needs no account, and `wandb sync` uploads later. Online needs a key that is stored already:
    nothing asks for one. A resumed run keeps its id: online it goes on, dropping the rows that are there;
    offline it becomes a second folder with the same id, and the sync joins the two. Raises ValueError for an
    unknown mode, a project's name that wandb refuses and where online finds no key, TextVAEError where wandb does not start.
    """

    def __init__(
        self,
        project: str,
        directory: str | Path,
        mode: str = "offline",
        group: str | None = None,
        job_type: str = "train",
        run_name: str | None = None,
        config: Mapping[str, Any] | None = None,
        run_id: str | None = None,
    ) -> None:
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; known: {', '.join(MODES)}")
        if not 0 < len(project) <= LONGEST_NAME or set(project) & set(NOT_IN_PROJECTS):
            raise ValueError(
                f"project is {project!r}, must be a name of 1 to {LONGEST_NAME} characters without any of {NOT_IN_PROJECTS}"
            )
        self.run_id = run_id or secrets.token_hex(6)
        self._resumes = run_id is not None
        self._directory = Path(directory).absolute()
        self._mode: Any = mode
        self._about: dict[str, Any] = {"project": project, "config": plain(config or {})}
        for key, value in (("group", group), ("job_type", job_type), ("name", run_name)):
            self._about[key] = value[:LONGEST_NAME] if value else None
        self._run: wandb.Run | None = None
        self._step = 0
        self._row_open = self._finished = self._broken = False
        if mode == "online":
            self._check_key()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._send(lambda run: self._put(run, dict(metrics), step))

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        def put(run: "wandb.Run") -> None:
            import wandb

            array = np.asarray(values, dtype=float).ravel()
            counts = np.histogram(array[np.isfinite(array)], bins=HISTOGRAM_BINS)
            self._put(run, {name: wandb.Histogram(np_histogram=counts)}, step)

        self._send(put)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        def put(run: "wandb.Run") -> None:
            with _staging(self._directory / "wandb"):
                self._put(run, {name: _table(list(columns), plain(rows))}, step)

        self._send(put)

    def summary(self, values: Mapping[str, Any]) -> None:
        self._send(lambda run: run.summary.update(plain(values)))

    def finish(self, failed: bool = False, reason: str = "") -> None:
        """Waits for an upload. A failed run has exit code 1, and the reason in its summary.

        One that failed before its first row is recorded where it belongs to a group, in which it would be missed.
        """
        missed = failed and self._about["group"] is not None
        if self._finished or self._broken or (self._run is None and not missed):
            return
        try:
            if failed:
                self.summary({"failure": reason})
            self._send(lambda run: run.finish(exit_code=int(failed)))
        except TextVAEError as error:  # a run that failed before its first row: its own error matters more
            logger.warning("%s", error)
        self._finished, self._run = True, None

    def state_dict(self) -> dict[str, Any]:
        """Closes the row at hand, lest the process take it along; what its step still has joins the next."""
        if self._row_open:
            self._send(self._close_row)
        return {"run_id": self.run_id, "step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.run_id, self._step, self._resumes = state["run_id"], state["step"], True

    def _put(self, run: "wandb.Run", row: dict[str, Any], step: int) -> None:
        # wandb keeps the last row open and drops what comes for an earlier step: that joins the open row.
        self._step = max(self._step, step)
        self._row_open = True
        run.log(row, step=self._step)

    def _close_row(self, run: "wandb.Run") -> None:
        run.log({}, step=self._step, commit=True)
        self._step += 1
        self._row_open = False

    def _send(self, send: "Callable[[wandb.Run], None]") -> None:
        """A training that has run for hours does not end because wandb's own process did."""
        if self._broken:
            return
        run = self._started()
        import wandb

        try:
            send(run)
        except (OSError, wandb.Error) as error:
            self._broken = True
            logger.warning("wandb run %s gets no more rows: %s", self.run_id, _one_line(error))

    def _started(self) -> "wandb.Run":
        if self._finished:
            raise TextVAEError(f"wandb run {self.run_id} is finished and takes no more rows")
        if self._run is None:
            try:
                self._run = self._start()
                self.run_id = self._run.id  # an agent of a sweep names its runs itself
            except Exception as error:  # what wandb raises here has no common type
                self._broken = True
                raise TextVAEError(
                    f"wandb does not start; mend it or use tracker=none: {_one_line(error)}"
                ) from error
        return self._run

    def _settings(self) -> "wandb.Settings":
        import wandb

        settings = wandb.Settings(
            mode=self._mode, silent=self._mode != "online", show_warnings=False, console="off"
        )
        if hasattr(settings, "x_transaction_log_flush_interval"):  # its default loses 15 s of a killed run
            settings.x_transaction_log_flush_interval = 1.0
        # Warnings of wandb's own process, as of rows that a resumed run has, heed the library's settings.
        wandb.setup(settings=settings)
        return settings

    def _check_key(self) -> None:
        import wandb

        self._settings()
        try:
            known = wandb.login(prompt=False, verify=False)
        except wandb.Error as error:
            raise ValueError(f"mode is online: {_one_line(error)}") from error
        if not known:
            raise ValueError(
                "mode is online, and there is no key: run `wandb login`, set WANDB_API_KEY or use mode=offline"
            )

    def _start(self) -> "wandb.Run":
        import wandb

        # A directory that cannot be made would silently become the system's temporary one.
        self._directory.mkdir(parents=True, exist_ok=True)
        settings = self._settings()
        if wandb.run is not None:  # else init would return it
            wandb.run.finish()
        return wandb.init(
            **self._about,
            mode=self._mode,
            dir=self._directory,
            id=self.run_id,
            resume="allow" if self._resumes else None,
            settings=settings,
        )


def _table(columns: list[str | int], rows: list[list[Any]]) -> "wandb.Table":
    import wandb

    try:
        return wandb.Table(columns=columns, data=rows)
    except TypeError:  # a column of several types
        return wandb.Table(columns=columns, data=rows, allow_mixed_types=True)


@contextmanager
def _staging(directory: Path) -> Iterator[None]:
    """Keeps the copies of tables that await an upload with the run, not in the user's home."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(directory)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__

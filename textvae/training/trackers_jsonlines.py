"""The tracker that every run has: one JSON object a line."""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

logger = logging.getLogger(__name__)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: tensors and arrays become lists or numbers, NaN and infinities None."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


class JsonLines:
    """Rows `{"step": n, name: value, ...}` in the file `path`, each handed to the system before training goes on.

    Nothing is opened before the first row: a new run then starts the file anew, a resumed one cuts it back to
    the length in its checkpoint, so that it ends as if there had been no interruption. A process killed within
    a write can leave half a line at the end, until the run is resumed.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._file: BinaryIO | None = None
        self._kept = 0
        self._step = 0

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        self._step = step
        line = json.dumps({"step": step} | plain(metrics), ensure_ascii=False, allow_nan=False)
        file = self._opened()
        file.write(line.encode() + b"\n")
        file.flush()

    def histogram(self, name: str, values: Sequence[float], step: int) -> None:
        self.log({name: plain(values)}, step)

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], step: int) -> None:
        self.log({name: plain({"columns": columns, "rows": rows})}, step)

    def summary(self, values: Mapping[str, Any]) -> None:
        """Writes nothing: summary.json, beside the file, holds the same."""

    def finish(self, failed: bool = False, reason: str = "") -> None:
        """A failed run's last row says why: `{"step": n, "failed": reason}`.

        Where no row came first, the file may be that of a run whose resumption failed, and is left alone.
        """
        if self._file is None:
            return
        if failed:
            self.log({"failed": plain(reason)}, self._step)
        self._kept = self._file.tell()
        self._file.close()
        self._file = None

    def state_dict(self) -> dict[str, Any]:
        """The bytes so far, once on the disk: no checkpoint may speak of rows that a power cut took."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._kept = self._file.tell()
        return {"bytes": self._kept, "step": self._step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Keeps the whole lines within the checkpoint's bytes; warns where the file has become shorter."""
        head = self._path.read_bytes()[: state["bytes"]] if self._path.exists() else b""
        self._kept, self._step = head.rfind(b"\n") + 1, state["step"]
        if self._kept < state["bytes"]:
            logger.warning("%s lacks rows: %d of the %d bytes it had", self._path, self._kept, state["bytes"])

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
            self._file.truncate(self._kept)
            self._file.seek(0, os.SEEK_END)
        return self._file

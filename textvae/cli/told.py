"""What a run keeps of the command line that made it, beside the config that came of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig


def told(overrides: Sequence[str]) -> dict[str, Any]:
    """The overrides and, where --config-dir was given, `config_dir`: from here where it lies below, else from the root."""
    kept: dict[str, Any] = {"overrides": list(overrides)}
    for source in HydraConfig.get().runtime.config_sources:
        if source.provider == "command-line":
            place = Path(source.path)
            here = place.is_relative_to(Path.cwd())
            kept["config_dir"] = os.path.relpath(place) if here else str(place)
    return kept

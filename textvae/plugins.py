"""Modules of the user's own, imported so that what they register can be chosen by its name."""

import importlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from textvae.errors import ConfigError


def import_plugins(config: Mapping[str, Any]) -> None:
    """Imports the modules that config["plugins"] names, from the current folder too; a config without the key has none.

    ConfigError for what is no list of names, and for a module that is not found or cannot import another.
    """
    names = config.get("plugins", [])
    if not isinstance(names, list | tuple) or not all(map(_is_module, names)):
        raise ConfigError(f"plugins is {names!r}, must be a list of modules: plugins=[mine]")
    if names and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # where Python has it for a module that is run, as a sweep's jobs are
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ConfigError(
                f"plugins: {name} cannot be imported from {os.getcwd()} or PYTHONPATH: {error}"
            ) from error


def _is_module(name: Any) -> bool:
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))

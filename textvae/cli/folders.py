"""Names of folders from overrides."""

import hashlib
import re

from textvae.cli.locations import config_directory

LONGEST = 150


def folder_name(overrides: str) -> str:
    """Neither `=` nor `,` nor `/`, which later overrides could not quote; of long ones the beginning and a digest."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", overrides.replace("=", "-").replace(",", "__")) or "run"
    return name if len(name) <= LONGEST else _ended(name, name)


def job_folder(overrides: str) -> str:
    """folder_name, with a digest where other values of the same keys could have the same name.

    Two choices of a section, as experiment=a/b and experiment=a_b, are the only ones left that share a name.
    """
    telling = all(_is_told(item) for item in overrides.split(","))
    return folder_name(overrides) if telling else _ended(folder_name(overrides), overrides)


def _is_told(override: str) -> bool:
    """Whether its value stands in the name as it is; of a section's choice, but for the slashes."""
    key, _, value = override.partition("=")
    slash = "/" if (config_directory() / key.lstrip("+")).is_dir() else ""
    return re.fullmatch(rf"[A-Za-z0-9._{slash}-]*", value) is not None and "__" not in value


def _ended(name: str, by: str) -> str:
    return f"{name[: LONGEST - 9]}-{hashlib.sha256(by.encode()).hexdigest()[:8]}"

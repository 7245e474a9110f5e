"""Flags among overrides. Hydra's own reader knows them only before or after all overrides, and refuses by a page of usage."""

from collections.abc import Sequence
from pathlib import Path

from textvae.errors import ConfigError
from textvae.keys import OWN_FOLDER, key_of

MULTIRUN = ("-m", "--multirun")
HELP_FLAGS = ("-h", "--help")
ALONE = (*MULTIRUN, *HELP_FLAGS, "-r", "--run", "--resolve", "--version", "--hydra-help")
SHORT = {
    "-cd": OWN_FOLDER,
    "-cp": "--config-path",
    "-cn": "--config-name",
    "-c": "--cfg",
    "-p": "--package",
    "-i": "--info",
}
VALUED = (*SHORT.values(), "--experimental-rerun")
CHOICES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
}


def is_flag(word: str) -> bool:
    return word.startswith("-")


def one_word_flags(arguments: Sequence[str]) -> list[str]:
    """`--config-dir DIR` as `--config-dir=DIR`, so that each word is a flag or an override.

    ConfigError for a flag that there is not, and for one without the value that it needs.
    """
    words, left = [], list(arguments)
    while left:
        word = left.pop(0)
        words.append(_flag(word, left) if is_flag(word) else word)
    return words


def own_folders(words: Sequence[str]) -> list[Path]:
    """Where configs of the user's own lie beside those of the program, the last that is named. ConfigError for no folder."""
    given = [word for word in words if is_flag(word) and key_of(word) == OWN_FOLDER][-1:]
    folders = [Path(word.partition("=")[2]).absolute() for word in given]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{OWN_FOLDER} is {folder}, which is no folder")
    return folders


def without_flags(words: Sequence[str]) -> list[str]:
    """The overrides alone, the folder of the user's own configs as one of them: to compose without a command line."""
    quoted = ",".join(f"'file://{folder}'" for folder in own_folders(words))
    search = [f"hydra.searchpath=[{quoted}]"] if quoted else []
    return [*search, *(word for word in words if not is_flag(word))]


def flags_last(words: Sequence[str]) -> list[str]:
    """The overrides, then the flags, each in their order."""
    return sorted(words, key=is_flag)


def _flag(word: str, left: list[str]) -> str:
    """The flag as one word, its value taken from what is left where it does not stand in it."""
    if word in ALONE:
        return word
    name, given, value = word.partition("=")
    name = SHORT.get(name, name)
    if name not in VALUED:
        known = ", ".join(item for item in (*ALONE, *VALUED) if item.startswith("--"))
        raise ConfigError(f"there is no flag {word!r}; there are -m, {known}")
    choices = CHOICES.get(name, ())
    if name == "--info" and not given and (not left or left[0] not in choices):
        value = choices[0]  # what Hydra takes it for
    elif not given:
        value = left.pop(0) if left else ""
    if not value:
        raise ConfigError(f"{name} needs a value: {name}=...")
    if choices and value not in choices:
        raise ConfigError(f"{name} is {value!r}, must be one of {', '.join(choices)}")
    return f"{name}={value}"

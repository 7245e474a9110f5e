"""What a verb's overrides may name: the keys of its config and the groups it takes; whatever else is refused here.

Hydra itself adds any key that is given with a `+`, which nothing would then read.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf

from textvae.cli.flags import is_flag
from textvae.cli.locations import config_directory
from textvae.errors import ConfigError
from textvae.keys import flatten, key_of

WITHOUT_DEFAULT = {"train": ("setup", "term")}  # groups that add to a config and have no choice to begin with
# Names of files, folders and settings: text, even where it looks like a number.
TEXTS = {"name", "run_dir", "sweep_dir", "resume", "checkpoint", "input", "output", "weights", "vocabulary"}
TEXTS |= {"data.path", "data.file", "init_from.run"}
STAGE = "pretraining."  # a section of the same keys: those that differ in a first stage


@dataclass(frozen=True)
class Legal:
    """The config of a verb without overrides, and the groups that overrides may choose from."""

    config: dict[str, Any]
    groups: tuple[str, ...]

    def knows(self, key: str) -> bool:
        """Whether `a.b`, `group` or `group/sub` is a key of this config, or may be one by the choice of a group."""
        top, _, inner = key.partition(".")
        if not inner:
            return top in self.config or top.split("/")[0] in self.groups
        section = self.config.get(top)
        if top not in self.config or not isinstance(section, dict):
            return top in self.config
        closed = bool(section) and not (config_directory() / top).is_dir()
        return not closed or inner.split(".")[0] in section

    def names(self) -> list[str]:
        """Every key, nested ones too, every group, and every choice as `group=name`."""
        return [*self.config, *flatten(self.config), *self.groups, *self._choices()]

    def _choices(self) -> list[str]:
        return [f"{group}={name}" for group in self.groups for name in choices(group)]


@contextmanager
def composing() -> Iterator[None]:
    """Within it Hydra composes the program's configs without running anything. A Hydra that runs is left as it is."""
    running = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(config_directory()), version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = running


@cache
def legal(verb: str) -> Legal:
    """What conf/VERB.yaml and its defaults bring, with the groups that have no default."""
    with composing():
        composed = compose(verb, return_hydra_config=True)
    taken = [group for group in composed.hydra.runtime.choices if not group.startswith("hydra/")]
    taken += WITHOUT_DEFAULT.get(verb, ())
    config = OmegaConf.to_container(composed, resolve=False)
    assert isinstance(config, dict)
    del config["hydra"]
    return Legal({str(key): value for key, value in config.items()}, tuple(sorted(taken)))


def choices(group: str, own: Sequence[Path] = ()) -> list[str]:
    """The names that `group=NAME` may give, such as grammar/lm, those in folders of the user's own among them."""
    folders = [above / group for above in (config_directory(), *own)]
    return sorted(
        {
            str(path.relative_to(folder).with_suffix(""))
            for folder in folders
            for path in folder.rglob("*.yaml")
        }
    )


def check(verb: str, overrides: Sequence[str]) -> None:
    """ConfigError for a word that is no override, and for a key that neither the verb's config nor a group of it has."""
    for item in overrides:
        if "=" not in item and not item.startswith(("-", "~")):
            raise ConfigError(_no_override(verb, item))
    for override in parsed(overrides):
        key = override.key_or_group
        if not override.is_hydra_override() and not legal(verb).knows(key):
            raise ConfigError(unknown(verb, key))


def with_text(overrides: Sequence[str]) -> list[str]:
    """The same, in quotes where text is meant and Hydra would read something else or nothing.

    As a number run_dir=2026_01_02 would be 20260102, and checkpoint=runs (1)/a=b is no value of its grammar.
    """
    return [_in_quotes(item) if _is_misread_text(item) else item for item in overrides]


def _is_misread_text(item: str) -> bool:
    if is_flag(item) or "=" not in item or key_of(item) not in TEXTS:
        return False
    read = parsed([item])
    return not read or isinstance(read[0].value(), int | float)


def _in_quotes(item: str) -> str:
    key, _, value = item.partition("=")
    return f"{key}='{value}'" if "'" not in value else f'{key}="{value}"'


def check_complete(verb: str, settings: Mapping[str, Any]) -> None:
    """ConfigError for a key of the verb's own that `~` took away, and for a value in the place of a section.

    What a group brings goes by the choice of it: of those only the section itself is looked for.
    """
    for key, default in legal(verb).config.items():
        if key not in settings:
            raise ConfigError(to_be_given(verb, key))
        if key in legal(verb).groups or not isinstance(default, Mapping):
            continue
        if not isinstance(settings[key], Mapping):
            raise ConfigError(f"{key} is {settings[key]!r}, must be a group of settings")
        for lacking in sorted(default.keys() - settings[key].keys()):
            raise ConfigError(to_be_given(verb, f"{key}.{lacking}"))


def to_be_given(verb: str, key: str) -> str:
    """That a verb needs this key, and how it is given."""
    return f"{key} must be given: textvae {verb} {key}=..."


def check_texts(verb: str, settings: Mapping[str, Any]) -> None:
    """ConfigError for a name of a file, folder or setting that is empty or no text, or null where the verb needs one.

    An empty one is what `resume=$RUN` gives where nothing has set RUN, and would begin a new run.
    """
    given, before = flatten(settings), flatten(legal(verb).config)
    for key in sorted(TEXTS & given.keys()):
        value, needed = given[key], before.get(key) is not None
        if not isinstance(value, str) and (needed or value is not None):
            raise ConfigError(f"{key} is {value!r}, must be text")
        if value == "":
            or_not = "" if before.get(key) == "???" else ", or leave it out"
            raise ConfigError(f"{key} is empty; give it a value{or_not}")
        if isinstance(value, str) and not _is_unicode(value):
            raise ConfigError(
                f"{key} is {value!a}, bytes that are no text in this locale; with PYTHONUTF8=1 they may be"
            )


def _is_unicode(value: str) -> bool:
    try:
        return bool(value.encode())
    except UnicodeEncodeError:
        return False


def _no_override(verb: str, word: str) -> str:
    runs = [key for key in ("checkpoint", "resume") if key in legal(verb).config]
    hint = "".join(f"; the folder of a run is given as {key}={word}" for key in runs)
    return f"{verb} takes KEY=VALUE, which {word!r} is not{hint}"


def unknown(verb: str, key: str) -> str:
    """That a verb has no such key, and which are like it, else which there are."""
    known = dict.fromkeys([*legal(verb).config, *legal(verb).groups])
    return absent(verb, key) or f"{verb} has no key {key!r}; it has {', '.join(known)}"


def absent(verb: str, key: str) -> str | None:
    """That a verb has no such key, and which are like it, or how it is added; None where none is like it."""
    stage, known = STAGE * key.startswith(STAGE), legal(verb).names()
    if stage and key.removeprefix(stage) in known:
        return f"nothing sets {key} here so far: +{key}=... does"
    if key in WITHOUT_DEFAULT.get(verb, ()):
        return (
            f"{key} has no choice that could be replaced: +{key}=NAME adds one of {', '.join(choices(key))}"
        )
    if key in known:
        return f"{key} is nothing that the chosen {key.partition('.')[0]} has"
    near = [f"{stage}{name}" for name in close(key.removeprefix(stage), known)]
    return f"{verb} has no key {key!r}; close to it: {', '.join(near)}" if near else None


def close(word: str, names: Iterable[str], most: int = 4) -> list[str]:
    """The names whose last part is most like that of the word, those best that are like the whole of it."""
    by_end: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_end.setdefault(_end(name), []).append(name)
    ends = get_close_matches(_end(word), by_end, n=most, cutoff=0.65)
    found = [name for end in ends for name in by_end[end]]
    return sorted(found, key=lambda name: -SequenceMatcher(None, word, name).ratio())[:most]


def parsed(overrides: Sequence[str]) -> list[Override]:
    """Those that Hydra can read; of flags and of the others it speaks itself."""
    readable = []
    for item in overrides:
        try:
            readable += [] if item.startswith("-") else [OverridesParser.create().parse_override(item)]
        except HydraException:
            continue
    return readable


def _end(name: str) -> str:
    return re.split(r"[./=]", name)[-1]

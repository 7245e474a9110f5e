"""Hydra at the edge: from overrides to a plain dict, and from its errors to ours."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

from textvae.cli.flags import flags_last, one_word_flags, own_folders, without_flags
from textvae.cli.folders import job_folder
from textvae.cli.locations import config_directory
from textvae.cli.overrides import (
    WITHOUT_DEFAULT,
    absent,
    check,
    check_complete,
    check_texts,
    choices,
    close,
    composing,
    legal,
    to_be_given,
    unknown,
    with_text,
)
from textvae.errors import ConfigError, TextVAEError

Task = Callable[[dict[str, Any]], Any]


OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)


def run(verb: str, overrides: Sequence[str], task: Task) -> None:
    """Composes conf/VERB.yaml with the overrides and calls task, once or, with -m, for each job.

    Raises ConfigError for what Hydra refuses. A failing job of a multirun stops no other: what failed is raised at
    the end, all in one.
    """
    failures: list[Exception] = []

    def job(config: DictConfig) -> None:
        try:
            task(plain(config, verb))
        except Exception as error:  # raised within Hydra, it would be announced there too
            failures.append(error)

    call(verb, one_word_flags(overrides), job)
    faults = [error for error in failures if not isinstance(error, TextVAEError)]
    if len(failures) > 1 and not faults:
        reasons = "; ".join(str(error) for error in failures)
        raise TextVAEError(f"{len(failures)} of the jobs failed: {reasons}")
    if failures:
        raise (faults or failures)[0]


def composed(verb: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The config that conf/VERB.yaml and the overrides give, without running anything. ConfigError for what Hydra refuses."""
    return plain(unresolved(verb, overrides), verb)


def unresolved(verb: str, words: Sequence[str]) -> DictConfig:
    """The same with its references as they stand and what must be given left open; flags may stand among the overrides."""
    overrides = without_flags(words)
    try:
        check(verb, overrides)
        with composing():
            return hydra.compose(verb, with_text(overrides))
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(said_by_hydra(error, verb, own_folders(words))) from error


def call(verb: str, overrides: Sequence[str], job: Callable[[DictConfig], Any]) -> None:
    """Lets Hydra call job with each config it composes. ConfigError for what Hydra refuses before the first one."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors reach us instead of being printed with a traceback
    started = False

    def first(config: DictConfig) -> Any:
        nonlocal started
        started = True
        return job(config)

    try:
        check(verb, overrides)
        sys.argv = [f"textvae {verb}", *flags_last(with_text(overrides))]
        hydra.main(version_base="1.3", config_path=str(config_directory()), config_name=verb)(first)()
    except SystemExit as end:
        if end.code:  # it ends so after --cfg and --info, too
            raise
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        raise ConfigError(said_by_hydra(error, verb, own_folders(overrides))) from error
    except ValueError as error:  # Hydra's own, for an override that cannot be one
        if started:
            raise
        raise ConfigError(_one_line(error)) from error


def plain(config: DictConfig, verb: str) -> dict[str, Any]:
    """The config with every reference resolved.

    ConfigError for a reference to nothing, for a value that must be given and is not, for a key that was taken away, and
    for a section that the verb has not, which a file of the user's own may bring.
    """
    try:
        settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # type: ignore[assignment]
    except MissingMandatoryValue as error:
        key = str(error).split(":")[-1].strip().splitlines()[0]
        raise ConfigError(to_be_given(verb, key)) from error
    except OmegaConfBaseException as error:
        raise ConfigError(_one_line(error)) from error
    for key in settings:
        if key not in legal(verb).config:
            raise ConfigError(unknown(verb, key))
    check_complete(verb, settings)
    check_texts(verb, settings)
    return settings


def said_by_hydra(error: BaseException, verb: str, own: Sequence[Path] = ()) -> str:
    """In one line, and where a key or a choice, in folders of the user's own too, is misspelt what is like it."""
    return _misspelt(error, verb, own) or _one_line(error)


def _misspelt(error: BaseException, verb: str, own: Sequence[Path]) -> str | None:
    """What to say of a choice that a group does not have, of one made twice, and of a nested key that is like one of the config.

    Hydra would tell of its search path, of defaults alone, and advise to add the key with a `+`.
    """
    if isinstance(error, MissingConfigException):
        group, _, name = str(error.missing_cfg_file).partition("/")
        return _no_choice(group, name, own) if group in legal(verb).groups else None
    twice = re.match(r"Multiple values for ([\w/]+)\.", str(error))
    if twice and twice[1] in WITHOUT_DEFAULT.get(verb, ()):
        together = f"{twice[1]}=[A,B]"
        return f"{twice[1]} is given twice: give all together, {together} where an experiment brings one, else +{together}"
    if twice:
        where = f"(in a yaml's defaults, override /{twice[1]}: NAME)"
        return f"{twice[1]} is chosen already: give {twice[1]}=NAME without a + {where}"
    key = re.match(r"Could not override '([^']+)'", str(error))
    return absent(verb, key[1]) if key else None


def _no_choice(group: str, name: str, own: Sequence[Path]) -> str:
    known = choices(group, own)
    near = close(name, known)
    return f"there is no {group}={name}; {'close to it' if near else 'there are'}: {', '.join(near or known)}"


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = error.__cause__
    if cause is not None and str(cause):
        lines += [line.strip() for line in str(cause).splitlines()[:1]]
    return "; ".join(dict.fromkeys(lines))

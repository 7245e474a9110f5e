"""What `textvae VERB --help` shows: what the verb does, the groups that it takes, and its config.

Hydra's own help lists the groups of its plugins on the way, which takes seconds; and no verb need be imported for it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import IntervalSweep
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from textvae.cli.compose import unresolved
from textvae.cli.flags import MULTIRUN, is_flag, one_word_flags, own_folders
from textvae.cli.locations import config_directory
from textvae.cli.overrides import choices, legal, parsed
from textvae.errors import ConfigError
from textvae.keys import key_of


def main(verb: str, arguments: Sequence[str]) -> None:
    """Prints the help of a verb that has a config, as the overrides among the arguments make it. ConfigError for wrong ones.

    Beside a sweep that is its first job's.
    """
    words = one_word_flags(arguments)
    sweeps = any(word in MULTIRUN or key_of(word) == "sweep" for word in words)
    chosen = [first_of(word) for word in words] if sweeps else words
    try:
        config = OmegaConf.to_yaml(unresolved(verb, chosen), resolve="--resolve" in words)
    except OmegaConfBaseException as error:
        raise ConfigError(" ".join(str(error).split())) from error
    keys = re.sub(r"^'(\w+)':", r"\1:", config, flags=re.MULTILINE)  # YAML quotes n, a word for no
    print(f"{head(verb, own_folders(words))}Keys (key=value; a section's as section.key=value):\n\n{keys}")
    print(f"What they mean stands beside them in {config_directory()}.")


def first_of(word: str) -> str:
    """An override's first value of those that a sweep has; whatever else as it is."""
    read = [] if is_flag(word) else parsed([word])
    if not read or not read[0].is_sweep_override():
        return word
    key, value = read[0].get_key_element(), read[0].value()
    return (
        f"{key}={value.start if isinstance(value, IntervalSweep) else next(read[0].sweep_string_iterator())}"
    )


def head(verb: str, own: Sequence[Path] = ()) -> str:
    """The first line of conf/VERB.yaml, how to call the verb, the choices of each group of its own."""
    title = (config_directory() / f"{verb}.yaml").read_text(encoding="utf-8").splitlines()[0]
    groups = "\n".join(f"{group}: {', '.join(choices(group, own))}" for group in legal(verb).groups)
    chosen = f"Groups (group=choice):\n\n{groups}\n\n" if groups else ""
    return f"{title.lstrip('# ')}\n\nusage: textvae {verb} [key=value ...]\n\n{chosen}"

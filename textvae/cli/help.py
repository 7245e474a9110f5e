"""What `textvae VERB --help` shows: what the verb does, the groups that it takes, and its config."""

from collections.abc import Sequence

from textvae.cli.locations import config_directory
from textvae.cli.overrides import choices, legal

FLAGS = {"-h", "--help"}
CONFIG = "Keys (key=value; a section's as section.key=value):\n\n$CONFIG"  # Hydra puts the config there


def with_help(verb: str, overrides: Sequence[str]) -> list[str]:
    """The overrides; where they ask for help, with that of the verb in the place of Hydra's own."""
    if not FLAGS & set(overrides):
        return list(overrides)
    quoted = template(verb).replace("'", r"\'")
    return [*overrides, f"hydra.help.template='{quoted}'"]


def template(verb: str) -> str:
    """The first line of conf/VERB.yaml, how to call the verb, the choices of each group of its own."""
    title = (config_directory() / f"{verb}.yaml").read_text(encoding="utf-8").splitlines()[0]
    groups = "\n".join(f"{group}: {', '.join(choices(group))}" for group in legal(verb).groups)
    chosen = f"Groups (group=choice):\n\n{groups}\n\n" if groups else ""
    return f"{title.lstrip('# ')}\n\nusage: textvae {verb} [key=value ...]\n\n{chosen}{CONFIG}"

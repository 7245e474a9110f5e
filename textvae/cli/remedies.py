"""textvae remedies [FAMILY ...]: every remedy, what it does, and the override that switches it on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import OmegaConf

from textvae.cli.flags import HELP_FLAGS
from textvae.cli.locations import config_directory
from textvae.errors import ConfigError

CORPORA = ("grammar", "ptb")
HELP = """usage: textvae remedies [FAMILY ...]

A line for each remedy: its family, its name, what switches it on in any setting of textvae train that it goes together with,
what it does.
As an experiment with settings of its own: textvae train experiment=grammar/NAME or experiment=ptb/NAME.
Several terms at once: +term=[bag_of_words,mmd]; in an experiment that has one, all of them: term=[bag_of_words,mmd]."""


@dataclass(frozen=True)
class Remedy:
    """One entry of conf/remedies.yaml; `grammar` and `ptb` are the names of its experiments, `name` where empty."""

    name: str
    family: str
    does: str
    override: str
    source: str = ""
    grammar: str = ""
    ptb: str = ""
    told: str = ""
    without: Mapping[str, str] = field(default_factory=dict)

    @property
    def experiments(self) -> dict[str, str]:
        """The experiment of each corpus that has one."""
        return {
            corpus: f"{corpus}/{getattr(self, corpus) or self.name}"
            for corpus in CORPORA
            if corpus not in self.without
        }


def read_remedies(path: Path) -> list[Remedy]:
    """All remedies of a file such as conf/remedies.yaml, in its order."""
    families: dict[str, dict[str, dict]] = OmegaConf.to_container(OmegaConf.load(path))  # type: ignore[assignment]
    return [
        Remedy(name, family, **entry)
        for family, entries in families.items()
        for name, entry in entries.items()
    ]


def line(remedy: Remedy) -> str:
    """Family, name, override and, as a comment of the shell, the rest: what follows the name can be pasted."""
    return f"{remedy.family:<13} {remedy.name:<33} {remedy.override:<40}  # {described(remedy)}"


def described(remedy: Remedy) -> str:
    """What it does, with its source, experiments of other names and corpora without one in parentheses."""
    notes = [remedy.source] if remedy.source else []
    notes += [
        f"experiment={name}" for name in remedy.experiments.values() if not name.endswith(f"/{remedy.name}")
    ]
    notes += [f"given {remedy.told}"] if remedy.told else []
    notes += [f"not on {corpus}: {why}" for corpus, why in remedy.without.items()]
    return f"{remedy.does} ({'; '.join(notes)})" if notes else remedy.does


def main(arguments: Sequence[str]) -> None:
    remedies = read_remedies(config_directory() / "remedies.yaml")
    families = list(dict.fromkeys(remedy.family for remedy in remedies))
    if set(HELP_FLAGS) & set(arguments):
        print(f"{HELP}\n\nfamilies: {', '.join(families)}")
        return
    unknown = [item for item in arguments if item not in families]
    if unknown:
        raise ConfigError(f"unknown family {unknown[0]!r}; known: {', '.join(families)}")
    wanted = arguments or families
    print("\n".join(line(remedy) for remedy in remedies if remedy.family in wanted))

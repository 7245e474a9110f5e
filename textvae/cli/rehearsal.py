"""A ready sweep before its first job: whether its settings and those of the experiment go together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from textvae.cli.compose import plain, said_by_hydra
from textvae.cli.flags import without_flags
from textvae.cli.metric import check_metric
from textvae.cli.overrides import composing, with_text
from textvae.cli.sweep_settings import is_section, value_of
from textvae.errors import ConfigError, UnknownSetting
from textvae.latents.posteriors import HEADS
from textvae.objectives.objective import build_objective
from textvae.plugins import import_plugins
from textvae.registry import construct
from textvae.training.shape import check_shape

MOST = 8  # values of a key besides its first one: of long ranges the last ones stand for all

Progress = Callable[[str, int, int], None]  # what, done, of
Job = dict[str, str]  # key -> override, of the keys that have several values
Values = Mapping[str, Sequence[str]]  # key -> its overrides, of which each job has one


def rehearse(settings: Sequence[str], progress: Progress = lambda what, done, of: None) -> None:
    """Makes of each job of a sweep=NAME what can be made without data and network; nothing where no sweep is named.

    ConfigError, with what can be added, where settings do not go together. Of a search, each choice and the
    middle of each interval. What Hydra cannot read is left to it.
    """
    if value_of(settings, "sweep", "null") == "null":
        return
    with composing():
        try:
            given = _given(settings)
            params = _params(given)
        except (HydraException, OmegaConfBaseException, YAMLError):
            return
        values = {**params, **given}
        if not all(values.values()):
            return  # a glob that nothing matches
        varied = {key: overrides for key, overrides in values.items() if len(overrides) > 1}
        if "sweep" in varied:
            return  # each of them has its own params, which Hydra's sweepers do not read
        fixed = {key: overrides[0] for key, overrides in values.items() if key not in varied}
        made = list(_made(fixed, list(_jobs(varied)), progress))
        for job, problem in made:
            if problem is not None:
                _check_without_sweep(problem, [item for key, item in fixed.items() if key in given])
                told = [*job.values(), *(fixed[key] for key in fixed if key in params)]
                good = [job for job, problem in made if problem is None]
                raise ConfigError(
                    f"{fixed['sweep']} and the other settings do not go together, no job was started: "
                    f"with {' '.join(told)}: {problem}{_advice(problem, varied, good)}"
                )


def _given(settings: Sequence[str]) -> Values:
    """What the command line says."""
    return _each_of(_parser().parse_overrides(with_text(without_flags(settings))))


def _params(given: Values) -> Values:
    """What the sweep itself varies or sets; the command line's values come before its own, as in Hydra's sweepers."""
    own = [
        items[0] for key, items in given.items() if key in ("sweep", "launcher") or key.startswith("hydra")
    ]
    params = compose("train", own, return_hydra_config=True).hydra.sweeper.params or {}
    return _each_of(_parser().parse_overrides([f"{key}={value}" for key, value in params.items()]))


def _parser() -> OverridesParser:
    return OverridesParser.create(GlobalHydra.instance().config_loader())


def _each_of(overrides: Sequence[Override]) -> Values:
    return {override.get_key_element().lstrip("+"): _each(override) for override in overrides}


def _each(override: Override) -> list[str]:
    key = override.get_key_element()
    if override.is_interval_sweep():
        return [f"{key}={_middle(override.value())}"]
    if override.is_sweep_override():
        return [f"{key}={value}" for value in override.sweep_string_iterator()]
    return [str(override.input_line)]


def _middle(interval: Any) -> float:
    start, end = interval.start, interval.end
    whole = isinstance(start, int) and isinstance(end, int) and end > start + 1
    return (start + end) // 2 if whole else (start + end) / 2


def _jobs(varied: Values) -> Iterator[Job]:
    """Every combination of the sections' choices, with the first value of all else, and with each other in turn."""
    sections = {key: overrides for key, overrides in varied.items() if is_section(key)}
    others = {key: overrides for key, overrides in varied.items() if key not in sections}
    for chosen in product(*sections.values()):
        first = dict(zip(sections, chosen, strict=True)) | {key: items[0] for key, items in others.items()}
        yield first
        yield from (first | {key: item} for key, items in others.items() for item in items[1:][-MOST:])


def _made(fixed: Job, jobs: Sequence[Job], progress: Progress) -> Iterator[tuple[Job, ConfigError | None]]:
    """Each job with what hinders it. Crossed sections have many, and each takes a part of a second."""
    for number, job in enumerate(jobs, start=1):
        yield job, _problem([*fixed.values(), *job.values()])
        progress("settings of the sweep", number, len(jobs))


def _problem(overrides: Sequence[str]) -> ConfigError | None:
    try:
        _make(plain(compose("train", list(overrides)), "train"))
    except (HydraException, OmegaConfBaseException, YAMLError) as error:
        return ConfigError(said_by_hydra(error, "train"))
    except ConfigError as error:
        return None if "HydraConfig was not set" in str(error) else error  # ${hydra:...}, which a job knows
    return None


def _make(config: dict[str, Any]) -> None:
    """The parts that data and network have no say in; sizes that they would give are the least there can be."""
    import_plugins(config)
    check_shape(config)
    if config["metric"] is not None:
        check_metric(config["metric"])
    head = construct(HEADS, config["latent"], "latent", inputs=1)
    build_objective(config, steps_per_epoch=1, vocabulary=1, head=head)


def _check_without_sweep(problem: ConfigError, given: Sequence[str]) -> None:
    """Raises the problem as it is where the other settings have it by themselves."""
    alone = _problem([item for item in given if not item.lstrip("+").startswith("sweep=")])
    if str(alone) == str(problem):
        raise problem


def _advice(problem: ConfigError, varied: Values, good: Sequence[Job]) -> str:
    """The values of a key that jobs can be made with, where there are others, and what an experiment has set of another."""
    said = []
    for key, overrides in varied.items():
        left = [item for item in overrides if any(job[key] == item for job in good)]
        if 0 < len(left) < len(overrides):
            said.append(f"; those of {key}={','.join(item.partition('=')[2] for item in left)} can be made")
    if isinstance(problem, UnknownSetting):
        said.append(leaving_out(problem.keys))
    return "".join(said)


def leaving_out(keys: Sequence[str]) -> str:
    """How settings that an experiment brings, and the choice made in their section has not, are left out."""
    lacked = " ".join(f"'~{key}'" for key in keys)
    return f"; add {lacked} to leave out what is set of another"

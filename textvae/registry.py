"""From a name and keyword arguments, as they stand in a config, to an object."""

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from textvae.errors import ConfigError, UnknownSetting

T = TypeVar("T")


def construct(
    registry: Mapping[str, Callable[..., T]], spec: Mapping[str, Any], what: str, **context: Any
) -> T:
    """registry[spec["name"]](**rest of spec, **those of `context` that the callable takes).

    Raises ConfigError for a spec that is no mapping, with the legal names for an unknown name or argument, and for a
    value that the callable refuses by ValueError or TypeError.
    """
    if not isinstance(spec, Mapping):
        raise ConfigError(f"{what} is {spec!r}, must be a group of settings with a name")
    arguments = dict(spec)
    name = arguments.pop("name", None)
    label = what if name == what else f"{what} {name!r}"
    if not isinstance(name, str) or name not in registry:
        raise ConfigError(f"{what}.name is {name!r}; known: {', '.join(sorted(registry))}")
    make = registry[name]
    parameters = inspect.signature(make).parameters
    gathering = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    legal = [key for key, each in parameters.items() if key not in context and each.kind not in gathering]
    unknown = [key for key in arguments if key not in legal]
    if unknown:
        raise UnknownSetting(
            f"{label} has no setting {unknown[0]!r}; it has: {', '.join(legal) or 'none'}",
            tuple(f"{what}.{key}" for key in unknown),
        )
    for key, value in arguments.items():
        if not _fits(value, parameters[key].annotation):
            wanted = getattr(parameters[key].annotation, "__name__", str(parameters[key].annotation))
            raise ConfigError(
                f"{what}.{key} is {value!r}, must be of type {wanted.replace(' | None', ', or null')}"
            )
    given = {key: value for key, value in context.items() if key in parameters}
    try:
        return make(**arguments, **given)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{label}: {error}") from error


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value from a config is of the annotated type, where that is a plain one; a whole number is a float."""
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return any(_fits(value, choice) for choice in typing.get_args(annotation))
    if annotation in (None, types.NoneType):
        return value is None
    if annotation not in (bool, int, float, str):
        return True
    if isinstance(value, bool):
        return annotation is bool
    return isinstance(value, (int, float) if annotation is float else annotation)

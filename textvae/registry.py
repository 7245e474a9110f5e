"""From a name and keyword arguments, as they stand in a config, to an object."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from textvae.errors import ConfigError

T = TypeVar("T")


def construct(
    registry: Mapping[str, Callable[..., T]], spec: Mapping[str, Any], what: str, **context: Any
) -> T:
    """registry[spec["name"]](**rest of spec, **those of `context` that the callable takes).

    Raises ConfigError, with the legal names, for an unknown name or argument, and for a value that the
    callable refuses by ValueError or TypeError.
    """
    arguments = dict(spec)
    name = arguments.pop("name", None)
    if name not in registry:
        raise ConfigError(f"{what}.name is {name!r}; known: {', '.join(sorted(registry))}")
    make = registry[name]
    parameters = inspect.signature(make).parameters
    legal = [key for key in parameters if key not in context]
    unknown = [key for key in arguments if key not in legal]
    if unknown:
        raise ConfigError(
            f"{what} {name!r} has no setting {unknown[0]!r}; it has: {', '.join(legal) or 'none'}"
        )
    given = {key: value for key, value in context.items() if key in parameters}
    try:
        return make(**arguments, **given)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{what} {name!r}: {error}") from error

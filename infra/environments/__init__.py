"""Environments: modules with a `CONFIGURATION`."""

from importlib import import_module
from pkgutil import iter_modules

from infra.configuration import Configuration


class UnknownEnvironmentError(LookupError):
    """No environment has that name: choose one that the message lists."""


def names() -> tuple[str, ...]:
    """Return the names of all environments."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def load(name: str) -> Configuration:
    """Return an environment's configuration.

    Raises:
        UnknownEnvironmentError: no environment has that name.
        pydantic.ValidationError: the configuration is wrong; names the field.
        TypeError: the module holds no configuration of that name.
    """
    if name not in names():
        raise UnknownEnvironmentError(f"there is no environment {name!r}; choose from {', '.join(names())}")
    configuration = getattr(import_module(f"{__name__}.{name}"), "CONFIGURATION", None)
    if not isinstance(configuration, Configuration) or configuration.name != name:
        raise TypeError(f"infra/environments/{name}.py must hold a CONFIGURATION whose name is {name!r}")
    return configuration

"""One module per environment, each with a `CONFIGURATION`."""

from importlib import import_module
from pkgutil import iter_modules

from infra.configuration import Configuration


class UnknownEnvironmentError(LookupError):
    """No module here has that name: choose one that the message lists."""


def names() -> tuple[str, ...]:
    """Every environment that can be synthesized."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def load(name: str) -> Configuration:
    """Give an environment's configuration.

    Raises:
        UnknownEnvironmentError: there is none of that name.
        pydantic.ValidationError: its configuration is wrong; names the field.
        TypeError: its module holds no configuration of that name.
    """
    if name not in names():
        raise UnknownEnvironmentError(f"there is no environment {name!r}; there are {', '.join(names())}")
    configuration = import_module(f"{__name__}.{name}").CONFIGURATION
    if not isinstance(configuration, Configuration) or configuration.name != name:
        raise TypeError(f"infra/environments/{name}.py must hold a CONFIGURATION whose name is {name!r}")
    return configuration

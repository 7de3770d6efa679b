"""The reference page of `gpcm`, from the command line itself."""

from collections.abc import Iterator
from typing import Any

import typer

import infra.local.operators  # noqa: F401 - importing it makes the commands
from gpcm.command_line import EXIT_STATUSES, app
from infra.documentation.tables import code, page, table

_WHERE = ("as_json", "local", "environment", "stack", "profile", "region", "endpoint_url")
"""Options of most commands."""


def commands_page() -> str:
    """Return the page of all commands: purpose, arguments and options, and an example."""
    root = typer.main.get_command(app)
    commands = list(_commands(root, "gpcm"))
    shared = {
        parameter.name: parameter for _, command in commands for parameter in command.params if parameter.name in _WHERE
    }
    return page(
        "Commands",
        "the command line, `infra/operations/python`",
        "[Operations](../operations.md#install-it) says how to install `gpcm`. It works on a deployed environment or "
        "on the local run of a checkout. Only a checkout's `gpcm` has the local run, with `gpcm demo` and `gpcm stop`. "
        "Only `--reveal` shows personal data, and the ledger records it.",
        EXIT_STATUSES,
        "## Common options",
        "Most commands have these:",
        _options([shared[name] for name in _WHERE if name in shared]),
        *(_command(name, command) for name, command in commands),
    )


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    # Typer bundles click without type stubs.
    if hasattr(command, "commands"):
        for word, inner in command.commands.items():
            yield from _commands(inner, f"{name} {word}")
    else:
        yield name, command


def _command(name: str, command: Any) -> str:
    own = [parameter for parameter in command.params if parameter.name not in (*_WHERE, "help")]
    usage = " ".join(
        [name, *(str(parameter.metavar or parameter.name) for parameter in own if _is_argument(parameter))]
    )
    parts = [f"## {name}", " ".join((command.help or "").split()), code(usage)]
    if own:
        parts.append(_options(own))
    return "\n\n".join([*parts, (command.epilog or "").replace("Example: ", "Example: `", 1) + "`"])


def _options(parameters: list[Any]) -> str:
    return table(
        ("option", "what it is"),
        ((_named(parameter), str(getattr(parameter, "help", "") or "")) for parameter in parameters),
    )


def _named(parameter: Any) -> str:
    if _is_argument(parameter):
        return code(str(parameter.metavar or parameter.name))
    takes = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"
    return code("`, `".join(parameter.opts) + takes)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")

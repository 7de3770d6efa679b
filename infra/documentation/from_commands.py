"""The reference page of `gpcm`, from the command line itself."""

from collections.abc import Iterator
from typing import Any

import typer

import infra.operations.commands  # noqa: F401 - importing it makes the commands
from infra.documentation.tables import code, page, table
from infra.operations.command_line import EXIT_STATUSES, app

_WHERE = ("as_json", "local", "environment", "stack", "profile", "region", "endpoint_url")
"""Options that most commands have."""


def commands_page() -> str:
    """Every command: what it does, what it is given, and an example."""
    root = typer.main.get_command(app)
    commands = list(_commands(root, "gpcm"))
    shared = {
        parameter.name: parameter for _, each in commands for parameter in each.params if parameter.name in _WHERE
    }
    return page(
        "Commands",
        "the command line, `infra/operations`",
        "`gpcm` is `.venv/bin/gpcm`, made by `make setup`. It works on a local run that was kept, or on a deployed "
        "environment. Personal data are shown with `--reveal` alone, which is recorded.",
        EXIT_STATUSES,
        "## Where to work, and for whom to write",
        "Most commands have these:",
        _options([shared[name] for name in _WHERE if name in shared]),
        *(_command(name, each) for name, each in commands),
    )


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    # Typer brings a click of its own, whose types it does not show.
    if hasattr(command, "commands"):
        for each, found in command.commands.items():
            yield from _commands(found, f"{name} {each}")
    else:
        yield name, command


def _command(name: str, command: Any) -> str:
    own = [each for each in command.params if each.name not in (*_WHERE, "help")]
    usage = " ".join([name, *(str(each.metavar or each.name) for each in own if _is_argument(each))])
    parts = [f"## {name}", " ".join((command.help or "").split()), code(usage)]
    if own:
        parts.append(_options(own))
    return "\n\n".join([*parts, (command.epilog or "").replace("Example: ", "Example: `", 1) + "`"])


def _options(parameters: list[Any]) -> str:
    return table(
        ("option", "what it is"), ((_named(each), str(getattr(each, "help", "") or "")) for each in parameters)
    )


def _named(parameter: Any) -> str:
    if _is_argument(parameter):
        return code(str(parameter.metavar or parameter.name))
    takes = "" if getattr(parameter, "is_flag", False) else f" {parameter.metavar or 'VALUE'}"
    return code("`, `".join(parameter.opts) + takes)


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")

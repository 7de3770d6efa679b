"""`gpcm`: the operator's command line, for a deployed environment and a checkout's local run alike.

A command is a function of a `CommandContext` and the command's options. `command` adds the options that all commands
share: which environment to use, and whether to write JSON. `ExitStatus` lists the exit statuses.
"""

import atexit
import gc
import inspect
import os
import sys
from collections.abc import Callable
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Annotated, Any

import typer
import typer.completion
from botocore.exceptions import BotoCoreError, ClientError

from gpcm.environment import (
    AmbiguousError,
    EnvironmentRef,
    OperatorEnvironment,
    OperatorEnvironmentError,
    UnknownMessageError,
    open_environment,
    operator_name,
)
from gpcm.screen import RowsTable, Screen, print_error
from gpconnect_messaging.ledger.search import CursorError
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.operators import ActorError, ReasonError, checked_reason
from gpconnect_messaging.steps.operator_actions import NotPossibleError


class ExitStatus(IntEnum):
    """The exit status of a command."""

    SUCCESS = 0
    PROBLEM_FOUND = 1
    """The command ran and found a problem."""
    WRONG_INPUT = 2
    NO_ENVIRONMENT = 3
    """The local run or stack does not exist, does not answer, or refuses."""
    NOT_POSSIBLE = 4
    """The message does not exist, or the status does not allow the action. Nothing was changed."""
    INTERRUPTED = 130


class Panel(StrEnum):
    """The groups of commands, in the order in which the help lists them."""

    LOOK = "Look"
    ACT = "Act"
    SEND = "Ask for messages"
    CHECK = "Check"
    MACHINE = "This machine"


class InputError(Exception):
    """An argument or option cannot be used. The message says what to give."""


EXIT_STATUSES = (
    "Exit status: 0 success; 1 success, and a problem was found; 2 wrong input; 3 the environment does not exist or "
    "refuses; 4 the message does not exist, or the status does not allow the action."
)

COMMON = frozenset({"list", "show", "status", "trace"})
"""The commands of `gpcm.commands.messages`. Operators call them most: a call imports no other module of commands."""

app = typer.Typer(
    name="gpcm",
    help="GP Connect Messaging: find any message, and know what to do next.",
    epilog=f"Example: gpcm list --status REJECTED. {EXIT_STATUSES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class CommandContext:
    """The environment, the screen and the operator of a command."""

    def __init__(
        self, where: EnvironmentRef, opener: Callable[[EnvironmentRef], OperatorEnvironment], *, as_json: bool
    ) -> None:
        self.where = where
        self.screen = Screen(as_json=as_json)
        self._opener = opener

    @cached_property
    def environment(self) -> OperatorEnvironment:
        """The environment, opened at first use. Raises OperatorEnvironmentError."""
        return self._opener(self.where)

    def close(self) -> None:
        """Close the environment, if it was opened."""
        if "environment" in self.__dict__:
            self.environment.close()

    def actor(self, option: str | None) -> str:
        """Return the operator's id for the audit trail."""
        return operator_name(option)

    def reason(self, option: str | None) -> str:
        """Check the reason for the audit trail. Raises InputError."""
        try:
            return checked_reason(option or "")
        except ReasonError as error:
            raise InputError(f"--reason: {error}. It is recorded with your name.") from None

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before a change. Raises InputError off a terminal, and Exit if the operator says no."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise InputError(f"{question} There is no terminal to ask on: add --yes to do it.")
        if not typer.confirm(question, err=True):
            raise typer.Exit(ExitStatus.NOT_POSSIBLE)


_WHERE = "Environment"
_SHARED: dict[str, tuple[Any, Any]] = {
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Write JSON for a program.", rich_help_panel="Output")],
        False,
    ),
    "local": (
        Annotated[bool, typer.Option("--local", help="The local run of a checkout.", rich_help_panel=_WHERE)],
        False,
    ),
    "environment": (
        Annotated[
            str | None,
            typer.Option(
                "--environment", "-e", envvar="GPCM_ENVIRONMENT", metavar="NAME", rich_help_panel=_WHERE,
                help="A deployed environment: dev, int, prod (default: the local run of a checkout).",
                show_envvar=False,
            ),
        ],
        None,
    ),
    "stack": (
        Annotated[
            str | None,
            typer.Option("--stack", metavar="NAME", help="A stack, by the full name.", rich_help_panel=_WHERE),
        ],
        None,
    ),
    "profile": (
        Annotated[
            str | None,
            typer.Option("--profile", metavar="NAME", help="AWS profile.", rich_help_panel=_WHERE),
        ],
        None,
    ),
    "region": (
        Annotated[str | None, typer.Option("--region", metavar="NAME", help="AWS region.", rich_help_panel=_WHERE)],
        None,
    ),
    "endpoint_url": (
        Annotated[
            str | None,
            typer.Option("--endpoint-url", metavar="URL", help="Another AWS endpoint.", rich_help_panel=_WHERE),
        ],
        None,
    ),
}  # fmt: skip

Body = Callable[..., int | None]


def command(
    *, example: str, panel: Panel, on: typer.Typer = app, name: str | None = None, needs_environment: bool = True
) -> Callable[[Body], Body]:
    """Register a function as a command. The docstring becomes the help, and `example` stands below it.

    The function's first parameter is `CommandContext`. Without an environment, --json is the only shared option.
    """

    def register(body: Body) -> Body:
        parameters_of_body = list(inspect.signature(body).parameters.values())[1:]
        shared = {option: _SHARED[option] for option in _SHARED if needs_environment or option == "as_json"}

        def run(ctx: typer.Context, **options: Any) -> None:
            values = {option: options.pop(option) for option in shared}
            as_json = values.pop("as_json")
            context = CommandContext(EnvironmentRef(**values), ctx.obj or open_environment, as_json=as_json)
            try:
                status = _exit_status(lambda: body(context, **options))
            finally:
                context.close()
            raise typer.Exit(status)

        parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        parameters += [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters_of_body]
        parameters += [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for option, (annotation, default) in shared.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        run.__doc__ = body.__doc__
        command_name = name or body.__name__.strip("_").replace("_", "-")
        in_panel = panel.value if on is app else None
        on.command(command_name, epilog=f"Example: {example}", rich_help_panel=in_panel)(run)
        return body

    return register


def _exit_status(work: Callable[[], int | None]) -> int:
    """Run a command, and turn an error into a sentence and an exit status."""
    try:
        return int(work() or ExitStatus.SUCCESS)
    except InputError as error:
        print_error(str(error))
        return ExitStatus.WRONG_INPUT
    except (CursorError, ActorError) as error:
        print_error(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return ExitStatus.WRONG_INPUT
    except AmbiguousError as error:
        print_error(str(error), RowsTable(error.rows))
        return ExitStatus.NOT_POSSIBLE
    except (UnknownMessageError, NotPossibleError) as error:
        print_error(f"{error!s}".rstrip(".") + ".")
        return ExitStatus.NOT_POSSIBLE
    except OperatorEnvironmentError as error:
        print_error(str(error))
        return ExitStatus.NO_ENVIRONMENT
    except LedgerBusyError:
        print_error("Others are changing the same message. Nothing was changed: try again.")
        return ExitStatus.NOT_POSSIBLE
    except ClientError as error:
        code = error.response["Error"]["Code"]
        print_error(
            f"AWS refuses {error.operation_name} ({code}). Check --profile, that your credentials are current, and "
            "that they may do this: docs/operations.md lists the permissions."
        )
        return ExitStatus.NO_ENVIRONMENT
    except BotoCoreError as error:
        print_error(
            f"AWS cannot be reached ({type(error).__name__}). Check --region, the network and your credentials."
        )
        return ExitStatus.NO_ENVIRONMENT


def register_commands() -> None:
    """Import the modules of the commands: for one of COMMON, only the module that has it."""
    if COMMON.isdisjoint(sys.argv[1:2]):
        import gpcm.commands.registered
    else:
        import gpcm.commands.messages  # noqa: F401


def main() -> None:
    """Run the command line."""
    # Nearly all that a command makes lives until it ends: searching it for garbage takes a quarter of the time.
    gc.set_threshold(200_000)
    atexit.register(gc.freeze)
    register_commands()
    # The script of `gpcm completion` calls gpcm for suggestions. Typer's own completion options are switched off.
    typer.completion.completion_init()  # type: ignore[attr-defined]
    try:
        app(prog_name="gpcm")
    except KeyboardInterrupt:
        print_error("Stopped.")
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # such as `gpcm list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.PROBLEM_FOUND)

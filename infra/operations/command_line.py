"""`gpcm`: the operator's command line, for a run on this machine and for AWS alike.

A command is a function that is given `CommandContext` (the place, opened when first used; the screen) and its own options. What
is the same for all, where to work and whether to write JSON, `command` adds. Exit statuses are `ExitStatus`'s.
"""

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

from gpconnect_messaging.ledger.search import CursorError, SearchBusyError
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.operators import ActorError, ReasonError, checked_reason
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from infra.local.processes import LocalRunError
from infra.operations.environment import (
    AmbiguousError,
    EnvironmentRef,
    OperatorEnvironment,
    OperatorEnvironmentError,
    UnknownMessageError,
    open_environment,
    operator_name,
)
from infra.operations.screen import Screen, print_error, rows_table


class ExitStatus(IntEnum):
    """How a command ended."""

    WELL = 0
    THE_ANSWER_IS_NO = 1
    """It did its work, and what it looked at is not as it should be."""
    WRONG_INPUT = 2
    NO_PLACE = 3
    """There is no such run or stack, or it does not answer, or refuses."""
    NOT_POSSIBLE = 4
    """There is no such message, or it is past that point; nothing was changed."""
    INTERRUPTED = 130


class Panel(StrEnum):
    """What the commands are for, in the order in which they are listed."""

    LOOK = "Look"
    ACT = "Act"
    SEND = "Ask for messages"
    CHECK = "Check"
    MACHINE = "This machine"


class InputError(Exception):
    """What was given cannot be used. The message is a sentence that says what to give."""


EXIT_STATUSES = (
    "Exit status: 0 done; 1 done, and what was looked at is not as it should be; 2 wrong input; 3 the place is not "
    "there, or refuses; 4 no such message, or not possible for it any more."
)

app = typer.Typer(
    name="gpcm",
    help="GP Connect Messaging: find any message, know what to do next.",
    epilog=f"Example: gpcm list --status REJECTED. {EXIT_STATUSES}",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class CommandContext:
    """What every command is given."""

    def __init__(
        self, where: EnvironmentRef, opener: Callable[[EnvironmentRef], OperatorEnvironment], *, as_json: bool
    ) -> None:
        self.where = where
        self.screen = Screen(as_json=as_json)
        self._opener = opener

    @cached_property
    def environment(self) -> OperatorEnvironment:
        """The place, opened when it is first wanted. Raises OperatorEnvironmentError."""
        return self._opener(self.where)

    def close(self) -> None:
        """Close the place, if it was opened."""
        if "place" in self.__dict__:
            self.environment.close()

    def actor(self, context: str | None) -> str:
        """Say who acts; it is recorded with what they do."""
        return operator_name(context)

    def reason(self, context: str | None) -> str:
        """Say why; it is recorded too. Raises InputError."""
        try:
            return checked_reason(context or "")
        except ReasonError as error:
            raise InputError(f"--reason: {error}. It is recorded with your name.") from None

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is changed. Raises InputError where nobody can be asked, and Exit at a no."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise InputError(f"{question} Nobody can be asked here: add --yes to do it.")
        if not typer.confirm(question, err=True):
            raise typer.Exit(ExitStatus.NOT_POSSIBLE)


_WHERE = "Where (a kept local run, if nothing is said)"
_SHARED: dict[str, tuple[Any, Any]] = {
    "as_json": (
        Annotated[bool, typer.Option("--json", help="Write JSON for a program.", rich_help_panel="Output")],
        False,
    ),
    "local": (
        Annotated[bool, typer.Option("--local", help="The run kept by `make demo KEEP=1`.", rich_help_panel=_WHERE)],
        False,
    ),
    "environment": (
        Annotated[
            str | None,
            typer.Option(
                "--environment", "-e", envvar="GPCM_ENVIRONMENT", metavar="NAME", rich_help_panel=_WHERE,
                help="A deployed environment: dev, int, prod.", show_envvar=False,
            ),
        ],
        None,
    ),
    "stack": (
        Annotated[
            str | None,
            typer.Option("--stack", metavar="NAME", help="A stack of another name.", rich_help_panel=_WHERE),
        ],
        None,
    ),
    "profile": (
        Annotated[
            str | None,
            typer.Option("--profile", metavar="NAME", help="AWS credentials' profile.", rich_help_panel=_WHERE),
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
    *, example: str, panel: Panel, on: typer.Typer = app, name: str | None = None, placed: bool = True
) -> Callable[[Body], Body]:
    """Make a function a command: its docstring is the help, `example` stands below it.

    The function's first parameter is `CommandContext`. `placed` says whether it works at a place; else it has --json alone.
    """

    def register(body: Body) -> Body:
        own = list(inspect.signature(body).parameters.values())[1:]
        shared = {each: _SHARED[each] for each in _SHARED if placed or each == "as_json"}

        def run(ctx: typer.Context, **options: Any) -> None:
            said = {each: options.pop(each) for each in shared}
            as_json = said.pop("as_json")
            context = CommandContext(EnvironmentRef(**said), ctx.obj or open_environment, as_json=as_json)
            try:
                status = _ended(lambda: body(context, **options))
            finally:
                context.close()
            raise typer.Exit(status)

        parameters = [inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)]
        parameters += [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [
            inspect.Parameter(each, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for each, (annotation, default) in shared.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        run.__doc__ = body.__doc__
        called = name or body.__name__.strip("_").replace("_", "-")
        in_panel = panel.value if on is app else None
        on.command(called, epilog=f"Example: {example}", rich_help_panel=in_panel)(run)
        return body

    return register


def _ended(work: Callable[[], int | None]) -> int:
    """Do the work, and turn what went wrong into one sentence and an exit status."""
    try:
        return int(work() or ExitStatus.WELL)
    except InputError as error:
        print_error(str(error))
        return ExitStatus.WRONG_INPUT
    except (CursorError, ActorError) as error:
        print_error(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        return ExitStatus.WRONG_INPUT
    except AmbiguousError as error:
        print_error(str(error), rows_table(error.rows))
        return ExitStatus.NOT_POSSIBLE
    except (UnknownMessageError, NotPossibleError) as error:
        print_error(f"{error!s}".rstrip(".") + ".")
        return ExitStatus.NOT_POSSIBLE
    except (OperatorEnvironmentError, LocalRunError) as error:
        print_error(str(error))
        return ExitStatus.NO_PLACE
    except (LedgerBusyError, SearchBusyError):
        print_error("Others keep changing the same message just now. Nothing was changed: try again.")
        return ExitStatus.NOT_POSSIBLE
    except ClientError as error:
        code = error.response["Error"]["Code"]
        print_error(
            f"AWS refuses {error.operation_name} ({code}). Check --profile, that your credentials are current, and "
            "that they may do this: docs/operations.md lists the permissions."
        )
        return ExitStatus.NO_PLACE
    except BotoCoreError as error:
        print_error(
            f"AWS cannot be reached ({type(error).__name__}). Check --region, the network and your credentials."
        )
        return ExitStatus.NO_PLACE


def main() -> None:
    """Run the command line."""
    # What `gpcm completion` prints calls us again to be told how to go on; Typer's own options for that are left out.
    typer.completion.completion_init()  # type: ignore[attr-defined]
    try:
        app(prog_name="gpcm")
    except KeyboardInterrupt:
        print_error("Stopped.")
        sys.exit(ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # whoever read our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(ExitStatus.THE_ANSWER_IS_NO)

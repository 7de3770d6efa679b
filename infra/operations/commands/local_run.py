"""Commands for the local run, and shell completion."""

from enum import StrEnum
from typing import Annotated

import typer
import typer.completion
from rich.text import Text

from infra.local import demo as local_demo
from infra.local import detached_run
from infra.local.scenarios import SCENARIOS
from infra.operations.command_line import CommandContext, Panel, app, command

_NAMES = [scenario.name for scenario in SCENARIOS]


@command(example="gpcm demo --keep", panel=Panel.MACHINE, needs_environment=False)
def demo(
    context: CommandContext,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the run detached afterwards.")] = False,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help=f"Only this request: {', '.join(_NAMES)}.")
    ] = None,
) -> int:
    """Run the product on this machine and send six requests through it (`make demo`)."""
    unknown = set(only or []) - set(_NAMES)
    if unknown:
        raise typer.BadParameter(f"choose from {', '.join(_NAMES)}", param_hint="--only")
    options = [*(["--keep"] if keep else []), *(["--json"] if context.screen.as_json else [])]
    return local_demo.main([*options, *(word for name in only or [] for word in ("--only", name))])


@command(example="gpcm stop", panel=Panel.MACHINE, needs_environment=False)
def stop(context: CommandContext) -> None:
    """Stop the detached local run."""
    stopped = detached_run.stop()
    if stopped is None:
        context.screen.result({"ended": False}, Text("There is no detached run."))
    else:
        logs = str(stopped.folder / "logs")
        context.screen.result({"ended": True, "logs": logs}, Text(f"Stopped. The logs stay in {logs}"))


class Shell(StrEnum):
    """The shells with completion."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@app.command(rich_help_panel=Panel.MACHINE.value, epilog="Example: gpcm completion bash >> ~/.bash_completion")
def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print the script that makes a shell complete gpcm's commands and options."""
    print(typer.completion.get_completion_script(prog_name="gpcm", complete_var="_GPCM_COMPLETE", shell=shell.value))  # type: ignore[attr-defined]

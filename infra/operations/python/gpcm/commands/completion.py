"""The command for shell completion."""

from enum import StrEnum
from typing import Annotated

import typer
import typer.completion

from gpcm.command_line import Panel, app


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

"""The command that serves the console on this machine."""

import sys
from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, Panel, command
from gpcm.commands.messages import Actor


@command(example="gpcm console --environment int", panel=Panel.LOOK)
def console(
    context: CommandContext,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, metavar="NUMBER", help="Port to listen on; 0 takes a free one.")
    ] = 0,
    days: Annotated[
        int, typer.Option("--days", min=1, max=366, metavar="NUMBER", help="How many days back the list goes.")
    ] = 31,
    actor: Actor = None,
) -> None:
    """Serve the console on this machine: today's flow, messages, notifications, and what to do about them.

    Only a browser on this machine can open the console. Signing in needs the code that this command prints.
    Ctrl-C stops it.
    """
    from gpcm.console.serving import serve  # late: the other commands need no web server

    def announce(address: str, code: str) -> None:
        context.screen.result(
            {"address": address, "code": code},
            Text(f"The console of {context.environment.name}: {address}"),
            Text(f"Sign in with the code {code}"),
            Text("Ctrl-C stops it."),
        )
        sys.stdout.flush()  # a program at the other end of a pipe waits for the code

    serve(context.environment, port=port, window=timedelta(days=days), actor=context.actor(actor), announce=announce)

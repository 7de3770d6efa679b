"""The console: a page for operations staff, served on this machine."""

import sys
from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text

from infra.operations.command_line import CommandContext, Panel, command
from infra.operations.commands.messages import Actor


@command(example="gpcm console --environment int", panel=Panel.LOOK)
def console(
    context: CommandContext,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, metavar="NUMBER", help="Where; 0 takes a free port.")
    ] = 0,
    days: Annotated[
        int, typer.Option("--days", min=1, max=366, metavar="NUMBER", help="How far back its list goes.")
    ] = 31,
    actor: Actor = None,
) -> None:
    """Serve a web page on this machine: today's flow, the messages, the notifications, and what can be done about them.

    Only a browser on this machine can open it, and only whoever can read the code that is written here can sign in.
    Ctrl-C ends it.
    """
    from infra.operations.console.serving import serve  # only now: the other commands start without a web server

    def tell(address: str, code: str) -> None:
        context.screen.result(
            {"address": address, "code": code},
            Text(f"The console of {context.environment.name}: {address}"),
            Text(f"Sign in with the code {code}"),
            Text("Ctrl-C ends it."),
        )
        sys.stdout.flush()  # whoever reads it through a pipe waits for it

    serve(context.environment, port=port, window=timedelta(days=days), actor=context.actor(actor), tell=tell)

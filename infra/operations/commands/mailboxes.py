"""Mailboxes: whether MESH and we agree about one, and what was set aside in it."""

from typing import Annotated

import typer
from rich.text import Text

from infra.operations.command_line import CommandContext, ExitStatus, InputError, Panel, app, command
from infra.operations.commands.messages import Actor
from infra.operations.commands.requests import Yes
from infra.operations.doctor import mailbox_examined
from infra.operations.environment import UnknownMessageError
from infra.operations.screen import plain_table

mailbox = typer.Typer(help="A sending mailbox: check it, let in what was set aside.", no_args_is_help=True)
app.add_typer(
    mailbox, name="mailbox", rich_help_panel=Panel.CHECK.value, epilog="Example: gpcm mailbox check Y90001OT001"
)


@command(example="gpcm mailbox check Y90001OT001 --practice A20047", panel=Panel.CHECK, on=mailbox)
def check(
    context: CommandContext,
    name: Annotated[
        str | None, typer.Argument(metavar="MAILBOX", help="The mailbox; may be left out where there is one only.")
    ] = None,
    practice: Annotated[
        str | None, typer.Option("--practice", metavar="ODS", help="Look up where this practice takes documents.")
    ] = None,
) -> int | None:
    """Ask MESH about a mailbox: handshake, certificate, whether answers come here, and a practice's mailbox."""
    known = context.environment.mailbox_names()
    if name is None and len(known) != 1:
        raise InputError(f"Name one of the mailboxes: {', '.join(known) or 'none is configured'}.")
    chosen = name or known[0]
    found = list(mailbox_examined(context.environment, chosen, practice))
    table = plain_table("", "what", "how it is")
    for each in found:
        table.add_row(Text("✓", "green") if each.well else Text("✗", "bold red"), each.what, Text(each.words))
    context.screen.result(
        {
            "mailbox": chosen,
            "findings": [{"what": each.what, "well": each.well, "words": each.words} for each in found],
        },
        table,
    )
    return None if all(each.well for each in found) else ExitStatus.THE_ANSWER_IS_NO


@command(example="gpcm mailbox let-in Y90001OT001 20261122140501234567_ABCDEF", panel=Panel.CHECK, on=mailbox)
def let_in(
    context: CommandContext,
    name: Annotated[str, typer.Argument(metavar="MAILBOX", help="The mailbox that it came to.")],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="MESH's id of it, from the notification.")],
    yes: Yes = False,
    actor: Actor = None,
) -> None:
    """Let the next poll take in a message that was set aside, once what stood in its way is mended."""
    context.confirm("Let this message be taken in again?", yes=yes)
    who = context.actor(actor)
    if not context.environment.ledger.release_set_aside(name, message):
        raise UnknownMessageError("No such message is set aside. Both ids stand in the notification.")
    context.environment.trail.record(
        who, "let in what was set aside", mailbox=name, details={"mesh_message_id": message}
    )
    context.screen.result({"mailbox": name, "let_in": message}, Text("The next poll of the mailbox takes it in."))

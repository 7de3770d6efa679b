"""Commands for a sending mailbox: check it with MESH, and retry a quarantined message."""

from typing import Annotated

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, app, command
from gpcm.commands.messages import Actor
from gpcm.commands.requests import Yes
from gpcm.environment import UnknownMessageError
from gpcm.screen import plain_table

mailbox = typer.Typer(help="Sending mailboxes: check one, or retry a quarantined message.", no_args_is_help=True)
app.add_typer(
    mailbox, name="mailbox", rich_help_panel=Panel.CHECK.value, epilog="Example: gpcm mailbox check Y90001OT001"
)


@command(example="gpcm mailbox check Y90001OT001 --practice A20047", panel=Panel.CHECK, on=mailbox)
def check(
    context: CommandContext,
    name: Annotated[
        str | None, typer.Argument(metavar="MAILBOX", help="The mailbox; needed if there are several.")
    ] = None,
    practice: Annotated[
        str | None, typer.Option("--practice", metavar="ODS", help="Also look up this practice's mailbox.")
    ] = None,
) -> int | None:
    """Check a mailbox with MESH: handshake, certificate, where responses arrive, a practice's mailbox."""
    from gpcm.doctor import mailbox_examined  # late: it needs the MESH client

    configured = context.environment.mailbox_names()
    if name is None and len(configured) != 1:
        raise InputError(f"Name one of the mailboxes: {', '.join(configured) or 'none is configured'}.")
    chosen = name or configured[0]
    findings = list(mailbox_examined(context.environment, chosen, practice))
    table = plain_table("", "what", "how it is")
    for finding in findings:
        table.add_row(Text("✓", "green") if finding.well else Text("✗", "bold red"), finding.what, Text(finding.words))
    context.screen.result(
        {
            "mailbox": chosen,
            "findings": [{"what": finding.what, "well": finding.well, "words": finding.words} for finding in findings],
        },
        table,
    )
    return None if all(finding.well for finding in findings) else ExitStatus.PROBLEM_FOUND


@command(example="gpcm mailbox retry Y90001OT001 20261122140501234567_ABCDEF", panel=Panel.CHECK, on=mailbox)
def retry(
    context: CommandContext,
    name: Annotated[str, typer.Argument(metavar="MAILBOX", help="The mailbox that received it.")],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The MESH message id, from the notification.")],
    yes: Yes = False,
    actor: Actor = None,
) -> None:
    """Let the next poll receive a quarantined message, once the cause is fixed."""
    context.confirm("Receive this message again?", yes=yes)
    who = context.actor(actor)
    if not context.environment.ledger.retry_quarantined(name, message):
        raise UnknownMessageError("That message is not quarantined. The notification has both ids.")
    context.environment.trail.record(
        who, "quarantined message retried", mailbox=name, details={"mesh_message_id": message}
    )
    context.screen.result({"mailbox": name, "retried": message}, Text("The next poll of the mailbox receives it."))

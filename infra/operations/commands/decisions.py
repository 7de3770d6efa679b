"""Deciding about a message: release it, let it pass, say that the practice was told, accept an answer, hold it."""

from typing import Annotated

import typer
from rich.text import Text

from gpconnect_messaging.ledger.lifecycle import Status
from infra.operations.command_line import CommandContext, Panel, app, command
from infra.operations.commands.messages import Actor, MessageName
from infra.operations.commands.requests import Yes

hold = typer.Typer(help="A legal hold: nothing of a message expires until it is lifted.", no_args_is_help=True)
app.add_typer(
    hold,
    name="hold",
    rich_help_panel=Panel.ACT.value,
    epilog="Example: gpcm hold place 1a2b3c4d --reason 'complaint 17'",
)

Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; is recorded. Name no patient.")]


@command(example="gpcm release 1a2b3c4d", panel=Panel.ACT)
def release(context: CommandContext, message: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Release a held request, which goes out when its hold window is over."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Release this request?", yes=yes)
    _told(context, summary.message_id, environment.operator_actions.release(summary.message_id, context.actor(actor)))


@command(example="gpcm practice-told 1a2b3c4d", panel=Panel.ACT)
def practice_told(context: CommandContext, withdrawal: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Record that you told the practice of a deleted consultation whose report was sent (status TELL_PRACTICE)."""
    environment = context.environment
    summary = environment.find(withdrawal)
    context.confirm("Does the practice know that the consultation was deleted?", yes=yes)
    _told(
        context,
        summary.message_id,
        environment.operator_actions.practice_told(summary.message_id, context.actor(actor)),
    )


@command(example="gpcm accept 1a2b3c4d 20261122140501234567_ABCDEF", panel=Panel.ACT)
def accept(
    context: CommandContext,
    message: MessageName,
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="MESH's id of the suspicious answer.")],
    yes: Yes = False,
    actor: Actor = None,
) -> None:
    """Let a suspicious answer count, once you know that it is genuine: it came from elsewhere than expected."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Do you know that this answer is genuine?", yes=yes)
    done = environment.operator_actions.accept_response(summary.message_id, answer, context.actor(actor))
    _told(context, summary.message_id, done)


@command(example="gpcm skip-earlier-versions 1a2b3c4d --reason 'version 1 cannot be mended'", panel=Panel.ACT)
def skip_earlier_versions(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Let a message go that waits for earlier versions of its encounter, which are then never sent (SUPERSEDED)."""
    environment = context.environment
    summary = environment.find(message)
    why = context.reason(reason)
    context.confirm("Give up the earlier versions that this message waits for?", yes=yes)
    _told(
        context,
        summary.message_id,
        environment.operator_actions.skip_earlier_versions(summary.message_id, context.actor(actor), why),
    )


def _told(context: CommandContext, message_id: str, status: Status) -> None:
    context.screen.result(
        {"message_id": message_id, "status": status.value},
        Text(f"Recorded. {message_id[:8]} is {status.value}."),
    )


@command(example="gpcm hold place 1a2b3c4d --reason 'complaint 17'", panel=Panel.ACT, on=hold, name="place")
def place_hold(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Keep everything of a message until the hold is lifted."""
    summary = context.environment.find(message)
    why = context.reason(reason)
    context.confirm("Place a legal hold on this message?", yes=yes)
    held = context.environment.legal_hold.apply(summary.message_id, context.actor(actor), why)
    context.screen.result(
        {"message_id": summary.message_id, "objects_held": held},
        Text(f"Held: the ledger's items, and {held} versions of objects."),
    )


@command(example="gpcm hold lift 1a2b3c4d --reason 'complaint 17 is closed'", panel=Panel.ACT, on=hold, name="lift")
def lift_hold(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Let a message expire again, counted from now."""
    summary = context.environment.find(message)
    why = context.reason(reason)
    context.confirm("Lift the legal hold on this message?", yes=yes)
    free = context.environment.legal_hold.lift(summary.message_id, context.actor(actor), why)
    context.screen.result(
        {"message_id": summary.message_id, "objects_free": free},
        Text(f"Lifted: the ledger's items, and {free} versions of objects."),
    )

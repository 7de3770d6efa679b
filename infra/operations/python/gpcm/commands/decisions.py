"""Commands for decisions about a message: release, skip earlier versions, practice told, accept a response, hold."""

from typing import Annotated

import typer
from rich.text import Text

from gpcm.command_line import CommandContext, Panel, app, command
from gpcm.commands.messages import Actor, MessageName
from gpcm.commands.requests import Yes
from gpconnect_messaging.ledger.stored_names import Status

hold = typer.Typer(help="Legal holds: a message's data does not expire until the hold is lifted.", no_args_is_help=True)
app.add_typer(
    hold,
    name="hold",
    rich_help_panel=Panel.ACT.value,
    epilog="Example: gpcm hold set 1a2b3c4d-… --reason 'complaint 17'",
)

Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why. It is recorded: name no patient.")]


@command(example="gpcm release 1a2b3c4d-…", panel=Panel.ACT)
def release(context: CommandContext, message: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Release a held request. It is sent when the hold window is over."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Release this request?", yes=yes)
    _show_status(
        context, summary.message_id, environment.operator_actions.release(summary.message_id, context.actor(actor))
    )


@command(example="gpcm practice-told 1a2b3c4d-…", panel=Panel.ACT)
def practice_told(context: CommandContext, withdrawal: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Record that the practice was told of a deleted consultation whose report was sent (TELL_PRACTICE)."""
    environment = context.environment
    summary = environment.find(withdrawal)
    context.confirm("Does the practice know that the consultation was deleted?", yes=yes)
    _show_status(
        context,
        summary.message_id,
        environment.operator_actions.practice_told(summary.message_id, context.actor(actor)),
    )


@command(example="gpcm accept 1a2b3c4d-… 20261122140501234567_ABCDEF", panel=Panel.ACT)
def accept(
    context: CommandContext,
    message: MessageName,
    answer: Annotated[str, typer.Argument(metavar="RESPONSE", help="MESH message id of the suspicious response.")],
    yes: Yes = False,
    actor: Actor = None,
) -> None:
    """Let a suspicious response count, once you know that it is genuine."""
    environment = context.environment
    summary = environment.find(message)
    context.confirm("Do you know that this response is genuine?", yes=yes)
    done = environment.operator_actions.accept_response(summary.message_id, answer, context.actor(actor))
    _show_status(context, summary.message_id, done)


@command(example="gpcm skip-earlier-versions 1a2b3c4d-… --reason 'version 1 cannot be mended'", panel=Panel.ACT)
def skip_earlier_versions(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Send a message without waiting for earlier versions of the encounter. They become SUPERSEDED."""
    environment = context.environment
    summary = environment.find(message)
    why = context.reason(reason)
    context.confirm("Give up the earlier versions that this message waits for?", yes=yes)
    _show_status(
        context,
        summary.message_id,
        environment.operator_actions.skip_earlier_versions(summary.message_id, context.actor(actor), why),
    )


def _show_status(context: CommandContext, message_id: str, status: Status) -> None:
    context.screen.result(
        {"message_id": message_id, "status": status.value},
        Text(f"Recorded. {message_id} is {status.value}."),
    )


@command(example="gpcm hold set 1a2b3c4d-… --reason 'complaint 17'", panel=Panel.ACT, on=hold, name="set")
def set_hold(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Keep a message's data until the hold is lifted."""
    summary = context.environment.find(message)
    why = context.reason(reason)
    context.confirm("Set a legal hold on this message?", yes=yes)
    held = context.environment.legal_hold.apply(summary.message_id, context.actor(actor), why)
    context.screen.result(
        {"message_id": summary.message_id, "objects_held": held},
        Text(f"Held: the ledger's items, and {held} versions of objects."),
    )


@command(example="gpcm hold lift 1a2b3c4d-… --reason 'complaint 17 is closed'", panel=Panel.ACT, on=hold, name="lift")
def lift_hold(
    context: CommandContext, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None
) -> None:
    """Let a message's data expire again, counted from now."""
    summary = context.environment.find(message)
    why = context.reason(reason)
    context.confirm("Lift the legal hold on this message?", yes=yes)
    released = context.environment.legal_hold.lift(summary.message_id, context.actor(actor), why)
    context.screen.result(
        {"message_id": summary.message_id, "objects_free": released},
        Text(f"Lifted: the ledger's items, and {released} versions of objects."),
    )

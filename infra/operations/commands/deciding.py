"""Deciding about a message: release it, let it pass, say that the practice was told, accept an answer, hold it."""

from typing import Annotated

import typer
from rich.text import Text

from gpconnect_messaging.ledger.lifecycle import Status
from infra.operations.command_line import Given, Panel, app, command
from infra.operations.commands.dropping import Yes
from infra.operations.commands.looking import Actor, MessageName

hold = typer.Typer(help="A legal hold: nothing of a message expires until it is lifted.", no_args_is_help=True)
app.add_typer(
    hold,
    name="hold",
    rich_help_panel=Panel.ACT.value,
    epilog="Example: gpcm hold place 1a2b3c4d --reason 'complaint 17'",
)

Reason = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why; is recorded. Name no patient.")]


@command(example="gpcm release 1a2b3c4d", panel=Panel.ACT)
def release(given: Given, message: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Release a held request, which goes out when its hold window is over."""
    place = given.place
    summary = place.find(message)
    given.confirm("Release this request?", yes=yes)
    _told(given, summary.message_id, place.by_hand.release(summary.message_id, given.actor(actor)))


@command(example="gpcm practice-told 1a2b3c4d", panel=Panel.ACT)
def practice_told(given: Given, withdrawal: MessageName, yes: Yes = False, actor: Actor = None) -> None:
    """Record that you told the practice of a deleted consultation whose report was sent (status TELL_PRACTICE)."""
    place = given.place
    summary = place.find(withdrawal)
    given.confirm("Does the practice know that the consultation was deleted?", yes=yes)
    _told(given, summary.message_id, place.by_hand.practice_told(summary.message_id, given.actor(actor)))


@command(example="gpcm accept 1a2b3c4d 20261122140501234567_ABCDEF", panel=Panel.ACT)
def accept(
    given: Given,
    message: MessageName,
    answer: Annotated[str, typer.Argument(metavar="ANSWER", help="MESH's id of the suspicious answer.")],
    yes: Yes = False,
    actor: Actor = None,
) -> None:
    """Let a suspicious answer count, once you know that it is genuine: it came from elsewhere than expected."""
    place = given.place
    summary = place.find(message)
    given.confirm("Do you know that this answer is genuine?", yes=yes)
    done = place.by_hand.accept_response(summary.message_id, answer, given.actor(actor))
    _told(given, summary.message_id, done)


@command(example="gpcm let-pass 1a2b3c4d --reason 'version 1 cannot be mended'", panel=Panel.ACT)
def let_pass(given: Given, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None) -> None:
    """Let a message go that waits for earlier versions of its encounter, which are then never sent (SUPERSEDED)."""
    place = given.place
    summary = place.find(message)
    why = given.reason(reason)
    given.confirm("Give up the earlier versions that this message waits for?", yes=yes)
    _told(given, summary.message_id, place.by_hand.let_pass(summary.message_id, given.actor(actor), why))


def _told(given: Given, message_id: str, status: Status) -> None:
    given.screen.result(
        {"message_id": message_id, "status": status.value},
        Text(f"Recorded. {message_id[:8]} is {status.value}."),
    )


@command(example="gpcm hold place 1a2b3c4d --reason 'complaint 17'", panel=Panel.ACT, on=hold, name="place")
def place_hold(given: Given, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None) -> None:
    """Keep everything of a message until the hold is lifted."""
    summary = given.place.find(message)
    why = given.reason(reason)
    given.confirm("Place a legal hold on this message?", yes=yes)
    held = given.place.legal_hold.place(summary.message_id, given.actor(actor), why)
    given.screen.result(
        {"message_id": summary.message_id, "objects_held": held},
        Text(f"Held: the ledger's items, and {held} versions of objects."),
    )


@command(example="gpcm hold lift 1a2b3c4d --reason 'complaint 17 is closed'", panel=Panel.ACT, on=hold, name="lift")
def lift_hold(given: Given, message: MessageName, reason: Reason, yes: Yes = False, actor: Actor = None) -> None:
    """Let a message expire again, counted from now."""
    summary = given.place.find(message)
    why = given.reason(reason)
    given.confirm("Lift the legal hold on this message?", yes=yes)
    free = given.place.legal_hold.lift(summary.message_id, given.actor(actor), why)
    given.screen.result(
        {"message_id": summary.message_id, "objects_free": free},
        Text(f"Lifted: the ledger's items, and {free} versions of objects."),
    )

"""Commands for notifications and the daily balance."""

import json
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, app, command
from gpcm.commands.messages import Actor
from gpcm.environment import OperatorEnvironment, OperatorEnvironmentError
from gpcm.functions import FunctionFailedError, invoke
from gpcm.screen import heading, plain_table, sentences
from gpcm.times import MomentError, day_of
from gpcm.wording import period
from gpconnect_messaging.ledger.notifications import UnknownNotificationError
from gpconnect_messaging.ledger.records import RaisedNotification
from gpconnect_messaging.notifications import notification_text

notifications = typer.Typer(help="Notifications: list the open ones, and acknowledge them.", no_args_is_help=True)
app.add_typer(
    notifications, name="notifications", rich_help_panel=Panel.LOOK.value, epilog="Example: gpcm notifications list"
)


@command(example="gpcm notifications list", panel=Panel.LOOK, on=notifications, name="list")
def list_notifications(context: CommandContext) -> None:
    """Show open notifications, oldest first: what happened, and what to do."""
    now, open_notifications = context.environment.now(), context.environment.notifications.open()
    shown: list[RenderableType] = [] if open_notifications else [Text("There are no open notifications.")]
    for open_notification in open_notifications:
        notification, words = open_notification.notification, notification_text(open_notification.notification.kind)
        shown += [
            Text.assemble((words.subject, "bold"), f"  {period(now - notification.raised_at)} ago"),
            sentences([words.todo, _about(open_notification), f"gpcm notifications acknowledge '{notification.id}'"]),
            Text(),
        ]
    context.screen.result([_as_json(open_notification) for open_notification in open_notifications], *shown)


def _about(open_notification: RaisedNotification) -> str:
    details = open_notification.notification.details
    names = ("message_id", "mailbox", "mesh_message_id", "day", "practice", "codes", "code", "missing", "reason")
    return ", ".join(f"{name.replace('_', ' ')} {details[name]}" for name in names if details.get(name))


def _as_json(open_notification: RaisedNotification) -> dict[str, Any]:
    return {
        "notice": open_notification.notification.id,
        "kind": open_notification.notification.kind.value,
        "subject": notification_text(open_notification.notification.kind).subject,
        "what_to_do": notification_text(open_notification.notification.kind).todo,
        "raised_at": open_notification.notification.raised_at.isoformat(),
        "told_at": open_notification.told_at.isoformat() if open_notification.told_at else None,
        "escalated_at": open_notification.escalated_at.isoformat() if open_notification.escalated_at else None,
        "facts": dict(open_notification.notification.details),
    }


@command(example="gpcm notifications acknowledge 'MESSAGE#1a2b3c4d-…/rejected'", panel=Panel.LOOK, on=notifications)
def acknowledge(
    context: CommandContext,
    notification: Annotated[
        str, typer.Argument(metavar="NOTIFICATION", help="The id, from the last line of the notification.")
    ],
    actor: Actor = None,
) -> None:
    """Acknowledge a notification: your id is recorded, and the notification is not escalated."""
    try:
        taken = context.environment.notifications.acknowledge(
            notification, context.actor(actor), context.environment.now()
        )
    except UnknownNotificationError:
        raise InputError("No notification has that id: copy it from `gpcm notifications list`.") from None
    words = "Acknowledged." if taken else "It was acknowledged before; nothing was changed."
    context.screen.result({"notice": notification, "taken": taken}, Text(words))


_WRONG = {
    "lost": "received, but not in the ledger",
    "incomplete": "the ledger lacks some of the messages",
    "without_receipt": "in the ledger, but without a receipt",
    "unattended": "open, but no sweep will handle it",
    "vanished": "open in an earlier balance, and gone",
    "unknown_to_mesh": "recorded as sent, but unknown to MESH",
    "unanswered": "recorded as sent, but MESH did not answer for this mailbox",
}


@command(example="gpcm reconcile yesterday", panel=Panel.LOOK)
def reconcile(
    context: CommandContext,
    day: Annotated[str, typer.Argument(metavar="DAY", help="A day (UTC): 2026-11-22, today, yesterday.")] = "yesterday",
    again: Annotated[
        bool, typer.Option("--again", help="Make the balance again, and replace the earlier one.")
    ] = False,
) -> int | None:
    """Show whether every request of a day is accounted for. Makes the balance of the day if there is none."""
    environment = context.environment
    try:
        chosen = day_of(day, environment.now())
    except MomentError as error:
        raise InputError(str(error)) from None
    if chosen > environment.now().date():
        raise InputError("That day is still to come.")
    key = environment.balances.evidence_key(chosen)
    if key is None or again or chosen > environment.now().date() - timedelta(days=1):
        _make_balance(environment, chosen)
        key = environment.balances.evidence_key(chosen)
    if key is None:
        raise OperatorEnvironmentError("The poller made no balance. See the poller's log.")
    balance = json.loads(environment.evidence.read_balance(key))
    context.screen.result(balance, *_balance_shown(balance))
    return None if balance["balanced"] else ExitStatus.PROBLEM_FOUND


def _make_balance(environment: OperatorEnvironment, day: date) -> None:
    """Have the poller make a balance, in as many runs as needed.

    The poller has the mailboxes' credentials; an operator need not have them.
    """
    task = json.dumps({"task": "reconcile", "day": str(day)})
    try:
        while invoke(environment, environment.output("PollerFunctionName"), task).get("unfinished"):
            pass
    except FunctionFailedError as error:
        raise OperatorEnvironmentError(f"The balance could not be made: {error}. See the poller's log.") from None


def _balance_shown(balance: dict[str, Any]) -> list[RenderableType]:
    table = plain_table("mailbox", "received", "settled", "open", "arriving", "wrong",
                        right=["received", "settled", "open", "arriving", "wrong"])  # fmt: skip
    wrong: list[str] = []
    for mailbox, account in balance["mailboxes"].items():
        wrong += [f"{mailbox}: {entry}: {words}" for name, words in _WRONG.items() for entry in account[name]]
        counted = account["counts"]
        unaccounted = sum(counted.get(name, 0) for name in _WRONG)
        counts = (account["received"], account["settled"], account["open"], counted.get("arriving", 0), unaccounted)
        table.add_row(mailbox, *map(str, counts))

    verdict = (
        "It balances." if balance["balanced"] else f"It does not balance: {balance['wrong']} are not accounted for."
    )
    shown: list[RenderableType] = [
        Text.assemble(
            (f"Balance of {balance['day']}  ", "bold"), (verdict, "green" if balance["balanced"] else "bold red")
        ),
        table if balance["mailboxes"] else Text("  Nothing was received."),
    ]
    if wrong:
        left_out = balance["wrong"] - len(wrong)
        if left_out:
            wrong.append(f"And {left_out} more: all are in the files of the evidence bucket that `wrong_files` names.")
        shown += [Text(), heading("Not accounted for"), sentences(wrong)]
    return shown

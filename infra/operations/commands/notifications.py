"""What people are told: notifications to take, and the daily balance."""

import json
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from gpconnect_messaging.ledger.notifications import UnknownNotificationError
from gpconnect_messaging.ledger.records import OpenNotification
from gpconnect_messaging.notifications import notification_text
from infra.local.schedules import FunctionFailedError, invoke
from infra.operations.command_line import CommandContext, ExitStatus, InputError, Panel, app, command
from infra.operations.commands.messages import Actor
from infra.operations.environment import OperatorEnvironment, OperatorEnvironmentError
from infra.operations.screen import heading, plain_table, sentences
from infra.operations.times import MomentError, day_of
from infra.operations.wording import period

notifications = typer.Typer(help="Notifications that wait for somebody to take them on.", no_args_is_help=True)
app.add_typer(
    notifications, name="notifications", rich_help_panel=Panel.LOOK.value, epilog="Example: gpcm notifications list"
)


@command(example="gpcm notifications list", panel=Panel.LOOK, on=notifications, name="list")
def list_notifications(context: CommandContext) -> None:
    """Notifications that nobody has taken on, oldest first: what happened, and what to do."""
    now, found = context.environment.now(), context.environment.notifications.open()
    shown: list[RenderableType] = [] if found else [Text("No notification waits for anybody.")]
    for each in found:
        notification, words = each.notification, notification_text(each.notification.kind)
        shown += [
            Text.assemble((words.subject, "bold"), f"  {period(now - notification.raised_at)} ago"),
            sentences([words.todo, _about(each), f"Take it on: gpcm notifications take '{notification.id}'"]),
            Text(),
        ]
    context.screen.result([_as_json(each) for each in found], *shown)


def _about(each: OpenNotification) -> str:
    facts = each.notification.details
    names = ("message_id", "mailbox", "mesh_message_id", "day", "practice", "codes", "code", "missing", "reason")
    return ", ".join(f"{name.replace('_', ' ')} {facts[name]}" for name in names if facts.get(name))


def _as_json(each: OpenNotification) -> dict[str, Any]:
    return {
        "notice": each.notification.id,
        "kind": each.notification.kind.value,
        "subject": notification_text(each.notification.kind).subject,
        "what_to_do": notification_text(each.notification.kind).todo,
        "raised_at": each.notification.raised_at.isoformat(),
        "told_at": each.told_at.isoformat() if each.told_at else None,
        "escalated_at": each.escalated_at.isoformat() if each.escalated_at else None,
        "facts": dict(each.notification.details),
    }


@command(example="gpcm notifications take 'MESSAGE#1a2b3c4d-…/rejected'", panel=Panel.LOOK, on=notifications)
def take(
    context: CommandContext,
    notification: Annotated[
        str, typer.Argument(metavar="NOTICE", help="The notification's id, as it says at its end.")
    ],
    actor: Actor = None,
) -> None:
    """Take a notification on: recorded with your name, and not escalated any more."""
    try:
        taken = context.environment.notifications.acknowledge(
            notification, context.actor(actor), context.environment.now()
        )
    except UnknownNotificationError:
        raise InputError("There is no notification of that id: take it from `gpcm notifications list`.") from None
    words = "It is yours." if taken else "Somebody has taken it on before; nothing was changed."
    context.screen.result({"notice": notification, "taken": taken}, Text(words))


_WRONG = {
    "lost": "received, and the ledger has nothing of it",
    "incomplete": "the ledger has not all of its messages",
    "without_receipt": "in the ledger, and never received",
    "unattended": "open, and the sweep does not come by",
    "vanished": "left open by an earlier balance, and gone",
    "unknown_to_mesh": "called sent, and MESH does not know it",
    "unanswered": "called sent, and MESH was asked about it in vain, as about all of this mailbox",
}


@command(example="gpcm reconcile yesterday", panel=Panel.LOOK)
def reconcile(
    context: CommandContext,
    day: Annotated[str, typer.Argument(metavar="DAY", help="A day (UTC): 2026-11-22, today, yesterday.")] = "yesterday",
    again: Annotated[bool, typer.Option("--again", help="Reckon it afresh, in place of what was made.")] = False,
) -> int | None:
    """The balance of a day: is every request accounted for? Made if it was not made yet."""
    environment = context.environment
    try:
        which = day_of(day, environment.now())
    except MomentError as error:
        raise InputError(str(error)) from None
    if which > environment.now().date():
        raise InputError("That day is still to come.")
    key = environment.balances.evidence_key(which)
    if key is None or again or which > environment.now().date() - timedelta(days=1):
        _reckon(environment, which)
        key = environment.balances.evidence_key(which)
    if key is None:
        raise OperatorEnvironmentError("The poller made no balance. See its log.")
    made = json.loads(environment.evidence.read_balance(key))
    context.screen.result(made, *_balance(made))
    return None if made["balanced"] else ExitStatus.THE_ANSWER_IS_NO


def _reckon(environment: OperatorEnvironment, day: date) -> None:
    """Have the poller make a balance, in as many runs as it takes.

    It has the permissions: an operator need not have the mailboxes' credentials.
    """
    task = json.dumps({"task": "reconcile", "day": str(day)})
    try:
        while invoke(environment, environment.output("PollerFunctionName"), task).get("unfinished"):
            pass
    except FunctionFailedError as error:
        raise OperatorEnvironmentError(f"The balance could not be made: {error}. See the poller's log.") from None


def _balance(made: dict[str, Any]) -> list[RenderableType]:
    table = plain_table("mailbox", "received", "settled", "open", "arriving", "wrong",
                        right=["received", "settled", "open", "arriving", "wrong"])  # fmt: skip
    wrong: list[str] = []
    for mailbox, its in made["mailboxes"].items():
        out = [f"{mailbox}: {each}: {words}" for name, words in _WRONG.items() for each in its[name]]
        counted = its["counts"]
        unaccounted = sum(counted.get(name, 0) for name in _WRONG)
        counts = (its["received"], its["settled"], its["open"], counted.get("arriving", 0), unaccounted)
        table.add_row(mailbox, *map(str, counts))
        wrong += out
    verdict = "It balances." if made["balanced"] else f"It does not balance: {made['wrong']} are not accounted for."
    shown: list[RenderableType] = [
        Text.assemble((f"Balance of {made['day']}  ", "bold"), (verdict, "green" if made["balanced"] else "bold red")),
        table if made["mailboxes"] else Text("  Nothing was received."),
    ]
    if wrong:
        left_out = made["wrong"] - len(wrong)
        if left_out:
            wrong.append(f"And {left_out} more: all are in the files of the evidence bucket that `wrong_files` names.")
        shown += [Text(), heading("Not accounted for"), sentences(wrong)]
    return shown

"""Commands that read: the state of the environment, the list of messages, one message, and the log lines about it."""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from gpcm.command_line import CommandContext, ExitStatus, InputError, Panel, command
from gpcm.environment import OperatorEnvironment, UnknownMessageError
from gpcm.logs import LogLine
from gpcm.messages import status_counts
from gpcm.personal_data import Personal, reveal
from gpcm.screen import (
    RowsTable,
    arrived_shown,
    counts_table,
    heading,
    message_shown,
    moment,
    plain_table,
    queues_table,
    sentences,
)
from gpcm.times import FORMS, MomentError, moment_of
from gpcm.wording import plural
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.search import Page
from gpconnect_messaging.ledger.stored_names import Status

MessageName = Annotated[
    str,
    typer.Argument(metavar="MESSAGE", help="Message id, request id, or MESH message id."),
]
Actor = Annotated[
    str | None, typer.Option("--actor", metavar="ID", envvar="GPCM_ACTOR", help="Your id, for the audit trail.")
]
Mailbox = Annotated[str | None, typer.Option("--mailbox", metavar="ID", help="Only messages of this sending mailbox.")]

_LOGGED_BEFORE_RECORDED = timedelta(minutes=5)


@command(example="gpcm status --watch 5", panel=Panel.LOOK)
def status(
    context: CommandContext,
    watch: Annotated[
        int | None,
        typer.Option("--watch", min=1, metavar="SECONDS", help="Repeat at this interval, until Ctrl-C."),
    ] = None,
) -> int | None:
    """Show the number of messages by status, late messages, queues, dead letters and open notifications."""
    if watch is None:
        value, shown = _overview(context.environment)
        context.screen.result(value, *shown)
        return None
    if context.screen.as_json:
        raise InputError("--watch is for a person: call `gpcm status --json` again instead.")
    with Live(console=context.screen.console, auto_refresh=False) as live:
        while True:
            _, shown = _overview(context.environment)
            live.update(Group(*shown, Text(f"\n{moment(context.environment.now())} UTC", "dim")), refresh=True)
            time.sleep(watch)


def _overview(environment: OperatorEnvironment) -> tuple[dict[str, Any], list[RenderableType]]:
    now = environment.now()
    counted, queues, notifications = environment.counted(), environment.queues(), environment.notifications.open()
    counts = status_counts(counted)
    late = [
        row
        for status_count in counts
        if not status_count.status.settled
        for row in _late(environment, status_count.status)
    ]
    value = {
        "environment": environment.name,
        "at": now.isoformat(),
        "messages": [
            {
                "status": status_count.status.value,
                "count": status_count.count,
                "longest_seconds": int((now - status_count.oldest).total_seconds()) if status_count.oldest else None,
            }
            for status_count in counts
        ],
        "complete": counted.complete,
        "requests": counted.requests,
        "late": [row.as_json() for row in late],
        "queues": [
            {"queue": queue.name, "waiting": queue.waiting, "in_work": queue.in_work, "put_back": queue.put_back}
            for queue in queues
        ],
        "open_notifications": len(notifications),
        "unreadable": sorted(environment.search.unreadable),
    }
    dead = sum(queue.waiting for queue in queues if "dead letters" in queue.name)
    unreadable = sorted(environment.search.unreadable)
    todo = [
        *([_unreadable(unreadable)] if unreadable else []),
        *([f"{plural(len(notifications), 'open notification')}: gpcm notifications list"] if notifications else []),
        *([f"{plural(dead, 'dead letter')}: gpcm redrive --dry-run"] if dead else []),
        *([f"{plural(len(late), 'message')} that the sweep should have handled: gpcm doctor"] if late else []),
    ]
    shown: list[RenderableType] = [
        heading(f"Messages in {environment.name}"),
        counts_table(counts, now) if counts else Text("  none"),
        *(
            []
            if counted.complete
            else [
                Text(f"  {counted.requests:,} requests in the last day; settled ones that did not fail are not counted")
            ]
        ),
        Text(),
        queues_table(queues),
    ]
    if todo:
        shown += [Text(), heading("What to do"), sentences(todo)]
    return value, shown


def _unreadable(keys: Sequence[str]) -> str:
    return (
        f"This release cannot read {plural(len(keys), 'encounter')} ({', '.join(keys[:3])}{', …' * (len(keys) > 3)}): "
        "deploy the newest release again, or restore the items"
    )


def _late(environment: OperatorEnvironment, status_: Status) -> list[Any]:
    """Return the late messages among the twenty that have had the status longest."""
    return [row for row in environment.rows(environment.search.longest(status_, 20)) if row.late]


@command(example="gpcm list --status REJECTED --since 2d", panel=Panel.LOOK, name="list")
def list_(
    context: CommandContext,
    status: Annotated[
        Status | None,
        typer.Option(
            "--status", case_sensitive=False, metavar="STATUS", help="Only messages in this status, such as REJECTED."
        ),
    ] = None,
    mailbox: Mailbox = None,
    encounter: Annotated[
        str | None,
        typer.Option(
            "--encounter",
            metavar="ID|-",
            help="Only messages of this encounter; - prompts for it, to keep it out of the shell's history.",
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help=f"Only from this time on: {FORMS}.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only until this time.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, metavar="NUMBER", help="Maximum number of messages.")
    ] = 25,
    cursor: Annotated[
        str | None, typer.Option("--cursor", metavar="CURSOR", help="Continue where the last page ended.")
    ] = None,
) -> None:
    """Show messages, newest first: by the time of recording, or with --status by the time of entering the status."""
    environment = context.environment
    if encounter is not None:
        page = Page(tuple(_of_encounter(environment, encounter, mailbox, status)))
    else:
        span: dict[str, Any] = {
            "since": _moment(environment, since),
            "until": _moment(environment, until),
            "mailbox": mailbox,
        }
        find = environment.search.by_time if status is None else _by_status(environment, status)
        page = find(limit=limit, cursor=cursor, **span)
    rows = environment.rows(page.rows)
    more = [Text(f"\nMore: add --cursor {page.cursor}", "dim")] if page.cursor else []
    if not page.cursor and status is None and encounter is None and since is None:
        more = [Text("\nThese were recorded within three days; --since 31d looks further back.", "dim")]
    if unreadable := sorted(environment.search.unreadable):
        more.append(Text(f"\n{_unreadable(unreadable)}.", "bold"))
    context.screen.result(
        {"messages": [row.as_json() for row in rows], "cursor": page.cursor, "unreadable": unreadable},
        RowsTable(rows) if rows else Text("No such messages."),
        *([] if rows else [Text(_NOT_LISTED, "dim")]),
        *more,
    )


_NOT_LISTED = (
    "A request that waits for documents is on no list: gpcm status counts it as put back, and gpcm show finds it by "
    "request id."
)


def _by_status(environment: OperatorEnvironment, status: Status) -> Any:
    return lambda **page: environment.search.by_status(status, **page)


def _of_encounter(
    environment: OperatorEnvironment, encounter: str, mailbox: str | None, status: Status | None
) -> list[Summary]:
    if encounter == "-":
        encounter = typer.prompt("Encounter, in the sender's words", hide_input=True, err=True)
    mailboxes = [mailbox] if mailbox else environment.mailbox_names()
    keys = [environment.identifiers.of_encounter(name, encounter).key for name in mailboxes]
    summaries = [summary for key in keys for summary in environment.search.of_encounter(key)]
    return [summary for summary in summaries if status in (None, summary.status)]


def _moment(environment: OperatorEnvironment, typed: str | None) -> datetime | None:
    try:
        return moment_of(typed, environment.now()) if typed else None
    except MomentError as error:
        raise InputError(str(error)) from None


@command(example="gpcm show 1a2b3c4d-…", panel=Panel.LOOK)
def show(
    context: CommandContext,
    message: MessageName,
    reveal_: Annotated[
        bool,
        typer.Option("--reveal", help="Also show personal data (recorded): encounter, MESH address and subject."),
    ] = False,
    audit: Annotated[bool, typer.Option("--audit", help="Also show who did what.")] = False,
    actor: Actor = None,
) -> int | None:
    """Show one message: the meaning of the status, what to do, both acknowledgements, the message history."""
    environment = context.environment
    try:
        summary = environment.find(message)
    except UnknownMessageError:
        arrived = environment.arrived(message)
        if arrived is None:
            raise
        context.screen.result(*arrived_shown(arrived))
        return ExitStatus.PROBLEM_FOUND if arrived.overdue else None
    if reveal_:
        whole = reveal(
            environment.trail, actor=context.actor(actor), message_id=summary.message_id, what=Personal.ENCOUNTER,
            read=lambda: environment.message(summary, reveal_encounter=True),
        )  # fmt: skip
    else:
        whole = environment.message(summary)
    value, shown = whole.as_json(), message_shown(whole, environment.now())
    if reveal_ and whole.sha256 is not None:
        envelope = reveal(
            environment.trail, actor=context.actor(actor), message_id=summary.message_id, what=Personal.ADDRESS,
            read=lambda: environment.outbox.envelope(summary.message_id),
        )  # fmt: skip
        value |= {"address": envelope.to, "subject": envelope.subject}
        shown += [Text(), heading("MESH"), sentences([f"to {envelope.to or envelope.organisation}", envelope.subject])]
    if audit:
        events = [
            event for event in environment.trail.of_message(summary.message_id) if not _FUNCTION.match(event.actor)
        ]
        value["audit"] = [
            {"at": event.at.isoformat(), "actor": event.actor, "what": event.what, "details": dict(event.details)}
            for event in events
        ]
        table = plain_table("when (UTC)", "who", "what")
        for event in events:
            details = ", ".join(f"{name}: {detail}" for name, detail in event.details.items())
            table.add_row(moment(event.at), Text(event.actor), Text(f"{event.what} {details}"))
        shown += [Text(), heading("Who did what"), table]
    context.screen.result(value, *shown)
    return None


_FUNCTION = re.compile(r"(builder|sender|poller)$|MESH ")
"""Actors whose audit events are in the message history already."""


@command(example="gpcm trace 1a2b3c4d-…", panel=Panel.LOOK)
def trace(
    context: CommandContext,
    message: MessageName,
    whole: Annotated[bool, typer.Option("--whole", help="Show the lines as they were written.")] = False,
) -> int | None:
    """Show all log lines about a message, from builder, sender and poller."""
    environment = context.environment
    summary = environment.find(message)
    record = environment.ledger.find(summary.message_id)
    responses = [] if record is None else [event.source.removeprefix("MESH ") for event in record.history.events
                                      if event.source.startswith("MESH ")]  # fmt: skip
    words = list(dict.fromkeys([summary.message_id, summary.request_id, *summary.mesh_message_ids, *responses]))
    since = summary.created_at - _LOGGED_BEFORE_RECORDED
    until = min(environment.now(), summary.changed_at + timedelta(days=1))
    lines = environment.logs.lines(words, since, until + timedelta(minutes=1))
    table = plain_table("when (UTC)", "function", "what")
    for line in lines:
        what = line.text if whole else _brief(line)
        table.add_row(moment(line.at.astimezone(UTC)) if line.at else "", line.function, Text(what))
    context.screen.result(
        [
            {
                "at": line.at.isoformat() if line.at else None,
                "function": line.function,
                "line": line.fields or line.text,
            }
            for line in lines
        ],
        table if lines else Text("No log line names the message: perhaps the logs of that time have expired."),
    )
    return None if lines else ExitStatus.PROBLEM_FOUND


_GENERAL_FIELDS = frozenset(
    {
        "timestamp", "time", "level", "message", "location", "service", "cold_start", "function_name", "function_arn",
        "function_memory_size", "function_request_id", "xray_trace_id", "sampling_rate", "correlation_id", "type",
        "message_id",
    }
)  # fmt: skip
"""Fields of log lines that say nothing about a message."""


def _brief(line: LogLine) -> str:
    """Write a log line in short: the message, then the other fields."""
    fields = line.fields
    if "message" not in fields:
        return line.text
    level = "" if fields.get("level", "INFO") == "INFO" else f"{fields['level']} "
    named = ", ".join(f"{name} {value}" for name, value in fields.items() if name not in _GENERAL_FIELDS and value)
    return f"{level}{fields['message']}" + (f" ({named})" if named else "")

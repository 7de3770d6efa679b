"""How commands speak: sentences and tables for a person, JSON for a program, never both.

Colour only ever repeats what a word says. Off a terminal lines are as wide as COLUMNS says, or 100 characters.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from infra.operations.environment import Arrived, QueueDepth
from infra.operations.messages import HIDDEN, Acknowledgement, Coming, Message, Mood, Row, StatusCount, mood
from infra.operations.wording import period

_WIDTH_OFF_TERMINAL = 100
_STYLES = {
    Mood.GOOD: "green",
    Mood.UNDER_WAY: "cyan",
    Mood.BAD: "bold red",
    Mood.WAITS: "bold yellow",
    Mood.OVER: "dim",
}
_COMING = {Coming.POSITIVE: "green", Coming.NEGATIVE: "bold red", Coming.OVERDUE: "bold red"}


class Screen:
    """Standard output for results, standard error for everything else."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = _console(error=False)
        self._aside = _console(error=True)

    def result(self, value: Any, *shown: RenderableType) -> None:
        """Give a result: the value as JSON where that was asked for, else what is shown of it."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False))
        else:
            for each in shown:
                self.console.print(each)

    def say(self, *lines: str) -> None:
        """Tell a person something that is no result; it keeps out of a program's way."""
        where = self._aside if self.as_json else self.console
        for line in lines:
            where.print(Text(line))


def print_error(sentence: str, *more: RenderableType) -> None:
    """Say on standard error what went wrong, and what to do about it."""
    console = _console(error=True)
    console.print(Text(sentence), *more)


def _console(*, error: bool) -> Console:
    stream = sys.stderr if error else sys.stdout
    if stream.isatty():
        return Console(file=stream, highlight=False)
    width = os.environ.get("COLUMNS", "")
    return Console(file=stream, highlight=False, width=int(width) if width.isdecimal() else _WIDTH_OFF_TERMINAL)


def moment(at: datetime) -> str:
    """Write a time to the second, in UTC."""
    return f"{at:%d %b %H:%M:%S}"


def heading(words: str) -> Text:
    """Write a heading."""
    return Text(words, "bold")


def sentences(lines: Iterable[str], *, mark: str = "") -> Group:
    """Write sentences below a heading, each from a line of its own."""
    grid = Table.grid(padding=(0, 1), expand=False)
    if mark:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(*([mark] if mark else []), Text(line))
    return Group(Padding(grid, (0, 0, 0, 2)))


def plain_table(*headings: str, right: Sequence[str] = ()) -> Table:
    """Begin a table without lines."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for each in headings:
        table.add_column(each, justify="right" if each in right else "left", overflow="fold")
    return table


def status_text(row: Row | StatusCount) -> Text:
    """Write a status in its colour."""
    return Text(row.status.value, _STYLES[mood(row.status)])


def rows_table(rows: Sequence[Row]) -> Table:
    """Draw a list of messages."""
    table = plain_table("message", "status", "since", "mailbox", "version", "to", "recorded (UTC)", right=["version"])
    for row in rows:
        since = period(row.age) + (", late" if row.late else "")
        version = str(row.version) if row.version else "–"
        recipient = "practice" if row.recipient == "registered-practice" else row.recipient
        cells = (row.short_id, status_text(row), since, row.mailbox, version, recipient, moment(row.created_at))
        table.add_row(*cells)
    return table


def counts_table(counts: Sequence[StatusCount], now: datetime) -> Table:
    """Draw how many messages have each status, and how long the longest-standing open one has had it."""
    table = plain_table("status", "messages", "longest", right=["messages"])
    for each in counts:
        standing = period(now - each.oldest) if each.oldest else "in the last day" if each.status.settled else ""
        table.add_row(status_text(each), f"{each.count:,}", standing)
    return table


def queues_table(queues: Sequence[QueueDepth]) -> Table:
    """Draw what waits in the queues."""
    table = plain_table("queue", "waiting", "in work", "put back", right=["waiting", "in work", "put back"])
    for each in queues:
        dead = "dead letters" in each.name and each.waiting
        table.add_row(
            Text(each.name, "bold red" if dead else ""), str(each.waiting), str(each.in_work), str(each.put_back)
        )
    return table


def arrived_shown(arrived: Arrived) -> tuple[dict[str, Any], Group]:
    """Say what is known of a request that the ledger has nothing of yet: for a program, and for a person."""
    until = f"{moment(arrived.until)} UTC"
    stands = (
        f"Nothing became of it, and its time was over at {until}. Is it a dead letter? gpcm redrive --dry-run"
        if arrived.overdue
        else f"It is in work, or waits for its documents until {until} at most. Look again: gpcm show "
        f"{arrived.request_id}"
    )
    value = {"request_id": arrived.request_id, "arrived": arrived.at.isoformat(), "until": arrived.until.isoformat()}
    return value | {"overdue": arrived.overdue}, sentences([f"Received at {moment(arrived.at)} UTC.", stands])


def message_shown(message: Message, now: datetime) -> list[RenderableType]:
    """Draw all of a message: what it means and what to do come first."""
    row, told = message.row, message.explanation
    parts: list[RenderableType] = [
        Text.assemble((row.message_id, "bold"), "  ", status_text(row), f"  for {period(row.age)}"),
        *([sentences(told.meaning)] if told.meaning else []),
        *([sentences(told.causes, mark="·")] if told.causes else []),
        Text(),
        heading("What to do"),
        sentences(told.todo),
        Text(),
        heading("Acknowledgements"),
        _acknowledgements((message.infrastructure, message.business)),
        Text(),
        heading("What happened (UTC)"),
        _timeline(message),
        Text(),
        heading("Known as"),
        _names(message, now),
    ]
    return parts


def _acknowledgements(both: Sequence[Acknowledgement]) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for each in both:
        grid.add_row(each.level.value, Text(each.words, _COMING.get(each.state, "")))
        for answer in each.answers:
            if answer.suspicious:
                grid.add_row("", Text(f"suspicious, does not count: {answer.meaning}", "yellow"))
    return Padding(grid, (0, 0, 0, 2))


def _timeline(message: Message) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for step in message.timeline:
        grid.add_row(moment(step.at), Text(step.words))
    return Padding(grid, (0, 0, 0, 2))


def _names(message: Message, now: datetime) -> Padding:
    row, known = message.row, message.registration
    named = " ".join(filter(None, (known.get("ods_code"), known.get("name"))))
    practice = f"{named} (says {known['source']})" if named else ""
    to = "the registered practice" if row.recipient == "registered-practice" else row.recipient
    times = (("came in", message.arrived), ("recorded", row.created_at))
    entries = (
        ("request", row.request_id),
        ("mailbox", row.mailbox.strip("-")),
        ("to", to),
        ("practice", practice),
        ("version", str(row.version) if row.version else ""),
        ("encounter", f"{HIDDEN}; --reveal shows it" if message.encounter == HIDDEN else message.encounter),
        ("MESH's id", ", ".join(message.mesh_message_ids)),
        ("became", ", ".join(message.became)),
        ("SHA-256", message.sha256 or ""),
        *((words, f"{moment(at)} UTC, {period(now - at)} ago") for words, at in times if at),
        ("legal hold", "nothing of it expires" if message.legal_hold else ""),
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in entries:
        if value:
            grid.add_row(label, Text(value))
    return Padding(grid, (0, 0, 0, 2))

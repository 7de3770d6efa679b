"""The output of commands: sentences and tables for a person, or JSON for a program.

Colour only repeats the words. Without a terminal, lines have the width of COLUMNS, or 100 characters.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gpcm.environment import Arrived, QueueDepth
from gpcm.messages import HIDDEN, Acknowledgement, Coming, Message, Mood, Row, StatusCount, mood
from gpcm.wording import period

_WIDTH_OFF_TERMINAL = 100
_WIDEST = 1_000
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
        self._stderr = _console(error=True)

    def result(self, value: Any, *shown: RenderableType) -> None:
        """Print the result: the value as JSON, or the renderables."""
        if self.as_json:
            print(json.dumps(value, indent=2, ensure_ascii=False))
        else:
            for renderable in shown:
                self.console.print(renderable)

    def say(self, *lines: str) -> None:
        """Print remarks for a person. With --json, they go to standard error."""
        console = self._stderr if self.as_json else self.console
        for line in lines:
            console.print(Text(line))


def print_error(sentence: str, *more: RenderableType) -> None:
    """Print on standard error what went wrong, and what to do."""
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
    """Write indented sentences, one per line."""
    grid = Table.grid(padding=(0, 1), expand=False)
    if mark:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for line in lines:
        grid.add_row(*([mark] if mark else []), Text(line))
    return Group(Padding(grid, (0, 0, 0, 2)))


def plain_table(*headings: str, right: Sequence[str] = ()) -> Table:
    """Create a table without rules."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for title in headings:
        table.add_column(title, justify="right" if title in right else "left", overflow="fold")
    return table


def status_text(row: Row | StatusCount) -> Text:
    """Write a status in colour."""
    return Text(row.status.value, _STYLES[mood(row.status)])


@dataclass(frozen=True)
class RowsTable:
    """A list of messages: a table where it fits, otherwise two lines for a message, so that no id is broken."""

    rows: Sequence[Row]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the list in the width that there is."""
        headings = ("message", "status", "since", "mailbox", "version", "to", "recorded (UTC)")
        table = plain_table(*headings, right=["version"])
        for row in self.rows:
            table.add_row(*_cells(row))
        if Measurement.get(console, options.update(width=_WIDEST), table).maximum <= options.max_width:
            yield table
            return
        for row in self.rows:
            message_id, status, since, mailbox, version, to, recorded = _cells(row)
            yield Text.assemble((str(message_id), "bold"), "  ", status)
            of_version = f"version {version}" if row.version else "no version"
            yield sentences([f"for {since}, {mailbox}, {of_version}, to {to}, recorded {recorded} UTC"])


def _cells(row: Row) -> tuple[str | Text, ...]:
    since = period(row.age) + (", late" if row.late else "")
    version = str(row.version) if row.version else "–"
    recipient = "practice" if row.recipient == "registered-practice" else row.recipient
    return row.message_id, status_text(row), since, row.mailbox, version, recipient, moment(row.created_at)


def counts_table(counts: Sequence[StatusCount], now: datetime) -> Table:
    """Draw the number of messages by status, and the age of the oldest open one."""
    table = plain_table("status", "messages", "longest", right=["messages"])
    for status_count in counts:
        longest = (
            period(now - status_count.oldest)
            if status_count.oldest
            else "in the last day"
            if status_count.status.settled
            else ""
        )
        table.add_row(status_text(status_count), f"{status_count.count:,}", longest)
    return table


def queues_table(queues: Sequence[QueueDepth]) -> Table:
    """Draw the depths of the queues."""
    table = plain_table("queue", "waiting", "in work", "put back", right=["waiting", "in work", "put back"])
    for queue in queues:
        dead = "dead letters" in queue.name and queue.waiting
        table.add_row(
            Text(queue.name, "bold red" if dead else ""), str(queue.waiting), str(queue.in_work), str(queue.put_back)
        )
    return table


def arrived_shown(arrived: Arrived) -> tuple[dict[str, Any], Group]:
    """Describe a request that is not in the ledger yet: as values for JSON, and in sentences."""
    until = f"{moment(arrived.until)} UTC"
    state = (
        f"It should have been in the ledger by {until}. Is it a dead letter? gpcm redrive --dry-run"
        if arrived.overdue
        else f"It is in work, or waits for documents until {until} at most. Look again: gpcm show {arrived.request_id}"
    )
    value = {"request_id": arrived.request_id, "arrived": arrived.at.isoformat(), "until": arrived.until.isoformat()}
    return value | {"overdue": arrived.overdue}, sentences([f"Received at {moment(arrived.at)} UTC.", state])


def message_shown(message: Message, now: datetime) -> list[RenderableType]:
    """Draw a message: first the meaning of the status, and what to do."""
    row, explanation = message.row, message.explanation
    parts: list[RenderableType] = [
        Text.assemble((row.message_id, "bold"), "  ", status_text(row), f"  for {period(row.age)}"),
        *([sentences(explanation.meaning)] if explanation.meaning else []),
        *([sentences(explanation.causes, mark="·")] if explanation.causes else []),
        Text(),
        heading("What to do"),
        sentences(explanation.todo),
        Text(),
        heading("Acknowledgements"),
        _acknowledgements((message.infrastructure, message.business)),
        Text(),
        heading("What happened (UTC)"),
        _timeline(message),
        Text(),
        heading("Details"),
        _details(message, now),
    ]
    return parts


def _acknowledgements(acknowledgements: Sequence[Acknowledgement]) -> Padding:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for acknowledgement in acknowledgements:
        grid.add_row(acknowledgement.level.value, Text(acknowledgement.words, _COMING.get(acknowledgement.state, "")))
        for answer in acknowledgement.answers:
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


def _details(message: Message, now: datetime) -> Padding:
    row, registration = message.row, message.registration
    name = " ".join(filter(None, (registration.get("ods_code"), registration.get("name"))))
    practice = f"{name} (says {registration['source']})" if name else ""
    to = "the registered practice" if row.recipient == "registered-practice" else row.recipient
    times = (("came in", message.arrived), ("recorded", row.created_at))
    entries = (
        ("request", row.request_id),
        ("mailbox", row.mailbox.strip("-")),
        ("to", to),
        ("practice", practice),
        ("version", str(row.version) if row.version else ""),
        ("encounter", f"{HIDDEN}; --reveal shows it" if message.encounter == HIDDEN else message.encounter),
        ("MESH message id", ", ".join(message.mesh_message_ids)),
        ("became", ", ".join(message.became)),
        ("warnings", "; ".join(message.warnings)),
        ("SHA-256", message.sha256 or ""),
        *((words, f"{moment(at)} UTC, {period(now - at)} ago") for words, at in times if at),
        ("legal hold", "the message's data does not expire" if message.legal_hold else ""),
    )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for label, value in entries:
        if value:
            grid.add_row(label, Text(value))
    return Padding(grid, (0, 0, 0, 2))

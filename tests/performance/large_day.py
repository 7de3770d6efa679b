"""A day of held reports in a ledger and an evidence bucket on disk, as an out-of-hours service sends them.

The first messages are recorded by the methods of the real `Ledger`, call by call. The others are copies of encounters
that it recorded: every id and every time is fresh, and the bytes come from the real encoding of an encounter.

| of 300 messages | end |
|---|---|
| 297 | delivered: two positive responses |
| 1 | rejected by the practice's system |
| 1 | undelivered: MESH reports it |
| 1 | overdue: nobody answers |

A person was notified of the failures, and has acknowledged the notifications.
"""

import json
import re
import sys
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum, auto
from pathlib import Path
from time import process_time
from typing import Any

from gpconnect_messaging.balance_entries import write_left_open
from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.reconciliation import Balance, LeftOpen
from gpconnect_messaging.ledger.records import Received
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import in_time, item, plain, shard
from gpconnect_messaging.ledger.table import time as read_time
from gpconnect_messaging.storage import Evidence
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Item, Table
from tests.fakes.on_disk import DiskBucket, DiskTable
from tests.identifiers import ids_of
from tests.performance.ledger_load import DELIVERED, MAILBOX, PATIENCE, Answer, Stage, live, new_mesh_id

DAY = date(2026, 11, 20)
HOLD = timedelta(minutes=30)
PROFILE = (*(0.3,) * 7, 0.5, *(0.2,) * 10, 3.5, 4.0, 4.0, 3.5, 2.6, 1.8)
"""The requests of every hour, as multiples of a mean hour's: the practices are closed in the evening."""
PEAK_HOUR = PROFILE.index(max(PROFILE))
RECORDED = 20_000
"""So many messages at most are recorded call by call."""
LOST = 3
"""So many requests have a receipt, and nothing in the ledger: the balance must miss exactly these."""
_TEMPLATES = 24
_MADE = "made.json"


class Ending(StrEnum):
    """What becomes of a message."""

    DELIVERED = auto()
    REJECTED = auto()
    UNDELIVERED = auto()
    OVERDUE = auto()


_RARE = {0: Ending.REJECTED, 100: Ending.UNDELIVERED, 200: Ending.OVERDUE}
_ANSWERS: dict[Ending, tuple[Answer, ...]] = {
    Ending.DELIVERED: DELIVERED,
    Ending.REJECTED: (("20009", Level.INFRASTRUCTURE, Verdict.NEGATIVE),),
}


def ending_of(number: int) -> Ending:
    """Return what becomes of the message with this number."""
    return _RARE.get(number % 300, Ending.DELIVERED)


def arrivals(messages: int) -> Iterator[datetime]:
    """Yield when the requests of the day come."""
    start, came = datetime.combine(DAY, time(), UTC), 0
    for hour, share in enumerate(PROFILE):
        until = round(messages * sum(PROFILE[: hour + 1]) / sum(PROFILE))
        for number in range(until - came):
            yield start + timedelta(hours=hour, seconds=3_600 * number / (until - came))
        came = until
        del share


def record(ledger: Ledger, clock: Clock, ending: Ending, until: Stage = Stage.ANSWERED) -> str:
    """Record one message with the real ledger, from the request to its end; return its id, or the held request's."""
    message_id = live(ledger, clock.advance, window=HOLD, answers=_ANSWERS.get(ending, ()), until=until)
    if until is not Stage.ANSWERED or ending is Ending.DELIVERED:
        return message_id
    clock.advance(timedelta(minutes=25))
    found = ledger.find(message_id)
    assert found is not None
    if ending is Ending.UNDELIVERED:
        [linked] = found.history.mesh_message_ids
        report = new_mesh_id(ledger.now())
        event = ledger_events.report(
            at=ledger.now(), mesh_message_id=report, linked_mesh_message_id=linked, code="14",
            description="not collected",
        )  # fmt: skip
        ledger.record(message_id, event)
        key = f"received/{MAILBOX}/{report}"
        ledger.received(
            Received(mailbox=MAILBOX, mesh_message_id=report, at=event.at, evidence_key=key, outcome=message_id)
        )
    elif ending is Ending.OVERDUE:
        missing = found.history.missing_acknowledgements
        ledger.record(message_id, ledger_events.acknowledgement_overdue(at=ledger.now(), missing=missing))
    encounter = ledger.encounter_of(message_id)
    for raised in encounter.notifications.values() if encounter else ():
        ledger.change_notification(
            raised.notification,
            lambda state: replace(
                state, told_at=clock(), due_at=None, acknowledged_at=clock(), acknowledged_by="operator-7"
            ),
        )
    return message_id


_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{20}_\d{6}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|\+00:00)"
)


class Template:
    """The items of an encounter that the real ledger recorded, of which copies are made."""

    def __init__(self, ending: Ending = Ending.DELIVERED, until: Stage = Stage.ANSWERED) -> None:
        self.at, clock, table = datetime.combine(DAY, time(9), UTC), Clock(), Table()
        clock.time = self.at
        own_id = record(Ledger(table, "ledger", PATIENCE, clock), clock, ending, until)  # type: ignore[arg-type]
        items = list(table.items.values())
        state = next(values for values in items if values["sk"] == "STATE")
        body = encounter_format.unpack(bytes(state["body"]), int(state["v"]))
        self._version = int(state["v"])
        self._key = str(state["pk"]).removeprefix("ENCOUNTER#")
        self._named = {body["encounter"]: "encounter"}
        self._named[own_id] = "request" if until is Stage.HELD else "message"
        self._named |= dict.fromkeys(body["requests"], "request")
        self._pattern = re.compile(f"{_ID.pattern}|{re.escape(self._key)}")
        self._body = self._split(json.dumps(body, separators=(",", ":")))
        raw = (table.get_item(Key=item({"pk": values["pk"], "sk": values["sk"]}))["Item"] for values in items)
        self._items = [[(name, *self._value(value)) for name, value in values.items()] for values in raw]
        self._times: dict[str, datetime] = {}
        for pieces in (self._body, *(value for each in self._items for _, _, value in each if isinstance(value, list))):
            self._times |= {old: _time(old) for old in pieces[1::2] if "T" in old or "_" in old}

    def _split(self, written: str) -> list[str]:
        """Split a text at ids and times: text, id, text, id, …, text."""
        pieces, end = [], 0
        for found in self._pattern.finditer(written):
            pieces += [written[end : found.start()], found.group()]
            end = found.end()
        return [*pieces, written[end:]]

    def _value(self, value: Any) -> tuple[str, Any]:
        """Return the type of a value and, of a text with ids, the pieces."""
        [(kind, content)] = value.items()
        if kind == "L":
            return "L", [self._split(one["S"]) for one in content]
        pieces = self._split(content) if kind == "S" else []
        return kind, pieces if len(pieces) > 1 else content

    def copy(self, at: datetime) -> tuple[list[Item], str, str]:
        """Copy the encounter of a request that came at a time; return the items, and the ids of request and message."""
        encounter, request_id = str(uuid.uuid4()), str(uuid.uuid4())
        ids = ids_of(MAILBOX, encounter)
        new = {"encounter": encounter, "request": request_id}
        if "message" in self._named.values():
            new["message"] = str(ids.message_id(1, REGISTERED_PRACTICE))
        fresh = _Fresh(self._times, self._named, new, at - self.at, {self._key: ids.key})
        items: list[Item] = []
        for template in self._items:
            copy: Item = {}
            for name, kind, value in template:
                if kind == "L":
                    copy[name] = {"L": [{"S": fresh.joined(one)} for one in value]}
                else:
                    copy[name] = {kind: fresh.joined(value) if isinstance(value, list) else value}
            if "time_shard" in copy:
                copy["time_shard"] = {"S": in_time(request_id, at)["time_shard"]}
            for name in ("work_shard", "attention_shard"):
                if name in copy:
                    copy[name] = {"S": f"{copy[name]['S'].partition('#')[0]}#{shard(ids.key)}"}
            if "body" in copy:
                copy["body"] = {"B": encounter_format.compress(fresh.joined(self._body).encode(), self._version)}
            items.append(copy)
        return items, request_id, new.get("message", "")


@dataclass(slots=True)
class _Fresh:
    """The ids and times of a copy, by those of the template."""

    times: dict[str, datetime]
    named: dict[str, str]
    new: dict[str, str]
    later: timedelta
    known: dict[str, str]

    def joined(self, pieces: list[str]) -> str:
        """Join a text with the copy's ids and times."""
        joined = list(pieces)
        joined[1::2] = [self.known.get(old) or self._made(old) for old in pieces[1::2]]
        return "".join(joined)

    def _made(self, old: str) -> str:
        if old in self.named:
            made = self.new[self.named[old]]
        elif "T" in old:
            made = (self.times[old] + self.later).isoformat("T", "microseconds") + ("Z" if old[-1] == "Z" else "+00:00")
        elif "_" in old:
            made = new_mesh_id(self.times[old] + self.later)
        else:
            made = str(uuid.uuid4())
        self.known[old] = made
        return made


def _time(written: str) -> datetime:
    """Read a time, or the one in a MESH id (UTC, without a zone)."""
    if "T" in written:
        return read_time(written).replace(tzinfo=None)
    return datetime.strptime(written[:20], "%Y%m%d%H%M%S%f")  # noqa: DTZ007 - as above


@dataclass
class Templates:
    """Templates of every ending, used in turn."""

    until: Stage = Stage.ANSWERED
    _made: dict[Ending, list[Template]] = field(default_factory=dict)
    _used: Counter[Ending] = field(default_factory=Counter)

    def copy(self, at: datetime, ending: Ending = Ending.DELIVERED) -> tuple[list[Item], str, str]:
        """Copy the next template, as `Template.copy`."""
        made = self._made.setdefault(ending, [])
        if len(made) < (_TEMPLATES if ending is Ending.DELIVERED else 3):
            made.append(Template(ending, self.until))
        self._used[ending] += 1
        return made[self._used[ending] % len(made)].copy(at)


@dataclass(frozen=True)
class LargeDay:
    """A day of so many messages in a folder, of which at most `most_recorded` are recorded call by call."""

    messages: int
    folder: Path
    most_recorded: int = RECORDED

    @property
    def recorded(self) -> int:
        """How many of the messages are recorded call by call."""
        return min(self.messages, self.most_recorded)

    def table(self, *, counts_units: bool = False) -> DiskTable:
        """Open the ledger's table."""
        return DiskTable(self.folder / "ledger.sqlite", counts_units=counts_units)

    def bucket(self) -> DiskBucket:
        """Open the evidence bucket."""
        return DiskBucket(self.folder / "evidence.sqlite")

    def make(self) -> None:
        """Write the day, and beside it what that took; do nothing where it is there."""
        if (self.folder / _MADE).exists():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        began = process_time()
        receipts: list[tuple[str, datetime]] = []
        left: list[LeftOpen] = []
        table, clock = self.table(), Clock()
        ledger = Ledger(table, "ledger", PATIENCE, clock)  # type: ignore[arg-type]
        every = self.messages / self.recorded
        calls = {round(number * every) for number in range(self.recorded)}

        def of(number: int, at: datetime, request_id: str, message_id: str) -> None:
            receipts.append((_receipt(at, request_id), at))
            if ending_of(number) is Ending.OVERDUE and number % 2 == 0:
                left.append(LeftOpen(message_id=message_id, request_id=request_id, mailbox=MAILBOX, why="SENT"))

        for number, at in enumerate(arrivals(self.messages)):
            if number in calls:
                clock.time = at
                message_id = record(ledger, clock, ending_of(number))
                found = ledger.find(message_id)
                assert found is not None
                of(number, at, found.request_id, message_id)

        def copies() -> Iterator[Item]:
            templates = Templates()
            for number, at in enumerate(arrivals(self.messages)):
                if number % 100_000 == 0:
                    sys.stderr.write(f"  {number:,} of {self.messages:,} messages written\n")
                if number not in calls:
                    items, *ids = templates.copy(at, ending_of(number))
                    yield from items
                    of(number, at, *ids)

        table.load(copies())
        table.save()
        noon = datetime.combine(DAY, time(12), UTC)
        receipts += [(_receipt(noon, str(uuid.uuid4())), noon) for _ in range(LOST)]
        bucket = self.bucket()
        bucket.load(sorted(receipts))
        before = (at - timedelta(days=1) for _, at in receipts)
        bucket.load(sorted((_receipt(at, str(uuid.uuid4())), at) for at in before))
        self._balance_of_day_before(table, bucket, left)
        for each in (table, bucket):
            each.save()
            each.close()
        made = {"recorded": self.recorded, "copied": self.messages - self.recorded}
        (self.folder / _MADE).write_text(json.dumps(made | {"seconds": round(process_time() - began)}))

    def made(self) -> dict[str, int]:
        """Return how many messages were recorded and copied, and the seconds of processor time that it took."""
        found: dict[str, int] = json.loads((self.folder / _MADE).read_text(encoding="utf-8"))
        return found

    @staticmethod
    def _balance_of_day_before(table: DiskTable, bucket: DiskBucket, left: list[LeftOpen]) -> None:
        """Write the balance of the day before, which left these messages open."""
        now = datetime.combine(DAY, time(3), UTC)
        evidence: Any = Evidence(bucket, "evidence", lambda: now)  # type: ignore[arg-type]
        parts = (left[start : start + 400] for start in range(0, len(left), 400))
        files = tuple(evidence.keep_open(DAY, write_left_open(part)) for part in parts)
        day = DAY - timedelta(days=1)
        made = Balance(day=day, made_at=now, mailboxes={}, open_files=files)
        key = evidence.keep_balance(day, json.dumps(made.as_json()).encode())
        table.add([item({"pk": f"BALANCE#{day}", "sk": "BALANCE", "evidence_key": key})])


def populate(table: DiskTable, until: Stage, ats: Iterable[datetime]) -> list[tuple[str, str, str]]:
    """Add requests that wait; return the ids of request and message, and MESH's id of the upload ("" for none)."""
    templates, found = Templates(until), []
    for at in ats:
        items, request_id, message_id = templates.copy(at)
        table.add(items)
        sent = (plain(one)["pk"] for one in items if one["sk"]["S"] == "SENT")
        found.append((request_id, message_id, next(sent, "").removeprefix("MESH#")))
    return found


def _receipt(at: datetime, request_id: str) -> str:
    return f"receipts/{at:%Y-%m-%d/%H}/{request_id}"

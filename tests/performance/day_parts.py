"""The parts of the product that a day of messages passes through, each over a day on disk (`large_day`).

A part runs as Lambda runs it: again and again, until its work is done, and every run ends when its time is over. The
time of a run is worked out: the processor time of the product's own code, at the share of a core that Lambda gives a
function of this memory size, and the waits for AWS and MESH (`infra.cost.bill.Assumptions`). The processor time of what
stands in for AWS and MESH is measured and taken out. All changes are undone at the end of a part.
"""

import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gpconnect_messaging import wiring
from gpconnect_messaging.ledger.archive import _ENTRY, _HASH, _HEADER, PARTITIONS, Archive, month_after, month_start
from gpconnect_messaging.ledger.archiver import _FEWEST_BLOCKS, _SEGMENT, _SEGMENTS_AT_ONCE, Archiver
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.models import MessageHeaders, Tracking
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import InboxQueue, IntakeQueue, Listed, SendQueue
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.steps.due_work import Sweep
from gpconnect_messaging.steps.poll import Poller, Taken
from gpconnect_messaging.steps.reconcile import Reconciliation
from gpconnect_messaging.storage import Evidence
from infra import environments
from infra.configuration import ARCHIVE_HOURS, BALANCE_HOURS
from infra.cost.bill import Assumptions
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from tests.fakes.clock import Clock
from tests.fakes.faults import aws_error
from tests.fakes.mesh import Client, Connections, Mesh
from tests.fakes.product import WORKFLOW
from tests.fakes.sns import Topic
from tests.identifiers import IDENTIFIERS
from tests.performance.large_day import DAY, HOLD, LOST, PEAK_HOUR, PROFILE, LargeDay, populate
from tests.performance.ledger_load import DELIVERED, MAILBOX, PATIENCE, Stage

PRODUCTION = environments.load("prod")
POLLER = PRODUCTION.poller
WHOLE_CORE_MEGABYTES = 1_769
"""The memory size with which Lambda gives a function one whole core ("Configure Lambda function memory")."""
SHARE = min(1.0, POLLER.memory_megabytes / WHOLE_CORE_MEGABYTES)
RESERVE_SECONDS = 10
"""A run begins nothing new in its last seconds (`functions/poller/handler.py`)."""
OUTAGE_DUE = 100_000
COLLECTED = 5_000
"""Messages of the peak hour whose two responses are collected."""
ARCHIVED = 40_000
"""Encounters that are archived: a share of the day."""
RUNS_A_DAY = {
    part: sum(12 * (last - first + 1) for first, last in hours)
    for part, hours in {"archive": ARCHIVE_HOURS, "balance": BALANCE_HOURS}.items()
}
"""The schedules' runs: every five minutes of their hours (`infra/constructs/schedules.py`)."""
PRACTICE = "A20047OT001"
DAYS_A_MONTH = 30
_EVERY_LOOKUP = 25
_LOADED = (wiring, MeshClient)
"""What the poller has loaded besides."""
_MEASURED_CALLS = frozenset({"tracking", "download_into", "acknowledge", "handshake", "inbox", "head"})


@dataclass
class Measured:
    """What a part did and took. Seconds are processor time, of `stands_in` the engines; memory is in MB."""

    part: str
    messages: int
    """Of the day."""
    handled: int = 0
    runs: int = 0
    seconds: float = 0.0
    stands_in: float = 0.0
    longest_run: float = 0.0
    """The worked out time of the longest run, in seconds."""
    busy: float = 0.0
    """The worked out time of all runs, in seconds."""
    calls: dict[str, int] = field(default_factory=dict)
    units: int = 0
    peak_megabytes: int = 0
    killed: bool = False
    wrong: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)

    @property
    def runs_of_share(self) -> float:
        """The runs of what was handled: as many as its time fills, since a share ends within one."""
        return self.busy / (POLLER.timeout_seconds - RESERVE_SECONDS)

    def of_message(self, amount: float) -> float:
        """Return the share of one of the handled messages."""
        return amount / max(self.handled, 1)


class Meter:
    """Counts the calls of clients, and the processor time within them."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.seconds = 0.0
        self._lock = threading.Lock()

    def of(self, service: str, client: Any) -> Any:
        """Wrap a client."""
        return _Metered(self, service, client)

    def took(self, name: str | None, began: float) -> None:
        """Add a call, or the rest of one."""
        with self._lock:
            self.seconds += time.thread_time() - began
            if name:
                self.calls[name] += 1


@dataclass
class _Metered:
    _meter: Meter
    _service: str
    _client: Any

    def __getattr__(self, operation: str) -> Any:
        target = getattr(self._client, operation)
        if operation == "get_paginator":
            return lambda name: SimpleNamespace(paginate=lambda **how: self._pages(target(name).paginate(**how), name))
        if not callable(target):
            return target

        def call(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return target(*arguments, **named)
            finally:
                self._meter.took(f"{self._service} {operation}", began)

        return call

    def _pages(self, pages: Iterator[Any], operation: str) -> Iterator[Any]:
        while True:
            began = time.thread_time()
            page = next(pages, None)
            self._meter.took(f"{self._service} {operation}" if page is not None else None, began)
            if page is None:
                return
            yield page


@dataclass
class Workbench:
    """What a part works with: the day's table and bucket, a clock, and the meter between."""

    day: LargeDay
    part: str
    at_once: int
    """Calls that the part's threads wait for together."""

    def __post_init__(self) -> None:
        self.table, self.bucket = self.day.table(counts_units=True), self.day.bucket()
        self.clock, self.meter, self.queue = Clock(), Meter(), Queue()
        self.dynamodb: Any = self.meter.of("DynamoDB", self.table)
        self.s3: Any = self.meter.of("S3", self.bucket)
        self.sqs: Any = self.meter.of("SQS", self.queue)
        self.ledger = Ledger(self.dynamodb, "ledger", PATIENCE, self.clock)
        self.notifier = Notifier(cast("Any", self.meter.of("SNS", Topic())), "topic", self.ledger)
        self.measured = Measured(part=self.part, messages=self.day.messages)
        self._began = (0.0, 0.0, 0.0)

    def begin(self) -> None:
        """Begin a run."""
        self._began = time.process_time(), self.meter.seconds, self._waits()

    def _waits(self) -> float:
        assumed = Assumptions()
        waits = sum(
            count * (assumed.mesh_call_seconds if name.startswith("MESH") else assumed.aws_call_seconds)
            for name, count in self.meter.calls.items()
        )
        return waits / self.at_once

    def computed(self) -> float:
        """Return the run's processor time so far, without what stands in for AWS and MESH."""
        return time.process_time() - self._began[0] - (self.meter.seconds - self._began[1])

    def elapsed(self) -> float:
        """Return the run's worked out time so far."""
        return self.computed() / SHARE + self._waits() - self._began[2]

    def time_left(self) -> bool:
        """Whether the run may begin something new."""
        return self.elapsed() < POLLER.timeout_seconds - RESERVE_SECONDS

    def end(self) -> None:
        """End a run."""
        measured = self.measured
        measured.runs += 1
        measured.seconds += self.computed()
        elapsed = self.elapsed()
        measured.busy += elapsed
        measured.longest_run = max(measured.longest_run, elapsed)

    def result(self, handled: int) -> Measured:
        """Undo all changes; return what was measured."""
        measured = self.measured
        measured.handled, measured.units = handled, self.table.units
        measured.calls = dict(sorted(self.meter.calls.items()))
        measured.stands_in = self.meter.seconds
        self.table.close()
        self.bucket.close()
        return measured


class Queue:
    """SQS that counts what comes, and has a file for the entries of the inbox."""

    def __init__(self) -> None:
        self.came = 0
        self.file: Path | None = None

    def send_message_batch(self, *, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        """Take entries."""
        del QueueUrl
        self.came += len(Entries)
        if self.file:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.writelines(f"{entry['MessageBody']}\n" for entry in Entries)
        return {"Successful": [], "Failed": []}

    def delete_message(self, **_: Any) -> None:
        """Take an entry off."""


# The sweep


def _sweep(bench: Workbench) -> Sweep:
    return Sweep(
        ledger=bench.ledger, send_queue=SendQueue(bench.sqs, "send"), intake_queue=IntakeQueue(bench.sqs, "intake"),
        notifier=bench.notifier, timeouts=PATIENCE, now=bench.clock,
    )  # fmt: skip


def sweep(day: LargeDay, due: int, part: str) -> Measured:
    """Sweep, minute after minute, until nothing is due of so many held requests, which became due at the peak.

    No builder takes them meanwhile, so that every request is seen twice: the second time the next look is postponed.
    """
    bench = Workbench(day, part, at_once=Sweep.at_once)
    now = datetime.combine(DAY, time_of_day(PEAK_HOUR, 45), UTC)
    came = (now - HOLD - timedelta(seconds=60 * number / due) for number in range(due))
    populate(bench.table, Stage.HELD, came)
    bench.clock.time = now + timedelta(seconds=5)
    step, released = _sweep(bench), 0
    while bench.measured.runs < 1_000:
        bench.begin()
        found = step.due()
        if all(work.at > bench.clock.time for work in found):
            break
        result = step.run(bench.time_left, found)
        bench.end()
        released += result.released
        bench.clock.advance(timedelta(minutes=1))
    if (released, bench.queue.came) != (due, due):
        bench.measured.wrong.append(f"{due} were due, {released} were released, {bench.queue.came} were queued")
    return bench.result(due)


def a_minute(day: LargeDay) -> Measured:
    """Sweep what a minute at the peak brings."""
    return sweep(day, max(10, round(day.messages * max(PROFILE) / 24 / 60)), "sweep")


def an_outage(day: LargeDay) -> Measured:
    """Sweep after an outage in which held requests became due."""
    return sweep(day, min(OUTAGE_DUE, day.messages // 20), "sweep after an outage")


# The inbox


class Inbox:
    """The responses of the peak hour, which are written when they are downloaded; ids are in the order of messages."""

    def __init__(self, messages: list[tuple[str, str, str]], listed: int) -> None:
        self._messages, self._listed = messages, listed
        self._templates = {code: self._written(code) for code, _, _ in DELIVERED}
        self.acknowledged = 0

    @staticmethod
    def _written(code: str) -> bytes:
        written = write(
            Answer(code), Reading(message_id=_ORIGINAL), Practice("A20047", PRACTICE), shape=Shape.STANDARD,
            now=datetime.combine(DAY, time_of_day(PEAK_HOUR, 59), UTC),
        )  # fmt: skip
        return written.content

    def __iter__(self) -> Iterator[str]:
        return (f"{number:08}_{code}" for number in range(self._listed) for code, _, _ in DELIVERED)

    def __getitem__(self, mesh_message_id: str) -> tuple[MessageHeaders, bytes]:
        number, _, code = mesh_message_id.partition("_")
        message_id = self._messages[int(number)][1]
        headers = MessageHeaders(
            message_id=mesh_message_id, recipient=MAILBOX, sender=PRACTICE, workflow_id=f"{WORKFLOW}_ACK",
            message_type="DATA",
        )  # fmt: skip
        return headers, self._templates[code].replace(_ORIGINAL.encode(), message_id.encode())

    def __delitem__(self, mesh_message_id: str) -> None:
        self.acknowledged += 1


_ORIGINAL = "01234567-89ab-4def-8123-456789abcdef"


class _Client(Client):
    """MESH for a mailbox with a large inbox; it routed everything to the practice."""

    def inbox(self) -> Iterator[str]:
        return iter(self.mesh.inboxes[self.mailbox])

    def tracking(self, mesh_message_id: str) -> Tracking:
        return Tracking(message_id=mesh_message_id, status="accepted", recipient=PRACTICE)


@dataclass
class _Connections(Connections):
    """MESH with calls that are measured."""

    meter: Meter = field(default_factory=Meter)

    def to(self, mailbox: str) -> Any:
        return _MeteredClient(self.meter, "MESH", _Client(self.mesh, mailbox))


class _MeteredClient(_Metered):
    """A MESH client: only calls of the service count."""

    def __getattr__(self, operation: str) -> Any:
        return super().__getattr__(operation) if operation in _MEASURED_CALLS else getattr(self._client, operation)


def _poller(bench: Workbench, inbox: Inbox) -> Poller:
    mesh = _Connections(Mesh(inboxes=cast("Any", {MAILBOX: inbox})), meter=bench.meter)
    return Poller(
        evidence=Evidence(bench.s3, "evidence", bench.clock), ledger=bench.ledger, mesh=cast("Any", mesh),
        notifier=bench.notifier, identifiers=IDENTIFIERS, queue=InboxQueue(bench.sqs, "inbox"),
        at_once=POLLER.messages_at_once, now=bench.clock,
    )  # fmt: skip


def in_peak_hour(messages: int) -> int:
    """Return how many of the day's messages the peak hour has."""
    return round(messages * max(PROFILE) / sum(PROFILE))


def lister(day: LargeDay) -> Measured:
    """List an inbox with all the responses of a peak hour."""
    bench = Workbench(day, "lister", at_once=1)
    bench.queue.file = day.folder / "inbox.jsonl"
    bench.queue.file.unlink(missing_ok=True)
    messages = in_peak_hour(day.messages)
    bench.begin()
    listed = _poller(bench, Inbox([], messages)).poll(MAILBOX, bench.time_left)
    bench.end()
    if listed != 2 * messages:
        bench.measured.wrong.append(f"{2 * messages} responses wait, {listed} were listed")
    return bench.result(listed)


def collectors(day: LargeDay) -> Measured:
    """Collect the first entries of that inbox, each in a run of its own."""
    bench = Workbench(day, "collectors", at_once=POLLER.messages_at_once)
    wanted = min(COLLECTED, in_peak_hour(day.messages))
    now = datetime.combine(DAY, time_of_day(PEAK_HOUR, 20), UTC)
    sent = populate(bench.table, Stage.SENT, (now + timedelta(seconds=number / 100) for number in range(wanted)))
    bench.clock.time = now + timedelta(minutes=59)
    inbox = Inbox(sent, wanted)
    poller, taken = _poller(bench, inbox), Counter[Taken]()
    with (day.folder / "inbox.jsonl").open(encoding="utf-8") as lines:
        for line in islice(lines, 2 * wanted // 10):
            written = str(int(bench.clock.time.timestamp() * 1000))
            attributes = {"SentTimestamp": written, "ApproximateReceiveCount": "1"}
            entry = Listed.read({"body": line, "attributes": attributes, "receiptHandle": "-"})
            bench.begin()
            taken += poller.collect(entry, bench.time_left)
            bench.end()
    handled = 2 * wanted // 10 * 10
    if taken != {Taken.MATCHED: handled} or inbox.acknowledged != handled:
        bench.measured.wrong.append(f"{handled} responses were to be matched, and became {dict(taken)}")
    return bench.result(handled)


# The night


def balance(day: LargeDay) -> Measured:
    """Make the day's balance, in as many runs as it takes: exactly the lost requests must be missed."""
    bench = Workbench(day, "balance", at_once=1)
    bench.clock.time = bench.bucket.at = datetime.combine(DAY + timedelta(days=1), time_of_day(3), UTC)
    mesh = bench.meter.of("MESH", SimpleNamespace(tracking=lambda _mesh_message_id: None))
    step = Reconciliation(
        evidence=Evidence(bench.s3, "evidence", bench.clock),
        balances=Balances(bench.dynamodb, "ledger", PATIENCE, bench.clock),
        mesh=cast("Any", SimpleNamespace(authorised=lambda _mailbox, act: act(mesh))),
        notifier=cast("Any", SimpleNamespace(raise_and_notify=len)),
        timeouts=PATIENCE, pace=RateLimiter(1e9, sleep=lambda _: None), now=bench.clock,
    )  # fmt: skip
    made: Any = None
    while not isinstance(made, Balance) and bench.measured.runs < 1_000:
        bench.begin()
        made = step.run(DAY, bench.time_left)
        bench.end()
    names = ("received", "settled", "open", "lost", "incomplete", "without_receipt", "vanished")
    bench.measured.found = {name: made.total(name) for name in names}
    wanted = {"received": day.messages + LOST, "lost": LOST, "incomplete": 0, "without_receipt": 0, "vanished": 0}
    for name, number in wanted.items():
        if bench.measured.found[name] != number:
            bench.measured.wrong.append(f"{name} is {bench.measured.found[name]}, not {number}")
    return bench.result(day.messages)


def archive(day: LargeDay, most: int | None = None) -> Measured:
    """Archive a share of the day, let it expire, and find some of it again by every id."""
    bench = Workbench(day, "archive", at_once=16)
    month = f"{DAY:%Y-%m}"
    bench.clock.time = month_start(month_after(month)) + timedelta(days=121)
    into = Archive(bench.s3, "evidence")
    step = Archiver(bench.dynamodb, "ledger", PATIENCE, into, timedelta(days=120), bench.clock)
    most = ARCHIVED if most is None else most
    archived = expiring = 0

    def time_left() -> bool:
        return bench.time_left() and step.progress().segments * _SEGMENT < most

    while bench.measured.runs < 1_000:
        reached = step.progress()
        if reached.month > month:
            break
        if reached.phase == "write" and reached.segments * _SEGMENT >= most:
            # The share is archived; the rest of the day stays.
            bench.table.update_item(
                Key={"pk": {"S": "ARCHIVE"}, "sk": {"S": "PROGRESS"}}, UpdateExpression="SET phase = :phase",
                ExpressionAttributeValues={":phase": {"S": "index"}},
            )  # fmt: skip
            reached = step.progress()
        bench.begin()
        run = step.run(time_left if reached.phase == "write" else bench.time_left)
        bench.end()
        archived, expiring = archived + run.archived, expiring + run.expiring
        bench.clock.advance(timedelta(minutes=5))
    bench.measured.found = {"archived": archived, "expiring": expiring}
    if archived != expiring or not archived:
        bench.measured.wrong.append(f"{archived} were archived, {expiring} expire")
    result = Counter(bench.meter.calls)
    bench.measured.found["requests to find"] = _most_requests_to_find(bench, into, month)
    if bench.measured.found["requests to find"] > 4:
        bench.measured.wrong.append(f"a lookup took {bench.measured.found['requests to find']} requests of S3")
    bench.meter.calls = result
    _index_a_month(bench, month)
    return bench.result(archived)


class _LargeMonth:
    """S3 with a month's segments: each has as many entries as the first one of the archive, of other ids."""

    def __init__(self, ids: bytes) -> None:
        self._entries_at = _HEADER.size + _HEADER.unpack_from(ids)[2]
        self._ids = ids
        self.read = 0
        """Bytes."""

    def _of_other_ids(self) -> bytes:
        """Return the segment's entries with other hashes, in the same partitions."""
        ids, random_bytes = bytearray(self._ids), os.urandom(len(self._ids))
        for number in range(self._entries_at + 2, self._entries_at + _HASH):
            ids[number :: _ENTRY.size] = random_bytes[number :: _ENTRY.size]
        return bytes(ids)

    def get_object(self, *, Key: str, **_: Any) -> Any:  # noqa: N803
        """Read a segment's entries; no partition of the index is there yet."""
        if not Key.endswith(".ids"):
            raise aws_error("GetObject", "NoSuchKey")
        self.read += len(self._ids)
        content = self._of_other_ids()
        return {"Body": SimpleNamespace(read=lambda: content)}

    def put_object(self, **_: Any) -> None:
        """Write a partition of the index."""


def _index_a_month(bench: Workbench, month: str) -> None:
    """Run the step of the index that has the most to read, for a month of 30 such days: it is not interrupted."""
    first = bench.bucket.get_object(Key=f"archive/{month}/000000.ids")["Body"].read()
    segments = -(-DAYS_A_MONTH * bench.day.messages // _SEGMENT)
    blocks = max(_FEWEST_BLOCKS, -(-segments // _SEGMENTS_AT_ONCE))
    client = _LargeMonth(first)
    calls = bench.meter.calls.copy()
    bench.begin()
    # Not from the first partition: the spans of days are merged before it.
    partitions = -(-PARTITIONS // blocks)
    Archive(bench.meter.of("S3", client), "evidence").index(month, segments, partitions, 2 * partitions)
    bench.measured.longest_run = max(bench.measured.longest_run, bench.elapsed())
    bench.measured.found |= {
        "segments of a month": segments, "steps of a month": blocks,
        "seconds of a step": round(bench.elapsed()), "megabytes read by a step": client.read // 1_000_000,
    }  # fmt: skip
    bench.meter.calls = calls


def _most_requests_to_find(bench: Workbench, into: Archive, month: str) -> int:
    """Find encounters by every id after they left the ledger; return the most requests of S3 that one took."""
    ledger = Ledger(bench.dynamodb, "ledger", PATIENCE, bench.clock).with_archive(into)
    most, chosen = 0, random.Random(1)
    for archived in list(into.verified(month, 0))[::_EVERY_LOOKUP][:50]:
        encounter = archived.encounter
        for pk, sk in {(f"ENCOUNTER#{encounter.key}", "STATE"), *ledger.item_keys(encounter)}:
            bench.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": sk}})
        ids = [*encounter.records, encounter.key, *chosen.sample(sorted(archived.names), 2)]
        for own_id in ids:
            before = bench.meter.calls["S3 get_object"]
            found = ledger.encounter_of(own_id) if own_id in encounter.records else into.find(own_id)
            assert found is not None, own_id
            most = max(most, bench.meter.calls["S3 get_object"] - before)
    return most


PARTS: dict[str, Callable[[LargeDay], Measured]] = {
    "sweep": a_minute,
    "sweep after an outage": an_outage,
    "lister": lister,
    "collectors": collectors,
    "balance": balance,
    "archive": archive,
}


def as_json(measured: Measured) -> str:
    """Write what was measured in a line."""
    return json.dumps(vars(measured))

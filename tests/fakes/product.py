"""The product over fakes: the real steps and adapters, and what senders, queues, schedules and operators do."""

import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.drop_passes import DropPasses
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.orders import OrderBook
from gpconnect_messaging.ledger.received_objects import ReceivedObjects
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.directory import MailboxDirectory
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import InboxQueue, IntakeQueue, Listed, SendQueue
from gpconnect_messaging.replay.policy import ResendMode
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.resend import Choice, Proposal, Resend
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.due_work import Sweep
from gpconnect_messaging.steps.escalate import Escalation
from gpconnect_messaging.steps.list_drop import ListDrop
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.operator_actions import OperatorActions
from gpconnect_messaging.steps.poll import Poller, Taken
from gpconnect_messaging.steps.reconcile import Reconciliation
from gpconnect_messaging.steps.send import Sender
from gpconnect_messaging.storage import DropBucket, Evidence, Outbox
from tests import stored
from tests.examples import MAILBOXES, REQUESTS, request_data
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.mesh import Connections, Mesh
from tests.fakes.parameter_store import Parameters
from tests.fakes.s3 import S3, Bucket
from tests.fakes.sns import Topic
from tests.fakes.sqs import QueuedIds, Sqs
from tests.identifiers import IDENTIFIERS

SAMPLE = "consultation-report-2.0"
MAILBOX = "Y90001OT001"
WORKFLOW = "GPCONNECT_SEND_DOCUMENT"
TO_PRACTICE = "GPPROVIDER_9658218865_19331114_WRIGHT"
EVENING = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
LONG_AGO = EVENING - timedelta(days=7)
WINDOW = timedelta(hours=2, minutes=45)
TIMEOUTS = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
LEASE = timedelta(minutes=3)
HIDDEN = timedelta(minutes=4, seconds=30)
"""For so long a queue entry of a killed poller is not delivered again."""
AT_ONCE = RateLimiter(1e9, sleep=lambda _: None)
PDF = (REQUESTS / SAMPLE / "report.pdf").read_bytes()

Port = Callable[[str, Any], Any]
"""What wraps a client, by name, to see or to end its calls."""


def deliver_inbox(sqs: Sqs, collect: Callable[[Listed], None]) -> None:
    """Bring what waits on the inbox queue, as Lambda does: what ends in an error stays, and is hidden for a while."""
    hidden = int(HIDDEN.total_seconds())
    while found := sqs.receive_message(QueueUrl="inbox", VisibilityTimeout=hidden).get("Messages"):
        entry = as_entry(*found)
        with suppress(NotDoneError):
            collect(entry)
            sqs.delete_message(QueueUrl="inbox", ReceiptHandle=entry.handle)


def as_entry(message: Mapping[str, Any]) -> Listed:
    """What Lambda brings the poller of a message that SQS gave it."""
    return Listed.read(
        {"body": message["Body"], "attributes": message["Attributes"], "receiptHandle": message["ReceiptHandle"]}
    )


class NotDoneError(Exception):
    """A run failed, or was killed."""


def polled(poller: Poller, sqs: Sqs, mailbox: str = MAILBOX) -> Counter[Taken]:
    """Poll a mailbox, and collect all that waits; raise the first failure at the end."""
    counts: Counter[Taken] = Counter()
    failures: list[Exception] = []

    def collect(entry: Listed) -> None:
        try:
            counts.update(poller.collect(entry))
        except Exception as error:  # noqa: BLE001 - raised at the end
            failures.append(error)
            raise NotDoneError from None

    poller.poll(mailbox)
    deliver_inbox(sqs, collect)
    if failures:
        raise failures[0]
    return counts


@dataclass
class Surroundings:
    """What the product speaks to, over one clock."""

    clock: Clock
    s3: S3
    sqs: Sqs
    ssm: Parameters = field(default_factory=Parameters)
    dynamodb: Table = field(default_factory=Table)
    sns: Topic = field(default_factory=Topic)
    mesh: Mesh = field(default_factory=Mesh)


class Steps:
    """The steps and adapters of one process, created at first use, with defaults as deployed."""

    seconds: Callable[[], float] = time.monotonic
    """The clock of what is cached."""
    longest_gzipped = 100_000
    """The longest message that is stored gzip'd, in bytes."""

    def __init__(self, around: Surroundings, port: Port = lambda _name, client: client) -> None:
        self.around, self.clock, self._port = around, around.clock, port

    def _client(self, name: str) -> Any:
        return self._port(name, getattr(self.around, name))

    @cached_property
    def ledger(self) -> Ledger:
        """The store of messages."""
        return Ledger(self._client("dynamodb"), "ledger", TIMEOUTS, self.clock)

    @cached_property
    def trail(self) -> AuditTrail:
        """The audit trail."""
        return AuditTrail(self._client("dynamodb"), "ledger", self.clock)

    @cached_property
    def orders(self) -> OrderBook:
        """The orders to resubmit a request."""
        return OrderBook(self._client("dynamodb"), "ledger", self.clock)

    @cached_property
    def balances(self) -> Balances:
        """The daily balances."""
        return Balances(self._client("dynamodb"), "ledger", TIMEOUTS, self.clock)

    @cached_property
    def book(self) -> NotificationStore:
        """The open notifications."""
        return self.notifier.store

    @cached_property
    def passes(self) -> DropPasses:
        """How far the drop was listed."""
        return DropPasses(self._client("dynamodb"), "ledger", self.clock)

    @cached_property
    def evidence(self) -> Evidence:
        """The bucket of evidence."""
        return Evidence(self._client("s3"), "evidence", self.clock)

    @cached_property
    def mailboxes(self) -> MailboxDirectory:
        """The settings of the sending mailboxes."""
        return MailboxDirectory(self._client("ssm"), "mailboxes", self.seconds)

    @cached_property
    def drop(self) -> DropBucket:
        """The drop bucket."""
        return DropBucket(self._client("s3"), "drop")

    @cached_property
    def received_objects(self) -> ReceivedObjects:
        """Which request received a document."""
        return ReceivedObjects(self._client("dynamodb"), "ledger", "drop", self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        """The bucket of messages."""
        return Outbox(self._client("s3"), "outbox", self.longest_gzipped)

    @cached_property
    def send_queue(self) -> SendQueue:
        """The queue of messages."""
        return SendQueue(self._client("sqs"), "send")

    @cached_property
    def intake_queue(self) -> IntakeQueue:
        """The queue of requests."""
        return IntakeQueue(self._client("sqs"), "intake")

    @cached_property
    def inbox_queue(self) -> InboxQueue:
        """The queue of what MESH has for us."""
        return InboxQueue(self._client("sqs"), "inbox")

    @cached_property
    def notifier(self) -> Notifier:
        """What tells people."""
        return Notifier(self._client("sns"), "topic", self.ledger)

    @cached_property
    def connections(self) -> Any:
        """MESH."""
        return Connections(self.around.mesh, self._port)

    @cached_property
    def _common(self) -> dict[str, Any]:
        return {"ledger": self.ledger, "notifier": self.notifier, "now": self.clock}

    @cached_property
    def builder(self) -> Builder:
        """The build step."""
        return Builder(
            drop=self.drop, received=self.received_objects, outbox=self.outbox, evidence=self.evidence,
            send_queue=self.send_queue, mailboxes=self.mailboxes, numbers=NumberRange.TEST, identifiers=IDENTIFIERS,
            **self._common,
        )  # fmt: skip

    @cached_property
    def sender(self) -> Sender:
        """The send step."""
        return Sender(outbox=self.outbox, mesh=self.connections, lease=LEASE, timeouts=TIMEOUTS, **self._common)

    @cached_property
    def poller(self) -> Poller:
        """The step that takes in what MESH has for us."""
        return Poller(
            evidence=self.evidence, mesh=self.connections, identifiers=IDENTIFIERS, queue=self.inbox_queue,
            **self._common,
        )  # fmt: skip

    @cached_property
    def sweep(self) -> Sweep:
        """The due work."""
        return Sweep(
            send_queue=self.send_queue, intake_queue=self.intake_queue, timeouts=TIMEOUTS, **self._common
        )  # fmt: skip

    @cached_property
    def escalation(self) -> Escalation:
        """The step that notifies a second person."""
        return Escalation(
            ledger=self.ledger, mailboxes=self.mailboxes, notifier=self.notifier, wait=timedelta(hours=8),
            now=self.clock,
        )  # fmt: skip

    @cached_property
    def reconciliation(self) -> Reconciliation:
        """The nightly balance."""
        return Reconciliation(
            evidence=self.evidence, balances=self.balances, mesh=self.connections, notifier=self.notifier,
            timeouts=TIMEOUTS, pace=AT_ONCE, now=self.clock,
        )  # fmt: skip

    @cached_property
    def list_drop(self) -> ListDrop:
        """The listing of the drop."""
        return ListDrop(
            drop=self.drop, received=self.received_objects, evidence=self.evidence, identifiers=IDENTIFIERS,
            passes=self.passes, intake_queue=self.intake_queue, notifier=self.notifier, now=self.clock,
        )  # fmt: skip

    @cached_property
    def operator_actions(self) -> OperatorActions:
        """What an operator decides."""
        return OperatorActions(**self._common)

    @cached_property
    def resend(self) -> Resend:
        """What an operator sends again."""
        return Resend(
            ledger=self.ledger, trail=self.trail, orders=self.orders, outbox=self.outbox, evidence=self.evidence,
            send_queue=self.send_queue, intake_queue=self.intake_queue, timeouts=TIMEOUTS,
            identifiers=lambda: IDENTIFIERS, now=self.clock,
        )  # fmt: skip

    def stored(
        self,
        message_id: str,
        content: bytes,
        *,
        encounter: str = "",
        version: int = 1,
        to: str = TO_PRACTICE,
        infrastructure_due: timedelta = timedelta(days=2),
        business_due: timedelta = timedelta(days=7),
        **envelope: Any,
    ) -> None:
        """Have a message as the builder leaves it, at less cost, and off the queue."""
        written = Envelope(
            **{"mailbox": MAILBOX, "to": to, "workflow_id": WORKFLOW, "subject": "Report", "local_id": "Y90001",
               "file_name": f"{message_id}.xml"} | envelope,
        )  # fmt: skip
        sha256 = self.outbox.put(message_id, written, [content])
        event = ledger_events.built(
            at=self.clock(), sha256=sha256, size=len(content), infrastructure_due=infrastructure_due,
            business_due=business_due,
        )  # fmt: skip
        assert sha256 == hashlib.sha256(content).hexdigest()
        self.has(message_id, event, encounter=encounter or message_id, version=version)

    def has(self, message_id: str, *events: LedgerEvent, **changes: Any) -> MessageRecord:
        """Have a row in the ledger with these events."""
        row: dict[str, Any] = {
            "request_id": message_id, "mailbox": MAILBOX, "encounter": message_id, "version": 1,
            "created_at": self.clock(),
        } | changes  # fmt: skip
        record = MessageRecord(
            message_id=message_id, history=MessageHistory(events), encounter_key=encounter_key_of(message_id), **row
        )
        self.ledger.create(record)
        return record

    def row(self, row_id: str) -> MessageRecord:
        """The ledger's row of a message or request."""
        found = self.ledger.find(row_id)
        assert found is not None
        return found


class Product(Steps):
    """The steps, with a hold window and a clock that tests advance, and the people and systems that use them."""

    def __init__(
        self,
        *,
        sample: str = SAMPLE,
        drop: Path | None = REQUESTS / SAMPLE,
        at: datetime = EVENING,
        port: Port = lambda _name, client: client,
        **settings: Any,
    ) -> None:
        """Start with `drop` as the drop bucket's root; `settings` are the mailbox's that `sample` is sent from."""
        clock = Clock(at)
        self.sample = sample
        self.dropped, self.outgoing, self.bucket = Bucket(clock), Bucket(clock), Bucket(clock)
        s3 = S3(drop=self.dropped, outbox=self.outgoing, evidence=self.bucket)
        super().__init__(Surroundings(clock, s3, Sqs(clock, "intake", "send", "inbox")), port)
        self.seconds = itertools.count(step=3_600).__next__  # settings that a test changes count at once
        self.configure(*MAILBOXES.values())
        self.table, self.topic = self.around.dynamodb, self.around.sns
        self.mesh, self.sqs = self.around.mesh, self.around.sqs
        self._mailbox = request_data(sample)["mailbox"]
        self.mailbox = replace(
            self.mailbox, **({"hold_window_seconds": int(WINDOW.total_seconds())} | settings)
        )  # fmt: skip
        self.queue = QueuedIds(self.sqs, "send", "message_id")
        self.intake = QueuedIds(self.sqs, "intake", "release")
        self.resubmitted = QueuedIds(self.sqs, "intake", "again")
        self._numbers, self._events = itertools.count(1), itertools.count(1)
        self._last: tuple[bytes, datetime | None] = b"", None
        if drop:
            self.put_folder(drop, at=LONG_AGO)

    @property
    def mailbox(self) -> MailboxSettings:
        """The settings of the sample's mailbox."""
        return self.mailboxes.settings(self._mailbox)

    @mailbox.setter
    def mailbox(self, settings: MailboxSettings) -> None:
        self.configure(settings)

    def configure(self, *mailboxes: MailboxSettings) -> None:
        """Deploy sending mailboxes with these settings."""
        self.around.ssm.values |= {f"mailboxes/{settings.mailbox}": settings.to_json() for settings in mailboxes}

    # A sending system

    def put(self, key: str, content: bytes) -> str:
        """Put an object into the drop; return the version, which is the one before where nothing changed."""
        if self.dropped.objects.get(key) != content:
            self.dropped.put_object(Key=key, Body=content)
        return self.newest(key)

    def put_folder(self, folder: Path, under: str = "", at: datetime | None = None) -> None:
        """Put a folder's files into the drop."""
        for file in sorted(folder.iterdir()):
            self.put(f"{under}{file.name}", file.read_bytes())
            if at:
                self.dropped.dated(f"{under}{file.name}", at, in_parts=False)

    def newest(self, key: str) -> str:
        """The newest version of an object in the drop."""
        version: str = self.dropped.head_object(Key=key)["VersionId"]
        return version

    def announce(self, key: str, version: str = "", *, ordered: bool = True, at: datetime | None = None) -> BuildResult:
        """The queue brings S3's event of an object, with S3's number of the event unless it is from a backfill."""
        number = f"{next(self._events):018X}" if ordered else ""
        return self.builder.dropped("drop", key, version or self.newest(key), at or self.clock(), number)

    def asks(self, *, arrived: datetime | None = None, **changes: Any) -> BuildResult:
        """A new request comes on the queue, for the sample's encounter unless another is given."""
        return self.builder.queued(*self.prepares(arrived=arrived, **changes))

    def prepares(self, *, arrived: datetime | None = None, **changes: Any) -> tuple[bytes, datetime | None]:
        """Write a request down, to be asked with `asks_again`."""
        data = request_data(self.sample, request_id=f"request-{next(self._numbers)}", **changes)
        self._last = json.dumps(data).encode(), arrived
        return self._last

    def asks_again(self) -> BuildResult:
        """The queue brings the last request once more."""
        return self.builder.queued(*self._last)

    def withdraws(self, *, arrived: datetime | None = None, **changes: Any) -> BuildResult:
        """The sample's encounter was deleted."""
        data = request_data("withdrawal") | {"request_id": f"withdraw-{next(self._numbers)}"} | changes
        return self.builder.queued(json.dumps(data).encode(), arrived)

    # Queues and schedules

    def works(self) -> None:
        """Do what the schedules and the queues bring, until nothing is left."""
        self.sweep.run()
        for request_id in self.intake.take():
            self.builder.release(request_id)
        for message_id in self.queue.take():
            self.sender.send(message_id)

    def polls(self, mailbox: str = MAILBOX) -> Counter[Taken]:
        """Poll a mailbox, and collect what waits; raise the first failure at the end."""
        return polled(self.poller, self.sqs, mailbox)

    def later(self, wait: timedelta) -> None:
        """Let time pass, then run the schedules."""
        self.clock.advance(wait)
        self.works()

    # An operator

    def proposed(self, mode: ResendMode = ResendMode.UNCHANGED, **choice: Any) -> list[Proposal]:
        """What resending would do."""
        return list(self.resend.plan(Choice(**choice), mode))

    def sends_again(self, mode: ResendMode = ResendMode.UNCHANGED, **choice: Any) -> list[Proposal]:
        """Resend what is chosen."""
        plan = self.proposed(mode, **choice)
        return list(self.resend.carry_out(plan, mode, actor="operator-7", reason="mended", pace=AT_ONCE))

    # What became of it

    def status(self, row: BuildResult) -> Status:
        """The status of a message or request."""
        return self.row(row.message_id).status

    def messages(self, request: BuildResult) -> list[MessageRecord]:
        """What a held request was released as."""
        return [
            self.row(message_id)
            for event in self.row(request.message_id).history.of(EventType.RELEASED)
            for message_id in event.details["message_ids"]
        ]

    def reasons(self, built: BuildResult) -> list[str]:
        """Why a request was refused."""
        (event,) = self.row(built.message_id).history.of(EventType.REQUEST_REFUSED)
        return list(event.details["reasons"])

    def message(self, message_id: str) -> bytes:
        """A message in the outbox."""
        return self.stored_messages[message_id]

    @property
    def stored_messages(self) -> Mapping[str, bytes]:
        """The messages in the outbox, by id."""
        return {
            key.removeprefix("messages/"): stored.message(content) for key, content in self.outgoing.objects.items()
        }

    def received_by(self, key: str, version: str = "1") -> str | None:
        """The id of the request that received a version of a document; None where there is none."""
        [file] = [file for file in self.drop.versions(key) if file.version == version]
        receiver = self.received_objects.receiver(file)
        return receiver.request_id if receiver else None

    def notified(self) -> list[str]:
        """The subjects of the published notifications."""
        return list(self.topic.subjects)

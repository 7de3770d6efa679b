"""The build step, the sweep and the sender over memory, with a hold window and a time that passes when told to."""

import itertools
import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, cast

from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.ledger.lifecycle import EventType, Status, Timeouts
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.mesh.models import OutboundMessage, SendReceipt
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.due_work import Sweep
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.operator_actions import OperatorActions
from gpconnect_messaging.steps.send import Sender
from gpconnect_messaging.storage import Evidence
from tests.examples import MAILBOXES, REQUESTS, request_data
from tests.identifiers import IDENTIFIERS
from tests.in_memory import Bucket, Clock, Intake, Queue, Table, Topic
from tests.unit.steps.fakes import DropInMind, OutboxInMind

SAMPLE = "consultation-report-2.0"
WINDOW = timedelta(hours=2, minutes=45)
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


@dataclass
class MeshInMind:
    """A MESH that takes every upload, and notes it."""

    sent: list[str] = field(default_factory=list)

    def to(self, _mailbox: str) -> "MeshInMind":
        return self

    def check(self, _outgoing: OutboundMessage) -> None:
        """Find nothing wrong."""

    def authorised(self, _mailbox: str, act: Any) -> SendReceipt:
        return cast("SendReceipt", act(self))

    def send(self, outgoing: OutboundMessage, _content: object) -> SendReceipt:
        self.sent.append(outgoing.file_name.removesuffix(".xml"))
        return SendReceipt(message_id=f"MESH{len(self.sent)}")


class Product:
    """What a sending system, the schedule and an operator do with the product."""

    def __init__(self, **settings: Any) -> None:
        self.time = Clock(datetime.fromisoformat("2026-11-20T22:00:00+00:00"))
        self.mailbox = replace(
            next(iter(MAILBOXES.values())), **({"hold_window_seconds": int(WINDOW.total_seconds())} | settings)
        )
        self.table, self.bucket, self.topic = Table(), Bucket(self.time), Topic()
        self.intake, self.queue, self.mesh = Intake(), Queue(), MeshInMind()
        self.drop, self.outbox = DropInMind(REQUESTS / SAMPLE), OutboxInMind()
        self.ledger = Ledger(cast("Any", self.table), "ledger", PATIENCE, self.time)
        notifier = Notifier(cast("Any", self.topic), "topic", self.ledger)
        parts: dict[str, Any] = {"ledger": self.ledger, "notifier": notifier, "now": self.time}
        self.evidence = Evidence(cast("Any", self.bucket), "evidence", self.time)
        self.builder = Builder(
            drop=cast("Any", self.drop),
            outbox=cast("Any", self.outbox),
            evidence=self.evidence,
            mailboxes=cast("Any", self),
            send_queue=cast("Any", self.queue),
            numbers=NumberRange.TEST,
            identifiers=IDENTIFIERS,
            **parts,
        )
        self.sweep = Sweep(
            send_queue=cast("Any", self.queue), intake_queue=cast("Any", self.intake), timeouts=PATIENCE, **parts
        )
        self.sender = Sender(
            outbox=cast("Any", self.outbox),
            mesh=cast("Any", self.mesh),
            lease=timedelta(minutes=3),
            timeouts=PATIENCE,
            **parts,
        )
        self.operator_actions = OperatorActions(**parts)
        self._numbers = itertools.count(1)
        self._last: tuple[bytes, datetime | None] = b"", None

    def settings(self, _mailbox: str) -> MailboxSettings:
        return self.mailbox

    def asks(self, *, arrived: datetime | None = None, **changes: Any) -> BuildResult:
        """A new request comes on the queue, for the sample's encounter unless another is given."""
        return self.builder.queued(*self.prepares(arrived=arrived, **changes))

    def prepares(self, *, arrived: datetime | None = None, **changes: Any) -> tuple[bytes, datetime | None]:
        """Write a request down, to be asked with `asks_again`."""
        data = request_data(SAMPLE, request_id=f"request-{next(self._numbers)}", **changes)
        self._last = json.dumps(data).encode(), arrived
        return self._last

    def asks_again(self) -> BuildResult:
        """The queue brings the last request once more."""
        return self.builder.queued(*self._last)

    def withdraws(self, *, arrived: datetime | None = None, **changes: Any) -> BuildResult:
        """The sample's encounter was deleted."""
        data = request_data("withdrawal") | {"request_id": f"withdraw-{next(self._numbers)}"} | changes
        return self.builder.queued(json.dumps(data).encode(), arrived)

    def works(self) -> None:
        """Do what the schedules and the queues bring, until nothing is left."""
        self.sweep.run()
        for request_id in self.intake.take():
            self.builder.release(request_id)
        for message_id in self.queue.take():
            self.sender.send(message_id)

    def later(self, wait: timedelta) -> None:
        """Let time pass, then run the schedules."""
        self.time.advance(wait)
        self.works()

    def row(self, row_id: str) -> MessageRecord:
        found = self.ledger.find(row_id)
        assert found is not None
        return found

    def status(self, row: BuildResult) -> Status:
        return self.row(row.message_id).status

    def messages(self, request: BuildResult) -> list[MessageRecord]:
        """What a held request was released as."""
        return [
            self.row(message_id)
            for event in self.row(request.message_id).history.of(EventType.RELEASED)
            for message_id in event.details["message_ids"]
        ]

    def told(self) -> list[str]:
        """The subjects of the notifications that were told."""
        return [text.partition("\n")[0].removeprefix("GP Connect Messaging: ") for text in self.topic.told]

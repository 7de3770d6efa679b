"""A day's work over memory, and the reconciliation in the night after."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gpconnect_messaging.ledger.balances import Balances
from gpconnect_messaging.ledger.lifecycle import LedgerEvent, MessageHistory, Timeouts, held, release_started, released
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mesh.errors import NotFound
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.steps.reconcile import Reconciliation
from gpconnect_messaging.storage import Evidence
from tests.identifiers import key_of
from tests.in_memory import Bucket, Clock, Table, Topic
from tests.model.effects import Process
from tests.unit.ledger.events import BUILT, accepted, response, started
from tests.unit.steps.holding import WINDOW

MAILBOX, OTHER = "Y90001OT001", "Y90002OT001"
DAY = date(2026, 11, 20)
EVENING = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
SENT = (BUILT, started(), accepted())
AT_ONCE = RateLimiter(1e9, sleep=lambda _: None)
DELIVERED = (*SENT, response("20013"), response("30001", mesh_message_id="S"))


@dataclass
class MeshInMind:
    """A MESH that knows what it is told to know."""

    known: set[str] = field(default_factory=set)
    failure: Exception | None = None
    failures: dict[str, Exception] = field(default_factory=dict)
    """What MESH answers about one message, by MESH's id of it."""
    asked: list[str] = field(default_factory=list)

    def authorised(self, _mailbox: str, act: Callable[["MeshInMind"], Any]) -> Any:
        return act(self)

    def tracking(self, mesh_message_id: str) -> None:
        self.asked.append(mesh_message_id)
        if failure := self.failures.get(mesh_message_id, self.failure):
            raise failure
        if mesh_message_id not in self.known:
            raise NotFound("tracking", "MESH does not have it")


@dataclass
class Night:
    """A day's work over memory, and the reconciliation in the night after."""

    clock: Clock = field(default_factory=lambda: Clock(EVENING))
    topic: Topic = field(default_factory=Topic)
    table: Any = field(default_factory=Table)
    bucket: Any = None
    mesh: MeshInMind = field(default_factory=MeshInMind)

    def __post_init__(self) -> None:
        self.bucket = Bucket(self.clock)
        timeouts = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
        self.ledger = Ledger(self.table, "ledger", timeouts, self.clock)
        self.evidence = Evidence(self.bucket, "evidence", self.clock)
        self.balances = Balances(self.table, "ledger", self.clock)
        self.step = Reconciliation(
            evidence=self.evidence, balances=self.balances, mesh=self.mesh,  # type: ignore[arg-type]
            notifier=Notifier(self.topic, "topic", self.ledger), timeouts=timeouts, now=self.clock,  # type: ignore[arg-type]
            pace=AT_ONCE,
        )  # fmt: skip

    def step_of(self, process: Process) -> Reconciliation:
        """Make the step in a process that can die at any effect."""
        table = process.port("dynamodb", self.table)
        ledger = Ledger(table, "ledger", self.step.timeouts, self.clock)
        return replace(
            self.step,
            evidence=Evidence(process.port("s3", self.bucket), "evidence", self.clock),
            balances=Balances(table, "ledger", self.clock),
            mesh=process.port("mesh", self.mesh),
            notifier=Notifier(process.port("sns", self.topic), "topic", ledger),
        )

    def receive(self, request_id: str, mailbox: str = MAILBOX) -> None:
        self.evidence.receipt(request_id)
        self.evidence.keep_request(request_id, json.dumps({"mailbox": mailbox}).encode(), self.clock())

    def store(self, message_id: str, request_id: str, *events: LedgerEvent, messages: int = 1) -> None:
        self.ledger.create(
            MessageRecord(
                message_id=message_id, request_id=request_id, mailbox=MAILBOX,
                encounter=request_id, encounter_key=key_of(MAILBOX, request_id),
                version=1,
                created_at=self.clock().replace(microsecond=0), history=MessageHistory(events), messages=messages,
            )
        )  # fmt: skip

    def build(self, name: str, *events: LedgerEvent) -> str:
        """Receive a request and build a message with these events; return the message id."""
        self.receive(f"request-{name}")
        unique = tuple(_with_mesh_id(event, name) for event in events)
        self.store(f"message-{name}", f"request-{name}", *unique)
        self.mesh.known.add(f"MESH-{name}")
        return f"message-{name}"

    def hold(self, name: str) -> None:
        """Receive a request that is held."""
        self.receive(f"request-{name}")
        event = held(at=self.clock(), release_at=self.clock() + WINDOW, by_a_person=False, requirement="", why="")
        self.store(f"request-{name}", f"request-{name}", event)

    def release(self, name: str, *events: LedgerEvent, messages: int = 1) -> list[str]:
        """Make a held request's messages of these facts; return their ids."""
        request_id, ids = f"request-{name}", [f"message-{name}-{number}" for number in range(messages)]
        self.ledger.record(request_id, release_started(at=self.clock(), version=1))
        for message_id in ids:
            unique = tuple(_with_mesh_id(event, message_id) for event in events)
            self.store(message_id, request_id, *unique, messages=messages)
            self.mesh.known.add(f"MESH-{message_id}")
        self.ledger.record(request_id, released(at=self.clock(), message_ids=ids))
        return ids

    def lose(self, pk: str) -> None:
        for key in self.table.item_keys():
            if key[0] == pk:
                self.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": key[1]}})

    def reckon(self, day: date | None = None) -> Balance:
        self.clock.time = max(self.clock.time, NIGHT)
        return self.reckon_now(day)

    def reckon_now(self, day: date | None = None) -> Balance:
        made = self.step.run(day)
        assert isinstance(made, Balance)
        return made

    def told(self) -> list[str]:
        return [told.partition("\n")[0].removeprefix("GP Connect Messaging: ") for told in self.topic.told]


def _with_mesh_id(event: LedgerEvent, name: str) -> LedgerEvent:
    if "mesh_message_id" not in event.details:
        return event
    return replace(event, details={**event.details, "mesh_message_id": f"MESH-{name}"})

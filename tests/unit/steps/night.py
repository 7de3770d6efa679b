"""A day's work over memory, and the reconciliation in the night after."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

from gpconnect_messaging.ledger.events import LedgerEvent, held, release_started, released
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.steps.reconcile import Reconciliation
from tests.fakes.product import WINDOW, Product, Steps
from tests.model.effects import Process
from tests.unit.ledger.events import BUILT, accepted, response, started

MAILBOX, OTHER = "Y90001OT001", "Y90002OT001"
DAY = date(2026, 11, 20)
EVENING = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
NIGHT = datetime(2026, 11, 21, 3, 20, tzinfo=UTC)
SENT = (BUILT, started(), accepted())
DELIVERED = (*SENT, response("20013"), response("30001", mesh_message_id="S"))


class Night(Product):
    """A day's work over memory, and the reconciliation in the night after."""

    def __init__(self) -> None:
        super().__init__(drop=None, at=EVENING)
        self.step = self.reconciliation

    def step_of(self, process: Process) -> Reconciliation:
        """Make the step in a process that can die at any effect."""
        steps = Steps(self.around, process.port)
        return replace(
            self.step, evidence=steps.evidence, balances=steps.balances, mesh=steps.connections, notifier=steps.notifier
        )

    def receive(self, request_id: str, mailbox: str = MAILBOX) -> None:
        self.evidence.receipt(request_id)
        self.evidence.keep_request(request_id, json.dumps({"mailbox": mailbox}).encode(), self.clock())

    def store(self, message_id: str, request_id: str, *events: LedgerEvent, messages: int = 1) -> None:
        at = self.clock().replace(microsecond=0)
        self.has(message_id, *events, request_id=request_id, encounter=request_id, messages=messages, created_at=at)

    def build(self, name: str, *events: LedgerEvent) -> str:
        """Receive a request and build a message with these events; return the message id."""
        self.receive(f"request-{name}")
        unique = tuple(_with_mesh_id(event, name) for event in events)
        self.store(f"message-{name}", f"request-{name}", *unique)
        self.mesh.knows(f"MESH-{name}")
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
            self.mesh.knows(f"MESH-{message_id}")
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


def _with_mesh_id(event: LedgerEvent, name: str) -> LedgerEvent:
    if "mesh_message_id" not in event.details:
        return event
    return replace(event, details={**event.details, "mesh_message_id": f"MESH-{name}"})

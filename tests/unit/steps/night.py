"""A day's work over memory, and the reconciliation in the night after."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.events import LedgerEvent, held, released
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.ledger.records import MessageRecord, Origin
from gpconnect_messaging.steps.reconcile import Reconciliation
from tests.fakes.ledger_state import LedgerState
from tests.fakes.product import WINDOW, Product, Steps
from tests.identifiers import ids_of, key_of
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

    def store(self, request_id: str, *events: LedgerEvent, number: int = 0, messages: int = 1) -> str:
        """Claim a request and store one of its messages with these events; return the message id."""
        at = self.clock().replace(microsecond=0)
        encounter = ids_of(MAILBOX, request_id)
        recipients = [f"recipient-{count}" for count in range(messages)]
        released = self.ledger.find(request_id)
        if released and not self.ledger.find_claim(request_id):
            self.ledger.start_release(request_id, encounter, at, recipients=recipients)
        claim = self.ledger.claim(request_id, encounter, (), at, recipients=recipients)
        assert claim is not None
        self._store(claim.message_ids[number], request_id, *events, recipient=recipients[number], messages=messages)
        return claim.message_ids[number]

    def refuse(self, request_id: str, *events: LedgerEvent) -> None:
        """Have a request that became no message."""
        self._store(request_id, request_id, *events)

    def _store(self, own_id: str, request_id: str, *events: LedgerEvent, **changes: Any) -> None:
        at = self.clock().replace(microsecond=0)
        self.ledger.create(
            MessageRecord(
                message_id=own_id, request_id=request_id, mailbox=MAILBOX, encounter=request_id,
                encounter_key=key_of(MAILBOX, request_id), version=own_id != request_id, created_at=at,
                history=MessageHistory(events), **changes,
            )
        )  # fmt: skip

    def build(self, name: str, *events: LedgerEvent) -> str:
        """Receive a request and build a message with these events; return the message id."""
        self.receive(f"request-{name}")
        unique = tuple(_with_mesh_id(event, name) for event in events)
        self.mesh.knows(f"MESH-{name}")
        return self.store(f"request-{name}", *unique)

    def hold(self, name: str) -> None:
        """Receive a request that is held."""
        self.receive(f"request-{name}")
        event = held(at=self.clock(), release_at=self.clock() + WINDOW, by_a_person=False, requirement="", why="")
        origin = Origin(folder="", document_versions=())
        key = key_of(MAILBOX, f"request-{name}")
        record = MessageRecord(
            message_id=f"request-{name}", request_id=f"request-{name}", mailbox=MAILBOX, encounter=f"request-{name}",
            encounter_key=key, version=0, created_at=self.clock().replace(microsecond=0),
            history=MessageHistory((event,)),
        )  # fmt: skip
        self.ledger.create(record, origin)

    def release(self, name: str, *events: LedgerEvent, messages: int = 1) -> list[str]:
        """Make a held request's messages of these facts; return their ids."""
        request_id, ids = f"request-{name}", list[str]()
        for number in range(messages):
            unique = tuple(_with_mesh_id(event, f"{name}-{number}") for event in events)
            ids.append(self.store(request_id, *unique, number=number, messages=messages))
            self.mesh.knows(f"MESH-{name}-{number}")
        self.ledger.record(request_id, released(at=self.clock(), message_ids=ids))
        return ids

    def lose(self, own_id: str) -> None:
        """Have an encounter's item vanish, behind the ledger's back."""
        key = self.row(own_id).encounter_key
        self.table.delete_item(Key={"pk": {"S": pk_of(key)}, "sk": {"S": STATE}})
        self.ledger._remembered.clear()

    def lose_message(self, message_id: str) -> None:
        """Have a message vanish from the encounter's item, behind the ledger's back."""
        key = self.row(message_id).encounter_key
        LedgerState(self.table).change_body(pk_of(key), lambda body: body["messages"].pop(message_id))
        self.ledger._remembered.clear()

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

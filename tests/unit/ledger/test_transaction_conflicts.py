"""A write that meets a transaction on its item is made again; its caller does not see the conflict."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import gpconnect_messaging
from gpconnect_messaging import conflicts
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.balances import Balances, Reckoning
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.ledger.records import Notification, Received
from gpconnect_messaging.ledger.store import Ledger
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import TableInTransactions

MAILBOX, NOON = "Y90001OT001", datetime(2026, 3, 2, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)


@dataclass
class Stores:
    """The stores that share the ledger's table, and one notification in it that is due."""

    table: TableInTransactions
    ledger: Ledger
    trail: AuditTrail
    balances: Balances
    book: NotificationStore
    notification: Notification


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Stores:
    monkeypatch.setattr(conflicts, "sleep", lambda _seconds: None)
    clock, table = Clock(NOON), TableInTransactions()
    client: Any = table
    ledger = Ledger(
        client, "ledger", Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15)), clock
    )
    (notification,) = ledger.received(
        Received(mailbox=MAILBOX, mesh_message_id="U", at=NOON, evidence_key="received/U", outcome="unmatched"),
        unmatched_because="it names no message of ours",
    )
    return Stores(
        table, ledger, AuditTrail(client, "ledger", clock), Balances(client, "ledger", ledger._patience, clock),
        NotificationStore(ledger), notification,
    )  # fmt: skip


def _balance(stores: Stores) -> bool:
    day = date(2026, 3, 1)
    made = Balance(day=day, made_at=NOON, mailboxes={})
    stores.balances.store(made, "balances/2026-03-01", Reckoning(day=day, began_at=NOON))
    return stores.balances.evidence_key(date(2026, 3, 1)) == "balances/2026-03-01"


def _audit(stores: Stores) -> bool:
    stores.trail.record("operator", "looked", mailbox=MAILBOX)
    return sum(pk.startswith("ACTIONS#") for pk, _ in stores.table.item_keys()) == 1


def _escalation(stores: Stores) -> bool:
    stores.table.conflicts, conflicts_left = 0, stores.table.conflicts
    stores.book.told(stores.notification)
    stores.table.conflicts = conflicts_left
    return stores.book.take_escalation(stores.notification)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda stores: stores.ledger.begin_request("U") == 1, id="count an attempt once"),
        pytest.param(lambda stores: stores.book.take(stores.notification), id="take a notification"),
        pytest.param(_escalation, id="take an escalation"),
        pytest.param(_audit, id="record what a person did"),
        pytest.param(_balance, id="store a balance"),
    ],
)
def test_a_single_write_that_meets_a_transaction_is_made_again(write: Callable[[Stores], bool], stores: Stores) -> None:
    stores.table.conflicts = 3
    assert write(stores)
    assert stores.table.conflicts == 0


def test_a_conflict_that_does_not_end_is_raised_for_the_next_delivery(stores: Stores) -> None:
    stores.table.conflicts = 1_000
    with pytest.raises(ClientError, match="TransactionConflictException"):
        _audit(stores)
    assert stores.table.conflicts > 900


def test_what_came_in_is_recorded_and_notified_although_a_transaction_was_in_the_way(stores: Stores) -> None:
    stores.table.conflicts = 3
    unmatched = Received(mailbox=MAILBOX, mesh_message_id="V", at=NOON, evidence_key="received/V", outcome="unmatched")
    assert len(stores.ledger.received(unmatched, unmatched_because="it names no message of ours")) == 1
    assert stores.table.conflicts == 0


def test_what_came_in_is_never_taken_for_a_repeat_because_of_a_conflict(stores: Stores) -> None:
    stores.table.conflicts = 1_000
    unmatched = Received(mailbox=MAILBOX, mesh_message_id="V", at=NOON, evidence_key="received/V", outcome="unmatched")
    with pytest.raises(ClientError, match="TransactionConflictException"):
        stores.ledger.received(unmatched, unmatched_because="it names no message of ours")
    stores.table.conflicts = 0
    assert len(stores.ledger.received(unmatched, unmatched_because="it names no message of ours")) == 1


def test_no_single_write_of_the_library_goes_around_the_repetition() -> None:
    library = Path(gpconnect_messaging.__file__).parent
    writes = [
        (source.name, line.strip())
        for source in library.rglob("*.py")
        for line in source.read_text(encoding="utf-8").splitlines()
        if re.search(r"\.(put|update|delete)_item\(", line)
    ]
    assert writes
    assert [write for write in writes if "lambda: self._client." not in write[1]] == []

"""A release that was rolled back reads what the newer one wrote, loses nothing of it, and goes on reporting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpcm.wording import in_words
from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.deadlines import due_at
from gpconnect_messaging.ledger.encounter_table import pk_of
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.ledger.table import item, plain
from tests.fakes.ledger_state import LedgerState
from tests.fakes.product import MAILBOX, TIMEOUTS
from tests.unit.ledger.events import BUILT, HELD, OVERDUE, accepted, at, response, started
from tests.unit.steps.sending import MESSAGE_ID, Sending

PK = pk_of(encounter_key_of(MESSAGE_ID))
PAUSED = LedgerEvent(
    kind=EventType("paused by tomorrow's release"), identity="paused", at=at(1), source="builder",
    details={"until": "Monday", "parts": [1, {"a": None}]},
)  # fmt: skip


def test_a_name_of_a_newer_release_is_carried_along_as_it_is() -> None:
    for known, unknown in (
        (EventType.BUILT, EventType("x")),
        (NotificationType.STUCK, NotificationType("x")),
        (Status.SENT, Status("X")),
    ):
        assert known.recognised
        assert not unknown.recognised
        assert type(unknown)(unknown.value) == unknown
        assert unknown not in set(type(unknown))
    assert Status("SENT") is Status.SENT


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([BUILT], Status.BUILT),
        ([BUILT, started(), accepted()], Status.SENT),
        ([BUILT, started(), accepted(), response("20013"), response("30001")], Status.DELIVERED),
        ([BUILT, started(), accepted(), OVERDUE], Status.OVERDUE),
        ([HELD], Status.HELD),
    ],
)
def test_an_event_of_a_newer_release_leaves_what_this_one_understands(
    events: list[LedgerEvent], status: Status
) -> None:
    assert status_of(MessageHistory((*events, PAUSED))) is status
    assert in_words(PAUSED) == "an event of a newer release, unknown to this one"


def test_what_is_on_its_way_is_still_due_and_what_waits_here_is_for_a_person() -> None:
    assert due_at(MessageHistory((BUILT, started(), accepted(), PAUSED)), TIMEOUTS) == at(61)
    assert due_at(MessageHistory((BUILT, PAUSED)), TIMEOUTS) == at(1) + TIMEOUTS.requeue_after
    assert due_at(MessageHistory((BUILT, PAUSED, ledger_events.running_late(at=at(20)))), TIMEOUTS) is None


@pytest.fixture
def sending() -> Sending:
    """A message of which a newer release wrote an event, and values of the message and of its encounter."""
    made = Sending()
    made.record(replace(PAUSED, at=made.clock()))

    def write(body: dict[str, Any]) -> None:
        body["messages"][MESSAGE_ID]["paused_until"] = "Monday"
        body["paused_by"] = {"whom": ["tomorrow's release"]}

    LedgerState(made.ledger._client).change_body(PK, write)  # type: ignore[arg-type]
    return made


def test_nothing_is_uploaded_that_a_newer_release_has_plans_for_and_a_person_knows(sending: Sending) -> None:
    assert sending.send() is Status.BUILT
    assert sending.mesh.uploads == {}
    sending.clock.advance(TIMEOUTS.requeue_after + timedelta(minutes=1))
    sending.sweep.run()
    assert sending.notified() == ["A message cannot be sent"]
    sending.clock.advance(timedelta(days=1))
    assert sending.sweep.run().queued_again == 0
    assert len(sending.topic.published) == 1


def test_overdue_is_reported_although_an_event_is_not_recognised() -> None:
    sending = Sending()
    sending.send()
    sending.record(replace(PAUSED, at=sending.clock()))
    sending.clock.advance(timedelta(days=3))
    assert sending.sweep.run().overdue == 1
    assert status_of(sending.history) is Status.OVERDUE


def test_the_newer_release_finds_everything_again_that_it_wrote(sending: Sending) -> None:
    sending.record(ledger_events.queued_again(at=sending.clock(), times=1, why="BUILT"))
    (paused,) = [event for event in sending.history.events if event.identity == "paused"]
    assert (paused.kind.value, paused.details) == (PAUSED.kind.value, PAUSED.details)
    body = LedgerState(sending.ledger._client).body(PK)  # type: ignore[arg-type]
    assert body["messages"][MESSAGE_ID]["paused_until"] == "Monday"
    assert body["paused_by"] == {"whom": ["tomorrow's release"]}


def test_lists_audit_and_sweep_read_a_status_of_a_newer_release(sending: Sending) -> None:
    table: Any = sending.ledger._client
    row = table.get_item(Key=item({"pk": PK, "sk": "STATE"}))["Item"]
    statuses = [entry.replace("BUILT", "PAUSED") for entry in plain(row)["statuses"]]
    work_at = plain(row)["work_at"]
    table.put_item(TableName="ledger", Item=row | item({"statuses": statuses}))
    search = Search(table, "ledger", sending.clock)
    assert [entry.status.value for entry in search.all_listed()] == ["PAUSED"]
    assert search.listed() == {encounter_key_of(MESSAGE_ID): (*statuses, work_at)}
    assert search.by_status(Status("PAUSED")).rows == (), "to this release the message has another status"
    assert sum(search.counts(sending.clock()).by_status.values()) == 0
    (due,) = sending.ledger.due(datetime.max.replace(tzinfo=UTC))
    assert {status.value for status in due.statuses} == {"PAUSED"}
    assert any("paused" in event.what for event in AuditTrail(table, "ledger", sending.clock).of_message(MESSAGE_ID))


def test_a_notification_of_a_newer_release_reaches_a_person_all_the_same(sending: Sending) -> None:
    notification = Notification(
        subject_key=f"MESSAGE#{MESSAGE_ID}", kind=NotificationType("paused"), raised_at=sending.clock(),
        details={"message_id": MESSAGE_ID, "mailbox": MAILBOX},
    )  # fmt: skip
    sending.ledger._change(encounter_key_of(MESSAGE_ID), lambda draft: draft.notify([notification]))
    assert status_of(sending.history) is Status.BUILT
    sending.sweep.run()
    assert sending.notified() == ["A notification of a newer release"]
    assert sending.sweep.run().notifications_told == 0
    assert all("-" not in kind.value for kind in NotificationType), "an id writes blanks as hyphens"
    assert sending.book.acknowledge(notification.id, "a.nurse", sending.clock())

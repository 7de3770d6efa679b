"""The audit trail answers who did what, when, to which message: by message, encounter, MESH id, status and time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import AuditEvent, MessageRecord, Received
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import BUILT, accepted, at, response, started

MAILBOX = "Y90001OT001"
IDS = ids_of(MAILBOX, "4711")
FIRST, SECOND = (str(IDS.message_id(version)) for version in (1, 2))
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


@pytest.fixture
def trail() -> AuditTrail:
    """Two messages of one encounter, the first delivered, and something that came in and belongs to neither."""
    clock, table = Clock(at(10)), Table()
    client: Any = table
    ledger = Ledger(client, "ledger", PATIENCE, clock, kept_for=timedelta(days=90))
    for version, message_id in ((1, FIRST), (2, SECOND)):
        ledger.claim(f"request-{version}", IDS, (), at(version))
        ledger.create(
            MessageRecord(
                message_id=message_id, request_id=f"request-{version}", mailbox=MAILBOX, encounter="4711",
                encounter_key=key_of(MAILBOX, "4711"),
                version=version, created_at=at(version), history=MessageHistory((BUILT,)),
            )
        )  # fmt: skip
    for event in (started(), accepted(), response("20013", 3), response("30001", 4)):
        ledger.record(FIRST, event)
    for mesh_message_id, outcome, why in (("R", FIRST, None), ("U", "unmatched", "it names no message of ours")):
        received = Received(
            mailbox=MAILBOX, mesh_message_id=mesh_message_id, at=at(5), evidence_key=f"received/{mesh_message_id}",
            outcome=outcome,
        )  # fmt: skip
        ledger.received(received, unmatched_because=why)
    return AuditTrail(client, "ledger", clock, kept_for=timedelta(days=90))


def deeds(events: Any) -> list[str]:
    return [event.what for event in events]


@pytest.mark.requirement("FHIR-DOC-01")
def test_a_messages_events_say_when_who_what_and_the_documents_hash(trail: AuditTrail) -> None:
    events = trail.of_message(FIRST)
    assert deeds(events) == ["built", "upload started", "upload accepted", "response", "response"]
    assert [event.at for event in events] == [at(0), at(1), at(2), at(3), at(4)]
    assert [event.actor for event in events] == ["builder", "sender", "sender", "MESH R20013", "MESH R30001"]
    assert {event.sha256 for event in events} == {"00"}
    assert {event.mailbox for event in events} == {MAILBOX}


@pytest.mark.requirement("FHIR-DOC-01")
def test_events_are_found_by_encounter_mesh_id_and_status(trail: AuditTrail) -> None:
    assert {event.message_id for event in trail.of_encounter(key_of(MAILBOX, "4711"))} == {FIRST, SECOND}
    assert trail.of_encounter(key_of("Y90002OT001", "4711")) == []
    assert trail.of_mesh_message("MESH1") == trail.of_message(FIRST), "the id that MESH gave our upload"
    assert deeds(trail.of_mesh_message("R"))[-1] == "received", "the id of an answer to it"
    assert {event.message_id for event in trail.of_mesh_message("R")} == {FIRST, None}
    assert deeds(trail.of_mesh_message("U")) == ["received"]
    assert trail.of_mesh_message("unknown") == []
    assert {event.message_id for event in trail.of_status(Status.BUILT)} == {SECOND}
    assert deeds(trail.of_status(Status.DELIVERED)) == deeds(trail.of_message(FIRST))


@pytest.mark.requirement("FHIR-DOC-01")
def test_events_are_found_by_time_in_order_across_messages_and_days(trail: AuditTrail) -> None:
    trail.record("a.nurse", "message shown in full", at=at(60 * 24), message_id=FIRST)
    everything = list(trail.between(at(0), at(60 * 48)))
    assert [event.at for event in everything] == sorted(event.at for event in everything)
    assert deeds(everything)[:3] == ["built", "built", "upload started"]
    assert deeds(everything)[-1] == "message shown in full"
    assert deeds(trail.between(at(1), at(2))) == ["upload started", "upload accepted"]
    assert deeds(trail.between(at(60 * 23), at(60 * 25))) == ["message shown in full"]
    assert list(trail.between(at(6), at(60))) == []


def test_what_a_person_did_is_among_the_messages_events_with_its_hash(trail: AuditTrail) -> None:
    deed: dict[str, Any] = {"at": at(9), "message_id": FIRST, "details": {"reason": "the practice asked"}}
    event = trail.record("a.nurse", "message shown in full", **deed)
    assert event == AuditEvent(
        at=at(9), actor="a.nurse", what="message shown in full", message_id=FIRST, mailbox=MAILBOX, sha256="00",
        details={"reason": "the practice asked"},
    )  # fmt: skip
    assert trail.record("a.nurse", "message shown in full", **deed) == event
    assert trail.of_message(FIRST)[-1] == event
    assert deeds(trail.of_message(FIRST)).count("message shown in full") == 1, "recorded again, it is the same"


def test_what_a_person_did_apart_from_any_message_is_found_by_time(trail: AuditTrail) -> None:
    now = datetime(2026, 11, 21, 9, tzinfo=UTC)
    trail.record("an.engineer", "dead letters redriven", at=now, details={"queue": "send"})
    (event,) = trail.between(now, now)
    assert (event.actor, event.message_id, event.sha256) == ("an.engineer", None, None)


@pytest.mark.parametrize(
    ("actor", "what", "why"),
    [("", "message shown", "name the operator"), ("9000000009", "message shown", "name the operator"),
     ("a.nurse", " ", "needs an action")],
)  # fmt: skip
def test_an_event_without_an_actor_or_a_deed_is_refused(trail: AuditTrail, actor: str, what: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        trail.record(actor, what)

"""A message's journey for a person: the time of every step, and the reason for the status."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gpcm.dropping import Dropped
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType
from infra.local.journey import journey_of, reason
from infra.local.ledger import Message

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
DROPPED = Dropped("a-report", "8d7c4f0e-0000-5000-8000-000000000001", "local/x/request.json", NOON)


def event(seconds: float, kind: str, **details: Any) -> LedgerEvent:
    return LedgerEvent(
        kind=EventType(kind), identity=f"{kind} {seconds}", at=NOON + timedelta(seconds=seconds), source="somewhere",
        details=details,
    )  # fmt: skip


def message(status: str, *events: LedgerEvent) -> Message:
    return Message("5f0e7f58-0000-5000-8000-000000000002", DROPPED.request_id, status, {}, events)


def test_each_step_counts_from_the_one_before() -> None:
    way = journey_of(
        DROPPED,
        message(
            "DELIVERED",
            event(1.0, "built"),
            event(1.5, "upload started"),
            event(3.0, "upload accepted"),
            event(5.0, "response", code="20013"),
            event(9.0, "response", code="30001"),
        ),
    )
    assert way.steps == (1.0, 2.0, 2.0, 4.0)
    assert way.reference == "5f0e7f58-0000-5000-8000-000000000002"


def test_a_step_that_did_not_happen_has_no_time() -> None:
    way = journey_of(
        DROPPED, message("REFUSED", event(1.0, "built"), event(2.0, "upload refused", http_status=417, error="x"))
    )
    assert way.steps == (1.0, None, None, None)


def test_acknowledgements_in_the_other_order_take_no_negative_time() -> None:
    way = journey_of(
        DROPPED,
        message(
            "DELIVERED",
            event(1.0, "built"),
            event(2.0, "upload accepted"),
            event(6.0, "response", code="20013"),
            event(4.0, "response", code="30001"),
        ),
    )
    assert way.steps == (1.0, 1.0, 4.0, 0.0)


def test_a_request_that_the_ledger_does_not_know_yet_is_dropped_and_no_more() -> None:
    way = journey_of(DROPPED, None)
    assert (way.status, way.steps) == ("DROPPED", (None,) * 4)
    assert way.reference == DROPPED.request_id


def test_reasons_are_codes_with_their_meaning_each_once() -> None:
    twice = event(2, "response", code="30002"), event(3, "response", code="30002")
    assert reason(message("REJECTED", *twice)) == "30002 the patient is not known here"
    assert reason(message("SENT", event(2, "response", code="30099"))) == "30099 is an unknown code"


def test_reports_refusals_and_overdue_answers_say_what_happened() -> None:
    assert (
        reason(message("UNDELIVERED", event(2, "report", code="EPL-153", description="not found")))
        == "EPL-153 not found"
    )
    assert (
        reason(message("UNDELIVERED", event(2, "report", code="14", description="not collected")))
        == "EPL-14 not collected"
    )
    assert "417 EPL-159" in reason(message("REFUSED", event(2, "upload refused", http_status=417, error="EPL-159")))
    assert reason(message("OVERDUE", event(2, "acknowledgement overdue", missing=["infrastructure", "business"]))) == (
        "no infrastructure and no business acknowledgement in time"
    )
    assert (
        reason(message("INVALID", event(2, "request refused", reasons=["patient: is missing"])))
        == "patient: is missing"
    )

"""What the ledger stores of an event keeps its form: rows of years ago, and of other releases, are read by it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.scan_results import ScanResult
from tests.unit.ledger.events import at

WHEN = at(0)
DUE: dict[str, Any] = {"infrastructure_due": timedelta(hours=1), "business_due": timedelta(hours=5)}
STORED_DUE = {"sha256": "ab", "size": 7, "infrastructure_seconds": 3600, "business_seconds": 18000}

Stored = tuple[LedgerEvent, str, str, str, Mapping[str, Any]]

STORED: list[Stored] = [
    (
        ledger_events.request_refused(at=WHEN, reasons=("patient: is missing",)),
        "request refused", "request-refused", "builder", {"reasons": ["patient: is missing"]},
    ),
    (
        ledger_events.request_refused(at=WHEN, reasons=(), scans=(ScanResult.THREATS_FOUND, ScanResult.FAILED)),
        "request refused", "request-refused", "builder", {"reasons": [], "scans": ["FAILED", "THREATS_FOUND"]},
    ),
    (
        ledger_events.not_required(at=WHEN, requirement="GPCM-SD-CS-071", why="registered"),
        "not required", "not-required", "builder", {"requirement": "GPCM-SD-CS-071", "why": "registered"},
    ),
    (
        ledger_events.repeated(at=WHEN, of_request_id="4711"),
        "not required", "not-required", "builder",
        {"requirement": "design: a copy is a repeat", "repeats": "4711",
         "why": "the content equals that of request 4711, which was dropped under the same key"},
    ),
    (
        ledger_events.held(at=WHEN, release_at=at(165), by_a_person=True, requirement="GPCM-SD-CS-076", why="open"),
        "held", "held", "builder",
        {"release_at": "2026-11-21T00:15:00+00:00", "by_a_person": True, "requirement": "GPCM-SD-CS-076",
         "why": "open"},
    ),
    (
        ledger_events.held(
            at=WHEN, release_at=at(165), by_a_person=False, requirement="GPCM-SD-CS-076", why="open", warn_at=at(170)
        ),
        "held", "held", "builder",
        {"release_at": "2026-11-21T00:15:00+00:00", "by_a_person": False, "requirement": "GPCM-SD-CS-076",
         "why": "open", "warn_at": "2026-11-21T00:20:00+00:00"},
    ),
    (
        ledger_events.differs(at=WHEN, fields={"patient.surname", "patient.date_of_birth"}, comparison="comparisons/1"),
        "differs from PDS", "differs-patient.date_of_birth-patient.surname", "builder",
        {"fields": ["patient.date_of_birth", "patient.surname"], "comparison": "comparisons/1"},
    ),
    (
        ledger_events.lookup_unanswered(at=WHEN, times=2, why="no answer"),
        "lookup unanswered", "lookup-unanswered-2", "builder", {"why": "no answer"},
    ),
    (
        ledger_events.released_by_a_person(at=WHEN, actor="operator-7"),
        "released by a person", "released-by-a-person", "operator", {"actor": "operator-7"},
    ),
    (
        ledger_events.released_by_a_person(at=WHEN, actor="operator-7", despite={"b", "a"}),
        "released by a person", "released-by-a-person-a-b", "operator",
        {"actor": "operator-7", "despite": ["a", "b"]},
    ),
    (
        ledger_events.release_started(at=WHEN, version=3),
        "release started", "release-started", "builder", {"version": 3},
    ),
    (
        ledger_events.released(at=WHEN, message_ids=("m1", "m2")),
        "released", "released", "builder", {"message_ids": ["m1", "m2"]},
    ),
    (
        ledger_events.superseded(at=WHEN, by_request_id="r2"),
        "superseded", "superseded", "builder", {"by_request_id": "r2"},
    ),
    (
        ledger_events.superseded(at=WHEN, by_request_id="r2", arrived_later=True),
        "superseded", "superseded", "builder", {"by_request_id": "r2", "arrived_later": True},
    ),
    (
        ledger_events.superseded(at=WHEN, by_request_id="r2", actor="operator-7", reason="damaged"),
        "superseded", "superseded", "operator", {"by_request_id": "r2", "actor": "operator-7", "reason": "damaged"},
    ),
    (
        ledger_events.superseded(at=WHEN, by_request_id="r2", actor="operator-7"),
        "superseded", "superseded", "operator", {"by_request_id": "r2", "actor": "operator-7", "reason": ""},
    ),
    (
        ledger_events.waits_no_longer(at=WHEN, actor="operator-7", reason="damaged", given_up=("m1",)),
        "waits no longer", "waits-no-longer", "operator",
        {"actor": "operator-7", "reason": "damaged", "given_up": ["m1"]},
    ),
    (ledger_events.running_late(at=WHEN), "running late", "running-late", "poller", {}),
    (
        ledger_events.withdrawal(at=WHEN, stopped=("r1",), sent=("m1",), warning_key="warnings/1"),
        "withdrawal", "withdrawal", "builder", {"stopped": ["r1"], "sent": ["m1"], "warning_key": "warnings/1"},
    ),
    (
        ledger_events.withdrawn(at=WHEN, by_request_id="r2"),
        "withdrawn", "withdrawn", "builder", {"by_request_id": "r2"},
    ),
    (
        ledger_events.practice_told(at=WHEN, actor="operator-7"),
        "practice told", "practice-told", "operator", {"actor": "operator-7"},
    ),
    (
        ledger_events.response_accepted(at=WHEN, mesh_message_id="R1", actor="operator-7"),
        "response accepted by a person", "response-accepted-R1", "operator",
        {"mesh_message_id": "R1", "actor": "operator-7"},
    ),
    (ledger_events.built(at=WHEN, sha256="ab", size=7, **DUE), "built", "built", "builder", STORED_DUE),
    (
        ledger_events.built(
            at=WHEN, sha256="ab", size=7, **DUE, advice=("GPCM-SD-037: late",), to_mailbox="A20047OT001",
            to_organisation="A20047", registration={"ods_code": "A20047"}, arrived=at(-5), warn_at=at(170),
        ),
        "built", "built", "builder",
        STORED_DUE | {
            "advice": ["GPCM-SD-037: late"], "to_mailbox": "A20047OT001", "to_organisation": "A20047",
            "registration": {"ods_code": "A20047"}, "arrived": "2026-11-20T21:25:00+00:00",
            "warn_at": "2026-11-21T00:20:00+00:00",
        },
    ),
    (
        ledger_events.upload_started(at=WHEN, attempt=2, lease=timedelta(minutes=3)),
        "upload started", "upload-2", "sender",
        {"attempt": 2, "lease_until": "2026-11-20T21:33:00+00:00", "chunks": 1},
    ),
    (
        ledger_events.chunk_accepted(at=WHEN, attempt=2, mesh_message_id="M1", number=1, chunks=3, end=10),
        "chunk accepted", "chunk-M1-1", "sender",
        {"attempt": 2, "mesh_message_id": "M1", "number": 1, "chunks": 3, "end": 10},
    ),
    (
        ledger_events.upload_tracked(at=WHEN, attempt=2, mesh_message_id="M1", mesh_status="accepted"),
        "upload tracked", "tracked-2-M1", "sender",
        {"attempt": 2, "mesh_message_id": "M1", "mesh_status": "accepted"},
    ),
    (
        ledger_events.upload_accepted(at=WHEN, attempt=2, mesh_message_id="M1"),
        "upload accepted", "upload-accepted-2", "sender", {"attempt": 2, "mesh_message_id": "M1"},
    ),
    (
        ledger_events.upload_accepted(at=WHEN, attempt=2, mesh_message_id="M1", resolved_mailbox="FA565OT001"),
        "upload accepted", "upload-accepted-2", "sender",
        {"attempt": 2, "mesh_message_id": "M1", "resolved_mailbox": "FA565OT001"},
    ),
    (
        ledger_events.recipient_unresolved(at=WHEN, attempt=2, organisation="FA565", mailboxes=0),
        "recipient unresolved", "recipient-unresolved-2", "sender",
        {"attempt": 2, "organisation": "FA565", "mailboxes": 0},
    ),
    (
        ledger_events.upload_refused(at=WHEN, attempt=2, http_status=417, error="SEND 12"),
        "upload refused", "upload-refused-2", "sender", {"attempt": 2, "http_status": 417, "error": "SEND 12"},
    ),
    (
        ledger_events.upload_postponed(at=WHEN, attempt=2, why="busy"),
        "upload postponed", "upload-postponed-2", "sender", {"attempt": 2, "why": "busy"},
    ),
    (
        ledger_events.upload_postponed(at=WHEN, attempt=2, why="busy", abandoned="M1", not_before=at(15)),
        "upload postponed", "upload-postponed-2", "sender",
        {"attempt": 2, "why": "busy", "abandoned": "M1", "not_before": "2026-11-20T21:45:00+00:00"},
    ),
    (
        ledger_events.upload_uncertain(at=WHEN, attempt=2, why="no answer", source="poller"),
        "upload uncertain", "upload-uncertain-2", "poller", {"attempt": 2, "why": "no answer"},
    ),
    (
        ledger_events.queued_again(at=WHEN, times=2, why="BUILT"),
        "queued again", "queued-again-2", "poller", {"why": "BUILT"},
    ),
    (
        ledger_events.routed(at=WHEN, mesh_message_id="M1", mailbox="A20047OT001", times=2),
        "routed", "routed-M1", "poller", {"mesh_message_id": "M1", "mailbox": "A20047OT001"},
    ),
    (
        ledger_events.routed(at=WHEN, mesh_message_id="M1", mailbox=None),
        "routed", "not-routed-M1-1", "poller", {"mesh_message_id": "M1", "mailbox": None},
    ),
    (
        ledger_events.routed(at=WHEN, mesh_message_id=None, mailbox=None, times=2),
        "routed", "not-routed-as-listed-2", "poller", {"mesh_message_id": None, "mailbox": None},
    ),
    (
        ledger_events.response(
            at=WHEN, mesh_message_id="R1", from_mailbox="A20047OT001", from_organisation=None, code="30001",
            level=Level.BUSINESS, verdict=Verdict.POSITIVE,
        ),
        "response", "response-R1-30001", "MESH R1",
        {"mesh_message_id": "R1", "code": "30001", "level": "business", "verdict": "positive",
         "from_mailbox": "A20047OT001", "from_organisation": None},
    ),
    (
        ledger_events.report(
            at=WHEN, mesh_message_id="R1", linked_mesh_message_id="M1", code="EPL-153", description="not found"
        ),
        "report", "report-R1", "MESH R1",
        {"code": "EPL-153", "description": "not found", "linked_mesh_message_id": "M1"},
    ),
    (
        ledger_events.acknowledgement_overdue(at=WHEN, missing=("business",)),
        "acknowledgement overdue", "acknowledgement-overdue", "poller", {"missing": ["business"]},
    ),
    (
        ledger_events.acknowledgement_overdue(at=WHEN, missing=("business",), order=2),
        "acknowledgement overdue", "acknowledgement-overdue-2", "poller", {"missing": ["business"], "order": 2},
    ),
    (
        ledger_events.voided(at=WHEN, by_message_id="m2"),
        "voided", "voided-m2", "poller", {"by_message_id": "m2"},
    ),
    (
        ledger_events.resend_ordered(at=WHEN, actor="operator-7", attempts=2),
        "re-send ordered by a person", "resend-ordered-2", "operator", {"attempts": 2, "actor": "operator-7"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "kind", "identity", "source", "details"),
    STORED,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_is_stored_as_it_always_was(
    event: LedgerEvent, kind: str, identity: str, source: str, details: Mapping[str, Any]
) -> None:
    assert (event.kind.value, event.identity, event.source, event.details) == (kind, identity, source, details)
    assert event.at == WHEN


def test_no_kind_of_event_is_forgotten_here() -> None:
    assert {event.kind for event, *_ in STORED} == set(EventType)


def test_statuses_are_stored_by_their_names() -> None:
    assert all(status.value == name for name, status in Status.__members__.items())

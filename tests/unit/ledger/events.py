"""Facts for tests, in a compact form."""

from datetime import UTC, datetime, timedelta

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Verdict, level_of
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent

START = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
LEASE = timedelta(minutes=3)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


BUILT = ledger_events.built(
    at=at(0),
    sha256="00",
    size=1,
    infrastructure_due=timedelta(hours=1),
    business_due=timedelta(hours=5),
    to_mailbox="A20047OT001",
)


def started(attempt: int = 1, minutes: float = 1, chunks: int = 1) -> LedgerEvent:
    return ledger_events.upload_started(at=at(minutes), attempt=attempt, lease=LEASE, chunks=chunks)


def chunk(
    number: int, attempt: int = 1, minutes: float = 1.5, mesh_message_id: str = "MESH1", chunks: int = 3
) -> LedgerEvent:
    return ledger_events.chunk_accepted(
        at=at(minutes),
        attempt=attempt,
        mesh_message_id=mesh_message_id,
        number=number,
        chunks=chunks,
        end=number * 10,
    )


def tracked(attempt: int = 1, minutes: float = 1.7) -> LedgerEvent:
    return ledger_events.upload_tracked(
        at=at(minutes), attempt=attempt, mesh_message_id="MESH1", mesh_status="accepted"
    )


def accepted(attempt: int = 1, minutes: float = 2, mesh_message_id: str | None = None) -> LedgerEvent:
    mesh_message_id = mesh_message_id or f"MESH{attempt}"
    return ledger_events.upload_accepted(at=at(minutes), attempt=attempt, mesh_message_id=mesh_message_id)


def refused(attempt: int = 1, minutes: float = 2) -> LedgerEvent:
    return ledger_events.upload_refused(at=at(minutes), attempt=attempt, http_status=417, error="SEND 12")


def postponed(
    attempt: int = 1, minutes: float = 2, abandoned: str | None = None, not_before: float | None = None
) -> LedgerEvent:
    until = None if not_before is None else at(not_before)
    return ledger_events.upload_postponed(
        at=at(minutes), attempt=attempt, why="busy", abandoned=abandoned, not_before=until
    )


def uncertain(attempt: int = 1, minutes: float = 2) -> LedgerEvent:
    return ledger_events.upload_uncertain(at=at(minutes), attempt=attempt, why="no answer", source="sender")


def response(
    code: str | None, minutes: float = 3, mesh_message_id: str = "R", from_mailbox: str = "A20047OT001"
) -> LedgerEvent:
    known = RESPONSE_CODES.get(code or "")
    return ledger_events.response(
        at=at(minutes),
        mesh_message_id=f"{mesh_message_id}{code}",
        from_mailbox=from_mailbox,
        from_organisation="A20047",
        code=code,
        level=level_of(code or ""),
        verdict=known.verdict if known else Verdict.UNKNOWN,
    )


def reported(attempt: int = 1, minutes: float = 3) -> LedgerEvent:
    return ledger_events.report(
        at=at(minutes),
        mesh_message_id=f"REPORT{attempt}",
        linked_mesh_message_id=f"MESH{attempt}",
        code="EPL-153",
        description="not found",
    )


def unresolved(attempt: int = 1, minutes: float = 2, mailboxes: int = 0) -> LedgerEvent:
    return ledger_events.recipient_unresolved(
        at=at(minutes), attempt=attempt, organisation="FA565", mailboxes=mailboxes
    )


HELD = ledger_events.held(at=at(0), release_at=at(165), by_a_person=False, requirement="GPCM-SD-CS-076", why="open")
WAITS = ledger_events.held(at=at(0), release_at=at(165), by_a_person=True, requirement="GPCM-SD-CS-074", why="a person")
BY_A_PERSON = ledger_events.released_by_a_person(at=at(5), actor="operator-7")
RELEASING = ledger_events.release_started(at=at(170), version=1)
RELEASED = ledger_events.released(at=at(171), message_ids=["5f0e7f58-0000-5000-8000-000000000001"])
SUPERSEDED = ledger_events.superseded(at=at(10), by_request_id="5f0e7f58-0000-5000-8000-000000000002")
WITHDRAWN = ledger_events.withdrawn(at=at(10), by_request_id="5f0e7f58-0000-5000-8000-000000000003")
NOT_REQUIRED = ledger_events.not_required(at=at(0), requirement="GPCM-SD-CS-071", why="registered here")
WARNED = ledger_events.withdrawal(at=at(10), stopped=[], sent=["5f0e7f58"], warning_key="warnings/x.txt")
STOPPED = ledger_events.withdrawal(at=at(10), stopped=["5f0e7f58"], sent=[], warning_key=None)
PRACTICE_TOLD = ledger_events.practice_told(at=at(20), actor="operator-7")
QUEUED_AGAIN = ledger_events.queued_again(at=at(166), times=1, why="HELD")


def built_for(mailbox: str | None = None, organisation: str | None = None) -> LedgerEvent:
    return ledger_events.built(
        at=at(0), sha256="00", size=1, infrastructure_due=timedelta(hours=1), business_due=timedelta(hours=5),
        to_mailbox=mailbox, to_organisation=organisation,
    )  # fmt: skip


def response_accepted(mesh_message_id: str) -> LedgerEvent:
    return ledger_events.response_accepted(at=at(30), mesh_message_id=mesh_message_id, actor="operator-7")


VOIDED = ledger_events.voided(at=at(50), by_message_id="5f0e7f58-0000-5000-8000-000000000009")
OVERDUE = ledger_events.acknowledgement_overdue(at=at(100), missing=["business"])
INVALID = ledger_events.request_refused(at=at(0), reasons=["patient: is missing"])

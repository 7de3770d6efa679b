"""The events of a message: what happened to it, one constructor for every kind.

A request that does not become a message at once has events too, under the request id: it is refused, not required,
held, superseded, released, or a withdrawal.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.scan_results import ScanResult


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEvent:
    """Something that happened to a message.

    `identity` names the event within the message. The same event always has the same identity, so recording it again
    changes nothing. `at` is in UTC. `source` is the function, or the MESH message, that reported the event.
    `details` holds plain JSON values and no personal data.
    """

    kind: EventType
    identity: str
    at: datetime
    source: str
    details: Mapping[str, Any]


def request_refused(*, at: datetime, reasons: Iterable[str], scans: Iterable[ScanResult] = ()) -> LedgerEvent:
    """The request breaks rules. `reasons` are lines of `field: rule`; `scans` are malware scan results among them."""
    results = sorted(dict.fromkeys(scan.value for scan in scans))
    return LedgerEvent(
        kind=EventType.REQUEST_REFUSED, identity="request-refused", at=at, source="builder",
        details={"reasons": list(reasons), **({"scans": results} if results else {})},
    )  # fmt: skip


def not_required(*, at: datetime, requirement: str, why: str, repeats: str = "") -> LedgerEvent:
    """The requirement says that no message must be sent (GPCM-SD-CS-071, GPCM-SD-CS-073).

    `repeats` is the id of the original request where this one is a copy.
    """
    return LedgerEvent(
        kind=EventType.NOT_REQUIRED, identity="not-required", at=at, source="builder",
        details={"requirement": requirement, "why": why, **({"repeats": repeats} if repeats else {})},
    )  # fmt: skip


def repeated(*, at: datetime, of_request_id: str) -> LedgerEvent:
    """The request is a copy: a request with the same content was received under the same key of the drop (ADR 46)."""
    why = f"the content equals that of request {of_request_id}, which was dropped under the same key"
    return not_required(at=at, requirement="design: a copy is a repeat", why=why, repeats=of_request_id)


def held(
    *,
    at: datetime,
    release_at: datetime,
    by_a_person: bool,
    requirement: str,
    why: str,
    warn_at: datetime | None = None,
) -> LedgerEvent:
    """The request is checked and waits until `release_at` (UTC), and for a person's release where that is configured.

    At `warn_at` a person is notified if the request has not been sent (see `decision.warn_at`).
    """
    return LedgerEvent(
        kind=EventType.HELD, identity="held", at=at, source="builder",
        details={
            "release_at": release_at.isoformat(),
            "by_a_person": by_a_person,
            "requirement": requirement,
            "why": why,
            **({"warn_at": warn_at.isoformat()} if warn_at else {}),
        },
    )  # fmt: skip


def differs(*, at: datetime, fields: Iterable[str], comparison: str) -> LedgerEvent:
    """These fields of the request differ from PDS: a person decides (GPCM-SD-CS-072; MESH refuses it, EPL-154).

    `comparison` is the key under which the evidence store keeps both values, which are personal data.
    """
    named = sorted(fields)
    return LedgerEvent(
        kind=EventType.DIFFERS, identity=f"differs-{'-'.join(named)}", at=at, source="builder",
        details={"fields": named, "comparison": comparison},
    )  # fmt: skip


def lookup_unanswered(*, at: datetime, times: int, why: str) -> LedgerEvent:
    """PDS did not answer when the message was due to be built: the request waits, and PDS is asked again."""
    return LedgerEvent(
        kind=EventType.LOOKUP_UNANSWERED, identity=f"lookup-unanswered-{times}", at=at, source="builder",
        details={"why": why},
    )  # fmt: skip


def released_by_a_person(*, at: datetime, actor: str, despite: Iterable[str] = ()) -> LedgerEvent:
    """The operator `actor` released the held request (GPCM-SD-CS-074).

    `despite` are the fields that were known to differ from PDS when the operator decided.
    """
    known = sorted(despite)
    return LedgerEvent(
        kind=EventType.RELEASED_BY_A_PERSON, identity="-".join(["released-by-a-person", *known]), at=at,
        source="operator", details={"actor": actor, **({"despite": known} if known else {})},
    )  # fmt: skip


def release_started(*, at: datetime, version: int) -> LedgerEvent:
    """The held request was given a version: a newer request will be the next version."""
    return LedgerEvent(
        kind=EventType.RELEASE_STARTED,
        identity="release-started",
        at=at,
        source="builder",
        details={"version": version},
    )


def released(*, at: datetime, message_ids: Iterable[str]) -> LedgerEvent:
    """The held request became messages, which are stored and have their own histories."""
    return LedgerEvent(
        kind=EventType.RELEASED,
        identity="released",
        at=at,
        source="builder",
        details={"message_ids": list(message_ids)},
    )


def superseded(
    *, at: datetime, by_request_id: str, actor: str | None = None, reason: str = "", arrived_later: bool = False
) -> LedgerEvent:
    """A newer request for the same encounter replaced this one before it was sent (GPCM-SD-CS-076).

    With an `actor`, that operator abandoned an earlier version so that the newer one can be sent. `arrived_later` says
    that this request arrived after the one that superseded it, so a person is notified.
    """
    operator_actions: dict[str, Any] = {"actor": actor, "reason": reason} if actor else {}
    operator_actions |= {"arrived_later": True} if arrived_later else {}
    return LedgerEvent(
        kind=EventType.SUPERSEDED, identity="superseded", at=at, source="operator" if actor else "builder",
        details={"by_request_id": by_request_id, **operator_actions},
    )  # fmt: skip


def waits_no_longer(*, at: datetime, actor: str, reason: str, given_up: Iterable[str]) -> LedgerEvent:
    """The operator `actor` abandoned the earlier versions that this message waited for: `given_up`, message ids."""
    return LedgerEvent(
        kind=EventType.WAITS_NO_LONGER, identity="waits-no-longer", at=at, source="operator",
        details={"actor": actor, "reason": reason, "given_up": list(given_up)},
    )  # fmt: skip


def running_late(*, at: datetime) -> LedgerEvent:
    """The message was not sent, and the three hours of GPCM-SD-CS-075 are nearly over: a person is notified."""
    return LedgerEvent(kind=EventType.RUNNING_LATE, identity="running-late", at=at, source="poller", details={})


def withdrawal(*, at: datetime, stopped: Iterable[str], sent: Iterable[str], warning_key: str | None) -> LedgerEvent:
    """The consultation was deleted (GPCM-SD-CS-077).

    `stopped` and `sent` are ids of requests and messages: those that were stopped, and those that the practice has or
    may have. `warning_key` is the key of the warning in the evidence store.
    """
    return LedgerEvent(
        kind=EventType.WITHDRAWAL, identity="withdrawal", at=at, source="builder",
        details={"stopped": list(stopped), "sent": list(sent), "warning_key": warning_key},
    )  # fmt: skip


def withdrawn(*, at: datetime, by_request_id: str) -> LedgerEvent:
    """The consultation was deleted before this message was known to be sent."""
    return LedgerEvent(
        kind=EventType.WITHDRAWN,
        identity="withdrawn",
        at=at,
        source="builder",
        details={"by_request_id": by_request_id},
    )


def practice_told(*, at: datetime, actor: str) -> LedgerEvent:
    """The operator `actor` told the practice that the consultation was deleted (GPCM-SD-CS-077)."""
    return LedgerEvent(
        kind=EventType.PRACTICE_TOLD, identity="practice-told", at=at, source="operator", details={"actor": actor}
    )


def response_accepted(*, at: datetime, mesh_message_id: str, actor: str) -> LedgerEvent:
    """The operator `actor` confirmed that a suspicious response is genuine: it counts."""
    return LedgerEvent(
        kind=EventType.RESPONSE_ACCEPTED, identity=f"response-accepted-{mesh_message_id}", at=at, source="operator",
        details={"mesh_message_id": mesh_message_id, "actor": actor},
    )  # fmt: skip


def built(
    *,
    at: datetime,
    sha256: str,
    size: int,
    infrastructure_due: timedelta,
    business_due: timedelta,
    advice: Iterable[str] = (),
    to_mailbox: str | None = None,
    to_organisation: str | None = None,
    registration: Mapping[str, Any] | None = None,
    arrived: datetime | None = None,
    warn_at: datetime | None = None,
) -> LedgerEvent:
    """The message is stored: `sha256` in hex, `size` in bytes, and how long after sending acknowledgements are due.

    `advice` lists the recommendations of requirements that the message does not follow. `to_mailbox` and
    `to_organisation` (ODS code) are the destination as far as it is known: a response from elsewhere is suspicious.
    `registration` is the patient's practice (`ods_code`, `name`, `deceased`) with a `source`: PDS or the request.
    `arrived` is when the request was received (UTC); the time to send counts from it. At `warn_at` a person is notified
    if the message has not been sent (see `decision.warn_at`).
    """
    return LedgerEvent(
        kind=EventType.BUILT, identity="built", at=at, source="builder",
        details={
            "sha256": sha256,
            "size": size,
            "infrastructure_seconds": int(infrastructure_due.total_seconds()),
            "business_seconds": int(business_due.total_seconds()),
            **({"advice": list(advice)} if advice else {}),
            **({"to_mailbox": to_mailbox} if to_mailbox else {}),
            **({"to_organisation": to_organisation} if to_organisation else {}),
            **({"registration": dict(registration)} if registration else {}),
            **({"arrived": arrived.isoformat()} if arrived else {}),
            **({"warn_at": warn_at.isoformat()} if warn_at else {}),
        },
    )  # fmt: skip


def upload_started(*, at: datetime, attempt: int, lease: timedelta, chunks: int = 1) -> LedgerEvent:
    """A sender took the lease on the message, to send it in `chunks` chunks."""
    return LedgerEvent(
        kind=EventType.UPLOAD_STARTED, identity=f"upload-{attempt}", at=at, source="sender",
        details={"attempt": attempt, "lease_until": (at + lease).isoformat(), "chunks": chunks},
    )  # fmt: skip


def chunk_accepted(
    *, at: datetime, attempt: int, mesh_message_id: str, number: int, chunks: int, end: int
) -> LedgerEvent:
    """MESH accepted a chunk that does not complete the message, under the id that it gave the first chunk.

    `end` is the offset in bytes at which the chunk ends in the message's content.
    """
    return LedgerEvent(
        kind=EventType.CHUNK_ACCEPTED, identity=f"chunk-{mesh_message_id}-{number}", at=at, source="sender",
        details={
            "attempt": attempt,
            "mesh_message_id": mesh_message_id,
            "number": number,
            "chunks": chunks,
            "end": end,
        },
    )  # fmt: skip


def upload_tracked(*, at: datetime, attempt: int, mesh_message_id: str, mesh_status: str) -> LedgerEvent:
    """MESH was asked for the status of an uncertain upload: `mesh_status` is MESH's term, or `unknown to MESH`."""
    return LedgerEvent(
        kind=EventType.UPLOAD_TRACKED, identity=f"tracked-{attempt}-{mesh_message_id}", at=at, source="sender",
        details={"attempt": attempt, "mesh_message_id": mesh_message_id, "mesh_status": mesh_status},
    )  # fmt: skip


def upload_accepted(
    *, at: datetime, attempt: int, mesh_message_id: str, resolved_mailbox: str | None = None
) -> LedgerEvent:
    """MESH took the message and assigned `mesh_message_id`; `resolved_mailbox` is set where MESH looked it up."""
    resolved = {"resolved_mailbox": resolved_mailbox} if resolved_mailbox else {}
    return _outcome(EventType.UPLOAD_ACCEPTED, at, attempt, "sender", mesh_message_id=mesh_message_id, **resolved)


def recipient_unresolved(*, at: datetime, attempt: int, organisation: str, mailboxes: int) -> LedgerEvent:
    """MESH names no mailbox, or more than one, for the recipient and the workflow: nothing was uploaded."""
    return _outcome(
        EventType.RECIPIENT_UNRESOLVED, at, attempt, "sender", organisation=organisation, mailboxes=mailboxes
    )


def upload_refused(*, at: datetime, attempt: int, http_status: int, error: str) -> LedgerEvent:
    """MESH refused the upload: the HTTP status, and MESH's error event or code."""
    return _outcome(EventType.UPLOAD_REFUSED, at, attempt, "sender", http_status=http_status, error=error)


def upload_postponed(
    *, at: datetime, attempt: int, why: str, abandoned: str | None = None, not_before: datetime | None = None
) -> LedgerEvent:
    """The upload was not sent, MESH was too busy, or time ran out between chunks: it may be tried again.

    `abandoned` is the MESH id of a partial upload that MESH no longer knows and that cannot be continued. `not_before`
    is the time that MESH asked the sender to wait for.
    """
    more = {"abandoned": abandoned} if abandoned else {}
    more |= {"not_before": not_before.isoformat()} if not_before else {}
    return _outcome(EventType.UPLOAD_POSTPONED, at, attempt, "sender", why=why, **more)


def upload_uncertain(*, at: datetime, attempt: int, why: str, source: str) -> LedgerEvent:
    """The upload may or may not have reached MESH."""
    return _outcome(EventType.UPLOAD_UNCERTAIN, at, attempt, source, why=why)


def queued_again(*, at: datetime, times: int, why: str) -> LedgerEvent:
    """The sweep re-queued the message."""
    return LedgerEvent(
        kind=EventType.QUEUED_AGAIN, identity=f"queued-again-{times}", at=at, source="poller", details={"why": why}
    )


def routed(*, at: datetime, mesh_message_id: str | None, mailbox: str | None, times: int = 1) -> LedgerEvent:
    """MESH says to which mailbox it routed a copy; `mailbox` is None where MESH does not say.

    `mesh_message_id` is None where MESH was asked for the practice's listed mailbox instead. `times` counts the
    questions without an answer, including this one: MESH is asked again, up to MOST_ROUTING_QUESTIONS times.
    """
    copy = mesh_message_id or "as-listed"
    return LedgerEvent(
        kind=EventType.ROUTED, identity=f"routed-{copy}" if mailbox else f"not-routed-{copy}-{times}", at=at,
        source="poller",
        details={"mesh_message_id": mesh_message_id, "mailbox": mailbox},
    )  # fmt: skip


def response(
    *,
    at: datetime,
    mesh_message_id: str,
    from_mailbox: str,
    from_organisation: str | None,
    code: str | None,
    level: Level,
    verdict: Verdict,
    checksum: str = "",
) -> LedgerEvent:
    """An ITK3 Response arrived. The response code alone decides, never the severity or the text.

    `checksum` describes the fault of the Mex-Content-Checksum header, if there is one.
    """
    return LedgerEvent(
        kind=EventType.RESPONSE, identity=f"response-{mesh_message_id}-{code}", at=at, source=f"MESH {mesh_message_id}",
        details={
            "mesh_message_id": mesh_message_id,
            "code": code,
            "level": level.value,
            "verdict": verdict.value,
            "from_mailbox": from_mailbox,
            "from_organisation": from_organisation,
            **({"checksum": checksum} if checksum else {}),
        },
    )  # fmt: skip


def report(
    *, at: datetime, mesh_message_id: str, linked_mesh_message_id: str, code: str, description: str
) -> LedgerEvent:
    """MESH reports that it could not route the message, or that it was not collected."""
    return LedgerEvent(
        kind=EventType.REPORT, identity=f"report-{mesh_message_id}", at=at, source=f"MESH {mesh_message_id}",
        details={"code": code, "description": description, "linked_mesh_message_id": linked_mesh_message_id},
    )  # fmt: skip


def acknowledgement_overdue(*, at: datetime, missing: Iterable[str], order: int | None = None) -> LedgerEvent:
    """An expected acknowledgement did not come in time.

    `order` is the re-send order to which the unanswered copy belongs (`MessageHistory.order_sent`).
    """
    again = "" if order is None else f"-{order}"
    return LedgerEvent(
        kind=EventType.ACKNOWLEDGEMENT_OVERDUE, identity=f"acknowledgement-overdue{again}", at=at, source="poller",
        details={"missing": list(missing), **({} if order is None else {"order": order})},
    )  # fmt: skip


def voided(*, at: datetime, by_message_id: str) -> LedgerEvent:
    """A replacement of the document was not processed, so both are void (20014; GPCM-SD-035, GPCM-SD-128)."""
    return LedgerEvent(
        kind=EventType.VOIDED, identity=f"voided-{by_message_id}", at=at, source="poller",
        details={"by_message_id": by_message_id},
    )  # fmt: skip


def resend_ordered(*, at: datetime, actor: str, attempts: int) -> LedgerEvent:
    """The operator `actor` ordered the identical bytes to be sent again, after `attempts` uploads."""
    return LedgerEvent(
        kind=EventType.RESEND_ORDERED, identity=f"resend-ordered-{attempts}", at=at, source="operator",
        details={"attempts": attempts, "actor": actor},
    )  # fmt: skip


def _outcome(kind: EventType, at: datetime, attempt: int, source: str, **details: Any) -> LedgerEvent:
    return LedgerEvent(
        kind=kind, identity=f"{kind.value.replace(' ', '-')}-{attempt}", at=at, source=source,
        details={"attempt": attempt, **details},
    )  # fmt: skip


OUTCOMES = (
    EventType.UPLOAD_ACCEPTED,
    EventType.UPLOAD_REFUSED,
    EventType.RECIPIENT_UNRESOLVED,
    EventType.UPLOAD_POSTPONED,
    EventType.UPLOAD_UNCERTAIN,
)
"""The outcomes of an upload. Where an attempt has two, the one earlier in this list counts.

MESH's answer, or an upload that was not sent, is certain; an expired lease only means that the outcome is unknown.
"""

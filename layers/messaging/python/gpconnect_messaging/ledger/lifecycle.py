"""The message lifecycle: derives a status from events. Pure, and independent of the order in which events arrive.

An event records what happened. The first rule of `RULES` that holds for all events gives the status. A repeated event
therefore changes nothing, a response that arrives early is not lost, and every status has evidence.

A request that does not become a message at once has a row under the request id and a history like that of a message:
it is refused, not required, held, superseded, released, or a withdrawal. `docs/lifecycle.md` is drawn from `RULES`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import count, pairwise
from typing import Any

from gpconnect_messaging.itk3.response_codes import DUPLICATE_MESSAGE, Level, Verdict
from gpconnect_messaging.scan_results import ScanResult

ATTEMPTS_BEFORE_TOLD = 5
"""How many uploads may fail for temporary reasons before a person is notified."""

LOOKUP_AGAIN = timedelta(minutes=2)
"""How soon PDS is asked again about a request whose hold window is over; a report is due within three hours.

PDS is asked five times at this interval, then after every `Timeouts.requeue_after`, so that a long outage does not fill
the ledger with events.
"""

_LOOKUPS_SOON = 5

OFFERS_BEFORE_TOLD = 3
"""How often a held request may be offered to the builder, or a message to the sender, before a person is notified."""


class StoredName(StrEnum):
    """A name that the ledger stores. A name that a newer release wrote is kept unchanged, and is not recognised."""

    @classmethod
    def _missing_(cls, value: object) -> "StoredName | None":
        if not isinstance(value, str):
            return None
        name = str.__new__(cls, value)
        name._name_ = name._value_ = value
        return name

    @property
    def recognised(self) -> bool:
        """Whether this release knows the name."""
        return self._name_ in type(self).__members__


class Status(StoredName):
    """The status of a message, or of a request that has not become a message (design: lifecycle)."""

    INVALID = "INVALID"
    NOT_REQUIRED = "NOT_REQUIRED"
    HELD = "HELD"
    RELEASING = "RELEASING"
    RELEASED = "RELEASED"
    SUPERSEDED = "SUPERSEDED"
    WITHDRAWN = "WITHDRAWN"
    TELL_PRACTICE = "TELL_PRACTICE"
    BUILT = "BUILT"
    SENDING = "SENDING"
    SENT = "SENT"
    UNCERTAIN = "UNCERTAIN"
    REFUSED = "REFUSED"
    UNDELIVERED = "UNDELIVERED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    DELIVERED = "DELIVERED"
    REJECTED = "REJECTED"
    OVERDUE = "OVERDUE"

    @property
    def settled(self) -> bool:
        """Whether the product has nothing left to do: delivered, or a person was notified. Late responses count."""
        return self in _SETTLED


class EventType(StoredName):
    """What can happen to a message."""

    REQUEST_REFUSED = "request refused"
    NOT_REQUIRED = "not required"
    HELD = "held"
    RELEASED_BY_A_PERSON = "released by a person"
    RELEASE_STARTED = "release started"
    RELEASED = "released"
    SUPERSEDED = "superseded"
    DIFFERS = "differs from PDS"
    LOOKUP_UNANSWERED = "lookup unanswered"
    WITHDRAWAL = "withdrawal"
    WITHDRAWN = "withdrawn"
    PRACTICE_TOLD = "practice told"
    BUILT = "built"
    UPLOAD_STARTED = "upload started"
    CHUNK_ACCEPTED = "chunk accepted"
    UPLOAD_TRACKED = "upload tracked"
    UPLOAD_ACCEPTED = "upload accepted"
    UPLOAD_REFUSED = "upload refused"
    UPLOAD_POSTPONED = "upload postponed"
    UPLOAD_UNCERTAIN = "upload uncertain"
    RECIPIENT_UNRESOLVED = "recipient unresolved"
    WAITS_NO_LONGER = "waits no longer"
    RUNNING_LATE = "running late"
    QUEUED_AGAIN = "queued again"
    ROUTED = "routed"
    RESPONSE = "response"
    RESPONSE_ACCEPTED = "response accepted by a person"
    REPORT = "report"
    ACKNOWLEDGEMENT_OVERDUE = "acknowledgement overdue"
    VOIDED = "voided"
    RESEND_ORDERED = "re-send ordered by a person"


class NotificationType(StoredName):
    """The kinds of notification; a message has at most one of every kind, unless the kind has occasions."""

    INVALID = "invalid"
    REFUSED = "refused"
    UNRESOLVED = "unresolved"
    UNDELIVERED = "undelivered"
    REJECTED = "rejected"
    VOIDED = "voided"
    OVERDUE = "overdue"
    STUCK = "stuck"
    CONTRADICTION = "contradiction"
    UNKNOWN_CODE = "unknown code"
    UNMATCHED = "unmatched"
    WAITING = "waiting"
    DIFFERS = "differs from PDS"
    DIFFERS_MORE = "more differs from PDS"
    NOT_RELEASED = "not released"
    LATER_SUPERSEDED = "later request superseded"
    TELL_PRACTICE = "tell the practice"
    NOTHING_WITHDRAWN = "nothing withdrawn"
    SENT_ALTHOUGH_WITHDRAWN = "sent although withdrawn"
    SENT_ALTHOUGH_GIVEN_UP = "sent although given up"
    SUSPICIOUS = "suspicious response"
    IMBALANCE = "imbalance"
    REQUESTS_UNANNOUNCED = "requests not announced"
    DOCUMENTS_WITHOUT_REQUEST = "documents without a request"
    SENT_AGAIN_IN_VAIN = "sent again in vain"
    MALWARE = "malware found"
    NOT_SCANNED = "not scanned for malware"


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

MOST_ROUTING_QUESTIONS = 3
"""How often MESH is asked where it routed a copy. After that, the endpoint lookup is used."""


@dataclass(frozen=True, slots=True)
class PartialUpload:
    """An upload of which MESH has some chunks.

    `chunks` is the total, `accepted` the number that MESH has, `end` the offset in bytes after the last of these, and
    `since` when MESH accepted it (UTC).
    """

    mesh_message_id: str
    chunks: int
    accepted: int
    end: int
    since: datetime


@dataclass(frozen=True)
class MessageHistory:
    """The events of a message, and everything that can be derived from them.

    `events` are ordered by time and identity and have unique identities, so that nothing depends on arrival order.
    """

    events: tuple[LedgerEvent, ...]

    def __post_init__(self) -> None:
        events = sorted(self.events, key=lambda event: (event.at, event.identity))
        if len({event.identity for event in events}) != len(events):
            events = _without_repeats(events)
        object.__setattr__(self, "events", tuple(events))

    def with_event(self, event: LedgerEvent) -> "MessageHistory":
        """Add an event; an event that is already known changes nothing."""
        extended = MessageHistory((*self.events, event))
        return self if extended.events == self.events else extended

    def of(self, *kinds: EventType) -> list[LedgerEvent]:
        """The events of these kinds."""
        return [event for event in self.events if event.kind in kinds]

    @cached_property
    def identities(self) -> frozenset[str]:
        """The identities of all events."""
        return frozenset(event.identity for event in self.events)

    @cached_property
    def unrecognised(self) -> bool:
        """Whether a newer release wrote one of the events: then this release does not build or upload the message.

        Responses are still recorded, and lateness is still reported.
        """
        return not all(event.kind.recognised for event in self.events)

    @cached_property
    def attempts(self) -> int:
        """How many uploads were started."""
        return max((event.details["attempt"] for event in self.of(EventType.UPLOAD_STARTED)), default=0)

    @cached_property
    def last_outcome(self) -> LedgerEvent | None:
        """The outcome of the latest upload; None while the upload is in progress, or before the first one."""
        latest = {event.kind: event for event in self.of(*OUTCOMES) if event.details["attempt"] == self.attempts}
        return next((latest[kind] for kind in OUTCOMES if kind in latest), None)

    @cached_property
    def not_before(self) -> datetime | None:
        """The time that MESH asked the sender to wait for, where MESH was too busy for the latest upload."""
        not_before = self.last_outcome.details.get("not_before") if self.last_outcome else None
        return datetime.fromisoformat(not_before) if not_before else None

    @cached_property
    def mesh_message_ids(self) -> tuple[str, ...]:
        """The MESH ids of the accepted uploads: more than one after a resend."""
        return tuple(sorted({event.details["mesh_message_id"] for event in self.of(EventType.UPLOAD_ACCEPTED)}))

    @cached_property
    def partial_uploads(self) -> tuple[PartialUpload, ...]:
        """The partial uploads that MESH may still have and that may be continued, the one with most chunks last."""
        # A resend is a separate copy: it must not complete a partial upload from before the order.
        return self._partial_uploads(after=self.attempts_before_order or 0)

    def _partial_uploads(self, after: int = 0) -> tuple[PartialUpload, ...]:
        abandoned = {event.details.get("abandoned") for event in self.of(EventType.UPLOAD_POSTPONED)}
        uploads: dict[str, dict[int, LedgerEvent]] = {}
        for event in self.of(EventType.CHUNK_ACCEPTED):
            if event.details["mesh_message_id"] not in abandoned and event.details["attempt"] > after:
                uploads.setdefault(event.details["mesh_message_id"], {})[event.details["number"]] = event
        partial = []
        for mesh_message_id, chunks in uploads.items():
            # Chunks after a gap do not count: they have to be sent again.
            accepted = next(number for number in count() if number + 1 not in chunks)
            if accepted:
                last = chunks[accepted].details
                since = max(chunks[number].at for number in range(1, accepted + 1))
                partial.append(PartialUpload(mesh_message_id, last["chunks"], accepted, last["end"], since))
        return tuple(sorted(partial, key=lambda upload: (upload.accepted, upload.mesh_message_id)))

    @cached_property
    def copies_since(self) -> tuple[datetime, ...]:
        """When the uploads began that MESH may hold as copies: accepted, uncertain or unfinished ones; earliest first.

        MESH holds a copy of a chunked upload only where the last chunk may have been sent, in whichever attempt.
        """
        started = {event.details["attempt"]: event for event in self.of(EventType.UPLOAD_STARTED)}
        accepted = {
            event.details["attempt"]: event.details["mesh_message_id"] for event in self.of(EventType.UPLOAD_ACCEPTED)
        }
        never_arrived = self.of(EventType.UPLOAD_REFUSED, EventType.UPLOAD_POSTPONED, EventType.RECIPIENT_UNRESOLVED)
        harmless = {event.details["attempt"] for event in never_arrived} - set(accepted)
        possible = {attempt: event for attempt, event in started.items() if attempt not in harmless}
        whole = [event.at for event in possible.values() if event.details["chunks"] == 1]
        chunked = {attempt: event for attempt, event in possible.items() if event.details["chunks"] > 1}
        # MESH's answer to the last chunk was lost, and tracking named the upload: MESH may complete the upload later.
        tracked = {event.details["mesh_message_id"] for event in self.of(EventType.UPLOAD_TRACKED)}
        completed = {accepted[attempt]: event.at for attempt, event in chunked.items() if attempt in accepted} | {
            upload.mesh_message_id: upload.since
            for upload in self._partial_uploads()
            if upload.accepted >= upload.chunks - 1 and (chunked or upload.mesh_message_id in tracked)
        }
        return tuple(sorted([*whole, *completed.values()]))

    @property
    def possible_copies(self) -> int:
        """How many copies MESH may hold."""
        return len(self.copies_since)

    @property
    def unreported_copies(self) -> int:
        """How many copies MESH may hold that no MESH report names as undelivered."""
        return self.possible_copies - len(
            {event.details["linked_mesh_message_id"] for event in self.of(EventType.REPORT)}
        )

    @cached_property
    def destinations(self) -> frozenset[str]:
        """The known mailboxes that the message went to: configured, looked up, or reported by MESH."""
        return frozenset(
            mailbox.upper()
            for event in self.of(EventType.BUILT, EventType.UPLOAD_ACCEPTED, EventType.ROUTED)
            for name in ("to_mailbox", "resolved_mailbox", "mailbox")
            if (mailbox := event.details.get(name))
        )

    @property
    def unrouted(self) -> tuple[str, ...]:
        """The MESH ids of the copies that MESH routed and whose destination can still be asked for."""
        if any(
            event.details.get(name)
            for event in self.of(EventType.BUILT, EventType.UPLOAD_ACCEPTED)
            for name in ("to_mailbox", "resolved_mailbox")
        ):
            return ()
        return tuple(copy_id for copy_id in self.mesh_message_ids if self._may_ask_for_route(copy_id))

    def routing_questions(self, mesh_message_id: str | None) -> int:
        """How often MESH did not say where it routed a copy, or, for None, which mailbox it lists for the practice."""
        return sum(
            event.details["mailbox"] is None
            for event in self.of(EventType.ROUTED)
            if event.details["mesh_message_id"] == mesh_message_id
        )

    def _may_ask_for_route(self, mesh_message_id: str | None) -> bool:
        known = {event.details["mesh_message_id"] for event in self.of(EventType.ROUTED) if event.details["mailbox"]}
        return mesh_message_id not in known and self.routing_questions(mesh_message_id) < MOST_ROUTING_QUESTIONS

    @cached_property
    def organisations(self) -> frozenset[str]:
        """The known ODS codes of the recipients."""
        return frozenset(code for event in self.of(EventType.BUILT) if (code := event.details.get("to_organisation")))

    @property
    def lost_sight_of_at(self) -> str | None:
        """The organisation (ODS code) whose mailbox must be looked up, since tracking does not say where a copy went.

        None where a destination is known, tracking can still be asked, MESH can have no copy, or the lookup was
        tried often enough.
        """
        if self.destinations or self.unrouted or not self.possible_copies or not self._may_ask_for_route(None):
            return None
        return next(iter(self.organisations), None)

    @property
    def destination_open(self) -> bool:
        """Whether the destination of the copies is unknown, and MESH can still be asked."""
        return not self.destinations and bool(self.unrouted or self.lost_sight_of_at)

    @cached_property
    def answers_nothing(self) -> tuple[LedgerEvent, ...]:
        """The responses that came before MESH could have a copy of the message: they are forged."""
        since = min(self.copies_since, default=None)
        return tuple(event for event in self.of(EventType.RESPONSE) if since is None or event.at < since)

    @cached_property
    def suspicious(self) -> tuple[LedgerEvent, ...]:
        """The responses that do not count (safety rule 8).

        A response that came before MESH could have a copy never counts. A response from another mailbox or
        organisation than the message went to, or to a message of unknown destination, counts once a person accepts it.
        MESH authenticates the sending mailbox. The response itself states the organisation, so a matching organisation
        proves nothing, and a different one is suspicious.
        """
        accepted = {event.details["mesh_message_id"] for event in self.of(EventType.RESPONSE_ACCEPTED)}
        forged = {event.identity for event in self.answers_nothing}

        def elsewhere(response: LedgerEvent) -> bool:
            mailbox, organisation = (
                str(response.details[name] or "").strip().upper() for name in ("from_mailbox", "from_organisation")
            )
            return mailbox not in self.destinations or (
                bool(self.organisations and organisation) and organisation not in self.organisations
            )

        return tuple(
            event
            for event in self.of(EventType.RESPONSE)
            if event.identity in forged or (event.details["mesh_message_id"] not in accepted and elsewhere(event))
        )

    @cached_property
    def responses(self) -> tuple[LedgerEvent, ...]:
        """The responses that count: those that are not suspicious."""
        suspicious = {event.identity for event in self.suspicious}
        return tuple(event for event in self.of(EventType.RESPONSE) if event.identity not in suspicious)

    @property
    def is_answered(self) -> bool:
        """Whether no response is due: a negative one or both positive ones came, or the document is void."""
        return bool(self.negative or self.void or (self.infrastructure_positive and self.business_positive))

    def awaits(self, level: Level) -> bool:
        """Whether MESH took the message, and an acknowledgement of this level is still due.

        False for an uncertain upload: a response that does not name the message cannot prove that it arrived.
        """
        if not self.mesh_message_ids or self.negative or self.void:
            return False
        received = {Level.INFRASTRUCTURE: self.infrastructure_positive, Level.BUSINESS: self.business_positive}
        return not received.get(level, all(received.values()))

    @cached_property
    def verdicts(self) -> frozenset[tuple[str, str]]:
        """The level and verdict of every response that counts.

        A duplicate code is not a failure where MESH may hold several copies. Suspicious responses do not count.
        """
        return frozenset(
            (event.details["level"], event.details["verdict"])
            for event in self.responses
            if not (event.details["code"] == DUPLICATE_MESSAGE and self.possible_copies > 1)
        )

    @cached_property
    def infrastructure_positive(self) -> bool:
        """The infrastructure acknowledgement came."""
        return (Level.INFRASTRUCTURE, Verdict.POSITIVE) in self.verdicts

    @cached_property
    def business_positive(self) -> bool:
        """A positive business acknowledgement came."""
        return (Level.BUSINESS, Verdict.POSITIVE) in self.verdicts

    @cached_property
    def negative(self) -> bool:
        """Any negative response came."""
        return any(verdict == Verdict.NEGATIVE for _, verdict in self.verdicts)

    @cached_property
    def undelivered(self) -> bool:
        """MESH reported every copy that it took as undelivered, and no other copy can be in transit."""
        reported = {event.details["linked_mesh_message_id"] for event in self.of(EventType.REPORT)}
        under_way = self.attempts > 0 and (self.last_outcome is None or self.left_uncertain or self.sending_again)
        return bool(reported) and reported >= set(self.mesh_message_ids) and not under_way

    @cached_property
    def contradictory(self) -> bool:
        """Two events contradict each other: a person must decide."""
        positive = self.infrastructure_positive or self.business_positive
        return (
            ((Level.INFRASTRUCTURE, Verdict.NEGATIVE) in self.verdicts and positive)
            or ((Level.BUSINESS, Verdict.NEGATIVE) in self.verdicts and self.business_positive)
            or (self.undelivered and (positive or self.negative))
            or (not self.mesh_message_ids and self.refused_by_mesh and bool(self.verdicts))
        )

    @property
    def may_have_arrived(self) -> bool:
        """MESH may hold a copy."""
        return self.possible_copies > 0

    @property
    def refused_by_mesh(self) -> bool:
        """MESH refused the latest upload."""
        return self.last_outcome is not None and self.last_outcome.kind is EventType.UPLOAD_REFUSED

    @property
    def unresolved(self) -> bool:
        """MESH names no single mailbox for the recipient."""
        return self.last_outcome is not None and self.last_outcome.kind is EventType.RECIPIENT_UNRESOLVED

    @cached_property
    def attempts_before_order(self) -> int | None:
        """How many uploads were started before the latest resend order; None without an order."""
        return max((event.details["attempts"] for event in self.of(EventType.RESEND_ORDERED)), default=None)

    @cached_property
    def order_sent(self) -> int | None:
        """The latest resend order after which MESH took a copy, by the number of uploads before it; None: no order."""
        taken = max((event.details["attempt"] for event in self.of(EventType.UPLOAD_ACCEPTED)), default=0)
        orders = (event.details["attempts"] for event in self.of(EventType.RESEND_ORDERED))
        return max((order for order in orders if order < taken), default=None)

    @cached_property
    def orders_overdue(self) -> frozenset[int | None]:
        """The resend orders whose copies were not acknowledged in time; None stands for the first copy."""
        return frozenset(event.details.get("order") for event in self.of(EventType.ACKNOWLEDGEMENT_OVERDUE))

    @cached_property
    def sending_again(self) -> bool:
        """A person ordered a resend, and MESH has neither taken nor refused it yet.

        A positive response, or a withdrawal before the upload, ends the order.
        """
        before = self.attempts_before_order
        if before is None or self.infrastructure_positive or self.business_positive:
            return False
        outcome = self.last_outcome if self.attempts > before else None
        if self.of(EventType.WITHDRAWN) and (outcome or self.attempts == before):
            return False
        return outcome is None or outcome.kind in (EventType.UPLOAD_UNCERTAIN, EventType.UPLOAD_POSTPONED)

    @property
    def sent_again_in_vain(self) -> frozenset[int]:
        """The resend orders that failed, refused or reported again, by the number of uploads before the order."""
        orders = sorted({event.details["attempts"] for event in self.of(EventType.RESEND_ORDERED)})
        # An earlier order failed if one of the attempts after it failed; the latest, if the message has failed now.
        earlier = {begin for begin, end in pairwise(orders) if self._any_attempt_failed(begin + 1, end)}
        latest = {orders[-1]} if orders and self.attempts > orders[-1] and self._failed else set()
        return frozenset(earlier | latest)

    def _any_attempt_failed(self, first: int, last: int) -> bool:
        """Whether MESH refused one of these attempts, or accepted one and reported it as undelivered."""
        reported = {event.details["linked_mesh_message_id"] for event in self.of(EventType.REPORT)}
        failed = {
            event.details["attempt"] for event in self.of(EventType.UPLOAD_REFUSED, EventType.RECIPIENT_UNRESOLVED)
        } | {
            event.details["attempt"]
            for event in self.of(EventType.UPLOAD_ACCEPTED)
            if event.details["mesh_message_id"] in reported
        }
        return any(attempt in failed for attempt in range(first, last + 1))

    @property
    def _failed(self) -> bool:
        return not self.sending_again and (self.refused_by_mesh or self.unresolved or self.undelivered)

    @property
    def void(self) -> bool:
        """A replacement of this document failed, which makes this document void, too."""
        return bool(self.of(EventType.VOIDED))

    @property
    def waits_for_a_person(self) -> bool:
        """Whether a person must release the request (GPCM-SD-CS-074), or decide on fields that differ from PDS."""
        by_a_person = any(event.details["by_a_person"] for event in self.of(EventType.HELD))
        return (by_a_person and not self.of(EventType.RELEASED_BY_A_PERSON)) or bool(self.undecided_differences)

    @cached_property
    def differences(self) -> frozenset[str]:
        """All fields of the request that ever differed from PDS."""
        return frozenset(name for event in self.of(EventType.DIFFERS) for name in event.details["fields"])

    @property
    def undecided_differences(self) -> frozenset[str]:
        """The differing fields that no operator knew of when releasing the request."""
        released = self.of(EventType.RELEASED_BY_A_PERSON)
        return self.differences - {name for event in released for name in event.details.get("despite", ())}

    @property
    def registration(self) -> Mapping[str, Any]:
        """The patient's practice as known when the message was built, with the source; empty before that."""
        return next((event.details["registration"] for event in self.of(EventType.BUILT)
                     if "registration" in event.details), {})  # fmt: skip

    @property
    def became(self) -> tuple[str, ...]:
        """The ids of the messages that a held request became."""
        return tuple(own_id for event in self.of(EventType.RELEASED) for own_id in event.details["message_ids"])

    @property
    def release_at(self) -> datetime | None:
        """When the hold window ends; None for a request that was never held."""
        return next((datetime.fromisoformat(event.details["release_at"]) for event in self.of(EventType.HELD)), None)

    @property
    def releases_itself_at(self) -> datetime | None:
        """When the request is released without a person; None where a person must decide."""
        return None if self.waits_for_a_person else self.release_at

    @property
    def warn_at(self) -> datetime | None:
        """When a person must be notified that it was not sent; None without a deadline, or once `RUNNING_LATE`."""
        if self.of(EventType.RUNNING_LATE):
            return None
        times = (event.details.get("warn_at") for event in self.of(EventType.HELD, EventType.BUILT))
        return next((datetime.fromisoformat(time) for time in times if time), None)

    @property
    def reached_mesh(self) -> bool:
        """MESH took the message, or a response counts, which only a receiver of a copy can send."""
        return bool(self.mesh_message_ids or self.verdicts)

    @property
    def practice_to_tell(self) -> bool:
        """A deleted consultation's report was sent, and no operator has recorded that the practice was told."""
        return any(event.details["sent"] for event in self.of(EventType.WITHDRAWAL)) and not self.of(
            EventType.PRACTICE_TOLD
        )

    @property
    def left_uncertain(self) -> bool:
        """It is unknown whether the latest upload reached MESH."""
        return self.last_outcome is not None and self.last_outcome.kind is EventType.UPLOAD_UNCERTAIN

    @property
    def missing_acknowledgements(self) -> list[str]:
        """The names of the acknowledgements that have not come."""
        return [
            name
            for name, seen in (("infrastructure", self.infrastructure_positive), ("business", self.business_positive))
            if not seen
        ]

    @cached_property
    def status(self) -> Status:
        """The status, by the first rule that holds."""
        return next(rule.status for rule in RULES if rule.holds(self))


def _without_repeats(events: Iterable[LedgerEvent]) -> list[LedgerEvent]:
    """Keep the earliest event of every identity; of several at one time always the same."""
    unique: dict[str, LedgerEvent] = {}
    for event in sorted(events, key=lambda event: (event.at, event.identity, event.source, repr(event.details))):
        unique.setdefault(event.identity, event)
    return list(unique.values())


def _has(kind: EventType) -> Callable[[MessageHistory], bool]:
    return lambda history: bool(history.of(kind))


@dataclass(frozen=True, slots=True)
class Rule:
    """A status: when it holds, the meaning, the source of the rule, what an operator does, and what follows."""

    status: Status
    holds: Callable[[MessageHistory], bool]
    reason: str
    source: str
    """Requirement ids, or the design's rule."""
    action: str
    settled: bool = False
    """Whether the product has nothing left to do."""
    notifies: NotificationType | None = None
    """The notification that the status itself calls for."""
    notifies_late: NotificationType | None = None
    """The notification if a message or request runs late in the status; only statuses before the sending have one."""


RULES: tuple[Rule, ...] = (
    Rule(
        Status.INVALID,
        _has(EventType.REQUEST_REFUSED),
        "the request breaks a rule, or asks for something that the specification does not allow; the input is kept",
        "design: nothing wrong leaves; safety rule 7",
        "Correct the request in the sending system and drop it again. If it may not be sent, inform the practice "
        "another way.",
        settled=True,
        notifies=NotificationType.INVALID,
    ),
    Rule(
        Status.NOT_REQUIRED,
        _has(EventType.NOT_REQUIRED),
        "the patient is registered with the sender, the request says that it is not clinically relevant, or it is a "
        "copy of a request that was received under the same key",
        "GPCM-SD-CS-071, GPCM-SD-CS-073, design: a copy is a repeat",
        "Nothing.",
        settled=True,
    ),
    Rule(
        Status.REJECTED,
        lambda history: history.negative or history.void,
        "any negative response code, after which nothing follows; 20014 to a replacement of it",
        "GPCM-SD-044, GPCM-SD-035",
        "Look the code up, correct the fault that it names and send again, or inform the practice another way.",
        settled=True,
        notifies=NotificationType.REJECTED,
    ),
    Rule(
        Status.DELIVERED,
        lambda history: history.infrastructure_positive and history.business_positive,
        "20013 and a positive business code, in any order",
        "design: DELIVERED needs both",
        "Nothing; a patient who is known to have died (30004) is flagged by the code.",
        settled=True,
    ),
    Rule(
        Status.UNDELIVERED,
        lambda history: history.undelivered,
        "a MESH report: not routed, or not collected",
        "GPCM-SD-044, GPCM-SD-094",
        "Check the patient's details with PDS, correct the request and drop it again, or inform the practice "
        "another way.",
        settled=True,
        notifies=NotificationType.UNDELIVERED,
    ),
    Rule(
        Status.OVERDUE,
        lambda history: bool(history.of(EventType.ACKNOWLEDGEMENT_OVERDUE)) and not history.sending_again,
        "an expected acknowledgement is late; a late one still lands",
        "GPCM-SD-045",
        "Ask the practice whether it has the document.",
        settled=True,
        notifies=NotificationType.OVERDUE,
    ),
    Rule(
        Status.ACKNOWLEDGED,
        lambda history: history.infrastructure_positive,
        "20013 came, the business acknowledgement is still due",
        "design: half answered is not delivered",
        "Nothing yet: it becomes OVERDUE by itself.",
    ),
    Rule(
        Status.SENT,
        lambda history: (bool(history.mesh_message_ids) and not history.sending_again) or history.business_positive,
        "MESH took the message, or a receiver that can only have it from MESH responded",
        "design: ledger before upload",
        "Nothing yet: it becomes OVERDUE by itself.",
    ),
    Rule(
        Status.REFUSED,
        lambda history: (history.refused_by_mesh or history.unresolved) and not history.sending_again,
        "MESH refused it, or names no single mailbox for the recipient: never retried unchanged",
        "GPCM-SD-044, GPCM-SD-OC-159, GPCM-SD-GE-286",
        "Look at MESH's error: the workflow, the address or the mailbox; then drop a corrected request.",
        settled=True,
        notifies=NotificationType.REFUSED,
    ),
    Rule(
        Status.SENDING,
        lambda history: history.attempts > 0 and history.last_outcome is None,
        "a sender holds the lease",
        "safety rule 2",
        "Nothing: it becomes UNCERTAIN when the lease ends.",
    ),
    Rule(
        Status.RELEASED,
        _has(EventType.RELEASED),
        "the held request became messages, which the event names and which have their own rows",
        "GPCM-SD-CS-075",
        "Nothing: look at the messages.",
        settled=True,
    ),
    Rule(
        Status.RELEASING,
        _has(EventType.RELEASE_STARTED),
        "the hold window is over and the version given; the messages are being built",
        "GPCM-SD-CS-075, design: every step is repeatable",
        "Nothing: the sweep offers it to the builder again.",
        notifies_late=NotificationType.NOT_RELEASED,
    ),
    Rule(
        Status.SUPERSEDED,
        _has(EventType.SUPERSEDED),
        "a newer request for the same encounter replaced it before it was sent, or an operator skipped it; kept with "
        "the evidence",
        "GPCM-SD-CS-076",
        "Nothing: look at the request that the event names.",
        settled=True,
    ),
    Rule(
        Status.TELL_PRACTICE,
        lambda history: history.practice_to_tell,
        "a consultation was deleted whose report was sent: a warning is in the evidence store",
        "GPCM-SD-CS-077",
        "Read the warning, tell the practice, and record that it was told.",
        notifies=NotificationType.TELL_PRACTICE,
    ),
    Rule(
        Status.WITHDRAWN,
        lambda history: bool(history.of(EventType.WITHDRAWN, EventType.WITHDRAWAL)),
        "the consultation was deleted: a request or message, before it was known to be sent; a withdrawal, when "
        "everything that it asks for is done",
        "GPCM-SD-CS-077",
        "Nothing.",
        settled=True,
    ),
    Rule(
        Status.HELD,
        _has(EventType.HELD),
        "checked, and waiting out the hold window, for a person to release it, or for PDS to answer",
        "GPCM-SD-CS-074, GPCM-SD-CS-075, GPCM-SD-CS-076",
        "Where a person must release it: release it, or have it withdrawn. Otherwise nothing.",
        notifies_late=NotificationType.NOT_RELEASED,
    ),
    Rule(
        Status.UNCERTAIN,
        lambda history: history.left_uncertain,
        "the upload may or may not have reached MESH",
        "safety rule 2",
        "Nothing: after a wait the identical bytes are sent again.",
        notifies_late=NotificationType.STUCK,
    ),
    Rule(
        Status.BUILT,
        lambda _history: True,
        "stored and queued",
        "design: one commit point per step",
        "Nothing: the sweep queues it again if no sender takes it.",
        notifies_late=NotificationType.STUCK,
    ),
)


def rule_of(status: Status) -> Rule:
    """Find the rule of a status."""
    return next(rule for rule in RULES if rule.status is status)


_SETTLED = frozenset(rule.status for rule in RULES if rule.settled)

NOTIFIED_ON_ENTERING = {rule.status: rule.notifies for rule in RULES if rule.notifies}
"""The notification that a status itself calls for."""

NOT_LEFT = {rule.status: rule.notifies_late for rule in RULES if rule.notifies_late}
"""The statuses of a message or request that was not sent yet, and the notification if it runs late.

SENDING is not among them: an upload ends within minutes, and is judged then.
"""


def notifications_due(history: MessageHistory) -> frozenset[NotificationType]:
    """Return the notifications that the events call for (GPCM-SD-044, GPCM-SD-045); none is sent twice."""
    called_for = {NOTIFIED_ON_ENTERING[history.status]} if history.status in NOTIFIED_ON_ENTERING else set()
    if history.status is Status.REFUSED and history.unresolved:
        called_for = {NotificationType.UNRESOLVED}
    if scans := {scan for event in history.of(EventType.REQUEST_REFUSED) for scan in event.details.get("scans", ())}:
        called_for = {NotificationType.MALWARE if ScanResult.THREATS_FOUND in scans else NotificationType.NOT_SCANNED}
    if history.void:
        called_for = called_for - ({NotificationType.REJECTED} if not history.negative else set()) | {
            NotificationType.VOIDED
        }
    if history.contradictory:
        called_for.add(NotificationType.CONTRADICTION)
    if any(verdict == Verdict.UNKNOWN for _, verdict in history.verdicts):
        called_for.add(NotificationType.UNKNOWN_CODE)
    if history.status is Status.HELD and history.waits_for_a_person:
        undecided = history.undecided_differences
        again = NotificationType.DIFFERS_MORE if undecided != history.differences else NotificationType.DIFFERS
        called_for.add(again if undecided else NotificationType.WAITING)
    offered = len(history.of(EventType.QUEUED_AGAIN))
    if history.status in {Status.HELD, Status.RELEASING} and offered >= OFFERS_BEFORE_TOLD:
        called_for.add(NotificationType.NOT_RELEASED)
    if history.status is Status.BUILT and offered >= OFFERS_BEFORE_TOLD:
        # Perhaps no upload was tried: the message waits for an earlier version, or the stored bytes are missing.
        called_for.add(NotificationType.STUCK)
    if history.sent_again_in_vain:
        called_for.add(NotificationType.SENT_AGAIN_IN_VAIN)
    if history.of(EventType.RUNNING_LATE) and history.status in NOT_LEFT:
        called_for.add(NOT_LEFT[history.status])
    if any(not (event.details["stopped"] or event.details["sent"]) for event in history.of(EventType.WITHDRAWAL)):
        called_for.add(NotificationType.NOTHING_WITHDRAWN)
    if history.of(EventType.WITHDRAWN) and history.reached_mesh:
        called_for.add(NotificationType.SENT_ALTHOUGH_WITHDRAWN)
    if history.of(EventType.SUPERSEDED) and history.reached_mesh:
        called_for.add(NotificationType.SENT_ALTHOUGH_GIVEN_UP)
    if any(event.details.get("arrived_later") for event in history.of(EventType.SUPERSEDED)):
        called_for.add(NotificationType.LATER_SUPERSEDED)
    if history.suspicious:
        called_for.add(NotificationType.SUSPICIOUS)
    if history.attempts >= ATTEMPTS_BEFORE_TOLD and not history.mesh_message_ids:
        called_for.add(NotificationType.STUCK)
    return frozenset(called_for)


def occasions_due(history: MessageHistory) -> frozenset[tuple[NotificationType, str]]:
    """Return the notifications due, with the occasion where the kind can repeat; "" where it cannot."""
    due: set[tuple[NotificationType, str]] = set()
    for kind in notifications_due(history):
        match kind:
            case NotificationType.SUSPICIOUS:
                due |= {(kind, event.details["mesh_message_id"]) for event in history.suspicious}
            case NotificationType.SENT_AGAIN_IN_VAIN:
                due |= {(kind, str(order)) for order in history.sent_again_in_vain}
            case NotificationType.OVERDUE:
                due |= {(kind, "" if order is None else str(order)) for order in history.orders_overdue}
            case _:
                due.add((kind, ""))
    return frozenset(due)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the sweep waits before it steps in."""

    requeue_after: timedelta
    """A BUILT message that no sender took, or a RELEASING request that no builder finished, is queued again."""
    resolve_after: timedelta
    """An UNCERTAIN upload is sent again."""


_MOVES_NOTHING = {EventType.WAITS_NO_LONGER, EventType.RUNNING_LATE}
"""Events that do not restart the wait for the next step."""


def due_at(history: MessageHistory, timeouts: Timeouts) -> datetime | None:
    """Return when the sweep must look at the message next; None when the product has nothing left to do."""
    if history.unrecognised and history.status in NOT_LEFT:
        # A person is notified that this release does not process the message; a newer release does.
        notified = bool(history.of(EventType.RUNNING_LATE))
        return None if notified else max(event.at for event in history.events) + timeouts.requeue_after
    next_step = _next_step_at(history, timeouts)
    warn_at = history.warn_at if history.status in NOT_LEFT else None
    return min((time for time in (next_step, warn_at) if time), default=None)


def _next_step_at(history: MessageHistory, timeouts: Timeouts) -> datetime | None:
    status = history.status
    moved = [event.at for event in history.events if event.kind not in _MOVES_NOTHING]
    if status in {Status.BUILT, Status.UNCERTAIN}:
        wait = timeouts.requeue_after if status is Status.BUILT else timeouts.resolve_after
        requested = [history.not_before] if history.not_before else []
        return max((*requested, *(at + wait for at in moved)), default=None)
    if status is Status.SENDING:
        return datetime.fromisoformat(
            max(event.details["lease_until"] for event in history.of(EventType.UPLOAD_STARTED))
        )
    if status in {Status.SENT, Status.ACKNOWLEDGED} or (
        # The status stays OVERDUE; a person is notified again where the resent copy is not acknowledged either.
        status is Status.OVERDUE and history.order_sent not in history.orders_overdue
    ):
        return acknowledgements_due(history)
    if status is Status.HELD and (release_at := history.releases_itself_at):
        queued = max((event.at for event in history.of(EventType.QUEUED_AGAIN)), default=None)
        lookups = [event.at for event in history.of(EventType.LOOKUP_UNANSWERED)]
        unanswered = max(lookups, default=None)
        if unanswered and (queued is None or unanswered > queued):
            # The builder received it, so the queue message was not lost.
            soon = len(lookups) <= _LOOKUPS_SOON
            return max(
                release_at,
                unanswered + (min(LOOKUP_AGAIN, timeouts.requeue_after) if soon else timeouts.requeue_after),
            )
        return max(release_at, queued + timeouts.requeue_after) if queued else release_at
    if status is Status.RELEASING:
        return max(at + timeouts.requeue_after for at in moved)
    return None


def acknowledgements_due(history: MessageHistory) -> datetime | None:
    """Return when the next missing acknowledgement is late, from the first upload since the latest resend order."""
    built = history.of(EventType.BUILT)
    if not built:
        return None
    uploads = history.of(EventType.UPLOAD_ACCEPTED, EventType.UPLOAD_STARTED)
    ordered = [event for event in uploads if event.details["attempt"] > (history.attempts_before_order or 0)]
    since = min(event.at for event in ordered or uploads or built)
    return min(
        (since + timedelta(seconds=built[0].details[f"{name}_seconds"]) for name in history.missing_acknowledgements),
        default=None,
    )

"""The history of a message: what can be derived from the events, in whatever order they arrived.

A repeated event changes nothing, and a response that arrives early is not lost.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import pairwise
from typing import Any

from gpconnect_messaging.itk3.response_codes import DUPLICATE_MESSAGE, Level, Verdict
from gpconnect_messaging.ledger.events import OUTCOMES, LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType

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
    def came(self) -> tuple[str, ...]:
        """The MESH ids of the responses to the message, and of the reports about it."""
        events = self.of(EventType.RESPONSE, EventType.REPORT)
        return tuple(sorted({event.source.removeprefix("MESH ") for event in events}))

    @cached_property
    def partial_uploads(self) -> tuple[PartialUpload, ...]:
        """The partial uploads that MESH may still have and that may be continued, the one with most chunks last."""
        # A resend is a separate copy: it must not complete a partial upload from before the order.
        return self._partial_uploads(after=self.attempts_before_order or 0)

    def _partial_uploads(self, after: int = 0) -> tuple[PartialUpload, ...]:
        abandoned = {event.details.get("abandoned") for event in self.of(EventType.UPLOAD_POSTPONED)}
        # Chunks are sent in order: the last one that MESH accepted says how many it has.
        last: dict[str, LedgerEvent] = {}
        for event in sorted(self.of(EventType.CHUNK_ACCEPTED), key=lambda event: int(event.details["number"])):
            if event.details["mesh_message_id"] not in abandoned and event.details["attempt"] > after:
                last[event.details["mesh_message_id"]] = event
        partial = [
            PartialUpload(
                mesh_message_id, event.details["chunks"], event.details["number"], event.details["end"], event.at
            )
            for mesh_message_id, event in last.items()
        ]
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


def _without_repeats(events: Iterable[LedgerEvent]) -> list[LedgerEvent]:
    """Keep the earliest event of every identity; of several at one time always the same."""
    unique: dict[str, LedgerEvent] = {}
    for event in sorted(events, key=lambda event: (event.at, event.identity, event.source, repr(event.details))):
        unique.setdefault(event.identity, event)
    return list(unique.values())

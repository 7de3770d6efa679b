"""Resend: choose messages, plan what would happen to them and why, and carry out the plan.

`policy.TABLE` says which action is safe in which status. Every action is judged again at the moment of acting, and
recorded with the actor and the reason before it takes effect. It is safe to repeat after a crash at any point: an order
is one conditional write, and duplicates on a queue are processed once.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gpconnect_messaging.derived_ids import Identifiers, request_again_id
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.orders import OrderBook
from gpconnect_messaging.ledger.records import AuditEvent, MessageRecord, Order
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.replay.policy import ResendAction, ResendContext, ResendDecision, ResendMode, judge
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.storage import Evidence, Outbox

_EVENT_KINDS = frozenset(kind.value for kind in EventType)


class ChoiceError(ValueError):
    """The choice is empty or incomplete: name messages, an encounter, a status, or a time window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which messages and requests to resend; all criteria that are set must match.

    `encounter` is the sender's identifier, and needs a `mailbox`. `since` and `until` (with a time zone, both included)
    choose messages with an event in between. `status` is the status now.
    """

    ids: tuple[str, ...] = ()
    mailbox: str | None = None
    encounter: str | None = None
    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        """Raises ChoiceError."""
        if not (self.ids or self.encounter or self.status or self.since):
            raise ChoiceError("choose by message, by encounter, by status or by time")
        if self.encounter and not self.mailbox:
            raise ChoiceError("an encounter belongs to a mailbox: name the mailbox, too")
        if (self.since is None) is not (self.until is None):
            raise ChoiceError("a time window has a beginning and an end")
        if self.since and self.until:
            if self.since.tzinfo is None or self.until.tzinfo is None:
                raise ChoiceError("the times of a window need a time zone")
            if self.since > self.until:
                raise ChoiceError("the window's beginning is after its end")

    def takes(self, record: MessageRecord) -> bool:
        """Whether a record matches all criteria."""
        return (
            (not self.ids or record.message_id in self.ids)
            and self.mailbox in (None, record.mailbox)
            and self.encounter in (None, record.encounter)
            and self.status in (None, record.status)
            and (
                self.since is None
                or self.until is None
                or any(self.since <= event.at <= self.until for event in record.history.events)
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would happen to a message, or was done to it; no personal data. `NONE` comes with what to do instead.

    `status` is None where the ledger does not know the id. `becomes` is the id of the new request if it is resubmitted.
    """

    message_id: str
    mailbox: str | None
    version: int
    status: Status | None
    action: ResendAction
    why: str
    becomes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Resend:
    """Resends the messages that an operator chooses."""

    ledger: Ledger
    trail: AuditTrail
    orders: OrderBook
    outbox: Outbox
    evidence: Evidence
    send_queue: SendQueue
    intake_queue: IntakeQueue
    timeouts: Timeouts
    identifiers: Callable[[], Identifiers]
    """Called only where an encounter is chosen by the sender's identifier."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def plan(self, choice: Choice, way: ResendMode = ResendMode.UNCHANGED) -> Iterator[Proposal]:
        """Yield what would happen to the chosen messages, and why, or why not; nothing is changed."""
        for message_id, record in self._chosen(choice):
            yield self._proposal(message_id, record, way)[0]

    def carry_out(
        self, proposals: Iterable[Proposal], way: ResendMode, *, actor: str, reason: str, pace: RateLimiter
    ) -> Iterator[Proposal]:
        """Carry out proposals, and yield the results: a message that has changed since is left alone.

        `reason` is kept in the audit trail, and must not name a patient. Raises ActorError, ReasonError. After a
        ClientError or StorageError the same call can be repeated for the rest.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        for proposal in proposals:
            if proposal.action is ResendAction.NONE:
                yield proposal
                continue
            record = self.ledger.find(proposal.message_id)
            current, context = self._proposal(proposal.message_id, record, way)
            if context is None or current.action is not proposal.action:
                yield _unchanged(current, f"It changed since the plan was made. {current.why}")
                continue
            pace.wait()
            yield self._carry_out(current, context, way, actor, reason)

    def _carry_out(
        self, proposal: Proposal, context: ResendContext, way: ResendMode, actor: str, reason: str
    ) -> Proposal:
        record, details = context.record, {"action": proposal.action.value, "way": way.value, "reason": reason}
        match proposal.action:
            case ResendAction.RESEND:
                seen = record.history.identities
                event = ledger_events.resend_ordered(at=self.now(), actor=actor, attempts=record.history.attempts)
                change = self.ledger.record(
                    record.message_id, event, only_if=lambda history: history.identities == seen, while_newest=True
                )
                if change is None or not change.recorded:
                    return _unchanged(proposal, "It changed just now: look at it again.")
                self._note(record, actor, details)
                self.send_queue.put(record.message_id, record.mailbox)
            case ResendAction.RESUBMIT:
                origin = self.ledger.find_origin(record.request_id)
                if origin is None or proposal.becomes is None:
                    return _unchanged(proposal, "It changed just now: look at it again.")
                details["becomes"] = proposal.becomes
                audit_event = AuditEvent(
                    at=self.now(), actor=actor, what=_WHAT, message_id=record.message_id, mailbox=record.mailbox,
                    details=details,
                )  # fmt: skip
                if not self.orders.record(
                    Order(request_id=proposal.becomes, of=record.request_id, origin=origin), audit_event
                ):
                    self._note(record, actor, details)  # it was ordered before, and never reached the builder
                self.intake_queue.resubmit(proposal.becomes, record.mailbox)
            case ResendAction.QUEUE_FOR_SENDER:
                self._note(record, actor, details)
                self.send_queue.put(record.message_id, record.mailbox)
            case ResendAction.QUEUE_FOR_BUILDER:
                self._note(record, actor, details)
                self.intake_queue.release(record.message_id, record.mailbox)
            case ResendAction.NONE:
                pass
        return proposal

    def _note(self, record: MessageRecord, actor: str, details: dict[str, str]) -> None:
        self.trail.record(actor, _WHAT, at=self.now(), message_id=record.message_id, details=details)

    def _chosen(self, choice: Choice) -> Iterator[tuple[str, MessageRecord | None]]:
        if choice.ids:
            for message_id in dict.fromkeys(choice.ids):
                record = self.ledger.find(message_id)
                if record is None or choice.takes(record):
                    yield message_id, record
            return
        records: Iterable[MessageRecord] = ()
        if choice.encounter and choice.mailbox:
            key = self.identifiers().of_encounter(choice.mailbox, choice.encounter).key
            records = self.ledger.find_by_encounter(key)
        elif choice.status:
            records = self.ledger.records_in(choice.status)
        elif choice.since and choice.until:
            records = self._with_event_between(choice.since, choice.until)
        yield from ((record.message_id, record) for record in records if choice.takes(record))

    def _with_event_between(self, since: datetime, until: datetime) -> Iterator[MessageRecord]:
        """Find the messages with an event in a time window, ordered by the first such event."""
        ids = dict.fromkeys(
            event.message_id
            for event in self.trail.between(since, until)
            if event.message_id and event.what in _EVENT_KINDS
        )
        yield from (record for message_id in ids if (record := self.ledger.find(message_id)))

    def _proposal(
        self, message_id: str, record: MessageRecord | None, way: ResendMode
    ) -> tuple[Proposal, ResendContext | None]:
        if record is None:
            decision = ResendDecision(
                ResendAction.NONE, "The ledger has no message or refused request of this id: look by encounter."
            )
            return Proposal(
                message_id=message_id, mailbox=None, version=0, status=None, action=decision.action, why=decision.why
            ), None
        context = self._context(record, way)
        decision = judge(context, way)
        resubmits = decision.action is ResendAction.RESUBMIT
        becomes = str(request_again_id(record.request_id)) if resubmits else context.again
        return Proposal(
            message_id=message_id, mailbox=record.mailbox, version=record.version, status=record.status,
            action=decision.action, why=decision.why, becomes=becomes,
        ), context  # fmt: skip

    def _context(self, record: MessageRecord, way: ResendMode) -> ResendContext:
        is_message = record.version > 0
        unchanged = is_message and way is ResendMode.UNCHANGED
        encounter = self.ledger.encounter(record.encounter_key)
        origin = None if unchanged else self.ledger.find_origin(record.request_id)
        arrived = (origin.arrived if origin else None) or record.created_at
        newer = encounter.newest_request_id not in ("", record.request_id)
        later = is_message or (encounter.newest is not None and encounter.newest.stated > arrived)
        is_kept = self.outbox.holds(record.message_id) if unchanged else self.evidence.holds_request(record.request_id)
        return ResendContext(
            record=record,
            now=self.now(),
            timeouts=self.timeouts,
            newest_version=max(encounter.version, record.version) if is_message else record.version,
            is_kept=is_kept,
            origin_known=origin is not None,
            superseded=newer and later,
            siblings=self._siblings(record) if is_message and record.messages > 1 else (),
            again=None if unchanged else self._resubmitted(record.request_id),
        )

    def _siblings(self, record: MessageRecord) -> tuple[Status, ...]:
        encounter = self.ledger.encounter(record.encounter_key)
        # A message that is not stored yet is being built.
        return tuple(
            sibling.status
            for sibling in encounter.messages_of(record.version)
            if sibling.message_id != record.message_id
        )

    def _resubmitted(self, request_id: str) -> str | None:
        """Return the id under which a request was resubmitted and processed; None while that is only ordered."""
        again = str(request_again_id(request_id))
        processed = self.ledger.find(again) is not None or self.ledger.find_claim(again) is not None
        return again if processed else None


_WHAT = "re-send"


def _unchanged(proposal: Proposal, why: str) -> Proposal:
    return replace(proposal, action=ResendAction.NONE, why=why, becomes=None)

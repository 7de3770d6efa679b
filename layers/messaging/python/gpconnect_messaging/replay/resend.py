"""Send again: choose messages, say of each what would happen and why not otherwise, and do it.

What is safe in which status is `policy.TABLE`. Everything is judged once more in the moment of acting, recorded with
who did it and why before it takes effect, and safe to repeat after a crash at any place: an order is one conditional
write, and what is on a queue twice is done once.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.lifecycle import EventType, Status, Timeouts
from gpconnect_messaging.ledger.orders import OrderBook
from gpconnect_messaging.ledger.records import AuditEvent, MessageRecord, Order
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.replay.policy import ResendAction, ResendContext, ResendDecision, ResendMode, judge
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.requests.identity import Identifiers, request_again_id
from gpconnect_messaging.storage import Evidence, Outbox

_FACTS = frozenset(kind.value for kind in EventType)


class ChoiceError(ValueError):
    """The choice names nothing, or half of something: name messages, an encounter, a status, or a time window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which messages, and requests that are none; what is given must hold together.

    `encounter` is the sender's own word, with its `mailbox`. `since` and `until` (with a time zone, both included)
    choose what anything happened to in between; where a status is named as well, what stands in it now.
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
            raise ChoiceError("an encounter is one of a mailbox: name that, too")
        if (self.since is None) is not (self.until is None):
            raise ChoiceError("a time window has a beginning and an end")
        if self.since and self.until:
            if self.since.tzinfo is None or self.until.tzinfo is None:
                raise ChoiceError("the times of a window need their time zone")
            if self.since > self.until:
                raise ChoiceError("the window's beginning is after its end")

    def takes(self, record: MessageRecord) -> bool:
        """Say whether a record is chosen, whichever way it was found."""
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
    """What would happen to a message, or was done to it; holds nothing personal. `NONE` comes with what to do instead.

    `status` is None where the ledger has nothing of that id. `becomes` is the id of the new request that it is taken in
    again as.
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
    """Sends again what an operator chooses."""

    ledger: Ledger
    trail: AuditTrail
    orders: OrderBook
    outbox: Outbox
    evidence: Evidence
    send_queue: SendQueue
    intake_queue: IntakeQueue
    patience: Timeouts
    identifiers: Callable[[], Identifiers]
    """Asked only where an encounter is chosen by the sender's own word for it."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def plan(self, choice: Choice, way: ResendMode = ResendMode.UNCHANGED) -> Iterator[Proposal]:
        """Say of each chosen message what would happen, and why, or why not; nothing is changed."""
        for message_id, record in self._chosen(choice):
            yield self._proposal(message_id, record, way)[0]

    def carry_out(
        self, proposals: Iterable[Proposal], way: ResendMode, *, actor: str, reason: str, pace: RateLimiter
    ) -> Iterator[Proposal]:
        """Do what was proposed, and say of each what was done: nothing, where it is not what it was.

        `reason` is kept in the audit trail, and must name no patient. Raises ActorError, ReasonError;
        ClientError and StorageError break it off: what was not done can be done by the same call again.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        for proposed in proposals:
            if proposed.action is ResendAction.NONE:
                yield proposed
                continue
            record = self.ledger.find(proposed.message_id)
            current, standing = self._proposal(proposed.message_id, record, way)
            if standing is None or current.action is not proposed.action:
                yield _left(current, f"It changed since it was looked at. {current.why}")
                continue
            pace.wait()
            yield self._do(current, standing, way, actor, reason)

    def _do(self, it: Proposal, standing: ResendContext, way: ResendMode, actor: str, reason: str) -> Proposal:
        record, details = standing.record, {"action": it.action.value, "way": way.value, "reason": reason}
        match it.action:
            case ResendAction.SEND_AGAIN:
                seen = record.history.identities
                event = lifecycle.resend_ordered(at=self.now(), actor=actor, attempts=record.history.attempts)
                change = self.ledger.record(
                    record.message_id, event, only_if=lambda history: history.identities == seen, while_newest=True
                )
                if change is None or not change.recorded:
                    return _left(it, "It changed just now: look at it again.")
                self._note(record, actor, details)
                self.send_queue.put(record.message_id, record.mailbox)
            case ResendAction.TAKE_IN_AGAIN:
                origin = self.ledger.find_origin(record.request_id)
                if origin is None or it.becomes is None:
                    return _left(it, "It changed just now: look at it again.")
                details["becomes"] = it.becomes
                audit_event = AuditEvent(
                    at=self.now(), actor=actor, what=_WHAT, message_id=record.message_id, mailbox=record.mailbox,
                    details=details,
                )  # fmt: skip
                if not self.orders.record(
                    Order(request_id=it.becomes, of=record.request_id, origin=origin), audit_event
                ):
                    self._note(record, actor, details)  # it was ordered before, and never came to the builder
                self.intake_queue.again(it.becomes, record.mailbox)
            case ResendAction.QUEUE_FOR_SENDER:
                self._note(record, actor, details)
                self.send_queue.put(record.message_id, record.mailbox)
            case ResendAction.QUEUE_FOR_BUILDER:
                self._note(record, actor, details)
                self.intake_queue.release(record.message_id, record.mailbox)
            case ResendAction.NONE:
                pass
        return it

    def _note(self, record: MessageRecord, actor: str, details: dict[str, str]) -> None:
        self.trail.record(actor, _WHAT, at=self.now(), message_id=record.message_id, details=details)

    def _chosen(self, choice: Choice) -> Iterator[tuple[str, MessageRecord | None]]:
        if choice.ids:
            for message_id in dict.fromkeys(choice.ids):
                record = self.ledger.find(message_id)
                if record is None or choice.takes(record):
                    yield message_id, record
            return
        found: Iterable[MessageRecord] = ()
        if choice.encounter and choice.mailbox:
            found = self.ledger.find_by_encounter(self.identifiers().of_encounter(choice.mailbox, choice.encounter).key)
        elif choice.status:
            found = self.ledger.find_by_status(choice.status)
        elif choice.since and choice.until:
            found = self._touched(choice.since, choice.until)
        yield from ((record.message_id, record) for record in found if choice.takes(record))

    def _touched(self, since: datetime, until: datetime) -> Iterator[MessageRecord]:
        """Find what anything happened to in a window, in the order in which it first did."""
        ids = dict.fromkeys(
            event.message_id for event in self.trail.between(since, until) if event.message_id and event.what in _FACTS
        )
        yield from (record for each in ids if (record := self.ledger.find(each)))

    def _proposal(
        self, message_id: str, record: MessageRecord | None, way: ResendMode
    ) -> tuple[Proposal, ResendContext | None]:
        if record is None:
            ruling = ResendDecision(
                ResendAction.NONE, "The ledger has no message or refused request of this id: look by encounter."
            )
            return Proposal(
                message_id=message_id, mailbox=None, version=0, status=None, action=ruling.action, why=ruling.why
            ), None
        standing = self._standing(record, way)
        ruling = judge(standing, way)
        becomes = (
            str(request_again_id(record.request_id)) if ruling.action is ResendAction.TAKE_IN_AGAIN else standing.again
        )
        return Proposal(
            message_id=message_id, mailbox=record.mailbox, version=record.version, status=record.status,
            action=ruling.action, why=ruling.why, becomes=becomes,
        ), standing  # fmt: skip

    def _standing(self, record: MessageRecord, way: ResendMode) -> ResendContext:
        is_message = record.version > 0
        unchanged = is_message and way is ResendMode.UNCHANGED
        encounter = self.ledger.encounter(record.encounter_key)
        origin = None if unchanged else self.ledger.find_origin(record.request_id)
        arrived = (origin.arrived if origin else None) or record.created_at
        newer = encounter.newest_request_id not in ("", record.request_id)
        later = is_message or (encounter.newest is not None and encounter.newest.stated > arrived)
        kept = self.outbox.holds(record.message_id) if unchanged else self.evidence.holds_request(record.request_id)
        return ResendContext(
            record=record,
            now=self.now(),
            patience=self.patience,
            newest_version=max(encounter.version, record.version) if is_message else record.version,
            is_kept=kept,
            origin_known=origin is not None,
            superseded=newer and later,
            siblings=self._siblings(record) if is_message and record.messages > 1 else (),
            again=None if unchanged else self._taken_in_again(record.request_id),
        )

    def _siblings(self, record: MessageRecord) -> tuple[Status, ...]:
        version = self.ledger.find_version(record.encounter_key, record.version)
        ids = [each for each in version.message_ids if each != record.message_id] if version else []
        # One that is not there yet is being built.
        return tuple(found.status if (found := self.ledger.find(each)) else Status.BUILT for each in ids)

    def _taken_in_again(self, request_id: str) -> str | None:
        """Give the id under which a request was taken in again and dealt with; None while that is only ordered."""
        again = str(request_again_id(request_id))
        dealt_with = self.ledger.find(again) is not None or self.ledger.find_claim(again) is not None
        return again if dealt_with else None


_WHAT = "re-send"


def _left(it: Proposal, why: str) -> Proposal:
    return Proposal(
        message_id=it.message_id,
        mailbox=it.mailbox,
        version=it.version,
        status=it.status,
        action=ResendAction.NONE,
        why=why,
    )

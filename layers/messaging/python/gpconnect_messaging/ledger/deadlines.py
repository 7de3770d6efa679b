"""When the sweep must look at a message next."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import NOT_LEFT, status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status

LOOKUP_AGAIN = timedelta(minutes=2)
"""How soon PDS is asked again about a request whose hold window is over; a report is due within three hours.

PDS is asked five times at this interval, then after every `Timeouts.requeue_after`, so that a long outage does not fill
the ledger with events.
"""

_LOOKUPS_SOON = 5


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
    status = status_of(history)
    if history.unrecognised and status in NOT_LEFT:
        # A person is notified that this release does not process the message; a newer release does.
        notified = bool(history.of(EventType.RUNNING_LATE))
        return None if notified else max(event.at for event in history.events) + timeouts.requeue_after
    next_step = _next_step_at(history, status, timeouts)
    warn_at = history.warn_at if status in NOT_LEFT else None
    return min((time for time in (next_step, warn_at) if time), default=None)


def _next_step_at(history: MessageHistory, status: Status, timeouts: Timeouts) -> datetime | None:
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

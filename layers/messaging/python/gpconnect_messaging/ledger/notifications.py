"""The notifications in the ledger: delivering them, acknowledging them, and escalating those that nobody acknowledges.

A notification is open from when it is raised until a person acknowledges it. Once delivered, an open notification is
due for escalation, once (`steps.escalate`). It is stored with the encounter, or the other subject, that it is about.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from gpconnect_messaging.ledger.encounter_format import UnreadableEncounterError
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.records import AuditEvent, Notification, RaisedNotification
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.operators import checked_actor

LEASE = timedelta(minutes=1)
"""Lease held while a notification is being delivered or escalated."""


class UnknownNotificationError(Exception):
    """No notification has this id: take the id from the notification itself, or from the list of open ones."""


class NotificationStore:
    """The notifications of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def open(self) -> list[RaisedNotification]:
        """List the open notifications, oldest first."""
        return sorted(self._ledger.open_notifications(), key=lambda raised: raised.notification.raised_at)

    def acknowledge(self, notification_id: str, actor: str, at: datetime) -> bool:
        """Record that a person acknowledged a notification, which ends the escalation.

        False, with nothing changed, where it was acknowledged before. Raises UnknownNotificationError, ActorError.
        """
        checked_actor(actor)
        raised = self._ledger.find_notification(notification_id)
        if raised is None:
            raise UnknownNotificationError("there is no notification of that id")
        if not raised.is_open:
            return False
        notification = raised.notification
        # Recorded first: an acknowledgement without a record could not be explained.
        self._ledger.record_action(
            AuditEvent(
                at=at, actor=actor, what="notification acknowledged", mailbox=notification.mailbox,
                message_id=notification.details.get("message_id"), details={"notice": notification_id},
            )
        )  # fmt: skip

        def acknowledged(state: RaisedNotification) -> RaisedNotification | None:
            return replace(state, acknowledged_at=at, acknowledged_by=actor, due_at=None) if state.is_open else None

        return self._ledger.change_notification(notification, acknowledged)

    def take(self, notification: Notification) -> bool:
        """Take the lease on delivering a notification; False where another process has it, or it was delivered."""
        return self._take(notification, lambda raised: raised.told_at is None)

    def told(self, notification: Notification) -> None:
        """Record, once, that a notification was published; unless it is acknowledged, the escalation is due now.

        A process that was delayed, and records this after another process did, changes nothing.
        """
        now = self._ledger.now()

        def told(raised: RaisedNotification) -> RaisedNotification | None:
            if raised.told_at is not None:
                return None
            return replace(raised, told_at=now, due_at=now if raised.is_open else None)

        self._ledger.change_notification(notification, told)

    def take_escalation(self, notification: Notification) -> bool:
        """Take the lease on escalating a notification; False where another process has it, or it is not due."""
        return self._take(notification, _may_escalate)

    def wait_with(self, notification: Notification, until: datetime) -> None:
        """Postpone the escalation until a time; a notification that was acknowledged meanwhile stays acknowledged."""
        self._ledger.change_notification(
            notification, lambda raised: replace(raised, due_at=until) if _may_escalate(raised) else None
        )

    def escalated(self, notification: Notification) -> None:
        """Record that a notification was escalated, which happens once."""
        now = self._ledger.now()
        self._ledger.change_notification(notification, lambda raised: replace(raised, escalated_at=now, due_at=None))

    def _take(self, notification: Notification, still: Callable[[RaisedNotification], bool]) -> bool:
        now = self._ledger.now()

        def taken(raised: RaisedNotification) -> RaisedNotification | None:
            is_due = raised.due_at is not None and raised.due_at <= now
            return replace(raised, due_at=now + LEASE) if is_due and still(raised) else None

        return self._ledger.change_notification(notification, taken)


def readable(ledger: Ledger, key: str, failures: list[Exception]) -> Encounter | None:
    """Read an encounter; None, with the error added to `failures`, where this release cannot read it."""
    try:
        return ledger.encounter(key)
    except UnreadableEncounterError as error:
        failures.append(error)
        return None


def to_tell(encounter: Encounter, now: datetime) -> Iterator[Notification]:
    """Yield the notifications that were raised and are not delivered, and that no process is delivering just now."""
    return (raised.notification for raised in _due(encounter, now) if raised.told_at is None)


def to_escalate(encounter: Encounter, now: datetime) -> Iterable[RaisedNotification]:
    """Yield the delivered open notifications that may have to be escalated now."""
    return filter(_may_escalate, _due(encounter, now))


def _due(encounter: Encounter, now: datetime) -> Iterator[RaisedNotification]:
    return (raised for raised in encounter.notifications.values() if raised.due_at is not None and raised.due_at <= now)


def _may_escalate(raised: RaisedNotification) -> bool:
    return raised.told_at is not None and raised.is_open and raised.escalated_at is None

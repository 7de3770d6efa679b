"""Open notifications: acknowledging them, and escalating those that are not acknowledged in time.

A notification is open from when it is raised until a person acknowledges it. Once delivered, an open notification is
due for escalation, once (`steps.escalate`).
"""

from collections.abc import Iterator
from datetime import datetime

from gpconnect_messaging.ledger.audit import audit_item
from gpconnect_messaging.ledger.records import AuditEvent, OpenNotification
from gpconnect_messaging.ledger.table import (
    NOTICE_LEASE,
    OPEN_NOTICE,
    Item,
    LedgerBusyError,
    LedgerTable,
    as_notification,
    item,
    notification_place,
    text,
    time,
)
from gpconnect_messaging.operators import checked_actor


class UnknownNotificationError(Exception):
    """No notification has this id: take the id from the notification itself, or from the list of open ones."""


class NotificationStore(LedgerTable):
    """The open notifications."""

    def open(self) -> list[OpenNotification]:
        """List the open notifications, oldest first."""
        return sorted(map(_open, self._standing(OPEN_NOTICE)), key=lambda entry: entry.notification.raised_at)

    def acknowledge(self, notification_id: str, actor: str, at: datetime) -> bool:
        """Record that a person acknowledged a notification, which ends the escalation.

        False, with nothing changed, where it was acknowledged before. Raises UnknownNotificationError, ActorError.
        """
        checked_actor(actor)
        pk, sk = _key(notification_id)
        known = self._get(pk, sk)
        if known is None:
            raise UnknownNotificationError("there is no notification of that id")
        notification = as_notification(known)
        event = AuditEvent(
            at=at, actor=actor, what="notification acknowledged", message_id=notification.details.get("message_id"),
            mailbox=notification.mailbox, details={"notice": notification.id},
        )  # fmt: skip
        update = {
            "TableName": self._table,
            "Key": item({"pk": pk, "sk": sk}),
            "UpdateExpression": "SET acknowledged_at = :at, acknowledged_by = :actor "
            "REMOVE status_shard, changed_at, due_shard, due_at",
            "ConditionExpression": "attribute_exists(pk) AND attribute_not_exists(acknowledged_at)",
            "ExpressionAttributeValues": item({":at": text(at), ":actor": actor}),
        }
        if "acknowledged_at" in known:
            return False
        for _ in self._tries():
            if self._write([{"Update": update}, self._put(audit_item(event) | self._expiry(at))]):
                return True
            if "acknowledged_at" in (self._get(pk, sk) or {}):
                return False
        raise LedgerBusyError("the notification changed on every try")

    def due_escalations(self, now: datetime) -> Iterator[OpenNotification]:
        """Yield the delivered open notifications that may have to be escalated now."""
        return map(_open, self._due("escalation", now))

    def wait_with(self, open_notification: OpenNotification, until: datetime) -> None:
        """Postpone the escalation until a time; a notification that was acknowledged meanwhile stays acknowledged."""
        self._update(
            *notification_place(open_notification.notification),
            "SET due_at = :until",
            _WAITING,
            {":until": text(until)},
        )

    def take_escalation(self, open_notification: OpenNotification) -> bool:
        """Take the lease on escalating a notification; False where another process has it, or it is not due."""
        now = self._now()
        return self._update(
            *notification_place(open_notification.notification),
            "SET due_at = :until",
            f"{_WAITING} AND due_at <= :now",
            {":until": text(now + NOTICE_LEASE), ":now": text(now)},
        )

    def escalated(self, open_notification: OpenNotification) -> None:
        """Record that a notification was escalated, which happens once."""
        key, now = notification_place(open_notification.notification), text(self._now())
        self._update(*key, "SET escalated_at = :now REMOVE due_shard, due_at", None, {":now": now})


_WAITING = (
    "attribute_exists(due_shard) AND attribute_not_exists(acknowledged_at) AND attribute_not_exists(escalated_at)"
)


def _open(values: Item) -> OpenNotification:
    def when(name: str) -> datetime | None:
        return time(values[name]) if name in values else None

    return OpenNotification(
        notification=as_notification(values), told_at=when("told_at"), escalated_at=when("escalated_at")
    )


def _key(notification_id: str) -> tuple[str, str]:
    subject, _, named = notification_id.rpartition("/")
    kind, _, occasion = named.partition("#")
    if not subject or not kind:
        raise UnknownNotificationError("there is no notification of that id")
    # Kinds of newer releases work, too: no kind contains a hyphen.
    return subject, f"NOTICE#{kind.replace('-', ' ')}{'#' + occasion if occasion else ''}"

"""The page of open notifications: read them, acknowledge them, and retry quarantined messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from gpcm.console.answering import Form, back_to
from gpcm.console.context import ConsoleContext
from gpcm.console.screens import Screens
from gpcm.console.security import operator_of
from gpcm.environment import OperatorEnvironmentError
from gpconnect_messaging.ledger.notifications import UnknownNotificationError
from gpconnect_messaging.ledger.records import Notification, RaisedNotification
from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.notifications import NotificationText, notification_text

_SHOWN = 50
_SHOWN_APART = {"message_id", "mailbox"}
"""Details that the page shows apart from the others."""
DONE = {
    "acknowledged": "You acknowledged the notification. It is recorded, and no longer escalated.",
    "acknowledged-before": "That notification was acknowledged before.",
    "retry": "The next poll of the mailbox receives the message.",
}


@dataclass(frozen=True)
class Shown:
    """An open notification, as a page shows it."""

    notification: Notification
    words: NotificationText
    waited: timedelta
    escalated_at: datetime | None
    message_id: str | None
    quarantined: str | None
    """The MESH message id of a quarantined message; None for other notifications."""

    @classmethod
    def of(cls, open_notification: RaisedNotification, now: datetime) -> "Shown":
        """Create one from the ledger's record; `now` gives the waiting time."""
        notification = open_notification.notification
        # Other unmatched messages are in the evidence bucket, and the notification has the key.
        is_quarantined = notification.kind is NotificationType.UNMATCHED and not notification.details.get(
            "evidence_key"
        )
        return cls(
            notification,
            notification_text(notification.kind),
            now - notification.raised_at,
            open_notification.escalated_at,
            notification.details.get("message_id"),
            notification.details.get("mesh_message_id") if is_quarantined else None,
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """The details, with readable names."""
        return {
            name.replace("_", " ").capitalize(): value
            for name, value in sorted(self.notification.details.items())
            if value and name not in _SHOWN_APART
        }


class NotificationPages:
    """The page of notifications and the forms on it."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def open(self, request: Request) -> Response:
        """List the open notifications, oldest first."""
        due, now = self._context.cache.view().notifications, self._context.environment.now()
        shown = [Shown.of(open_notification, now) for open_notification in due[:_SHOWN]]
        done = DONE.get(request.query_params.get("done", ""), "")
        return self._screens.page(
            request, "notifications.html", section="notifications", notifications=shown, total=len(due), done=done
        )

    def acknowledge(self, request: Request, form: Form) -> Response:
        """Acknowledge a notification."""
        notification_id = form.get("notification", "")
        try:
            acknowledged = self._context.environment.notifications.acknowledge(
                notification_id, operator_of(request).actor, self._context.environment.now()
            )
        except UnknownNotificationError:
            raise OperatorEnvironmentError("The notification no longer exists. Open the notifications again.") from None
        self._context.cache.notification_acknowledged(notification_id)
        return back_to(request, f"/notifications?done={'acknowledged' if acknowledged else 'acknowledged-before'}")

    def retry(self, request: Request, form: Form) -> Response:
        """Let the next poll receive a quarantined message."""
        mailbox, mesh_message_id = form.get("mailbox", ""), form.get("quarantined", "")
        environment = self._context.environment
        if not environment.ledger.retry_quarantined(mailbox, mesh_message_id):
            raise OperatorEnvironmentError("The message is no longer quarantined: it was received, or retried before.")
        environment.trail.record(
            operator_of(request).actor, "quarantined message retried", mailbox=mailbox,
            details={"mesh_message_id": mesh_message_id},
        )  # fmt: skip
        self._context.cache.notification_acknowledged(form.get("notification", ""))
        return back_to(request, "/notifications?done=retry")

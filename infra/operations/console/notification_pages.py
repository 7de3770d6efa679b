"""The notifications that nobody has taken: to be read, to be taken, and what was set aside to be let in again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from gpconnect_messaging.ledger.lifecycle import NotificationType
from gpconnect_messaging.ledger.notifications import UnknownNotificationError
from gpconnect_messaging.ledger.records import Notification, OpenNotification
from gpconnect_messaging.notifications import NotificationText, notification_text
from infra.operations.console.answering import Form, back_to
from infra.operations.console.context import ConsoleContext
from infra.operations.console.screens import Screens
from infra.operations.console.security import operator_of
from infra.operations.environment import OperatorEnvironmentError

_SHOWN = 50
_TOLD_APART = {"message_id", "mailbox"}
"""What of a notification's facts the page shows by itself."""
DONE = {
    "taken": "The notification is yours. It is recorded, and not escalated any more.",
    "taken-before": "Somebody had taken that notification already.",
    "let-in": "The next poll of the mailbox takes the message in.",
}


@dataclass(frozen=True)
class Shown:
    """An open notification as a page shows it."""

    notification: Notification
    words: NotificationText
    waited: timedelta
    escalated_at: datetime | None
    message_id: str | None
    set_aside: str | None
    """MESH's id of the message that was set aside, where it is that; None otherwise."""

    @classmethod
    def of(cls, open_notification: OpenNotification, now: datetime) -> "Shown":
        """Make one at a time."""
        notification = open_notification.notification
        # What else belongs to no message is kept, and its notification says where.
        is_set_aside = notification.kind is NotificationType.UNMATCHED and not notification.details.get("evidence_key")
        return cls(
            notification,
            notification_text(notification.kind),
            now - notification.raised_at,
            open_notification.escalated_at,
            notification.details.get("message_id"),
            notification.details.get("mesh_message_id") if is_set_aside else None,
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known, by names that a person can read."""
        return {
            name.replace("_", " ").capitalize(): value
            for name, value in sorted(self.notification.details.items())
            if value and name not in _TOLD_APART
        }


class NotificationPages:
    """Answers for the notifications."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def open(self, request: Request) -> Response:
        """List them, oldest first."""
        known, now = self._context.cache.view().notifications, self._context.environment.now()
        shown = [Shown.of(each, now) for each in known[:_SHOWN]]
        done = DONE.get(request.query_params.get("done", ""), "")
        return self._screens.page(
            request, "notifications.html", section="notifications", notifications=shown, total=len(known), done=done
        )

    def take(self, request: Request, form: Form) -> Response:
        """Record that the operator has taken a notification."""
        notification_id = form.get("notification", "")
        try:
            taken = self._context.environment.notifications.acknowledge(
                notification_id, operator_of(request).actor, self._context.environment.now()
            )
        except UnknownNotificationError:
            raise OperatorEnvironmentError(
                "There is no such notification any more. Open the notifications again."
            ) from None
        self._context.cache.notification_taken(notification_id)
        return back_to(request, f"/notifications?done={'taken' if taken else 'taken-before'}")

    def take_in(self, request: Request, form: Form) -> Response:
        """Let what was set aside be taken in again."""
        mailbox, mesh_message_id = form.get("mailbox", ""), form.get("set_aside", "")
        environment = self._context.environment
        if not environment.ledger.release_set_aside(mailbox, mesh_message_id):
            raise OperatorEnvironmentError(
                "It is not set aside any more: the mailbox has taken it in, or somebody let it in before."
            )
        environment.trail.record(
            operator_of(request).actor, "set aside message let in", mailbox=mailbox,
            details={"mesh_message_id": mesh_message_id},
        )  # fmt: skip
        self._context.cache.notification_taken(form.get("notification", ""))
        return back_to(request, "/notifications?done=let-in")

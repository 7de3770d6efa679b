"""Escalate: notify a second person, once, of a notification that was not acknowledged in time.

A delivered notification is due here at once; the first run postpones it until the mailbox's time is over. After a crash
between notifying and recording, the second person is notified twice, never not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from botocore.exceptions import BotoCoreError

from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import OpenNotification
from gpconnect_messaging.mailboxes.directory import MailboxDirectory, UnknownMailboxError
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from gpconnect_messaging.notifications import Notifier

MOST_LOOKED_AT = 200
"""How many notifications one run postpones or escalates: the sweep needs time, too."""


@dataclass(slots=True)
class EscalationResult:
    """The counts of one run."""

    notifications_escalated: int = 0


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """The escalation step and the adapters that it uses. `wait` applies to notifications without a known mailbox."""

    book: NotificationStore
    mailboxes: MailboxDirectory
    notifier: Notifier
    wait: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> EscalationResult:
        """Escalate the notifications that are due, while `time_left` allows one more.

        A failure does not stop the others, unless AWS cannot be reached; the first error is raised at the end.
        """
        result, failures = EscalationResult(), list[Exception]()
        for notification in islice(self.book.due_escalations(self.now()), MOST_LOOKED_AT):
            if not time_left():
                break
            try:
                result.notifications_escalated += self._escalate(notification)
            except Exception as error:  # noqa: BLE001 - one failure must not stop the others
                failures.append(error)
                if isinstance(error, BotoCoreError):
                    break
        if failures:
            raise failures[0]
        return result

    def _escalate(self, due: OpenNotification) -> bool:
        """Escalate a notification if the time is over, else postpone it; return whether it was escalated."""
        until = (due.told_at or due.notification.raised_at) + self._wait(due)
        if until > self.now():
            self.book.wait_with(due, until)
            return False
        if not self.book.take_escalation(due):
            return False
        self.notifier.escalate(due.notification)
        self.book.escalated(due)
        return True

    def _wait(self, open_notification: OpenNotification) -> timedelta:
        mailbox = open_notification.notification.mailbox
        if mailbox is None:
            return self.wait
        try:
            return self.mailboxes.settings(mailbox).escalate_after
        except (UnknownMailboxError, MailboxSettingsError):
            return self.wait

"""Escalate: notify a second person, once, of a notification that was not acknowledged in time.

A delivered notification is due here at once; the first run postpones it until the mailbox's time is over. After a crash
between notifying and recording, the second person is notified twice, never not at all.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from botocore.exceptions import BotoCoreError

from gpconnect_messaging.ledger.notifications import readable, to_escalate
from gpconnect_messaging.ledger.records import Notification, RaisedNotification
from gpconnect_messaging.ledger.store import DueWork, Ledger
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

    ledger: Ledger
    mailboxes: MailboxDirectory
    notifier: Notifier
    wait: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, due: Iterable[DueWork], time_left: Callable[[], bool] = lambda: True) -> EscalationResult:
        """Escalate the notifications that are due, while `time_left` allows one more.

        A failure does not stop the others, unless AWS cannot be reached; the first error is raised at the end.
        """
        result, failures = EscalationResult(), list[Exception]()
        for raised in islice(self._due(due, failures), MOST_LOOKED_AT):
            if not time_left():
                break
            try:
                result.notifications_escalated += self._escalate(raised)
            except Exception as error:  # noqa: BLE001 - one failure must not stop the others
                failures.append(error)
                if isinstance(error, BotoCoreError):
                    break
        if failures:
            raise failures[0]
        return result

    def _due(self, due: Iterable[DueWork], failures: list[Exception]) -> Iterator[RaisedNotification]:
        now = self.now()
        for work in due:
            is_due = work.notify_at and work.notify_at <= now
            if is_due and (encounter := readable(self.ledger, work.key, failures)):
                yield from to_escalate(encounter, now)

    def _escalate(self, due: RaisedNotification) -> bool:
        """Escalate a notification if the time is over, else postpone it; return whether it was escalated."""
        store, notification = self.notifier.store, due.notification
        until = (due.told_at or notification.raised_at) + self._wait(notification)
        if until > self.now():
            store.wait_with(notification, until)
            return False
        if not store.take_escalation(notification):
            return False
        self.notifier.escalate(notification)
        store.escalated(notification)
        return True

    def _wait(self, notification: Notification) -> timedelta:
        mailbox = notification.mailbox
        if mailbox is None:
            return self.wait
        try:
            return self.mailboxes.settings(mailbox).escalate_after
        except (UnknownMailboxError, MailboxSettingsError):
            return self.wait

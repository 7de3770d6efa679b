"""Escalate: tell a second person, once, of each notification that nobody acknowledged in time.

The first telling makes a notification due here at once; it is then put off until its mailbox's time is over. A crash between
telling and recording it tells twice, never not at all.
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
"""Notifications that are put off or escalated in one run: seconds, of which the other due work must have some, too."""


@dataclass(slots=True)
class EscalationResult:
    """What one look at the open notifications did."""

    notices_escalated: int = 0


@dataclass(frozen=True, kw_only=True)
class Escalation:
    """The escalation step and what it works with. `wait` is for notifications that are about no mailbox of ours."""

    book: NotificationStore
    mailboxes: MailboxDirectory
    notifier: Notifier
    wait: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> EscalationResult:
        """Escalate what is due, while `time_left` says that there is time for one more.

        One that fails does not hold up the others, unless AWS cannot be reached; the first error is raised at the end.
        """
        done, failures = EscalationResult(), list[Exception]()
        for each in islice(self.book.due_escalations(self.now()), MOST_LOOKED_AT):
            if not time_left():
                break
            try:
                done.notices_escalated += self._escalate(each)
            except Exception as error:  # noqa: BLE001 - whatever one notification does, the others must not wait for it
                failures.append(error)
                if isinstance(error, BotoCoreError):
                    break
        if failures:
            raise failures[0]
        return done

    def _escalate(self, each: OpenNotification) -> bool:
        """Escalate a notification where its time is over, or put it off until then; say whether it was escalated."""
        until = (each.told_at or each.notification.raised_at) + self._wait(each)
        if until > self.now():
            self.book.wait_with(each, until)
            return False
        if not self.book.take_escalation(each):
            return False
        self.notifier.escalate(each.notification)
        self.book.escalated(each)
        return True

    def _wait(self, open_notification: OpenNotification) -> timedelta:
        mailbox = open_notification.notification.mailbox
        if mailbox is None:
            return self.wait
        try:
            return self.mailboxes.settings(mailbox).escalate_after
        except (UnknownMailboxError, MailboxSettingsError):
            return self.wait

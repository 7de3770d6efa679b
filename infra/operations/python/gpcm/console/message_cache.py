"""A cache of the ledger's messages, so that pages open at once whatever the size of the ledger.

The cache reads all open and failed messages, and the newest of those that came within the window, once. After that it
reads what the ledger's indexes show, and the encounters that they show otherwise than before, or no more. The numbers
on a page are therefore some seconds old, and the page says so. The page of a single message is read from the ledger.
"""

import bisect
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.ledger.records import RaisedNotification, Summary
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import UnreadError

WINDOW = timedelta(days=31)
REFRESHED = timedelta(seconds=10)
"""Interval between refreshes while a page is in use."""
IDLE = timedelta(seconds=60)
"""Interval between refreshes while no page is in use."""
_IN_USE = timedelta(minutes=2)
# A request has the time at which a function began its work, and no function runs longer than a quarter of an hour.
_OVERLAP = timedelta(minutes=20)
_SHOWN_FIRST = 2_000
"""Number of encounters after which a first view is shown during the first read; it doubles for every later view."""
MOST_ARRIVED = 100_000
"""How many requests a view has at most, beside all open and failed messages: the newest."""


class Source(Protocol):
    """The source of the cache (`gpconnect_messaging.ledger.search.Search`)."""

    def listed(self) -> Mapping[str, tuple[str, ...]]:
        """Return the encounters with open or failed messages, and what tells one state of them from another."""

    def arrived(self, since: datetime) -> Iterator[str]:
        """Return the encounters of the requests that came since, newest first."""

    def of_encounters(self, keys: Iterable[str]) -> Iterator[tuple[str, list[Summary]]]:
        """Return the messages of encounters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Filter of a list; None matches any row. `since` (inclusive) and `until` (exclusive) apply to `created_at`."""

    statuses: frozenset[Status] | None = None
    mailbox: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a list: the rows, the total number of matches, and the cursor of the next page (None at the end)."""

    rows: tuple[Summary, ...]
    total: int
    after: str | None = None


@dataclass(frozen=True)
class View:
    """The cached rows at one moment, newest first. `complete` is False during the first read."""

    rows: tuple[Summary, ...] = field(repr=False)
    as_at: datetime
    complete: bool
    since: datetime
    """Settled rows are included from this time on. Open rows are all included."""
    by_status: Mapping[Status, tuple[Summary, ...]] = field(default_factory=dict, repr=False)
    """The same rows by status, newest first."""
    mailboxes: tuple[str, ...] = ()
    """The mailboxes of all rows."""
    notifications: tuple[RaisedNotification, ...] = ()
    """The open notifications, oldest first."""
    failed: str | None = None
    """Why the ledger could not be read since `as_at`."""

    def page(self, wanted: Wanted, limit: int, after: str | None = None) -> Rows:
        """Return a page of the matching rows. New messages do not shift the pages that follow."""
        rows = self._matching(wanted)
        begin = bisect.bisect_right(rows, _sort_key_of(after), key=_sort_key) if after else 0
        page = rows[begin : begin + limit]
        more = len(rows) > begin + limit
        return Rows(
            tuple(page), len(rows), f"{page[-1].created_at.isoformat()}~{page[-1].message_id}" if more else None
        )

    def counts(self, wanted: Wanted) -> Mapping[Status, int]:
        """Count the matching rows by status."""
        statuses = wanted.statuses or frozenset(self.by_status)
        return {status: len(self._matching(replace(wanted, statuses=frozenset({status})))) for status in statuses}

    def _matching(self, wanted: Wanted) -> Sequence[Summary]:
        """Return the matching rows, newest first, by binary search where possible."""
        rows: Sequence[Summary] = self.rows
        if wanted.statuses is not None:
            parts = [self.by_status.get(status, ()) for status in wanted.statuses]
            rows = parts[0] if len(parts) == 1 else sorted((row for part in parts for row in part), key=_sort_key)
        first = bisect.bisect_right(rows, -wanted.until.timestamp(), key=_age) if wanted.until else 0
        last = bisect.bisect_right(rows, -wanted.since.timestamp(), key=_age) if wanted.since else len(rows)
        rows = rows[first:last]
        return rows if wanted.mailbox is None else [row for row in rows if row.mailbox == wanted.mailbox]


class CursorError(ValueError):
    """The cursor is invalid: begin at the first page."""


class MessageCache:
    """Keeps a view of the ledger up to date, in a thread."""

    def __init__(
        self,
        source: Source,
        notifications: Callable[[], Sequence[RaisedNotification]],
        *,
        window: timedelta = WINDOW,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._notifications = notifications
        self._now = now
        self.window = window
        self._rows: dict[str, list[Summary]] = {}
        self._listed: Mapping[str, tuple[str, ...]] = {}
        self._acknowledged: frozenset[tuple[str, datetime]] = frozenset()
        self._asked: datetime | None = None
        self._complete_from = now() - window
        self._used_at = now()
        self._view = View((), now(), complete=False, since=now() - window)
        self._wake = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._follow, name="message-cache", daemon=True)

    def start(self) -> None:
        """Start the thread that follows the ledger."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stopped = True
        self._wake.set()

    def view(self) -> View:
        """Return the current view, without the notifications that were acknowledged in this console."""
        self._used_at = self._now()
        view = self._view
        notifications = tuple(
            open_notification
            for open_notification in view.notifications
            if _raised(open_notification) not in self._acknowledged
        )
        return view if len(notifications) == len(view.notifications) else replace(view, notifications=notifications)

    def notification_acknowledged(self, notification_id: str) -> None:
        """Leave an acknowledged notification out from now on."""
        self._acknowledged |= {
            _raised(open_notification)
            for open_notification in self._view.notifications
            if open_notification.notification.id == notification_id
        }

    def look_again(self) -> None:
        """Refresh now, after an action of the operator."""
        self._wake.set()

    def refresh(self) -> None:
        """Read the changes since the last refresh. Raises botocore's errors."""
        asked, listed = self._now(), self._source.listed()
        notifications = tuple(self._notifications())
        since = asked - self.window if self._asked is None else self._asked - _OVERLAP
        arrived = list(islice(self._source.arrived(since), MOST_ARRIVED))
        changed = [key for key in listed.keys() | self._listed.keys() if listed.get(key) != self._listed.get(key)]
        show_at = _SHOWN_FIRST
        for count, (key, rows) in enumerate(self._source.of_encounters(dict.fromkeys([*changed, *arrived])), 1):
            self._rows[key] = rows
            if self._asked is None and count == show_at:
                self._show(asked, notifications, complete=False)
                show_at *= 2
        if len(arrived) == MOST_ARRIVED:
            # The newest message of the encounter that was named first of all last.
            last = self._rows.get(list(dict.fromkeys(arrived))[-1], ())
            self._complete_from = max([self._complete_from, *(row.created_at for row in last)])
        self._listed, self._asked = listed, asked
        self._show(asked, notifications)

    def _show(self, asked: datetime, notifications: tuple[RaisedNotification, ...], *, complete: bool = True) -> None:
        since = max(asked - self.window, self._complete_from)
        self._rows = {
            key: current
            for key, rows in self._rows.items()
            if (current := [row for row in rows if row.changed_at >= asked - self.window or not row.status.settled])
        }
        rows = tuple(sorted((row for rows in self._rows.values() for row in rows), key=_sort_key))
        by_status: dict[Status, list[Summary]] = defaultdict(list)
        for row in rows:
            by_status[row.status].append(row)
        self._view = View(
            rows,
            asked,
            complete=complete,
            since=since,
            by_status={status: tuple(some) for status, some in by_status.items()},
            mailboxes=tuple(sorted({row.mailbox for row in rows})),
            notifications=notifications,
        )

    def _follow(self) -> None:
        while not self._stopped:
            try:
                self.refresh()
            except (ClientError, BotoCoreError, UnreadError) as error:
                self._view = replace(self._view, failed=_why(error))
            except Exception as error:
                # The pages must show that the cache has stopped.
                self._view = replace(self._view, failed=_why(error))
                raise
            in_use = self._now() - self._used_at < _IN_USE
            self._wake.wait((REFRESHED if in_use else IDLE).total_seconds())
            self._wake.clear()


def _age(row: Summary) -> float:
    return -row.created_at.timestamp()


def _sort_key(row: Summary) -> tuple[float, str]:
    """Sort key of the list: newest first, and a fixed order within the same moment."""
    return _age(row), row.message_id


def _sort_key_of(after: str) -> tuple[float, str]:
    at, _, message_id = after.partition("~")
    try:
        return -datetime.fromisoformat(at).timestamp(), message_id
    except ValueError:
        raise CursorError("the cursor is invalid") from None


def _raised(open_notification: RaisedNotification) -> tuple[str, datetime]:
    return open_notification.notification.id, open_notification.notification.raised_at


def _why(error: Exception) -> str:
    """Return the error's code. The text can name resources, and a code is easy to look up."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__

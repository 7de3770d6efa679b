"""The messages as they stand, kept beside the pages so that each is there at once, whatever the ledger holds.

The ledger's indexes are read once, for what is open and for what settled within the window. From then on only what
happened since is read, by time: sixteen small queries. The numbers on a page are therefore some seconds old, and the
page says so; a message's own page is read from the ledger itself, whenever somebody looks.
"""

import bisect
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.ledger.event_feed import RecordedEvent
from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.records import OpenNotification, Summary
from gpconnect_messaging.ledger.search import SearchBusyError

WINDOW = timedelta(days=31)
REFRESHED = timedelta(seconds=10)
"""How often the ledger is asked what happened, while somebody looks."""
IDLE = timedelta(seconds=60)
"""The same, while nobody does."""
_LOOKING = timedelta(minutes=2)
# A fact bears the time at which a function began on it, and no function runs for longer than a quarter of an hour.
_OVERLAP = timedelta(minutes=20)
_SHOWN_FIRST = 2_000
"""After how many rows the board first shows some, while it reads everything; then after twice as many, and so on."""


class Source(Protocol):
    """Where the board reads (`gpconnect_messaging.ledger.event_feed.EventFeed`)."""

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Give each open row, and each settled one that changed since."""

    def happened(self, since: datetime) -> Iterable[RecordedEvent]:
        """Give what happened since, each with the message that it happened to."""

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Give rows by their ids."""

    def notifications(self) -> list[OpenNotification]:
        """Give the notifications that nobody has taken, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows a list shows; None is any. `since` and `until` are about when a message came in, `until` left out."""

    statuses: frozenset[Status] | None = None
    mailbox: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a list: its rows, how many there are in all, where the next page begins (None at the end)."""

    rows: tuple[Summary, ...]
    total: int
    after: str | None = None


@dataclass(frozen=True)
class View:
    """The board at one moment, newest first. `complete` is False while it is first read."""

    rows: tuple[Summary, ...] = field(repr=False)
    as_at: datetime
    complete: bool
    since: datetime
    """Since when settled rows are here; open ones are all here."""
    by_status: Mapping[Status, tuple[Summary, ...]] = field(default_factory=dict, repr=False)
    """The same rows by their status, each newest first."""
    mailboxes: tuple[str, ...] = ()
    """Every mailbox that has a row."""
    notifications: tuple[OpenNotification, ...] = ()
    """The notifications that nobody has taken, oldest first."""
    failed: str | None = None
    """Why the ledger could not be read since `as_at`."""

    def page(self, wanted: Wanted, limit: int, after: str | None = None) -> Rows:
        """Give a page of the rows wanted. What comes in between does not shift the pages that follow."""
        found = self._wanted(wanted)
        begin = bisect.bisect_right(found, _place_of_cursor(after), key=_place) if after else 0
        page = found[begin : begin + limit]
        more = len(found) > begin + limit
        return Rows(
            tuple(page), len(found), f"{page[-1].created_at.isoformat()}~{page[-1].message_id}" if more else None
        )

    def counts(self, wanted: Wanted) -> Mapping[Status, int]:
        """Count the rows wanted by status."""
        statuses = wanted.statuses or frozenset(self.by_status)
        return {status: len(self._wanted(replace(wanted, statuses=frozenset({status})))) for status in statuses}

    def _wanted(self, wanted: Wanted) -> Sequence[Summary]:
        """Give the rows wanted, newest first, without looking at each where the status alone decides."""
        found: Sequence[Summary] = self.rows
        if wanted.statuses is not None:
            parts = [self.by_status.get(status, ()) for status in wanted.statuses]
            found = parts[0] if len(parts) == 1 else sorted((row for part in parts for row in part), key=_place)
        first = bisect.bisect_right(found, -wanted.until.timestamp(), key=_age) if wanted.until else 0
        last = bisect.bisect_right(found, -wanted.since.timestamp(), key=_age) if wanted.since else len(found)
        found = found[first:last]
        return found if wanted.mailbox is None else [row for row in found if row.mailbox == wanted.mailbox]


class CursorError(ValueError):
    """That is not where a page ended: begin at the first page."""


class MessageCache:
    """Keeps a view of the ledger up to date, in a thread of its own once it is started."""

    def __init__(
        self,
        source: Source,
        *,
        window: timedelta = WINDOW,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._now = now
        self.window = window
        self._rows: dict[str, Summary] = {}
        self._seen: frozenset[str] = frozenset()
        self._taken: frozenset[tuple[str, datetime]] = frozenset()
        self._asked: datetime | None = None
        self._looked_at = now()
        self._view = View((), now(), complete=False, since=now() - window)
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._follow, name="board", daemon=True)

    def start(self) -> None:
        """Begin to follow the ledger."""
        self._thread.start()

    def stop(self) -> None:
        """End following it."""
        self._ended = True
        self._wake.set()

    def view(self) -> View:
        """Give the board as it is known, without the notifications that were taken here."""
        self._looked_at = self._now()
        known = self._view
        notifications = tuple(each for each in known.notifications if _raised(each) not in self._taken)
        return known if len(notifications) == len(known.notifications) else replace(known, notifications=notifications)

    def notification_taken(self, notification_id: str) -> None:
        """Leave a notification out from now on: it was taken here, or found to be taken."""
        self._taken |= {_raised(each) for each in self._view.notifications if each.notification.id == notification_id}

    def look_again(self) -> None:
        """Have the ledger asked now: somebody has just done something."""
        self._wake.set()

    def refresh(self) -> None:
        """Read what is not known yet. Raises botocore's errors."""
        asked = self._now()
        notifications = tuple(self._source.notifications())
        if self._asked is None:
            self._read_all(asked, notifications)
        else:
            self._read_changes(self._asked - _OVERLAP)
        self._asked = asked
        self._show(asked, notifications)

    def _read_all(self, asked: datetime, notifications: tuple[OpenNotification, ...]) -> None:
        show_at = _SHOWN_FIRST
        for row in self._source.standing(asked - self.window):
            self._rows[row.message_id] = row
            if len(self._rows) >= show_at:
                self._show(asked, notifications, complete=False)
                show_at *= 2

    def _read_changes(self, since: datetime) -> None:
        happened = list(self._source.happened(since))
        new = {each.message_id for each in happened if each.key not in self._seen}
        self._seen = frozenset(each.key for each in happened)
        for row in self._source.summaries(sorted(new)):
            self._rows[row.message_id] = row

    def _show(self, asked: datetime, notifications: tuple[OpenNotification, ...], *, complete: bool = True) -> None:
        since = asked - self.window
        self._rows = {key: row for key, row in self._rows.items() if row.changed_at >= since or not row.status.settled}
        rows = tuple(sorted(self._rows.values(), key=_place))
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
        while not self._ended:
            try:
                self.refresh()
            except (ClientError, BotoCoreError, SearchBusyError) as error:
                self._view = replace(self._view, failed=_why(error))
            except Exception as error:
                # A board that has stopped must not look like one that stands still.
                self._view = replace(self._view, failed=_why(error))
                raise
            looking = self._now() - self._looked_at < _LOOKING
            self._wake.wait((REFRESHED if looking else IDLE).total_seconds())
            self._wake.clear()


def _age(row: Summary) -> float:
    return -row.created_at.timestamp()


def _place(row: Summary) -> tuple[float, str]:
    """Where a row stands in the list: newest first, and in a fixed order within a moment."""
    return _age(row), row.message_id


def _place_of_cursor(after: str) -> tuple[float, str]:
    at, _, message_id = after.partition("~")
    try:
        return -datetime.fromisoformat(at).timestamp(), message_id
    except ValueError:
        raise CursorError("that is not where a page ended") from None


def _raised(open_notification: OpenNotification) -> tuple[str, datetime]:
    return open_notification.notification.id, open_notification.notification.raised_at


def _why(error: Exception) -> str:
    """Name a fault by its code: its text can name resources, and a code is what one looks up."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__

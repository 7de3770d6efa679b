"""The board: what it knows of the ledger, how it comes to know more, and what it says when it cannot."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from gpcm.console.message_cache import CursorError, MessageCache, Wanted
from gpconnect_messaging.ledger.event_feed import RecordedEvent
from gpconnect_messaging.ledger.records import Notification, OpenNotification, Summary
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from tests.fakes.clock import Clock

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def a_row(number: int, status: Status = Status.SENT, *, ago: timedelta = timedelta(0), mailbox: str = "A1") -> Summary:
    return Summary(
        message_id=f"{number:06}", request_id="r", mailbox=mailbox, encounter="e", version=1, recipient="p",
        status=status, created_at=NOW - ago, changed_at=NOW - ago, due_at=None, mesh_message_ids=(), became=(),
        legal_hold=False,
    )  # fmt: skip


def a_notification(subject: str) -> OpenNotification:
    notification = Notification(subject_key=subject, kind=NotificationType.OVERDUE, raised_at=NOW, details={})
    return OpenNotification(notification=notification, told_at=None, escalated_at=None)


class Ledger:
    """A ledger as the board reads it, and what was asked of it."""

    def __init__(self, *rows: Summary) -> None:
        self.rows = {row.message_id: row for row in rows}
        self.events: list[RecordedEvent] = []
        self.asked: list[str] = []
        self.read: list[str] = []
        self.open: list[OpenNotification] = []
        self.error: Exception | None = None

    def change(self, row: Summary, at: datetime) -> None:
        self.rows[row.message_id] = row
        self.events.append(RecordedEvent(f"{row.message_id}/{len(self.events)}", row.message_id, at))

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        self.asked.append("everything")
        yield from (row for row in self.rows.values() if not row.status.settled or row.changed_at >= settled_since)

    def happened(self, since: datetime) -> Iterable[RecordedEvent]:
        self.asked.append("what happened")
        return [event for event in self.events if event.at >= since]

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        self.read += message_ids
        return [self.rows[message_id] for message_id in message_ids]

    def notifications(self) -> list[OpenNotification]:
        if self.error:
            raise self.error
        return list(self.open)


def a_board(ledger: Ledger) -> tuple[MessageCache, Clock]:
    clock = Clock(NOW)
    return MessageCache(ledger, now=clock), clock


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_everything_is_read_once_and_then_only_what_changed() -> None:
    ledger = Ledger(a_row(1), a_row(2))
    cache, clock = a_board(ledger)
    assert not cache.view().complete
    cache.refresh()
    clock.advance(timedelta(seconds=10))
    ledger.change(replace(a_row(2), status=Status.DELIVERED), clock())
    ledger.change(a_row(3), clock())
    cache.refresh()
    cache.refresh()
    assert ledger.asked == ["everything", "what happened", "what happened"]
    assert ledger.read == ["000002", "000003"], "what is known to have happened is not read again"
    view = cache.view()
    assert view.complete
    assert {row.message_id: row.status for row in view.rows} == {
        "000001": Status.SENT, "000002": Status.DELIVERED, "000003": Status.SENT
    }  # fmt: skip


def test_a_fact_that_was_written_late_is_found_all_the_same() -> None:
    ledger = Ledger(a_row(1))
    cache, clock = a_board(ledger)
    began = clock()
    clock.advance(timedelta(minutes=14))
    cache.refresh()
    clock.advance(timedelta(minutes=1))
    ledger.change(replace(a_row(1), status=Status.REFUSED), began)
    cache.refresh()
    assert cache.view().rows[0].status is Status.REFUSED


def test_what_settled_before_the_window_leaves_the_board_and_what_is_open_stays() -> None:
    ledger = Ledger(a_row(1, Status.DELIVERED, ago=30 * DAY), a_row(2, Status.SENT, ago=90 * DAY))
    cache, clock = a_board(ledger)
    cache.refresh()
    assert len(cache.view().rows) == 2
    clock.advance(2 * DAY)
    cache.refresh()
    assert [row.message_id for row in cache.view().rows] == ["000002"]


def test_rows_are_newest_first_and_pages_of_them_neither_repeat_nor_skip_any() -> None:
    ledger = Ledger(*(a_row(number, ago=timedelta(seconds=number // 3)) for number in range(20)))
    cache, _ = a_board(ledger)
    cache.refresh()
    view = cache.view()
    listed: list[Summary] = []
    after: str | None = None
    while True:
        page = view.page(Wanted(), 7, after)
        assert page.total == 20
        listed += page.rows
        after = page.after
        if after is None:
            break
    assert listed == list(view.rows)
    assert [row.created_at for row in listed] == sorted((row.created_at for row in listed), reverse=True)


def test_a_page_that_is_exactly_full_is_the_last() -> None:
    cache, _ = a_board(Ledger(*(a_row(number) for number in range(7))))
    cache.refresh()
    assert cache.view().page(Wanted(), 7).after is None


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), {1, 2, 3, 4}),
        (Wanted(statuses=frozenset({Status.SENT})), {1, 4}),
        (Wanted(mailbox="B2"), {2, 4}),
        (Wanted(since=NOW - 2 * DAY), {1, 2}),
        (Wanted(until=NOW - 2 * DAY), {3, 4}),
        (Wanted(since=NOW - 3 * DAY, until=NOW - DAY), {3}),
        (Wanted(statuses=frozenset({Status.SENT}), mailbox="B2", since=NOW - 9 * DAY), {4}),
    ],
)
def test_rows_are_chosen_and_counted_by_status_mailbox_and_when_they_came_in(
    wanted: Wanted, expected: set[int]
) -> None:
    rows = (
        a_row(1),
        a_row(2, Status.DELIVERED, ago=DAY, mailbox="B2"),
        a_row(3, Status.REJECTED, ago=3 * DAY),
        a_row(4, ago=5 * DAY, mailbox="B2"),
    )
    cache, _ = a_board(Ledger(*rows))
    cache.refresh()
    view = cache.view()
    assert {int(row.message_id) for row in view.page(wanted, 50).rows} == expected
    assert sum(view.counts(wanted).values()) == len(expected)


def test_a_cursor_that_is_none_is_refused() -> None:
    cache, _ = a_board(Ledger(a_row(1)))
    cache.refresh()
    with pytest.raises(CursorError):
        cache.view().page(Wanted(), 7, "nonsense")


def test_rows_are_shown_while_the_rest_is_still_read() -> None:
    seen: list[tuple[int, bool]] = []

    class Slow(Ledger):
        def standing(self, settled_since: datetime) -> Iterator[Summary]:
            for number, row in enumerate(super().standing(settled_since)):
                if number in {1_999, 2_000, 4_000}:
                    view = cache.view()
                    seen.append((len(view.rows), view.complete))
                yield row

    cache, _ = a_board(Slow(*(a_row(number) for number in range(4_500))))
    cache.refresh()
    assert seen == [(0, False), (2_000, False), (4_000, False)]
    assert (len(cache.view().rows), cache.view().complete) == (4_500, True)


def test_a_notification_that_was_taken_here_is_gone_before_the_ledger_is_asked_and_back_if_it_is_raised_anew() -> None:
    ledger = Ledger()
    ledger.open = [a_notification("MESSAGE#1"), a_notification("MESSAGE#2")]
    cache, _ = a_board(ledger)
    cache.refresh()
    cache.notification_acknowledged("MESSAGE#1/overdue")
    assert [notification.notification.id for notification in cache.view().notifications] == ["MESSAGE#2/overdue"]
    cache.refresh()  # an index may be a moment behind
    assert [notification.notification.id for notification in cache.view().notifications] == ["MESSAGE#2/overdue"]
    ledger.open[0] = replace(ledger.open[0], notification=replace(ledger.open[0].notification, raised_at=NOW + DAY))
    cache.refresh()
    assert len(cache.view().notifications) == 2


def test_while_the_ledger_cannot_be_read_the_board_says_so_and_keeps_what_it_knows() -> None:
    ledger = Ledger(a_row(1))
    cache, _ = a_board(ledger)
    cache.start()
    try:
        until(lambda: cache.view().complete)
        ledger.error = ClientError({"Error": {"Code": "ExpiredTokenException", "Message": "a secret"}}, "Query")
        cache.look_again()
        until(lambda: cache.view().failed is not None)
        assert cache.view().failed == "ExpiredTokenException"
        assert len(cache.view().rows) == 1
        ledger.error = None
        cache.look_again()
        until(lambda: cache.view().failed is None)
    finally:
        cache.stop()

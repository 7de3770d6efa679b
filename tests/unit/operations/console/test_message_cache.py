"""The board: what it knows of the ledger, how it comes to know more, and what it says when it cannot."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

import gpcm.console.message_cache
from gpcm.console.message_cache import CursorError, MessageCache, Wanted
from gpconnect_messaging.ledger.encounters import is_failed
from gpconnect_messaging.ledger.records import Notification, RaisedNotification, Summary
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from tests.fakes.clock import Clock
from tests.unit.ledger.events import BUILT, accepted, response, started
from tests.unit.operations.an_environment import PlaceInMemory

NOW = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def a_row(number: int, status: Status = Status.SENT, *, ago: timedelta = timedelta(0), mailbox: str = "A1") -> Summary:
    return Summary(
        message_id=f"{number:06}", request_id="r", mailbox=mailbox, encounter="e", version=1, recipient="p",
        status=status, created_at=NOW - ago, changed_at=NOW - ago, due_at=None, mesh_message_ids=(), became=(),
        legal_hold=False,
    )  # fmt: skip


def a_notification(subject: str) -> RaisedNotification:
    notification = Notification(subject_key=subject, kind=NotificationType.OVERDUE, raised_at=NOW, details={})
    return RaisedNotification(notification=notification)


class Ledger:
    """A ledger as the board reads it, and what was asked of it. Without a key a row is an encounter of its own."""

    def __init__(self, *rows: Summary) -> None:
        self.encounters: dict[str, dict[str, Summary]] = defaultdict(dict)
        self.read: list[str] = []
        self.open: list[RaisedNotification] = []
        self.error: Exception | None = None
        for row in rows:
            self.have(row)

    def have(self, row: Summary, key: str = "") -> None:
        self.encounters[key or row.message_id][row.message_id] = row

    def listed(self) -> dict[str, tuple[str, ...]]:
        return {
            key: states
            for key, rows in self.encounters.items()
            if (
                states := tuple(
                    f"{row.status} {row.changed_at} {row.due_at}"
                    for row in rows.values()
                    if not row.status.settled or is_failed(row.status)
                )
            )
        }

    def arrived(self, since: datetime) -> Iterator[str]:
        found = [(row.created_at, key) for key, rows in self.encounters.items() for row in rows.values()]
        return (key for created_at, key in sorted(found, reverse=True) if created_at >= since)

    def of_encounters(self, keys: Iterable[str]) -> Iterator[tuple[str, list[Summary]]]:
        for key in keys:
            self.read.append(key)
            yield key, list(self.encounters[key].values())

    def notifications(self) -> list[RaisedNotification]:
        if self.error:
            raise self.error
        return list(self.open)


def a_board(ledger: Ledger) -> tuple[MessageCache, Clock]:
    clock = Clock(NOW)
    return MessageCache(ledger, ledger.notifications, now=clock), clock


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_everything_is_read_once_and_then_only_what_changed() -> None:
    old = [a_row(number, ago=DAY) for number in (1, 2)]
    ledger = Ledger(*old)
    cache, clock = a_board(ledger)
    assert not cache.view().complete
    cache.refresh()
    assert sorted(ledger.read) == ["000001", "000002"]
    ledger.read.clear()
    cache.refresh()
    assert ledger.read == [], "what is shown as before is not read again"
    clock.advance(timedelta(seconds=10))
    ledger.have(replace(old[1], status=Status.DELIVERED, changed_at=clock()))
    ledger.have(a_row(3))
    cache.refresh()
    assert sorted(ledger.read) == ["000002", "000003"]
    view = cache.view()
    assert view.complete
    assert {row.message_id: row.status for row in view.rows} == {
        "000001": Status.SENT, "000002": Status.DELIVERED, "000003": Status.SENT
    }  # fmt: skip


@pytest.mark.parametrize(
    ("before", "changed"),
    [
        (Status.SENT, {"status": Status.REJECTED}),
        (Status.DELIVERED, {"status": Status.REJECTED}),
        (Status.REJECTED, {"status": Status.SENDING}),
        (Status.BUILT, {"due_at": NOW + DAY}),
        (Status.OVERDUE, {"changed_at": NOW}),
    ],
)
def test_a_change_of_what_the_indexes_show_is_followed(before: Status, changed: dict[str, Any]) -> None:
    row = a_row(1, before, ago=DAY)
    ledger = Ledger(row)
    cache, _ = a_board(ledger)
    cache.refresh()
    ledger.have(replace(row, **changed))
    cache.refresh()
    assert cache.view().rows == (replace(row, **changed),)


def test_the_indexes_show_when_an_encounter_is_due_also_where_a_message_of_it_failed() -> None:
    environment = PlaceInMemory()
    for number, answers in enumerate(((response("20013"), response("30002")), ())):
        environment.have(f"0000000{number}-0000-5000-8000-000000000000", BUILT, started(), accepted(), *answers)
    [stored] = [values for (_, sort), values in environment.dynamodb.items.items() if sort == "STATE"]
    assert {"work_shard", "attention_shard"} <= set(stored)
    assert list(environment.search.listed().values()) == [(*stored["statuses"], stored["work_at"])]


def test_a_request_that_was_written_late_is_found_all_the_same() -> None:
    ledger = Ledger(a_row(1))
    cache, clock = a_board(ledger)
    began = clock()
    clock.advance(timedelta(minutes=14))
    cache.refresh()
    clock.advance(timedelta(minutes=1))
    ledger.have(replace(a_row(2, Status.DELIVERED), created_at=began))
    cache.refresh()
    assert {row.message_id for row in cache.view().rows} == {"000001", "000002"}


def test_of_an_encounter_only_what_settled_before_the_window_leaves_the_board() -> None:
    ledger = Ledger()
    ledger.have(a_row(1, Status.DELIVERED, ago=90 * DAY), "encounter")
    ledger.have(a_row(2), "encounter")
    cache, _ = a_board(ledger)
    cache.refresh()
    assert [row.message_id for row in cache.view().rows] == ["000002"]


def test_of_very_many_requests_the_newest_are_read_and_the_view_says_from_when(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpcm.console.message_cache, "MOST_ARRIVED", 3)
    settled = [a_row(number, Status.DELIVERED, ago=number * DAY) for number in range(1, 6)]
    cache, _ = a_board(Ledger(*settled, a_row(9, ago=9 * DAY)))
    cache.refresh()
    view = cache.view()
    assert [int(row.message_id) for row in view.rows] == [1, 2, 3, 9], "and everything that is open"
    assert view.since == NOW - 3 * DAY


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
        def of_encounters(self, keys: Iterable[str]) -> Iterator[tuple[str, list[Summary]]]:
            for number, found in enumerate(super().of_encounters(keys)):
                if number in {1_999, 2_000, 4_000}:
                    view = cache.view()
                    seen.append((len(view.rows), view.complete))
                yield found

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

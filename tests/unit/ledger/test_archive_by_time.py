"""Lists, audit events and failed messages of a time are the same before and after the archive took them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.ledger.archive import Archived, month_after, month_start
from gpconnect_messaging.ledger.archiver import GRACE
from gpconnect_messaging.ledger.encounter_table import YOUNGEST_ARCHIVED
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import AuditEvent, MessageRecord, Summary
from gpconnect_messaging.ledger.stored_names import Status
from tests.crash_injection import Crasher
from tests.unit.ledger.events import BUILT, at
from tests.unit.ledger.test_archive import DUE, MAILBOX, Kept, kept

__all__ = ["kept"]

BEGIN, END = at(-60), at(60 * 24 * 60)
BUSY = "2022-06"


def pages(kept: Kept, status: Status | None = None, **how: Any) -> list[Summary]:
    """All pages of a list."""
    rows: list[Summary] = []
    cursor = None
    while True:
        page = (
            kept.search.by_time(cursor=cursor, **how)
            if status is None
            else kept.search.by_status(status, cursor=cursor, **how)
        )
        rows += page.rows
        if (cursor := page.cursor) is None:
            return rows


def lists(kept: Kept) -> dict[str, list[Summary]]:
    """What lists of a time show."""
    of_time: dict[str, Any] = {"since": BEGIN, "until": END}
    return {
        "all": pages(kept, limit=50, **of_time),
        "in small pages": pages(kept, limit=2, mailbox=MAILBOX, **of_time),
        "delivered": pages(kept, Status.DELIVERED, limit=7, **of_time),
        "rejected": pages(kept, Status.REJECTED, limit=1, **of_time),
    }


def events(kept: Kept) -> list[AuditEvent]:
    """The audit events of all messages, message by message."""
    found = [event for message in sorted(set(kept.names.values())) for event in kept.trail.of_message(message)]
    return sorted(found, key=lambda event: (event.at, event.message_id))


def check(kept: Kept, before: dict[str, list[Summary]]) -> None:
    assert lists(kept) == before
    assert list(kept.trail.between(BEGIN, END)) == [event for event in events(kept) if event.at <= END]
    for message in {row.message_id for row in before["all"]}:
        [row] = kept.search.named(message)
        assert row in before["all"]


_STEP = st.sampled_from(
    ["send", "send two", "send again", "late", "acknowledge", "hold", "lift", "archive", "die", "expire", "wait"]
)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(_STEP, st.integers(0, 40)), max_size=15))
def test_whatever_is_archived_and_deleted_lists_of_a_time_show_each_message_once_in_the_same_order(
    steps: list[tuple[str, int]],
) -> None:
    kept, watch = Kept(), Crasher()
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    watch.watch(kept.table, "put_item", "update_item")
    watch.watch(kept.bucket, "put_object", "get_object")
    sent = [kept.send("first")]
    for step, number in [*steps, ("wait", 180), ("archive", 0), ("wait", 8), ("expire", 0)]:
        chosen = sent[number % len(sent)]
        before = lists(kept) if step in ("archive", "die", "expire") else {}
        match step:
            case "send" | "send two":
                for _ in range(1 + (step == "send two")):
                    sent.append(kept.send(f"e{len(sent)}", answered=bool(number % 4)))
            case "send again":
                sent.append(kept.send(f"e{number % len(sent)}"))
            case "late":
                if kept.ledger.find(chosen):
                    kept.answer(chosen, "20006")
            case "acknowledge":
                kept.acknowledge()
            case "hold":
                kept.held.apply(chosen)
            case "lift":
                kept.held.lift(chosen)
            case "archive" | "die":
                with watch.dying_at(number + 1 if step == "die" else None):
                    kept.archiver().run(lambda: True)
                check(kept, before)
            case "expire":
                kept.expire()
                check(kept, before)
        kept.clock.advance(timedelta(days=number) if step in ("wait", "send") else timedelta(minutes=6))


@pytest.mark.parametrize("gone", ["pointers", "encounters"])
def test_dynamodb_deletes_expired_items_in_any_order(kept: Kept, gone: str) -> None:
    for name in ("a", "b"):
        kept.send(name)
        kept.clock.advance(timedelta(minutes=1))
    before = lists(kept)
    kept.clock.time = DUE
    kept.archived()
    for pk, sk in kept.table.item_keys():
        if pk.startswith("ENCOUNTER#") is (gone == "encounters") and "expires_at" in kept.table.item(pk, sk):
            kept.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": sk}})
    check(kept, before)


def test_a_failed_message_is_listed_by_status_after_it_has_left_the_ledger(kept: Kept) -> None:
    message = kept.send("e", answered=False)
    kept.clock.advance(timedelta(days=1))
    kept.answer(message, "20009")
    kept.acknowledge()
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    assert kept.expire() == 1
    day = at(60 * 24)
    for since, until, found in ((day, None, [message]), (BEGIN, at(0), []), (day + timedelta(days=1), None, [])):
        rows = pages(kept, Status.REJECTED, since=since, until=until)
        assert [row.message_id for row in rows] == found
    assert not pages(kept, Status.REJECTED)


def an_encounter(number: int, came: datetime) -> Archived:
    key = f"{number:08x}-0000-0000-0000"
    record = MessageRecord(
        message_id=f"message-{number:06}", request_id=f"request-{number:06}", mailbox=MAILBOX, encounter="e",
        encounter_key=key, version=0, created_at=came, history=MessageHistory((BUILT,)),
    )  # fmt: skip
    own = MessageRecord(
        message_id=f"request-{number:06}", request_id=f"request-{number:06}", mailbox=MAILBOX, encounter="e",
        encounter_key=key, version=0, created_at=came, history=MessageHistory(()),
    )  # fmt: skip
    return Archived(Encounter(key=key, mailbox=MAILBOX, records={one.message_id: one for one in (record, own)}))


@pytest.fixture
def eight_years(kept: Kept) -> Kept:
    """An archive of 96 months, in which a message came every hour of a day, and many in one busy minute."""

    def of_month(month: str) -> Iterator[datetime]:
        yield from (month_start(month) + timedelta(days=1, hours=hour) for hour in range(24))
        if month == BUSY:
            yield from (
                month_start(month) + timedelta(days=4, seconds=second) for second in range(60) for _ in range(25)
            )

    for number in range(96):
        month = month_after("2018-11", number)
        some = [an_encounter(number * 10_000 + own, came) for own, came in enumerate(of_month(month))]
        kept.archive.write(month, 0, some, kept.clock())
        kept.archive.index(month, 1, 0, 1)
    kept.s3.requests.clear()
    return kept


@pytest.mark.parametrize("month", ["2018-11", "2022-06"])
def test_the_list_of_a_quiet_day_takes_two_requests_of_the_archive_after_96_months(
    eight_years: Kept, month: str
) -> None:
    kept, day = eight_years, month_start(month) + timedelta(days=1)
    page = kept.search.by_time(since=day, until=day + timedelta(days=1, seconds=-1))
    assert len(page.rows) == 48
    assert kept.s3.requests.total() == 2


def test_a_page_of_a_busy_day_reads_seventeen_objects_and_the_next_one_as_many(eight_years: Kept) -> None:
    kept, day = eight_years, month_start(BUSY) + timedelta(days=4)
    page = kept.search.by_time(since=day, until=day + timedelta(days=1))
    assert len(page.rows) == 50
    assert kept.s3.requests.total() <= 17
    kept.s3.requests.clear()
    following = kept.search.by_time(since=day, until=day + timedelta(days=1), cursor=page.cursor)
    assert not {row.message_id for row in following.rows} & {row.message_id for row in page.rows}
    assert kept.s3.requests.total() <= 17


def test_a_list_over_eight_years_reads_an_index_a_month_at_most(eight_years: Kept) -> None:
    kept = eight_years
    kept.clock.time = datetime.fromisoformat("2034-11-20T00:00:00Z")
    page = kept.search.by_time(since=month_start("2026-10"), limit=300)
    assert len(page.rows) == 48
    assert kept.s3.requests.total() <= 98 + 12


def test_a_list_of_young_messages_does_not_read_the_archive(kept: Kept) -> None:
    kept.search.by_time(since=kept.clock() - YOUNGEST_ARCHIVED + timedelta(seconds=1))
    assert not kept.s3.requests


def test_a_month_that_is_archived_again_replaces_its_spans(kept: Kept) -> None:
    came, until = month_start("2020-01"), month_start("2020-02")
    for some in ([an_encounter(number, came) for number in range(100)], [an_encounter(7, came)]):
        kept.archive.write("2020-01", 0, some, kept.clock())
        kept.archive.index("2020-01", 1, 0, 1)
        assert {one.key for one in kept.archive.happened(at(0), at(0))} == {one.encounter.key for one in some}
        assert len(pages(kept, since=came, until=until)) == 2 * len(some)


def test_a_segment_that_has_expired_is_no_fault(eight_years: Kept) -> None:
    eight_years.bucket.expire("archive/2020-01/000000.jsonl.gz")
    assert not pages(eight_years, since=month_start("2020-01"), until=month_start("2020-02"))

"""Finding messages by the ledger's indexes, in memory; tests/integration/test_ledger_store.py has the real engines."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger import search
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.events import LedgerEvent, built, request_refused
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.ledger.search import CursorError, Page, Search
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.product import Product
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import accepted, refused, response, started

MAILBOX, OTHER = "Y90001OT001", "Y90002OT001"
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


class Kept:
    """A ledger in memory, and the search over it."""

    def __init__(self) -> None:
        self.clock = Clock(START)
        table: Any = Table()
        self.table = table
        self.ledger = Ledger(table, "ledger", PATIENCE, self.clock)
        self.search = Search(table, "ledger", self.clock, timeouts=PATIENCE)

    def built(self, mailbox: str = MAILBOX, **changes: Any) -> str:
        """Have a message built, a minute after the one before."""
        self.clock.advance(timedelta(minutes=1))
        hour = timedelta(hours=1)
        event = built(
            at=self.clock(), sha256="00", size=1, infrastructure_due=hour, business_due=hour, to_mailbox="A20047OT001"
        )
        return self.row(event, mailbox=mailbox, **changes)

    def row(self, event: LedgerEvent, *, encounter: str = "", mailbox: str = MAILBOX, **changes: Any) -> str:
        """Store a message with its claim or, where the event is of a request that became none, the request."""
        encounter = encounter or str(uuid.uuid4())
        request_id = changes.get("request_id", str(uuid.uuid4()))
        given: dict[str, Any] = {"message_id": request_id, "version": 0}
        if event.kind is EventType.BUILT:
            claim = self.ledger.claim(request_id, ids_of(mailbox, encounter), (), self.clock())
            assert claim is not None
            given = {"message_id": claim.message_ids[0], "version": claim.version}
        record = MessageRecord(
            **given | {"request_id": request_id} | changes,
            mailbox=mailbox, encounter=encounter, encounter_key=key_of(mailbox, encounter),
            created_at=self.clock(), history=MessageHistory((event,)),
        )  # fmt: skip
        self.ledger.create(record)
        return record.message_id


@pytest.fixture
def kept() -> Kept:
    return Kept()


def ids(page: Page) -> list[str]:
    return [row.message_id for row in page.rows]


def turned(read: Any, limit: int) -> list[str]:
    """Turn all pages, and say what they show."""
    page = read(limit=limit)
    shown = ids(page)
    while page.cursor:
        assert len(page.rows) == limit
        page = read(limit=limit, cursor=page.cursor)
        shown += ids(page)
    return shown


def newest_first(made: Sequence[str]) -> list[str]:
    return list(reversed(made))


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_by_status_show_each_message_once_newest_first(kept: Kept, limit: int) -> None:
    made = [kept.built() for _ in range(24)]
    assert turned(lambda **page: kept.search.by_status(Status.BUILT, **page), limit) == newest_first(made)
    assert kept.search.by_status(Status.SENT).rows == ()


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_pages_of_everything_go_over_days_and_statuses(kept: Kept, limit: int) -> None:
    made = []
    for _ in range(12):
        made.append(kept.built())
        kept.clock.advance(timedelta(hours=5))
        kept.ledger.record(made[-1], started())
    assert turned(kept.search.by_time, limit) == newest_first(made)


def test_a_list_of_a_quiet_weekend_takes_sixteen_queries_at_most(kept: Kept) -> None:
    kept.built()
    with patch.object(kept.table, "query", wraps=kept.table.query) as query:
        assert len(kept.search.by_time().rows) == 1
    assert query.call_count <= 16, "a query costs gpcm list four milliseconds of processor time"


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("status", [None, Status.RELEASED])
def test_pages_by_time_show_held_requests_and_what_they_became_once_by_arrival(
    limit: int, status: Status | None
) -> None:
    product = Product()
    for number in range(3):
        product.asks(encounter=f"held-{number}")
    product.clock.advance(timedelta(hours=1))
    product.mailbox = replace(product.mailbox, hold_window_seconds=0)
    for number in range(3):
        product.asks(encounter=f"direct-{number}")
    product.later(timedelta(hours=3))
    found = Search(product.around.dynamodb, "ledger", product.clock)  # type: ignore[arg-type]
    shown: list[str] = []
    cursor: str | None = None
    while not shown or cursor:
        page = (
            found.by_time(limit=limit, cursor=cursor)
            if status is None
            else found.by_status(status, limit=limit, cursor=cursor)
        )
        shown += [row.message_id for row in page.rows]
        cursor = page.cursor
    assert len(set(shown)) == len(shown) == (9 if status is None else 3), "three held, what they became, and three more"
    if status is None:
        assert [row.encounter[:4] for row in found.by_time(limit=9).rows] == ["dire"] * 3 + ["held"] * 6


def test_a_page_is_of_one_mailbox_and_one_time_where_that_is_asked(kept: Kept) -> None:
    made = [kept.built(mailbox) for mailbox in (MAILBOX, OTHER) * 5]
    assert ids(kept.search.by_status(Status.BUILT, mailbox=OTHER)) == newest_first(made[1::2])
    assert ids(kept.search.by_time(mailbox=OTHER, limit=3)) == newest_first(made[1::2])[:3]
    first, last = START + timedelta(minutes=3), START + timedelta(minutes=5, seconds=30)
    for found in (
        kept.search.by_time(since=first, until=last),
        kept.search.by_status(Status.BUILT, since=first, until=last),
    ):
        assert ids(found) == newest_first(made[2:5])


def test_a_held_request_that_is_refused_later_is_listed_once_where_it_came_in(kept: Kept) -> None:
    held = kept.row(ledger_events.held(at=START, release_at=START, by_a_person=False, requirement="", why="open"))
    after = kept.built()
    kept.clock.advance(timedelta(hours=1))
    kept.ledger.record(held, request_refused(at=kept.clock(), reasons=["patient: is missing"]))
    refused = kept.row(request_refused(at=kept.clock(), reasons=["patient: is missing"]))
    assert ids(kept.search.by_time()) == [refused, after, held]


def test_a_message_is_found_by_its_whole_id_in_any_case(kept: Kept) -> None:
    wanted, *_ = [kept.built(encounter="the same") for _ in range(20)]
    for name in (wanted, wanted.upper(), f" {wanted} "):
        assert [row.message_id for row in kept.search.named(name)] == [wanted]
    for name in (wanted[:8], wanted[:20], str(uuid.uuid4()), "", "Wright"):
        assert kept.search.named(name) == []


def test_a_message_is_found_by_its_request_and_by_what_mesh_calls_it_or_its_answer(kept: Kept) -> None:
    request_id = str(uuid.uuid4())
    claim = kept.ledger.claim(
        request_id, ids_of(MAILBOX, "encounter"), (), START, recipients=("registered-practice", "FA565")
    )
    assert claim is not None
    assert kept.search.named(request_id) == [], "nothing is built yet"
    pair = list(claim.message_ids)
    assert len(pair) == 2
    for message_id in pair:
        kept.built(encounter="encounter", message_id=message_id, request_id=request_id)
    assert [row.message_id for row in kept.search.named(request_id)] == pair
    kept.ledger.record(pair[0], started())
    kept.ledger.record(pair[0], accepted(mesh_message_id="20261120_MESH"))
    kept.ledger.received(
        Received(
            mailbox=MAILBOX, mesh_message_id="20261120_ANSWER", at=kept.clock(), evidence_key="", outcome=pair[0]
        )
    )  # fmt: skip
    for name in ("20261120_MESH", "20261120_ANSWER"):
        assert [row.message_id for row in kept.search.named(name)] == [pair[0]]


def test_an_encounters_rows_are_found_newest_version_first(kept: Kept) -> None:
    made = [kept.built(version=version, encounter="E1") for version in (1, 2, 3)]
    kept.built(encounter="E2")
    assert [row.message_id for row in kept.search.of_encounter(key_of(MAILBOX, "E1"))] == newest_first(made)
    assert kept.search.of_encounter(key_of(OTHER, "E1")) == []


def test_open_statuses_are_counted_in_all_and_settled_ones_since_a_moment(kept: Kept) -> None:
    made = [kept.built() for _ in range(5)]
    for message_id in made[:2]:
        for event in (started(), accepted(), response("20013"), response("30001")):
            kept.ledger.record(message_id, event)
    kept.clock.advance(timedelta(days=2))
    kept.row(request_refused(at=kept.clock(), reasons=[]))
    counted = kept.search.counts(kept.clock() - timedelta(days=1))
    assert {status: count for status, count in counted.by_status.items() if count} == {
        Status.BUILT: 3,
        Status.INVALID: 1,
    }
    whole = kept.search.counts(START)
    assert whole.by_status[Status.DELIVERED] == 2
    built_at = kept.search.summaries([made[2]])[0].changed_at
    assert counted.oldest == {Status.BUILT: built_at}
    assert [row.message_id for row in kept.search.longest(Status.BUILT, 2)] == made[2:4]
    assert (counted.requests, whole.requests, whole.complete) == (1, 6, True)


def test_of_more_requests_than_are_counted_only_open_and_failed_messages_are(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MOST_COUNTED", 4)
    made = [kept.built() for _ in range(5)]
    for event in (started(), accepted(), response("20013"), response("30001")):
        kept.ledger.record(made[0], event)
    kept.row(request_refused(at=kept.clock(), reasons=[]))
    counted = kept.search.counts(START)
    assert (counted.requests, counted.complete) == (6, False)
    assert {status: count for status, count in counted.by_status.items() if count} == {
        Status.BUILT: 4,
        Status.INVALID: 1,
    }


def test_ends_that_are_no_failures_are_listed_by_arrival_and_failures_by_when_they_failed(kept: Kept) -> None:
    made = [kept.built() for _ in range(4)]
    for message_id in (made[1], made[0]):
        kept.clock.advance(timedelta(minutes=1))
        for event in (started(), accepted(), response("20013"), response("30001")):
            kept.ledger.record(message_id, event)
    for message_id in (made[3], made[2]):
        kept.clock.advance(timedelta(minutes=1))
        for event in (started(), refused()):
            kept.ledger.record(message_id, event)
    assert ids(kept.search.by_status(Status.DELIVERED)) == [made[1], made[0]]
    assert ids(kept.search.by_status(Status.REFUSED)) == [made[2], made[3]]


def test_a_cursor_that_is_none_is_refused(kept: Kept) -> None:
    with pytest.raises(CursorError):
        kept.search.by_time(cursor="the second page")

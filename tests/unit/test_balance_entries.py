"""What a balance is made from can be shared out by request, and reckoned share by share."""

import json
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.balance_entries import (
    SLOTS,
    Entries,
    EntriesFile,
    Entry,
    ReceivedBefore,
    read_left_open,
    read_slots,
    write_left_open,
)
from gpconnect_messaging.ledger.reconciliation import MOST_LISTED, Balance, LeftOpen, Row, Unmatched, balance
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.storage import Receipt

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
MAILBOXES = ("Y90001OT001", "Y90002OT001")
MANY = 400

requests = st.integers(0, 60).map("request-{}".format)
times = st.integers(0, 40 * 60).map(lambda minutes: NOW - timedelta(minutes=minutes))
mailboxes = st.sampled_from(MAILBOXES)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    request_id, mailbox = draw(requests), draw(mailboxes)
    created = draw(times)
    return Row(
        message_id=draw(st.sampled_from([request_id, *(f"{request_id}-message-{number}" for number in range(3))])),
        request_id=request_id,
        mailbox=mailbox,
        status=draw(st.sampled_from(Status)),
        created_at=created,
        changed_at=created + timedelta(minutes=draw(st.integers(0, 600))),
        due_at=draw(st.none() | times),
        messages=draw(st.integers(1, 3)),
        mesh_message_ids=tuple(draw(st.lists(st.sampled_from("UVW"), max_size=2, unique=True))),
        became=tuple(f"{request_id}-message-{number}" for number in range(draw(st.integers(0, 2)))),
    )


@st.composite
def left_open(draw: st.DrawFn) -> LeftOpen:
    request_id = draw(requests)
    return LeftOpen(message_id=f"{request_id}-message-0", request_id=request_id, mailbox=draw(mailboxes), why="SENT")


entries = st.lists(
    rows()
    | left_open()
    | st.builds(Receipt, request_id=requests, at=times)
    | st.builds(ReceivedBefore, requests)
    | st.builds(Unmatched, mailbox=mailboxes, mesh_message_id=st.integers(0, 99).map("U{}".format)),
    max_size=150,
)


def reckoned(found: Entries) -> Balance:
    return balance(DAY, **found.arguments, now=NOW, settling=timedelta(minutes=10), tracked_after=timedelta(hours=1))


def comparable(made: Balance) -> dict[str, Any]:
    """A balance with sorted lists and without empty mailboxes."""
    found = made.as_json()
    found["mailboxes"] = {
        name: {kind: sorted(value) if isinstance(value, list) else value for kind, value in its.items()}
        for name, its in found["mailboxes"].items()
    }
    return found


def files_of(found: list[Entry], cuts: list[int]) -> list[bytes]:
    """Write the entries into several files, cut anywhere."""
    made = []
    for start, end in pairwise([0, *sorted(cuts), len(found)]):
        file = EntriesFile()
        file.add(found[start:end])
        made.append(file.content())
    return made


def entries_in(files: list[bytes], first: int, end: int) -> Entries:
    found = Entries()
    for content in files:
        for entry in read_slots(lambda start, stop, content=content: content[start:stop], first, end):  # type: ignore[misc]
            found.add(entry)
    return found


@given(found=entries, cuts=st.lists(st.integers(0, 150), max_size=4), parts=st.integers(1, 40))
def test_the_balances_of_the_parts_add_up_to_the_balance_of_the_whole_day(
    found: list[Entry], cuts: list[int], parts: int
) -> None:
    at_once = Entries()
    for entry in found:
        at_once.add(entry)
    files = files_of(found, cuts)
    total = Balance(day=DAY, made_at=NOW, mailboxes={})
    for number in range(parts):
        total = total.plus(reckoned(entries_in(files, SLOTS * number // parts, SLOTS * (number + 1) // parts)))
        total = Balance.from_json(json.loads(json.dumps(total.as_json())))
    whole = reckoned(at_once)
    assert comparable(total) == comparable(whole)
    assert total.wrong == whole.wrong


def test_of_very_many_ids_the_first_are_listed_and_all_are_counted() -> None:
    found = Entries()
    for number in range(MANY):
        found.add(Receipt(request_id=f"request-{number}", at=NOW - timedelta(hours=9)))
    whole = reckoned(found)
    assert len(whole.mailboxes["-"].lost) == MANY, "a part has all of its own: each gets a second look"
    total = Balance(day=DAY, made_at=NOW, mailboxes={}).plus(whole)
    assert (len(total.mailboxes["-"].lost), total.total("lost"), total.wrong) == (MOST_LISTED, MANY, MANY)


def test_the_same_entries_give_the_same_bytes() -> None:
    one, other = EntriesFile(), EntriesFile()
    for file in (one, other):
        file.add([Receipt(request_id="a", at=NOW), ReceivedBefore("b")])
    assert one.content() == other.content()


@given(left=st.lists(left_open()))
def test_what_is_left_open_is_read_as_it_was_written(left: list[LeftOpen]) -> None:
    assert read_left_open(write_left_open(left)) == left

"""Settled encounters move to the archive: never deleted unarchived, and found by every id, live or archived."""

import gzip
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.ledger import archive, encounter_format
from gpconnect_messaging.ledger.archive import Archive, Archived, ArchiveDamagedError, month_after
from gpconnect_messaging.ledger.archiver import GRACE, Archiver
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import STATE, EncounterTable
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.holds import HeldItems
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import item
from tests.crash_injection import Crasher
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.s3 import Bucket
from tests.identifiers import ids_of
from tests.unit.ledger.events import BUILT, accepted, at, response, started

MAILBOX = "Y90001OT001"
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
AFTER = timedelta(days=120)
DUE = datetime.fromisoformat("2027-04-01T01:00:00Z")
"""When the month of the first messages is old enough."""


class Counted:
    """A client that counts the requests that are made of it."""

    def __init__(self, target: Any) -> None:
        self._target, self.requests = target, Counter[str]()

    def __getattr__(self, operation: str) -> Any:
        found = getattr(self._target, operation)

        def call(*arguments: Any, **named: Any) -> Any:
            self.requests[operation] += 1
            return found(*arguments, **named)

        return call


class Kept:
    """A ledger with an archive."""

    def __init__(self) -> None:
        self.clock = Clock(at(0))
        self.table, self.bucket = Table(), Bucket(self.clock)
        client: Any = self.table
        s3: Any = self.bucket
        self.live, self.s3 = Counted(client), Counted(s3)
        live: Any = self.live
        counted_s3: Any = self.s3
        self.archive = Archive(counted_s3, "evidence")
        self.ledger = Ledger(client, "ledger", PATIENCE, self.clock, kept_for=timedelta(days=2_922))
        self.search = Search(live, "ledger", self.clock).with_archive(self.archive)
        self.trail = AuditTrail(live, "ledger", self.clock).with_archive(self.archive)
        self.held = HeldItems(client, "ledger", PATIENCE, self.clock).with_archive(self.archive)
        begins = {"month": "2026-11", "phase": "write", "position": "", "segments": 0, "next": 0, "revision": 1}
        self.table.put_item(Item=item({"pk": "ARCHIVE", "sk": "PROGRESS", **begins}))
        self.names: dict[str, str] = {}
        """The message of every id."""

    def archiver(self, after: timedelta = AFTER) -> Archiver:
        client: Any = self.table
        s3: Any = self.bucket
        return Archiver(client, "ledger", PATIENCE, Archive(s3, "evidence"), after, self.clock)

    def send(self, name: str, *, answered: bool = True) -> str:
        """Send a message, and let the practice answer."""
        now, request = self.clock(), f"{len(self.names):08x}-0000-5000-8000-{len(self.names):012x}"
        ids = ids_of(MAILBOX, name)
        claim = self.ledger.claim(request, ids, ("v",), now)
        assert claim is not None
        message = str(ids.message_id(claim.version))
        self.ledger.create(
            MessageRecord(
                message_id=message, request_id=request, mailbox=MAILBOX, encounter=name, encounter_key=ids.key,
                version=claim.version, created_at=now, history=MessageHistory((replace(BUILT, at=now),)),
            )
        )  # fmt: skip
        sent = f"SENT{request}"
        self.ledger.record(message, started(minutes=self.minutes), accepted(minutes=self.minutes, mesh_message_id=sent))
        self.names |= dict.fromkeys((message, request, sent), message)
        if answered:
            for code in ("20013", "30001"):
                self.answer(message, code)
        return message

    @property
    def minutes(self) -> float:
        return (self.clock() - at(0)) / timedelta(minutes=1)

    def acknowledge(self) -> None:
        """Let a person acknowledge every notification."""
        now = self.clock()
        for raised in self.search.open_notifications():
            self.ledger.change_notification(
                raised.notification, lambda state: replace(state, acknowledged_at=now, due_at=None)
            )

    def answer(self, message: str, code: str) -> None:
        came = f"CAME{message}{code}"
        self.ledger.record(message, response(code, self.minutes, mesh_message_id=f"CAME{message}"))
        self.ledger.received(
            Received(mailbox=MAILBOX, mesh_message_id=came, at=self.clock(), evidence_key="k", outcome=message)
        )
        self.names[came] = message

    def archived(self, runs: int = 4) -> None:
        """Run the archiver of some nights."""
        for _ in range(runs):
            self.archiver().run(lambda: True)
            self.clock.advance(timedelta(minutes=5))

    def expire(self) -> int:
        """Delete what has expired, as DynamoDB does."""
        gone = [key for key, one in self.table.items.items() if one.get("expires_at", 1e12) < self.clock().timestamp()]
        for pk, sk in gone:
            self.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": sk}})
        return sum(sk == STATE for _, sk in gone)

    def content(self) -> dict[str, object]:
        """Everything that operators find, by id."""
        return {name: self.found(name) for name in self.names}

    def found(self, name: str) -> object:
        [summary] = self.search.named(name)
        record = self.search.find(summary.message_id)
        assert record is not None, name
        events = self.trail.of_message(summary.message_id)
        return (summary, record.history.events, events)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_an_archived_encounter_leaves_the_ledger_and_is_found_by_every_id_with_the_same_content(kept: Kept) -> None:
    message = kept.send("e")
    before, received = kept.content(), kept.trail.of_mesh_message(f"CAME{message}20013")
    assert kept.search.named(message)[0].status is Status.DELIVERED
    kept.clock.time = DUE
    kept.archived()
    assert kept.content() == before
    kept.clock.advance(GRACE)
    assert kept.expire() == 1
    assert not [key for key in kept.table.items if key[0].startswith(("ENCOUNTER#", "REQUEST#", "MESH#"))]
    assert kept.content() == before
    assert kept.trail.of_mesh_message(f"CAME{message}20013") == received
    assert [row.message_id for row in kept.search.of_encounter(ids_of(MAILBOX, "e").key)] == [message]


def test_the_store_lets_no_encounter_expire(kept: Kept) -> None:
    kept.send("e")
    assert not [key for key, item in kept.table.items.items() if "expires_at" in item]


def test_a_month_is_archived_when_all_of_it_is_old_enough(kept: Kept) -> None:
    kept.send("e")
    kept.clock.time = datetime.fromisoformat("2027-03-30T22:00:00Z")  # 119 days after November
    kept.archived()
    assert not kept.bucket.objects
    kept.clock.time = datetime.fromisoformat("2027-03-31T00:00:00Z")
    kept.archived()
    assert "archive/2026-11/000000.jsonl.gz" in kept.bucket.objects


@pytest.mark.parametrize("open_", ["message", "notification", "later request"])
def test_an_encounter_with_something_open_stays_until_it_is_settled(kept: Kept, open_: str) -> None:
    message = kept.send("e", answered=open_ == "later request")
    if open_ == "notification":
        kept.answer(message, "20009")
        assert kept.search.named(message)[0].status is Status.REJECTED
    if open_ == "later request":
        kept.clock.time = DUE - timedelta(days=2)
        kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    assert kept.expire() == 0
    assert not [key for key in kept.bucket.objects if key.startswith("archive/")]


def test_a_settled_late_encounter_is_archived_with_a_later_month(kept: Kept) -> None:
    message = kept.send("e", answered=False)
    kept.clock.time = DUE
    kept.archived()
    kept.answer(message, "20013")
    kept.answer(message, "30001")
    kept.clock.time = DUE + timedelta(days=155)
    kept.archived()
    assert "archive/2027-04/000000.jsonl.gz" in kept.bucket.objects
    before = kept.content()
    kept.clock.advance(GRACE)
    assert kept.expire() == 1
    assert kept.content() == before


def test_a_late_response_makes_an_encounter_live_again_until_it_is_archived_with_the_response(kept: Kept) -> None:
    message = kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.answer(message, "20006")
    before = kept.content()
    kept.clock.advance(GRACE)
    assert kept.expire() == 0
    assert kept.content() == before
    kept.clock.advance(timedelta(days=160))
    kept.acknowledge()
    before = kept.content()
    kept.archived()
    kept.clock.advance(GRACE)
    assert kept.expire() == 1
    assert kept.content() == before, "the newest counts"


@pytest.mark.requirement("GPC-SD09")
def test_a_held_encounter_is_archived_and_stays(kept: Kept) -> None:
    message = kept.send("e")
    kept.held.apply(message)
    before = kept.content()
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(timedelta(days=30))
    assert (kept.expire(), kept.content()) == (0, before)
    assert "archive/2026-11/000000.jsonl.gz" in kept.bucket.objects
    kept.held.lift(message)
    before = kept.content()
    kept.clock.advance(timedelta(days=155))
    kept.archived()
    kept.clock.advance(GRACE)
    assert (kept.expire(), kept.content()) == (1, before)


@pytest.mark.requirement("GPC-SD09")
def test_a_hold_on_an_archived_message_brings_it_back_into_the_ledger(kept: Kept) -> None:
    message = kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    kept.expire()
    kept.held.apply(message)
    found = kept.ledger.find(message)
    assert found is not None
    assert found.legal_hold
    for key in list(kept.bucket.objects):
        kept.bucket.expire(key)  # as after the audit period
    request = next(name for name, of in kept.names.items() if of == message and name.startswith("0"))
    for name in (message, request, f"SENT{request}", f"CAME{message}20013", f"CAME{message}30001"):
        assert [row.message_id for row in kept.search.named(name)] == [message]


def test_a_version_is_never_given_twice_to_a_ledger_with_the_archive(kept: Kept) -> None:
    message = kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    kept.expire()
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    assert kept.send("e") == str(ids_of(MAILBOX, "e").message_id(2)) != message


@pytest.mark.parametrize("late", [False, True])
def test_an_encounter_that_lives_again_keeps_all_its_items_until_it_is_archived_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, *, late: bool
) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", 200)
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    message = kept.send("e")
    kept.send("e")
    assert [key for key in kept.table.items if key[1].startswith("PART#")]
    kept.clock.time = DUE
    if late:  # the encounter lives again while the archiver is letting its items expire
        update, changed = kept.table.update_item, list[bool]()

        def update_item(**how: Any) -> Any:
            if not changed and "expires_at" in how["UpdateExpression"] and how["Key"]["sk"]["S"] != STATE:
                changed.append(True)
                kept.send("e")
            return update(**how)

        monkeypatch.setattr(kept.table, "update_item", update_item)
        kept.archived()
    else:
        kept.archived()
        kept.send("e")
    kept.acknowledge()
    before = kept.content()
    items = {key for key in kept.table.items if key[0].startswith(("ENCOUNTER#", "REQUEST#", "MESH#"))}
    kept.clock.advance(GRACE + timedelta(days=60))
    kept.expire()
    assert items <= set(kept.table.items)
    assert kept.content() == before
    versions = [row.version for row in kept.search.of_encounter(ids_of(MAILBOX, "e").key)]
    assert versions == [3, 2, 1], "no version is given twice"
    for key in list(kept.bucket.objects):
        kept.bucket.expire(key)
    assert kept.content() == before
    assert kept.search.named(message)


def test_a_large_encounter_from_the_archive_comes_back_in_items_that_dynamodb_takes(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", 2_000)
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    for _ in range(60):
        kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE + timedelta(days=60))
    kept.expire()
    assert not [key for key in kept.table.items if key[0].startswith("ENCOUNTER#")]
    kept.send("e")
    bodies = [len(one["body"].value) for one in kept.table.items.values() if "body" in one]
    assert max(bodies) < 2_100
    assert [row.version for row in kept.search.of_encounter(ids_of(MAILBOX, "e").key)] == list(range(61, 0, -1))


def test_a_writer_that_remembers_the_expired_item_loses_to_one_that_came_back_from_the_archive(kept: Kept) -> None:
    kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    client: Any = kept.table
    slow, fast = (
        Ledger(client, "ledger", PATIENCE, kept.clock).with_archive(kept.archive, by_any_id=False) for _ in range(2)
    )
    ids, now = ids_of(MAILBOX, "e"), kept.clock()
    slow.encounter(ids.key)
    assert kept.expire() == 1
    requests = [f"{number}{number}000000-0000-5000-8000-000000000001" for number in (7, 8)]
    given = [ledger.claim(name, ids, ("v",), now) for ledger, name in zip((fast, slow), requests, strict=True)]
    assert [claim and claim.version for claim in given] == [2, 3]
    assert set(Ledger(client, "ledger", PATIENCE, kept.clock).encounter(ids.key).claims) >= set(requests)


def test_a_part_that_is_written_while_the_archiver_lets_the_older_revision_expire_stays(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", 200)
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    kept.send("e")
    kept.clock.time = DUE
    update, changed = kept.table.update_item, list[bool]()

    def update_item(**how: Any) -> Any:
        answer = update(**how)
        if not changed and "expires_at" in how["UpdateExpression"] and how["Key"]["sk"]["S"] == STATE:
            changed.append(True)
            for _ in range(2):
                kept.send("e")
        return answer

    monkeypatch.setattr(kept.table, "update_item", update_item)
    kept.archived()
    assert changed
    kept.clock.advance(GRACE + timedelta(days=60))
    kept.expire()
    assert [row.version for row in kept.search.of_encounter(ids_of(MAILBOX, "e").key)] == [3, 2, 1]


def test_the_archive_of_two_years_begins_with_the_first_month(kept: Kept) -> None:
    kept.table.delete_item(Key=item({"pk": "ARCHIVE", "sk": "PROGRESS"}))
    kept.send("e")
    after = timedelta(days=730)
    kept.archiver(after).run(lambda: True)
    kept.clock.advance(after + timedelta(days=31))
    kept.archiver(after).run(lambda: True)
    assert "archive/2026-11/000000.jsonl.gz" in kept.bucket.objects


def test_a_damaged_segment_lets_nothing_expire(kept: Kept) -> None:
    kept.send("e")
    kept.clock.time = DUE
    archiver = kept.archiver()
    archiver.run(lambda: archiver.progress().phase == "write")
    assert archiver.progress().phase == "index"
    key = "archive/2026-11/000000.jsonl.gz"
    kept.bucket.objects[key] = kept.bucket.objects[key][:-1]
    kept.clock.advance(timedelta(minutes=5))
    with pytest.raises(ArchiveDamagedError):
        kept.archiver().run(lambda: True)
    assert not [key for key, item in kept.table.items.items() if "expires_at" in item]


def test_two_runs_at_once_do_not_both_archive(kept: Kept) -> None:
    kept.send("e")
    kept.clock.time = DUE
    assert [kept.archiver().run(lambda: True).archived for _ in range(2)] == [1, 0]


def test_a_segment_is_readable_json_lines(kept: Kept) -> None:
    message = kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    [line] = gzip.decompress(kept.bucket.objects["archive/2026-11/000000.jsonl.gz"]).splitlines()
    values = json.loads(line)
    assert values["key"] == ids_of(MAILBOX, "e").key
    assert list(values["encounter"]["messages"]) == [message]
    assert [one["evidence_key"] for one in values["received"]] == ["k", "k"]


def _crashing(kept: Kept, watch: Crasher) -> Callable[[], None]:
    def run() -> None:
        archiver = kept.archiver()
        archiver.run(lambda: True)

    watch.watch(kept.table, "put_item", "update_item")
    watch.watch(kept.bucket, "put_object", "get_object")
    return run


def _some(kept: Kept) -> None:
    kept.send("e")
    kept.send("open", answered=False)
    kept.held.apply(kept.send("held"))
    kept.clock.time = DUE


def test_a_run_that_dies_anywhere_deletes_nothing_that_is_not_archived_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gpconnect_messaging.ledger.archiver._FEWEST_BLOCKS", 2)
    counted, watch = Kept(), Crasher()
    _some(counted)
    run = _crashing(counted, watch)
    with watch.dying_at(None):
        run()
    points = watch.seen
    assert points > 40
    for point in range(1, points + 1):
        kept, watch = Kept(), Crasher()
        _some(kept)
        before = kept.content()
        run = _crashing(kept, watch)
        with watch.dying_at(point):
            run()
        kept.clock.advance(GRACE + timedelta(days=3))
        kept.expire()
        assert kept.content() == before, point
        kept.archived(2)
        kept.clock.advance(GRACE + timedelta(days=3))
        kept.expire()
        assert kept.content() == before, point
        left = {key for key in kept.table.item_keys() if key[1] == STATE}
        assert len(left) == 2, "the open and the held one"


_STEP = st.sampled_from(["send", "send again", "late", "hold", "lift", "archive", "die", "expire", "wait"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(_STEP, st.integers(0, 40)), max_size=25))
def test_whatever_is_archived_and_deleted_every_id_is_found_with_the_same_content(steps: list[tuple[str, int]]) -> None:
    kept, watch = Kept(), Crasher()
    kept.ledger.with_archive(kept.archive, by_any_id=False)
    run = _crashing(kept, watch)
    sent = [kept.send("first")]
    for step, number in steps:
        match step:
            case "send":
                sent.append(kept.send(f"e{len(sent)}", answered=bool(number % 4)))
            case "send again":
                sent.append(kept.send(f"e{number % len(sent)}"))
            case "late":
                if kept.ledger.find(sent[number % len(sent)]):
                    kept.answer(sent[number % len(sent)], "20006")
            case "hold":
                kept.held.apply(sent[number % len(sent)])
            case "lift":
                kept.held.lift(sent[number % len(sent)])
            case "archive" | "die":
                before = kept.content()
                with watch.dying_at(number + 1 if step == "die" else None):
                    run()
                assert kept.content() == before
            case "expire":
                before = kept.content()
                kept.expire()
                assert kept.content() == before
        kept.clock.advance(timedelta(days=number) if step in ("wait", "send") else timedelta(minutes=6))


@pytest.mark.parametrize("short", [1, 1_000_000], ids=["a long index", "a short index"])
def test_any_id_of_any_age_takes_two_requests_of_the_ledger_and_four_of_the_archive_after_96_months(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, short: int
) -> None:
    monkeypatch.setattr(archive, "_SHORT_INDEX", short)
    message = kept.send("e")
    kept.clock.time = DUE
    kept.archived()
    kept.clock.advance(GRACE)
    kept.expire()
    for number in range(1, 97):
        month = month_after("2026-11", number)
        kept.archive.write(month, 0, [Archived(Encounter(key=f"{number}-{one}")) for one in range(30)], kept.clock())
        kept.archive.index(month, 1, 0, 4_096)
    for name in kept.names:
        kept.live.requests.clear()
        kept.s3.requests.clear()
        assert [row.message_id for row in kept.search.named(name)] == [message]
        assert kept.live.requests.total() <= 2, name
        assert kept.s3.requests.total() <= 4, name
    assert kept.archive.find("96-29")


def in_one_partition(number: int) -> list[bytes]:
    """Sorted index entries of ids with hashes that begin alike."""
    random = Random(number)
    hashes = {bytes([0xAB, 0xC0 + random.randrange(16)]) + random.randbytes(archive._HASH - 2) for _ in range(number)}
    return [archive._ENTRY.pack(digest, 24_000, 0, 0, 1) for digest in sorted(hashes)]


@pytest.mark.parametrize("number", [2_731, 3_000, 50_000])
def test_of_a_long_index_only_the_part_about_a_hash_is_read(kept: Kept, number: int) -> None:
    entries = in_one_partition(number)
    kept.bucket.put_object(Key="archive-index/abc", Body=b"".join(entries))
    for entry in entries[:: number // 40] + entries[-1:]:
        found = kept.archive._entries_about(entry[: archive._HASH])
        assert entry in archive._parts(found, archive._ENTRY)
    assert len(found) < 24 * (10 * number**0.5 + 200)
    assert kept.s3.requests["get_object"] <= len(entries[:: number // 40]) + 2, "one each, and one to learn the size"
    missing = b"\xab\xc7" + bytes(8)
    assert missing not in kept.archive._entries_about(missing)


def test_an_index_whose_hashes_are_not_spread_or_that_became_shorter_is_read_whole(kept: Kept) -> None:
    entries = in_one_partition(9_000)
    lowest = [bytes([0xAB, 0xC0]) + bytes(4) + entry[6:] for entry in entries]
    for part in (entries, sorted(lowest), entries[:2_800], entries, entries[-2_800:]):
        kept.bucket.put_object(Key="archive-index/abc", Body=b"".join(part))
        for entry in (part[0], part[1_400], part[-1]):
            assert entry in archive._parts(kept.archive._entries_about(entry[: archive._HASH]), archive._ENTRY)


def test_blocks_of_the_index_together_hold_every_entry(kept: Kept) -> None:
    keys = [f"key-{number}" for number in range(300)]
    for number in range(3):
        part = [Archived(Encounter(key=key)) for key in keys[number::3]]
        kept.archive.write("2026-11", number, part, kept.clock())
    for first in range(0, 4_096, 1_024):
        kept.archive.index("2026-11", 3, first, first + 1_024)
    assert all(kept.archive.find(key) for key in keys)


def test_a_segment_is_locked_for_the_audit_period_where_that_is_asked(kept: Kept) -> None:
    puts: list[dict[str, Any]] = []

    class Client:
        def put_object(self, **how: Any) -> None:
            puts.append(how)

    client: Any = Client()
    Archive(client, "evidence", timedelta(days=2_922)).write("2026-11", 0, [Archived(Encounter(key="k"))], at(0))
    assert {(put["ObjectLockMode"], put["ObjectLockRetainUntilDate"]) for put in puts} == {
        ("GOVERNANCE", at(0) + timedelta(days=2_922))
    }


def test_a_table_without_archive_reads_no_archive(kept: Kept) -> None:
    client: Any = kept.table
    assert EncounterTable(client, "ledger").in_archive("x") is None


@pytest.mark.parametrize("seed", range(50))
def test_a_partition_has_every_entry_once_in_order_and_of_an_id_the_newer_one(seed: int) -> None:
    draw = random.Random(seed)

    def entries(most: int) -> list[bytes]:
        return [
            archive._ENTRY.pack(bytes([draw.randrange(40)]) * 10, draw.randrange(3), draw.randrange(3), 1, 1)
            for _ in range(draw.randrange(most))
        ]

    known, added = {entry[:10]: entry for entry in sorted(entries(30))}, entries(30)
    expected = {entry[:10]: entry for entry in sorted([*known.values(), *added])}
    assert archive._merged(b"".join(known.values()), b"".join(added)) == b"".join(expected.values())

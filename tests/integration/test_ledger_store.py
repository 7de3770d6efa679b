"""The ledger's store on three DynamoDB engines: the emulator, Amazon's own, and the one that faster tests work on.

What one engine does otherwise than the others shows here.
"""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notifications import NotificationStore, to_escalate, to_tell
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.received_objects import ReceivedObjects, Receiver
from gpconnect_messaging.ledger.records import MessageRecord, Origin, RaisedNotification, Received
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from gpconnect_messaging.storage import DropFile, ListedObject
from infra.local.run import LocalRun
from tests.dynamodb_local.engine import EngineUnavailableError, dynamodb_local
from tests.fakes.dynamodb import Table
from tests.fakes.ledger_table import INDEXES, KEYS, SHOWN, create_ledger_table
from tests.identifiers import ids_of, key_of
from tests.unit.ledger.events import BUILT, HELD, OVERDUE, START, accepted, at, response, started, uncertain

MAILBOX = "Y90001OT001"
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


@pytest.fixture(scope="module", params=["emulator", "Amazon's DynamoDB Local", "the tests' own, in memory"])
def ledger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger on a table like the deployed one, where no function works on the tests' own messages."""
    with ExitStack() as stack:
        client: Any = Table()
        if request.param == "emulator":
            client = request.getfixturevalue("local_run").session.client("dynamodb")
        elif request.param == "Amazon's DynamoDB Local":
            try:
                client = stack.enter_context(dynamodb_local(tmp_path_factory.mktemp("dynamodb-local")))
            except EngineUnavailableError as error:
                pytest.skip(str(error))
        table = f"ledger-{uuid.uuid4()}"
        if not isinstance(client, Table):
            create_ledger_table(client, table)
        yield Ledger(client, table, PATIENCE)


@pytest.fixture(scope="module")
def search(ledger: Ledger) -> Search:
    """The search over the same table, as if it were a minute after the facts."""
    return Search(ledger._client, ledger._table, lambda: at(60))


def a_record(**changes: Any) -> MessageRecord:
    """A message of an encounter of its own; of version 0 a request that became none."""
    encounter, mailbox, version = (
        changes.get(name, default)
        for name, default in (("encounter", str(uuid.uuid4())), ("mailbox", MAILBOX), ("version", 1))
    )
    own_id = changes.get("message_id") or (
        str(ids_of(mailbox, encounter).message_id(version)) if version else str(uuid.uuid4())
    )
    given: dict[str, Any] = {
        "message_id": own_id,
        "request_id": str(uuid.uuid4()) if version else own_id,
        "mailbox": mailbox,
        "encounter": encounter,
        "version": version,
        "created_at": START,
        "history": MessageHistory((BUILT,)),
    }
    return MessageRecord(**given | changes, encounter_key=key_of(mailbox, encounter))


def claimed(ledger: Ledger, **changes: Any) -> MessageRecord:
    """Have a message of a claimed request, which lists find by arrival."""
    record = a_record(**changes)
    claim = ledger.claim(record.request_id, ids_of(record.mailbox, record.encounter), ("v",), record.created_at)
    assert claim is not None
    assert claim.message_ids == (record.message_id,)
    ledger.create(record)
    return record


def at_once(*work: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(work)) as threads:
        return [future.result() for future in [threads.submit(task) for task in work]]


def test_of_several_receivers_of_a_document_at_once_one_is_the_first_and_all_are_told_of_it(ledger: Ledger) -> None:
    received = ReceivedObjects(ledger._client, ledger._table, "drop")
    file = DropFile(str(uuid.uuid4()), "v1", 1, START)
    receivers = [Receiver(f"request-{number}", "encounter") for number in range(8)]
    assert received.mark(file, Receiver()) == Receiver()
    [first] = set(at_once(*(partial(received.mark, file, receiver) for receiver in receivers)))
    assert first in receivers
    assert received.receiver(file) == first
    assert received.mark(file, Receiver()) == first
    listed = ListedObject(file.key, file.at, "")
    assert received.documents_not_received_since([listed]) == []
    later = replace(listed, at=file.at + timedelta(seconds=1))
    assert received.documents_not_received_since([listed, later]) == [later]


def test_the_tests_table_is_the_deployed_one(local_run: LocalRun) -> None:
    client: Any = local_run.session.client("dynamodb")
    deployed = client.describe_table(TableName=local_run.outputs["LedgerTableName"])["Table"]

    def keys(schema: list[dict[str, str]]) -> tuple[str, ...]:
        return tuple(key["AttributeName"] for key in sorted(schema, key=lambda key: key["KeyType"]))

    assert keys(deployed["KeySchema"]) == KEYS
    assert {index["IndexName"]: keys(index["KeySchema"]) for index in deployed["GlobalSecondaryIndexes"]} == INDEXES
    assert {
        index["IndexName"]: sorted(index["Projection"]["NonKeyAttributes"])
        for index in deployed["GlobalSecondaryIndexes"]
    } == {index: sorted(shown) for index, shown in SHOWN.items()}


def test_a_message_comes_back_as_it_was_stored(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    for event in (started(), accepted(), response("20013"), response("30001")):
        assert ledger.record(record.message_id, event) is not None
    found = ledger.find(record.message_id)
    assert found is not None
    assert found.history.events == (BUILT, started(), accepted(), response("20013"), response("30001"))
    assert found.status is Status.DELIVERED
    assert (found.encounter, found.version, found.created_at) == (record.encounter, 1, START)
    assert ledger.encounter(record.encounter_key).revision == 5, "every change was one write"


def test_pages_by_status_and_by_time_show_each_message_once_newest_first(ledger: Ledger, search: Search) -> None:
    mailbox = f"Y{uuid.uuid4().hex[:8].upper()}"
    made = []
    for minute in range(9):
        built = replace(BUILT, at=at(minute))
        made.append(claimed(ledger, mailbox=mailbox, created_at=at(minute), history=MessageHistory((built,))))
    newest_first = [record.message_id for record in reversed(made)]
    for read in (search.by_time, partial(search.by_status, Status.BUILT)):
        page = read(limit=4, mailbox=mailbox)
        shown = [row.message_id for row in page.rows]
        while page.cursor:
            page = read(limit=4, mailbox=mailbox, cursor=page.cursor)
            shown += [row.message_id for row in page.rows]
        assert shown == newest_first
    some = search.by_time(mailbox=mailbox, since=at(2), until=at(4))
    assert [row.message_id for row in some.rows] == newest_first[4:7]


def test_a_message_is_found_by_its_id_and_by_its_request(ledger: Ledger, search: Search) -> None:
    record = claimed(ledger)
    for name in (record.message_id, record.message_id.upper(), record.request_id):
        [found] = search.named(name)
        assert (found.message_id, found.status, found.encounter) == (record.message_id, Status.BUILT, record.encounter)
    assert [row.message_id for row in search.of_encounter(record.encounter_key)] == [record.message_id]
    assert search.named(str(uuid.uuid4())) == []


def test_whoever_follows_the_ledger_sees_what_is_open_and_what_came(ledger: Ledger, search: Search) -> None:
    record = claimed(ledger)
    built, _ = search.listed()[record.encounter_key]
    ledger.record(record.message_id, started())
    sending, _ = search.listed()[record.encounter_key]
    assert [shown.split()[0] for shown in (built, sending)] == ["BUILT", "SENDING"]
    for event in (accepted(mesh_message_id=uuid.uuid4().hex), response("20013"), response("30001")):
        ledger.record(record.message_id, event)
    assert record.encounter_key not in search.listed(), "it is delivered"
    assert record.encounter_key in search.arrived(START)
    [(_, rows)] = search.of_encounters([record.encounter_key])
    assert [row.status for row in rows] == [Status.DELIVERED]


def test_statuses_are_counted_and_the_longest_standing_is_told(ledger: Ledger, search: Search) -> None:
    since = START - timedelta(minutes=1)
    before = search.counts(since).by_status
    records = [claimed(ledger) for _ in range(3)]
    for record in records:
        ledger.record(record.message_id, started())
    for event in (accepted(mesh_message_id=uuid.uuid4().hex), response("20013"), response("30001")):
        ledger.record(records[0].message_id, event)
    counted = search.counts(since)
    assert counted.by_status[Status.SENDING] - before[Status.SENDING] == 2
    assert counted.by_status[Status.DELIVERED] - before[Status.DELIVERED] == 1
    assert search.counts(datetime.now(UTC)).by_status[Status.DELIVERED] == 0
    assert counted.oldest[Status.SENDING] <= search.summaries([records[1].message_id])[0].changed_at


def test_creating_or_recording_again_changes_nothing(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    ledger.record(record.message_id, started())
    again = ledger.create(record)
    repeated = ledger.record(record.message_id, started())
    assert again.record.status is Status.SENDING
    assert repeated is not None
    assert not again.recorded
    assert not repeated.recorded
    assert ledger.encounter(record.encounter_key).revision == 2
    assert ledger.record(str(uuid.uuid4()), started()) is None


def test_a_message_is_found_by_encounter_mesh_id_and_status(ledger: Ledger) -> None:
    encounter = str(uuid.uuid4())
    records = [a_record(encounter=encounter, version=version) for version in (2, 1)]
    for record in records:
        ledger.create(record)
    mesh_message_id = uuid.uuid4().hex
    event = LedgerEvent(kind=accepted().kind, identity="upload-accepted-1", at=at(2), source="sender",
                details={"attempt": 1, "mesh_message_id": mesh_message_id})  # fmt: skip
    ledger.record(records[0].message_id, started())
    ledger.record(records[0].message_id, event)
    assert [message.version for message in ledger.find_by_encounter(key_of(MAILBOX, encounter))] == [1, 2]
    assert ledger.find_by_encounter(key_of("Y90002OT001", encounter)) == []
    by_mesh = ledger.find_by_mesh_message_id(mesh_message_id)
    assert by_mesh is not None
    assert by_mesh.message_id == records[0].message_id
    assert ledger.find_by_mesh_message_id("unknown") is None
    assert records[0].message_id in {message.message_id for message in ledger.records_in(Status.SENT)}
    assert records[0].message_id not in {message.message_id for message in ledger.records_in(Status.BUILT)}


def test_only_what_is_due_is_due(ledger: Ledger) -> None:
    built, sent, delivered = (a_record() for _ in range(3))
    for record in (built, sent, delivered):
        ledger.create(record)
    for record in (sent, delivered):
        ledger.record(record.message_id, started())
        ledger.record(record.message_id, accepted())
    for code in ("20013", "30001"):
        ledger.record(delivered.message_id, response(code))
    wanted = {record.encounter_key for record in (built, sent, delivered)}

    def due(minutes: float) -> set[str]:
        return {work.key for work in ledger.due(at(minutes))} & wanted

    assert due(11) >= {built.encounter_key}, "what the index says may be early, and is never late"
    for record in (built, sent):
        ledger.postpone(ledger.encounter(record.encounter_key))
    assert due(9) == set()
    assert due(11) == {built.encounter_key}
    assert due(10_000) == {built.encounter_key, sent.encounter_key}


def test_an_encounters_versions_are_counted_once_each_however_many_ask_at_once(ledger: Ledger) -> None:
    encounter = str(uuid.uuid4())
    requests = [str(uuid.uuid4()) for _ in range(6)]

    def claim(request_id: str) -> Callable[[], int]:
        def version() -> int:
            claimed = ledger.claim(request_id, ids_of(MAILBOX, encounter), ("v",), START)
            assert claimed is not None
            return claimed.version

        return version

    versions = at_once(*map(claim, requests))
    assert sorted(versions) == [1, 2, 3, 4, 5, 6]
    assert [claim(request_id)() for request_id in requests] == versions, "a repeat gets what it was given"


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_of_many_requests_held_at_once_one_is_held_and_one_is_released(ledger: Ledger) -> None:
    encounter = str(uuid.uuid4())
    requests = [a_record(encounter=encounter, version=0, history=MessageHistory((HELD,))) for _ in range(4)]
    origin = Origin(folder="drop/", document_versions=("v",))
    at_once(*[lambda record=record: ledger.record_held(record, RequestTimes.at(START), origin) for record in requests])

    def statuses() -> list[Status]:
        return sorted(found.status for request in requests if (found := ledger.find(request.message_id)))

    assert statuses() == [Status.HELD, *[Status.SUPERSEDED] * 3]
    assert ledger.record_held(requests[0], RequestTimes.at(START), origin).recorded is False, "a repeat changes nothing"
    (held,) = (
        request for request in requests if (found := ledger.find(request.message_id)) and found.status is Status.HELD
    )
    identifiers, recipients = ids_of(MAILBOX, encounter), [REGISTERED_PRACTICE]
    claims = at_once(
        *[lambda: ledger.start_release(held.message_id, identifiers, START, recipients=recipients) for _ in range(3)]
    )
    assert {claim.version for claim in claims} == {1}
    assert statuses() == [Status.RELEASING, *[Status.SUPERSEDED] * 3]
    version = ledger.encounter(key_of(MAILBOX, encounter)).find_version(1)
    assert version is not None
    assert version.request_id == held.message_id
    late = a_record(encounter=encounter, version=0, history=MessageHistory((HELD,)))
    assert (
        ledger.record_held(late, RequestTimes.at(START - timedelta(minutes=1)), origin).record.status
        is Status.SUPERSEDED
    )
    newer = a_record(encounter=encounter, version=0, history=MessageHistory((HELD,)))
    assert ledger.record_held(newer, RequestTimes.at(START), origin).record.status is Status.HELD, (
        "the next version, in its time"
    )
    assert statuses() == [Status.RELEASING, *[Status.SUPERSEDED] * 3]


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_a_withdrawal_stops_and_lists_in_one_change(ledger: Ledger) -> None:
    encounter = str(uuid.uuid4())
    keys = ("registered-practice", "organisation/FA565")
    ledger.claim(str(uuid.uuid4()), ids_of(MAILBOX, encounter), ("v",), START, recipients=keys)
    version = ledger.encounter(key_of(MAILBOX, encounter)).find_version(1)
    assert version is not None
    sent, built = (
        a_record(message_id=message_id, encounter=encounter, recipient=key)
        for message_id, key in zip(version.message_ids, keys, strict=True)
    )
    asked = a_record(encounter=encounter, version=0, history=MessageHistory(()))
    ledger.create(sent)
    for event in (started(), accepted()):
        ledger.record(sent.message_id, event)
    held = a_record(encounter=encounter, version=0, history=MessageHistory((HELD,)))
    ledger.record_held(held, RequestTimes.at(START), Origin(folder="", document_versions=()))
    done = ledger.withdraw(asked, RequestTimes.at(START), lambda _: "warnings/x.txt")
    assert done.record.status is Status.TELL_PRACTICE
    (event,) = done.record.history.events
    assert (event.details["stopped"], event.details["sent"]) == ([held.message_id, built.message_id], [sent.message_id])
    for record in (held, built):
        found = ledger.find(record.message_id)
        assert found is not None
        assert found.status is Status.WITHDRAWN
    late = ledger.create(built)
    assert (late.recorded, late.record.status) == (False, Status.WITHDRAWN), "whoever stores it later finds it stopped"
    assert late.record.recipient == keys[1]


def test_a_version_that_passes_gives_up_all_that_it_waited_for_in_one_change(ledger: Ledger) -> None:
    encounter = str(uuid.uuid4())
    for _ in range(3):
        ledger.claim(str(uuid.uuid4()), ids_of(MAILBOX, encounter), ("v",), START)
    ids = [
        version.message_ids[0]
        for number in (1, 2, 3)
        if (version := ledger.encounter(key_of(MAILBOX, encounter)).find_version(number))
    ]
    second, third = (a_record(message_id=ids[number - 1], encounter=encounter, version=number) for number in (2, 3))
    ledger.create(second)
    ledger.create(third)
    assert not ledger.earlier_left(third)
    operator_actions: Any = {"at": START, "actor": "operator-7", "reason": "damaged"}
    assert ledger.skip_earlier_versions(third.message_id, **operator_actions)
    assert ledger.earlier_left(third)
    assert [found and found.status for found in map(ledger.find, ids)] == [
        Status.SUPERSEDED, Status.SUPERSEDED, Status.BUILT,
    ]  # fmt: skip
    assert ledger.skip_earlier_versions(third.message_id, **operator_actions) is None, "it waits for none any more"


def test_of_two_senders_only_one_gets_the_message(ledger: Ledger) -> None:
    for _ in range(5):
        record = a_record()
        ledger.create(record)

        def take(record: MessageRecord = record) -> bool:
            event = started()
            unstarted = ledger.record(record.message_id, event, only_if=lambda history: history.attempts == 0)
            return unstarted is not None and unstarted.recorded

        assert sorted(at_once(take, take)) == [False, True]


def test_facts_that_arrive_at_once_are_all_kept(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    events = [started(), accepted(), response("20013"), response("30001"), OVERDUE]
    at_once(*[lambda event=event: ledger.record(record.message_id, event) for event in events])
    found = ledger.find(record.message_id)
    assert found is not None
    assert found.history.identities == {event.identity for event in [BUILT, *events]}
    assert found.status is Status.DELIVERED


def test_a_notification_is_raised_once_taken_by_one_and_due_until_it_is_told(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    ledger.record(record.message_id, started())
    ledger.record(record.message_id, accepted())
    overdue = ledger.record(record.message_id, OVERDUE)
    assert overdue is not None
    (notification,) = overdue.notifications
    assert notification.kind is NotificationType.OVERDUE
    later = ledger.record(record.message_id, response("20013"))
    assert later is not None
    assert later.notifications == (), "still overdue, and told already"
    book = NotificationStore(ledger)

    def untold() -> list[Any]:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        due = {work.key: work.untold_since for work in ledger.due(tomorrow)}
        waiting = list(to_tell(ledger.encounter(record.encounter_key), tomorrow))
        assert due.get(record.encounter_key) == (notification.raised_at if waiting else None), "the index says so, too"
        return waiting

    assert untold() == [notification]
    assert sorted(at_once(lambda: book.take(notification), lambda: book.take(notification))) == [False, True]
    assert untold() == [notification], "taken, but a crash would leave it untold"
    book.told(notification)
    assert untold() == []
    assert not book.take(notification)


def test_a_notification_that_a_slow_teller_notes_after_its_escalation_is_not_due_again(ledger: Ledger) -> None:
    book = NotificationStore(ledger)
    record = a_record()
    ledger.create(record)
    for event in (started(), accepted(), OVERDUE):
        change = ledger.record(record.message_id, event)
    assert change is not None
    (notification,) = change.notifications

    def waiting() -> list[RaisedNotification]:
        return list(to_escalate(ledger.encounter(record.encounter_key), datetime.now(UTC)))

    book.told(notification)
    (due,) = waiting()
    assert due.notification == notification
    assert book.take_escalation(notification)
    book.escalated(notification)
    book.told(notification)
    assert waiting() == []


def test_what_came_in_is_recorded_once(ledger: Ledger) -> None:
    received = Received(
        mailbox=MAILBOX, mesh_message_id=uuid.uuid4().hex, at=START, evidence_key="received/x", outcome="unmatched"
    )
    (notification,) = ledger.received(received, unmatched_because="names no message of ours")
    assert notification.details["reason"] == "names no message of ours"
    assert ledger.received(received, unmatched_because="names no message of ours") == ()
    assert ledger.find_received(MAILBOX, received.mesh_message_id) == received
    assert ledger.find_received("Y90002OT001", received.mesh_message_id) is None


def test_copies_that_mesh_may_hold_are_counted(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    for event in (started(), uncertain(), started(2, 20), accepted(2, 21)):
        ledger.record(record.message_id, event)
    found = ledger.find(record.message_id)
    assert found is not None
    assert found.history.possible_copies == 2


def test_an_encounter_that_outgrows_its_item_is_divided_and_stays_readable(
    ledger: Ledger, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", 600)
    encounter = str(uuid.uuid4())
    records: list[MessageRecord] = []
    for _ in range(12):
        record = a_record(encounter=encounter, version=len(records) + 1)
        ledger.claim(record.request_id, ids_of(MAILBOX, encounter), ("v",), START)
        ledger.create(record)
        ledger.record(record.message_id, started())
        ledger.record(record.message_id, accepted(mesh_message_id=uuid.uuid4().hex))
        records.append(record)
    parts = list(ledger._partition(pk_of(key_of(MAILBOX, encounter)), "PART#"))
    assert len(parts) > 1
    whole = Search(ledger._client, ledger._table).encounter(key_of(MAILBOX, encounter))
    assert [f"PART#{name}" for name in whole.parts] == [part["sk"] for part in parts]
    assert [version.request_id for version in whole.versions] == [record.request_id for record in records]
    assert [len(record.history.events) for record in whole.records.values()] == [3] * 12
    first = ledger.record(records[0].message_id, response("20013"))
    assert first is not None
    assert first.record.status is Status.ACKNOWLEDGED, "what a part holds goes on"
    [again] = search.named(records[0].request_id)
    assert again.status is Status.ACKNOWLEDGED


def test_more_encounters_than_one_batch_reads_are_all_read(ledger: Ledger, search: Search) -> None:
    records = [a_record() for _ in range(230)]
    for record in records:
        ledger.create(record)
    keys = [record.encounter_key for record in records]
    found = list(search.encounters([*keys, *keys[:3], "unknown"]))
    assert sorted(encounter.key for encounter in found) == sorted(keys)
    wanted = [record.message_id for record in records]
    assert [row.message_id for row in search.summaries(wanted)] == wanted, "in the order asked for"


def test_pages_by_time_show_each_of_the_requests_of_one_moment_once(ledger: Ledger, search: Search) -> None:
    mailbox = f"Y{uuid.uuid4().hex[:8].upper()}"
    made = {claimed(ledger, mailbox=mailbox, created_at=at(30)).message_id for _ in range(11)}
    made |= {claimed(ledger, mailbox=mailbox, created_at=at(minute)).message_id for minute in (29, 31)}
    page = search.by_time(limit=3, mailbox=mailbox)
    shown = [row.message_id for row in page.rows]
    while page.cursor:
        page = search.by_time(limit=3, mailbox=mailbox, cursor=page.cursor)
        shown += [row.message_id for row in page.rows]
    assert len(shown) == 13
    assert set(shown) == made


def test_what_a_process_remembers_and_another_has_changed_is_read_again(ledger: Ledger) -> None:
    record = a_record()
    ledger.create(record)
    other = Ledger(ledger._client, ledger._table, PATIENCE)
    assert other.record(record.message_id, started()) is not None
    known = ledger._recall(record.encounter_key)
    assert known is not None
    assert known.encounter.records[record.message_id].history.events == (BUILT,), "it remembers the message before"
    change = ledger.record(record.message_id, accepted(), only_if=lambda history: history.attempts < 2)
    assert change is not None
    assert change.record.history.events == (BUILT, started(), accepted())
    again = other.record(record.message_id, accepted())
    assert again is not None
    assert not again.recorded
    assert ledger.record(record.message_id, started(2), only_if=lambda history: history.attempts == 0) is None
    stored = ledger._get(pk_of(record.encounter_key), STATE)
    assert stored is not None
    assert stored["revision"] == 3

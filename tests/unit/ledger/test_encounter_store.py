"""Whatever happens to an encounter, in whichever process, it is read back the same, and the sweep looks in time."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger import encounter_format, store
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import EncounterTable
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.events import LedgerEvent, resend_ordered
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord, Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.ledger.table import LedgerBusyError, text
from tests.crash_injection import Died
from tests.fakes.dynamodb import Table
from tests.identifiers import ids_of
from tests.unit.ledger.events import BUILT, HELD, START, WAITS, accepted, at, chunk, response, started
from tests.unit.ledger.test_stored_events import STORED

MAILBOX = "Y90001OT001"
IDS = ids_of(MAILBOX, "4711")
RECIPIENTS = (REGISTERED_PRACTICE, "FA565")
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
REQUESTS = [f"{number:08}-0000-4000-8000-00000000000{number}" for number in range(5)]
EVENTS = [
    *(event for event, *_ in STORED if event.details.get("registration", {"source": ""}).keys() >= {"source"}),
    *(chunk(number) for number in (1, 2, 3)), started(), accepted(), response("20013"), response("30001"),
    response("30002"),
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def remembered_for_ever() -> Iterator[None]:
    """A process remembers what it has read, however slow the machine is."""
    with patch.object(store, "_REMEMBERED_SECONDS", float("inf")):
        yield


class CrashingTable(Table):
    """A table on which the process dies before it writes an encounter, where that is told."""

    dies = False

    def put_item(self, **how: Any) -> Any:
        if self.dies and how["Item"]["sk"]["S"] == "STATE":
            self.dies = False
            raise Died
        return super().put_item(**how)


@dataclass
class Processes:
    """Two processes that write to one table, each with what it remembers."""

    table: CrashingTable
    now: datetime = START

    def __post_init__(self) -> None:
        self.ledgers = [self.started(), self.started()]

    def started(self) -> Ledger:
        table: Any = self.table
        return Ledger(table, "ledger", PATIENCE, lambda: self.now)

    def read(self) -> Encounter:
        """Read what the table has, as a process does that knows nothing; without the chunks that later ones replace."""
        table: Any = self.table
        encounter = EncounterTable(table, "ledger").encounter(IDS.key)
        records = {
            own_id: replace(record, history=folded(record.history)) for own_id, record in encounter.records.items()
        }
        return replace(encounter, revision=0, parts=(), records=records)


def folded(history: MessageHistory) -> MessageHistory:
    chunks = {event.identity for event in history.of(EventType.CHUNK_ACCEPTED)}
    after = {f"chunk-{event.details['mesh_message_id']}-{event.details['number'] + 1}": event.identity
             for event in history.of(EventType.CHUNK_ACCEPTED)}  # fmt: skip
    replaced = {identity for later, identity in after.items() if later in chunks}
    return MessageHistory(tuple(event for event in history.events if event.identity not in replaced))


def record_of(
    message_id: str, request_id: str, version: int, *events: LedgerEvent, recipient: str = ""
) -> MessageRecord:
    return MessageRecord(
        message_id=message_id, request_id=request_id, mailbox=MAILBOX, encounter="4711", encounter_key=IDS.key,
        version=version, recipient=recipient or REGISTERED_PRACTICE, created_at=at(version),
        history=MessageHistory(events), messages=2 if version else 1,
    )  # fmt: skip


FEW = 10 if os.environ.get("EXAMPLES") == "few" else 50
Step = tuple[str, int, int]


def take(ledger: Ledger, step: Step) -> None:
    """Let a process take a step; what the numbers mean depends on the step."""
    kind, one, other = step
    request_id = REQUESTS[one % len(REQUESTS)]
    asked = RequestTimes(stated=at(one), arrived=at(one), s3_object="o", sequencer=f"{one:04}", undated=bool(other % 2))
    origin = Origin(folder="f/", document_versions=("v",), arrived=at(one), queue_of="q" if other % 2 else "")
    encounter = ledger.encounter(IDS.key) if kind not in {"claim", "hold", "release", "withdraw"} else Encounter(key="")
    ids = sorted(encounter.records)
    match kind:
        case "claim":
            ledger.claim(request_id, IDS, ("v",), at(one), asked=asked, recipients=RECIPIENTS,
                                registration={"source": "PDS", "deceased": bool(other % 2)}, origin=origin)  # fmt: skip
        case "hold":
            record = record_of(request_id, request_id, 0, WAITS if other % 2 else HELD)
            ledger.record_held(record, asked, origin)
        case "release":
            ledger.start_release(request_id, IDS, at(one), recipients=RECIPIENTS)
        case "withdraw":
            ledger.withdraw(record_of(request_id, request_id, 0), asked, lambda _: "warnings/1")
        case "create" if encounter.versions:
            version = encounter.versions[one % len(encounter.versions)]
            number = other % 2
            ledger.create(
                record_of(version.message_ids[number], version.request_id, version.number, BUILT,
                          recipient=version.recipients[number])
            )  # fmt: skip
        case "record" if ids:
            ledger.record(ids[one % len(ids)], EVENTS[other % len(EVENTS)])
        case "skip" if ids:
            ledger.skip_earlier_versions(ids[one % len(ids)], at=at(50), actor="operator-7", reason="damaged")
        case "legal hold" if ids:
            ledger.set_legal_hold(ids[one % len(ids)], on=bool(other % 2))
        case "notification" if encounter.notifications:
            raised = encounter.notifications[sorted(encounter.notifications)[one % len(encounter.notifications)]]
            book = NotificationStore(ledger)
            match other % 5:
                case 0:
                    book.take(raised.notification)
                case 1:
                    book.told(raised.notification)
                case 2:
                    book.acknowledge(raised.notification.id, "operator-7", at(60))
                case 3:
                    book.wait_with(raised.notification, at(500))
                case _:
                    book.escalated(raised.notification)
        case "postpone":
            ledger.postpone(encounter)


KINDS = ["claim", "hold", "release", "withdraw", "create", "create", "record", "record", "record", "skip", "legal hold",
         "notification", "postpone"]  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.tuples(st.sampled_from(KINDS), st.integers(0, 7), st.integers(0, 60)),
        st.sampled_from([0, 0, 1]),  # the process
        st.sampled_from(["", "", "", "dies", "dies and tries again"]),
    ),
    min_size=8, max_size=30,
)  # fmt: skip


@settings(deadline=None, max_examples=FEW)
@given(STEPS, st.sampled_from([1, 400, 700]))
def test_an_encounter_is_the_same_however_it_is_divided_and_whoever_dies(
    steps: list[tuple[Step, int, str]], largest: int
) -> None:
    divided, whole = Processes(CrashingTable()), Processes(CrashingTable())
    for number, (step, process, fate) in enumerate(steps):
        divided.now = whole.now = at(200 + number)
        died = False
        with patch.object(encounter_format, "LARGEST_BODY", largest):
            divided.table.dies = bool(fate)
            try:
                take(divided.ledgers[process], step)
            except Died:
                died, divided.ledgers[process] = True, divided.started()
                if fate == "dies and tries again":
                    take(divided.ledgers[process], step)
            divided.table.dies = False
        if not died or fate == "dies and tries again":
            take(whole.ledgers[0], step)
        assert divided.read() == whole.read()
    encounter = divided.read()
    body = encounter_format.encode(encounter, encounter_format.NO_PARTS)
    packed = encounter_format.unpack(encounter_format.pack(body), encounter_format.VERSION)
    assert encounter_format.decode(IDS.key, packed, 0, encounter_format.NO_PARTS) == encounter


@settings(deadline=None, max_examples=FEW)
@given(STEPS)
def test_the_sweep_never_looks_later_than_work_is_due(steps: list[tuple[Step, int, str]]) -> None:
    processes = Processes(CrashingTable())
    for number, (step, process, _) in enumerate(steps):
        processes.now = at(number * 7)
        take(processes.ledgers[process], step)
        encounter, row = processes.read(), processes.table.items.get((f"ENCOUNTER#{IDS.key}", "STATE"), {})
        due = encounter.work_at(PATIENCE)
        assert (due is None) == ("work_at" not in row)
        if due is not None:
            assert row["work_at"] <= text(due)
            listed = processes.ledgers[0].due(datetime.max.replace(tzinfo=UTC))
            assert [work.key for work in listed] == [IDS.key]
            waiting = [raised.due_at for raised in encounter.notifications.values() if raised.due_at]
            assert listed[0].notify_at == min(waiting, default=None)
            assert listed[0].statuses == {status for status, _ in encounter.listed}
        if step[0] == "postpone" and due is not None:
            assert row["work_at"] == text(due), "the sweep has looked"


def sent(processes: Processes) -> str:
    ledger = processes.ledgers[0]
    claim = ledger.claim(REQUESTS[0], IDS, ("v",), at(0))
    assert claim is not None
    (message_id,) = claim.message_ids
    ledger.create(record_of(message_id, REQUESTS[0], 1, BUILT))
    ledger.record(message_id, started(), accepted())
    return message_id


def identities(processes: Processes, message_id: str) -> Iterable[str]:
    record = processes.started().find(message_id)
    assert record is not None
    return [event.identity for event in record.history.events]


def test_a_process_that_remembers_an_old_state_loses_and_repeats_nothing() -> None:
    processes = Processes(CrashingTable())
    message_id = sent(processes)
    one, other = processes.ledgers
    other.encounter(IDS.key)  # and remembers it
    assert one.record(message_id, response("20013")).recorded  # type: ignore[union-attr]
    assert not other.record(message_id, response("20013")).recorded  # type: ignore[union-attr]
    assert other.record(message_id, response("30001")).recorded  # type: ignore[union-attr]
    assert not one.record(message_id, response("30001")).recorded  # type: ignore[union-attr]
    seen = identities(processes, message_id)
    assert sorted(seen) == sorted(
        ["built", "upload-1", "upload-accepted-1", "response-R20013-20013", "response-R30001-30001"]
    )


def test_a_condition_is_judged_by_the_state_as_it_is_and_not_as_it_is_remembered() -> None:
    processes = Processes(CrashingTable())
    message_id = sent(processes)
    one, other = processes.ledgers
    other.encounter(IDS.key)
    one.record(message_id, response("20013"))
    again = resend_ordered(at=at(9), actor="operator-7", attempts=1)
    assert other.record(message_id, again, only_if=lambda history: not history.of(EventType.RESPONSE)) is None
    newer = one.claim(REQUESTS[1], IDS, ("w",), at(1))
    assert newer is not None
    assert newer.version == 2
    assert other.record(message_id, again, while_newest=True) is None
    assert other.claim(REQUESTS[1], IDS, ("w",), at(1)) == newer


def test_what_a_process_divided_in_vain_counts_for_nothing() -> None:
    processes = Processes(CrashingTable())
    message_id = sent(processes)
    with patch.object(encounter_format, "LARGEST_BODY", 1):
        processes.ledgers[0].claim(REQUESTS[1], IDS, ("w",), at(1))  # the message moves into a part
    processes.ledgers[0].set_legal_hold(message_id, on=True)
    processes.ledgers[1].encounter(IDS.key)  # and remembers it
    processes.ledgers[0].set_legal_hold(message_id, on=False)  # as the first part has it
    processes.table.dies = True
    with patch.object(encounter_format, "LARGEST_BODY", 1), pytest.raises(Died):
        processes.ledgers[1].claim(REQUESTS[2], IDS, ("w",), at(2))  # the held one moves into a part, in vain
    assert not processes.read().records[message_id].legal_hold


@pytest.mark.parametrize("largest", [1, encounter_format.LARGEST_BODY])
def test_of_writers_at_once_everyone_is_heard_once(monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    monkeypatch.setattr(encounter_format, "LARGEST_BODY", largest)
    monkeypatch.setattr("gpconnect_messaging.conflicts.sleep", lambda _seconds: None)
    processes = Processes(CrashingTable())
    message_id = sent(processes)
    wanted = [response("20013", mesh_message_id=f"R{number:02}-") for number in range(12)]

    def write(process: int) -> list[bool]:
        done = []
        for event in wanted:
            change = None
            while change is None:
                change = attempt(processes.ledgers[process], message_id, event)
            done.append(change)
        return done

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(write, (0, 1))
    assert [a + b for a, b in zip(one, other, strict=True)] == [1] * len(wanted), "only one of two recorded it"
    assert sorted(identities(processes, message_id)) == sorted(
        ["built", "upload-1", "upload-accepted-1", *(event.identity for event in wanted)]
    )


def attempt(ledger: Ledger, message_id: str, event: LedgerEvent) -> bool | None:
    try:
        change = ledger.record(message_id, event)
    except LedgerBusyError:
        return None
    assert change is not None
    return change.recorded

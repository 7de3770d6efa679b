"""Changes of messages are measured once, by mailbox, and never by a name that a sender chose."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord, Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.measurements import Measurement, Measurements, Unit, status_metric
from gpconnect_messaging.metrics import measured, measurements, write
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.identifiers import key_of
from tests.metrics import Metric, documented, logged

MAILBOX = "Y90001OT001"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


OF_A_MAILBOX = {"MessageSent", "MessageDelivered", "MessageOverdue", "TimeToSend"}


class Books:
    """A ledger, and what is measured of it."""

    def __init__(self) -> None:
        self.measurements = Measurements()
        self.clock = Clock()
        table: Any = Table()
        self.ledger = Ledger(table, "ledger", PATIENCE, self.clock, watch=self.measurements.watch)

    def taken(self) -> dict[str, list[float]]:
        found: dict[str, list[float]] = {}
        for measurement in self.measurements.take():
            assert measurement.mailbox == (MAILBOX if measurement.name in OF_A_MAILBOX else None)
            found.setdefault(measurement.name, []).append(measurement.value)
        return found

    def store(self, event: LedgerEvent, message_id: str = "a-message", version: int = 1) -> MessageRecord:
        record = MessageRecord(
            message_id=message_id, request_id=message_id, mailbox=MAILBOX,
            encounter="an-encounter", encounter_key=key_of(MAILBOX, "an-encounter"),
            version=version,
            created_at=NOW, history=MessageHistory((event,)),
        )  # fmt: skip
        self.ledger.create(record)
        return record

    def build(self) -> None:
        self.store(_built())

    def record(self, event: LedgerEvent) -> None:
        self.ledger.record("a-message", event)


def _built() -> LedgerEvent:
    return ledger_events.built(
        at=NOW + timedelta(seconds=2), sha256="0" * 64, size=1, infrastructure_due=timedelta(days=1),
        business_due=timedelta(days=1), arrived=NOW, to_mailbox="A20047OT001",
    )  # fmt: skip


def _started(attempt: int = 1) -> LedgerEvent:
    return ledger_events.upload_started(at=NOW + timedelta(seconds=3), attempt=attempt, lease=timedelta(minutes=3))


def _accepted(attempt: int = 1, mesh_message_id: str = "M1", seconds: float = 5) -> LedgerEvent:
    at = NOW + timedelta(seconds=seconds)
    return ledger_events.upload_accepted(at=at, attempt=attempt, mesh_message_id=mesh_message_id)


def _answer(code: str, level: Level, verdict: Verdict, seconds: float) -> LedgerEvent:
    return ledger_events.response(
        at=NOW + timedelta(seconds=seconds), mesh_message_id=f"R{code}", from_mailbox="A20047OT001",
        from_organisation="A20047", code=code, level=level, verdict=verdict,
    )  # fmt: skip


def test_a_message_is_counted_as_it_comes_into_each_status_and_its_times_are_taken() -> None:
    books = Books()
    books.build()
    assert books.taken() == {"MessageBuilt": [1]}
    books.record(_started())
    books.record(_accepted())
    assert books.taken() == {"MessageSending": [1], "MessageSent": [1], "TimeToSend": [5]}
    books.record(_answer("20013", Level.INFRASTRUCTURE, Verdict.POSITIVE, 35))
    books.record(_answer("30001", Level.BUSINESS, Verdict.POSITIVE, 65))
    assert books.taken() == {
        "MessageAcknowledged": [1], "MessageDelivered": [1], "AnsweredNo": [0], "TimeToAcknowledge": [60],
    }  # fmt: skip


def test_a_rejection_is_a_one_among_the_zeros_of_the_delivered() -> None:
    books = Books()
    books.build()
    books.record(_started())
    books.record(_accepted())
    books.taken()
    books.record(_answer("20009", Level.INFRASTRUCTURE, Verdict.NEGATIVE, 10))
    assert books.taken() == {"MessageRejected": [1], "AnsweredNo": [1], "TimeToAcknowledge": [5]}
    books.record(_answer("30002", Level.BUSINESS, Verdict.NEGATIVE, 20))
    assert books.taken() == {}, "it is rejected already"


def test_work_that_is_repeated_is_not_counted_again() -> None:
    books = Books()
    for _ in range(2):
        books.build()
        books.record(_started())
        books.record(_accepted())
    assert books.taken() == {"MessageBuilt": [1], "MessageSending": [1], "MessageSent": [1], "TimeToSend": [5]}


def test_the_time_to_send_ends_with_the_first_copy_that_mesh_took() -> None:
    books = Books()
    books.build()
    books.record(_started())
    uncertain = ledger_events.upload_uncertain(
        at=NOW + timedelta(seconds=6), attempt=1, why="no answer", source="sender"
    )
    books.record(uncertain)
    books.record(_started(2))
    books.record(_accepted(2, "M2", seconds=900))
    books.record(_accepted(1, "M1", seconds=1000))
    taken = books.taken()
    assert taken["TimeToSend"] == [900]
    assert taken["UploadUncertain"] == [1]


@pytest.mark.parametrize(
    ("event", "metric"),
    [
        (ledger_events.upload_postponed(at=NOW, attempt=1, why="MESH is busy"), "UploadPostponed"),
        (ledger_events.upload_refused(at=NOW, attempt=1, http_status=417, error="EPL-151"), "UploadRefused"),
        (
            ledger_events.recipient_unresolved(at=NOW, attempt=1, organisation="FA565", mailboxes=2),
            "RecipientUnresolved",
        ),
    ],
)
def test_an_upload_that_does_not_succeed_is_counted_by_what_became_of_it(event: LedgerEvent, metric: str) -> None:
    books = Books()
    books.build()
    books.record(_started())
    books.taken()
    books.record(event)
    assert books.taken()[metric] == [1]


def test_what_a_newer_request_or_a_withdrawal_does_to_a_held_one_is_counted_too() -> None:
    books = Books()

    def row(request_id: str, minutes: int) -> tuple[MessageRecord, RequestTimes]:
        held = ledger_events.held(
            at=NOW, release_at=NOW + timedelta(hours=2), by_a_person=False, requirement="GPCM-SD-CS-075", why="waits"
        )
        record = MessageRecord(
            message_id=request_id, request_id=request_id, mailbox=MAILBOX,
            encounter="an-encounter", encounter_key=key_of(MAILBOX, "an-encounter"),
            version=0,
            created_at=NOW, history=MessageHistory((held,)),
        )  # fmt: skip
        return record, RequestTimes.at(NOW + timedelta(minutes=minutes))

    for request_id, minutes in (("first", 0), ("second", 1)):
        books.ledger.record_held(*row(request_id, minutes), Origin(folder="", document_versions=()))
    taken = books.taken()
    assert (taken["MessageHeld"], taken["MessageSuperseded"]) == ([1, 1], [1])
    asked, at = row("third", 2)
    books.ledger.withdraw(MessageRecord(**{**_fields(asked), "history": MessageHistory(())}), at, lambda _: "")
    assert books.taken() == {"MessageWithdrawn": [1, 1]}, "the withdrawal, and the request that it stopped"


def _fields(record: MessageRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in MessageRecord.__dataclass_fields__}


def test_a_change_that_was_not_written_is_not_measured() -> None:
    books = Books()
    books.build()
    books.taken()
    assert books.ledger.record("a-message", _started(), only_if=lambda _: False) is None
    assert books.taken() == {}


def test_a_refused_requests_mailbox_is_its_senders_word_and_no_dimension() -> None:
    found = Measurements()
    event = ledger_events.request_refused(at=NOW, reasons=["mailbox: is not a sending mailbox"])
    record = MessageRecord(
        message_id="a-request", request_id="a-request", mailbox="WHATEVER01",
        encounter="-", encounter_key=key_of("WHATEVER01", "-"),
        version=0, created_at=NOW,
        history=MessageHistory((event,)),
    )  # fmt: skip
    found.watch(record, [event])
    [invalid] = found.take()
    assert (invalid.name, invalid.mailbox) == ("MessageInvalid", None)


def test_every_status_has_a_metric_that_the_documentation_lists() -> None:
    assert {status_metric(status) for status in Status} <= {metric.name for metric in documented()}


def test_measurements_are_written_for_the_service_and_for_each_of_its_mailboxes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sender")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "GPConnectMessaging")
    write([Measurement("MessageSent", Unit.COUNT, 1, mailbox) for mailbox in (MAILBOX, "Y90002OT001", MAILBOX)])
    lines = capsys.readouterr().out.splitlines()
    assert Counter('"MessageSent":[1.0,1.0]' in line.replace(" ", "") for line in lines) == {True: 1, False: 1}
    assert logged(lines) == {Metric("MessageSent", "sender", own, "Count") for own in (False, True)}


def test_what_was_measured_is_written_even_where_the_function_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "sender")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "GPConnectMessaging")
    measurements.take()

    @measured
    def failing() -> None:
        record = MessageRecord(
            message_id="a-message", request_id="a-message", mailbox=MAILBOX,
            encounter="-", encounter_key=key_of(MAILBOX, "-"),
            version=1, created_at=NOW,
            history=MessageHistory((_built(),)),
        )  # fmt: skip
        measurements.watch(record, [_built()])
        raise RuntimeError("a fault")

    with pytest.raises(RuntimeError):
        failing()
    assert {metric.name for metric in logged(capsys.readouterr().out.splitlines())} == {"MessageBuilt"}
    assert measurements.take() == []

"""What the functions' handlers measure besides what the ledger records; with it, every documented metric is given."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from gpconnect_messaging import wiring
from gpconnect_messaging.derivation import IdentifiersSecretError
from gpconnect_messaging.enabled import Part
from gpconnect_messaging.ledger.derivation import WrongSecretError
from gpconnect_messaging.ledger.drop_passes import Listing
from gpconnect_messaging.ledger.reconciliation import Balance, DropFindings, MailboxBalance
from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.pds.errors import Authentication, RetryLater, Unavailable
from gpconnect_messaging.queues import Listed, SendQueue
from gpconnect_messaging.safe_errors import StepFailedError
from gpconnect_messaging.steps.due_work import SweepResult
from gpconnect_messaging.steps.escalate import EscalationResult
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.poll import Taken
from gpconnect_messaging.steps.reconcile import Unfinished
from gpconnect_messaging.steps.send import NotAuthorisedError
from gpconnect_messaging.steps.waiting import NotReadyError
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.lambda_runtime import REQUEST_ID, SHARED, Context, lambda_runtime, queued
from tests.fakes.secrets_manager import Secrets
from tests.fakes.sqs import Sqs
from tests.identifiers import SECRET
from tests.metrics import documented, logged

MAILBOX = "Y90001OT001"
CANARY = "6d1a8f6e-7a52-4f5e-9c1e-0a4f3a9c7b11"
RECORDED = ("Message", "Upload", "TimeTo", "AnsweredNo", "RecipientUnresolved")
"""How the names of what the ledger's changes are measured by begin: see test_measurements."""

QUEUE = SimpleNamespace(together=nullcontext)
Load = Callable[[str], ModuleType]
T = TypeVar("T", SweepResult, EscalationResult)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load a function's handler as Lambda does, under the function's name. Whatever the sweep measures is bad news."""
    late = timedelta(hours=3)
    for canary in ("start_canaries", "build_canary", "end_canary"):
        step = SimpleNamespace(run=lambda: late, every=timedelta(minutes=15))
        monkeypatch.setattr(wiring, canary, lambda _settings, step=step: step)
    monkeypatch.setattr(wiring, "balance_deadline", lambda _settings: SimpleNamespace(late=lambda: late))
    monkeypatch.setattr(wiring, "drop_passes", lambda _settings: SimpleNamespace(age=lambda _now, _listing="": late))
    disabled = SimpleNamespace(recent=lambda kind: (Part(kind, "a-part", enabled=False),))
    monkeypatch.setattr(wiring, "enabled_parts", lambda _settings: disabled)
    with lambda_runtime(monkeypatch) as runtime:
        yield runtime.load


LISTED = {
    "Records": [
        {
            "messageId": "0",
            "receiptHandle": "handle",
            "body": json.dumps({"mailbox": MAILBOX, "listed": ["A", "B"]}),
            "attributes": {"ApproximateReceiveCount": "2", "SentTimestamp": "1795435200000"},
        }
    ]
}
DAY, NOON = date(2026, 11, 22), datetime(2026, 11, 23, 12, tzinfo=UTC)


def builder(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [
        BuildResult("an-id", Status.HELD, unanswered=error)
        for error in (
            RetryLater("lookup", "used up"),
            Unavailable("lookup", "away"),
            Authentication("token", "refused"),
        )
    ]
    step = SimpleNamespace(queued=lambda _body, _at, _queue_of: held.pop(), send_queue=QUEUE)
    monkeypatch.setattr(wiring, "builder", lambda _settings: step)
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: SimpleNamespace(run=lambda _canary_id: True))
    canary = f'{{"kind": "canary", "canary": "{CANARY}"}}'
    load("builder").handler(queued("{}", "{}", "{}", canary), Context())


def sender(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_message_id: str, _time_left: Callable[[], bool]) -> Status:
        raise NotAuthorisedError("MESH does not accept the mailbox's credentials")

    monkeypatch.setattr(wiring, "sender", lambda _settings: SimpleNamespace(send=refused))
    monkeypatch.setattr(wiring, "end_canary", lambda _settings: SimpleNamespace(run=lambda _canary_id: None))
    answer = load("sender").handler(queued('{"message_id": "an-id"}', f'{{"canary": "{CANARY}"}}'), Context())
    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}


def each_counted(what: type[T]) -> T:
    """One of everything that a run counts, also of what is counted from tomorrow on."""
    return what(**{field.name: 1 for field in fields(what)})


def poller(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    in_days = datetime.now(UTC) + timedelta(days=42)
    poll = SimpleNamespace(
        mesh=SimpleNamespace(certificate_expires=lambda _mailbox: in_days),
        poll=lambda _mailbox, _time_left: 12,
        collect=lambda _entry, _time_left: Counter(Taken),
    )
    sweep = SimpleNamespace(
        due=lambda: [SimpleNamespace(untold_since=NOON)],
        run=lambda _time_left, _untold: each_counted(SweepResult),
    )
    escalation = SimpleNamespace(run=lambda *_: each_counted(EscalationResult))
    made = Balance(
        day=DAY,
        made_at=NOON,
        mailboxes={MAILBOX: MailboxBalance(received=3, settled=1, open=1, counts=Counter(lost=1))},
    )
    reckonings: list[Any] = [None, made, Unfinished(day=DAY, entries=50_000, part=1, parts=3, asked_of_mesh=0)]
    reconciliation = SimpleNamespace(run=lambda _day, _time_left: reckonings.pop())
    monkeypatch.setattr(wiring, "poller", lambda _settings: (poll, sweep))
    monkeypatch.setattr(wiring, "escalation", lambda _settings: escalation)
    monkeypatch.setattr(wiring, "reconciliation", lambda _settings: reconciliation)
    listing = SimpleNamespace(run=lambda _time_left: DropFindings(requests_unannounced=1, documents_without_request=1))
    monkeypatch.setattr(wiring, "list_drop", lambda _settings: listing)
    handler = load("poller").handler
    assert handler({"task": "mailbox", "mailbox": MAILBOX}, Context()) == {"listed": 12}
    assert handler(LISTED, Context()) == {}, "to SQS, anything else could be a list of failed entries"
    for task in ({"task": "due"}, {"task": "drop"}):
        handler(task, Context())
    answers = [handler({"task": "reconcile"}, Context()) for _ in range(3)]
    assert answers == [
        {"unfinished": 1, "day": "2026-11-22", "entries": 50_000, "part": 1, "parts": 3, "asked_of_mesh": 0},
        {"day": "2026-11-22", "received": 3, "settled": 1, "open": 1, "wrong": 1},
        {"made_before": 1},
    ]


def test_with_what_the_ledger_records_the_handlers_log_every_metric_that_is_documented_and_no_other(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for function in (builder, sender, poller):
        function(load, monkeypatch)
    found = logged(capsys.readouterr().out.splitlines())
    assert found == {metric for metric in documented() if not metric.name.startswith(RECORDED)}


def test_an_entry_of_the_inbox_queue_is_collected_and_stays_where_that_fails(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries: list[Listed] = []

    def collect(entry: Listed, _time_left: Callable[[], bool]) -> Counter[Taken]:
        entries.append(entry)
        raise ValueError("a patient's name")

    monkeypatch.setattr(wiring, "poller", lambda _settings: (SimpleNamespace(collect=collect), None))
    monkeypatch.setattr(wiring, "escalation", lambda _settings: None)
    with pytest.raises(StepFailedError, match="ValueError: not shown"):
        load("poller").handler(LISTED, Context())
    (entry,) = entries
    assert (entry.mailbox, entry.mesh_message_ids, entry.alone, entry.receives) == (MAILBOX, ("A", "B"), False, 2)
    assert entry.at == NOON


def test_due_work_that_fails_is_not_said_to_be_done(
    load: Load, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(_time_left: Callable[[], bool], _untold: object) -> SweepResult:
        raise OSError("a fault")

    escalation = SimpleNamespace(run=lambda *_: EscalationResult())
    sweep = SimpleNamespace(due=list, run=failing)
    monkeypatch.setattr(wiring, "poller", lambda _settings: (None, sweep))
    monkeypatch.setattr(wiring, "escalation", lambda _settings: escalation)
    handler = load("poller").handler
    with suppress(Exception):
        handler({"task": "due"}, Context())
    found = {metric.name for metric in logged(capsys.readouterr().out.splitlines())}
    assert "CanaryAge" in found
    assert "DueWorkDone" not in found


@pytest.mark.parametrize(
    ("hours", "late"),
    [
        ({Listing.CURRENT: 2.4, Listing.VERSIONS: 48.9}, []),
        ({Listing.CURRENT: 2.6, Listing.VERSIONS: 48.9}, [2.6]),
        ({Listing.CURRENT: 2.4, Listing.VERSIONS: 49.1}, [49.1]),
        ({Listing.CURRENT: 2.4}, [365 * 24]),
    ],
    ids=["neither", "hourly", "daily", "never"],
)
def test_a_late_listing_of_the_drop_is_measured_the_hourly_one_and_the_daily_one(
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    hours: Mapping[Listing, float],
    late: list[float],
) -> None:
    def age(_now: datetime, listing: Listing = Listing.CURRENT) -> timedelta | None:
        return timedelta(hours=hours[listing]) if listing in hours else None

    monkeypatch.setattr(wiring, "drop_passes", lambda _settings: SimpleNamespace(age=age))
    sweep = SimpleNamespace(due=list, run=lambda *_: SweepResult())
    monkeypatch.setattr(wiring, "poller", lambda _settings: (None, sweep))
    monkeypatch.setattr(wiring, "escalation", lambda _settings: SimpleNamespace(run=lambda *_: EscalationResult()))
    load("poller").handler({"task": "due"}, Context())
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "DropListingAge" in line]
    assert [line["DropListingAge"] for line in written] == ([[hour * 3600 for hour in late]] if late else [])


OTHER_SECRET = "another secret, such as a new stack makes beside a restored table"
Start = Callable[[str, Mapping[str, Any]], None]


@pytest.fixture
def start(load: Load, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Start a function over one table, with this content of the secret that ids are derived with."""
    table = Table()

    def started(function: str, secret: Mapping[str, Any]) -> None:
        clients: dict[str, Any] = {"dynamodb": table, "secretsmanager": Secrets({"identifiers_secret": dict(secret)})}
        monkeypatch.setattr(boto3, "client", lambda service, **_: clients.get(service, object()))
        load(function)

    return started


@pytest.mark.parametrize("function", ["builder", "poller"])
def test_a_function_whose_secret_is_not_the_one_that_the_table_was_begun_with_does_not_start(
    start: Start, function: str
) -> None:
    start("builder", {"secret": SECRET})
    start(function, {"secret": SECRET})
    with pytest.raises(WrongSecretError, match="IDENTIFIERS_SECRET") as caught:
        start(function, {"secret": OTHER_SECRET})
    assert OTHER_SECRET not in str(caught.value)


@pytest.mark.parametrize("secret", [{}, {"secret": ""}, {"secret": 1}, {"secret": "x" * 31}])
@pytest.mark.parametrize("function", ["builder", "poller"])
def test_a_function_whose_secret_is_missing_or_short_does_not_start_and_names_it(
    start: Start, function: str, secret: Mapping[str, Any]
) -> None:
    with pytest.raises(IdentifiersSecretError, match=r"identifiers_secret.*shorter than 32 bytes") as caught:
        start(function, secret)
    assert "xx" not in str(caught.value)


def test_the_sender_starts_without_the_secret(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDENTIFIERS_SECRET")
    start("sender", {})


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_on_its_last_receive_a_request_that_cannot_be_processed_is_refused_and_not_put_back(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up: list[tuple[str, str]] = []

    def provoked(_body: bytes, _at: object, _queue_of: str) -> BuildResult:
        raise TypeError("a fault")

    def give_up(request_id: str, why: str, _came: Origin) -> BuildResult:
        given_up.append((request_id, why))
        return BuildResult(request_id, Status.INVALID)

    step = SimpleNamespace(
        queued=provoked,
        send_queue=QUEUE,
        identifiers=SimpleNamespace(queued_request_id=lambda _raw, _queue_of: "an-id"),
        ledger=SimpleNamespace(begin_request=lambda _id: 1, end_request=lambda _id: None),
        give_up=give_up,
    )
    monkeypatch.setattr(wiring, "builder", lambda _settings: step)
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    handler = load("builder").handler
    event = queued("{}")
    for receive in range(1, 5):
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receive)
        assert handler(event, Context()) == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert given_up == []
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "5"
    assert handler(event, Context()) == {"batchItemFailures": []}
    assert given_up == [("an-id", "TypeError")]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_the_messages_of_a_run_are_queued_in_one_call_and_if_it_fails_all_records_come_again(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[Any]] = []
    answers: list[dict[str, Any]] = [{"Failed": [{"Id": "0", "Code": "InternalError"}]}, {"Failed": []}]

    def send_message_batch(*, Entries: list[Any], **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        calls.append(Entries)
        return answers.pop()

    queue = SendQueue(SimpleNamespace(send_message_batch=send_message_batch), "send")  # type: ignore[arg-type]

    def built(raw: bytes, *_: object) -> BuildResult:
        queue.put(raw.decode(), MAILBOX)
        return BuildResult(raw.decode(), Status.BUILT)

    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(queued=built, send_queue=queue))
    handler, event = load("builder").handler, queued(*"abc")
    assert handler(event, Context()) == {"batchItemFailures": []}
    with pytest.raises(ClientError, match="InternalError"):
        handler(event, Context())
    assert [[json.loads(entry["MessageBody"])["message_id"] for entry in call] for call in calls] == [
        ["a", "b", "c"]
    ] * 2
    assert [entry["Id"] for entry in calls[0]] == ["0", "1", "2"]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_a_dropped_request_is_built_with_what_s3_says_of_its_version_and_order(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def dropped(*told: Any) -> BuildResult:
        asked.append(told)
        return BuildResult("an-id", Status.HELD)

    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(dropped=dropped, send_queue=QUEUE))
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    put = {"key": "a/request.json", "version-id": "v1", "sequencer": "00617F08299329D189"}
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "time": "2026-11-20T22:00:00Z",
        "detail": {"bucket": {"name": "drop"}, "object": put},
    }  # fmt: skip
    records = queued(json.dumps(event))
    at = datetime(2026, 11, 20, 22, tzinfo=UTC)
    records["Records"][0]["attributes"]["SentTimestamp"] = str(int(at.timestamp()) * 1000 + 400)
    assert load("builder").handler(records, Context()) == {"batchItemFailures": []}
    assert asked == [("drop", "a/request.json", "v1", at, "00617F08299329D189")]


OWN_QUEUE = "gpconnect-messaging-prod-intake-of-hub"
LOOKS_LIKE = {
    "a held request": {"release": CANARY},
    "an order": {"again": CANARY},
    "a canary": {"kind": "canary", "canary": CANARY},
    "an event of S3": {
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": "drop"}, "object": {"key": "north/1/request.json"}},
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("body", LOOKS_LIKE.values(), ids=LOOKS_LIKE)
def test_on_a_senders_own_queue_everything_is_a_request_of_that_sender(
    load: Load, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    asked: list[tuple[bytes, str]] = []

    def whole(raw: bytes, _at: object, queue_of: str) -> BuildResult:
        asked.append((raw, queue_of))
        return BuildResult("an-id", Status.INVALID)

    # Nothing else of the builder can be called.
    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(queued=whole, send_queue=QUEUE))
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    text = json.dumps(body)
    answer = load("builder").handler(queued(text, queue=OWN_QUEUE), Context())
    assert answer == {"batchItemFailures": []}
    assert asked == [(text.encode(), "hub")]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize(
    ("body", "queue", "came"),
    [
        ("{}", OWN_QUEUE, ("", "hub")),
        ("{}", SHARED, ("", "")),
        (json.dumps(LOOKS_LIKE["an event of S3"]), SHARED, ("north/1/", "")),
    ],
)
def test_a_request_that_comes_again_is_given_up_with_where_it_came_from(
    load: Load, monkeypatch: pytest.MonkeyPatch, body: str, queue: str, came: tuple[str, str]
) -> None:
    told: list[Origin | None] = []

    def again(_request_id: str, _build: object, _receive: int, came: Origin | None) -> BuildResult:
        told.append(came)
        return BuildResult("an-id", Status.INVALID)

    ids = SimpleNamespace(queued_request_id=lambda *_: "an-id", dropped_request_id=lambda *_: "an-id")
    step = SimpleNamespace(queued=BuildResult, dropped=BuildResult, identifiers=ids, send_queue=QUEUE)
    monkeypatch.setattr(wiring, "builder", lambda _settings: step)
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    monkeypatch.setattr(wiring, "attempts", lambda *_: SimpleNamespace(again=again))
    event = queued(body, queue=queue)
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    load("builder").handler(event, Context())
    [found] = told
    assert found is not None
    assert (found.folder, found.queue_of) == came


@pytest.mark.parametrize(
    ("variables", "prefixes"),
    [({}, None), ({"SENDERS": "hub=hub/,north=ooh/north/"}, {"hub": "hub/", "north": "ooh/north/"})],
)
def test_the_builder_knows_the_senders_that_are_configured(
    start: Start, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], prefixes: dict[str, str] | None
) -> None:
    for name, value in ({"SENDER_PARAMETERS": "/senders"} | variables).items():
        monkeypatch.setenv(name, value)
    start("builder", {"secret": SECRET})
    senders = sys.modules["handler_of_the_builder"].builder.senders
    assert (senders and senders._prefixes) == prefixes


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize(("receive", "queue"), [(1, SHARED), (5, SHARED), (5, OWN_QUEUE)])
def test_a_request_that_is_not_scanned_yet_goes_back_on_the_same_queue_with_all_its_tries(
    load: Load, monkeypatch: pytest.MonkeyPatch, receive: int, queue: str
) -> None:
    def pending(*_: object) -> BuildResult:
        raise NotReadyError("it is not there yet", timedelta(seconds=40))

    step = SimpleNamespace(
        queued=pending,
        send_queue=QUEUE,
        identifiers=SimpleNamespace(queued_request_id=lambda *_: "an-id"),
        ledger=SimpleNamespace(begin_request=lambda _id: 1, end_request=lambda _id: None),
    )
    own = f"https://sqs.eu-west-2.amazonaws.com/123456789012/{queue}"
    sqs = Sqs(Clock(), own)
    monkeypatch.setattr(wiring, "builder", lambda _settings: step)
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    monkeypatch.setenv("INTAKE_QUEUE_URL", f"https://sqs.eu-west-2.amazonaws.com/123456789012/{SHARED}")
    monkeypatch.setattr(boto3, "client", lambda *_, **__: sqs)
    records = queued('{"a": "request"}', queue=queue)
    first, sent = datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 20, 22, 5, tzinfo=UTC)
    records["Records"][0]["attributes"] = {
        "SentTimestamp": str(int(sent.timestamp()) * 1000), "ApproximateReceiveCount": str(receive)
    }  # fmt: skip
    records["Records"][0]["messageAttributes"] = {"QueuedAt": {"dataType": "String", "stringValue": first.isoformat()}}
    assert load("builder").handler(records, Context()) == {"batchItemFailures": []}, "it is no failure"
    assert sqs.sent == [
        {
            "QueueUrl": own,
            "MessageBody": '{"a": "request"}',
            "DelaySeconds": 40,
            "MessageAttributes": {"QueuedAt": {"DataType": "String", "StringValue": first.isoformat()}},
        }
    ]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_an_event_of_what_is_no_request_makes_none(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []

    def dropped(_bucket: str, key: str, *_: object) -> BuildResult:
        keys.append(key)
        return BuildResult("an-id", Status.BUILT)

    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(dropped=dropped, send_queue=QUEUE))
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    event: Any = LOOKS_LIKE["an event of S3"]
    named = ("a/test-request.json", "a/Request.JSON", "referral-request.json", "a/request.json.bak", "REQUEST.json")
    bodies = [json.dumps(event | {"detail": event["detail"] | {"object": {"key": key}}}) for key in named]
    assert load("builder").handler(queued(*bodies), Context()) == {"batchItemFailures": []}
    assert keys == ["a/Request.JSON", "REQUEST.json"]


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
def test_an_event_that_says_it_is_of_the_future_is_as_old_as_its_message(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone who may use the queue can write such an event, and a request then waits for the scan result."""
    arrivals: list[datetime] = []

    def dropped(_bucket: str, _key: str, _version: str, arrived: datetime, _sequencer: str) -> BuildResult:
        arrivals.append(arrived)
        return BuildResult("an-id", Status.HELD)

    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(dropped=dropped, send_queue=QUEUE))
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    handler = load("builder").handler
    for time in ("2099-01-01T00:00:00Z", "not a time"):
        event = {
            "source": "aws.s3", "detail-type": "Object Created", "time": time,
            "detail": {"bucket": {"name": "drop"}, "object": {"key": "a/request.json"}},
        }  # fmt: skip
        records = queued(json.dumps(event))
        records["Records"][0]["attributes"]["SentTimestamp"] = "1795212000000"
        handler(records, Context())
    assert arrivals == [datetime.fromtimestamp(1795212000, UTC)] * 2


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("stated", ["0001-01-01T00:00:00+23:59", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59"])
@pytest.mark.parametrize("receive", ["1", "5"])
def test_a_request_of_which_somebody_says_that_it_came_in_year_1_came_when_sqs_took_it(
    load: Load, monkeypatch: pytest.MonkeyPatch, stated: str, receive: str
) -> None:
    arrivals: list[datetime] = []

    def take(*told: Any) -> BuildResult:
        arrivals.append(next(argument for argument in told if isinstance(argument, datetime)))
        return BuildResult("an-id", Status.HELD)

    step = SimpleNamespace(
        queued=take, dropped=take, send_queue=QUEUE,
        identifiers=SimpleNamespace(queued_request_id=lambda *_: "an-id", dropped_request_id=lambda *_: "an-id"),
        ledger=SimpleNamespace(begin_request=lambda _id: 1, end_request=lambda _id: None),
    )  # fmt: skip
    monkeypatch.setattr(wiring, "builder", lambda _settings: step)
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "time": stated,
        "detail": {"bucket": {"name": "drop"}, "object": {"key": "a/request.json", "version-id": "v1"}},
    }  # fmt: skip
    records = queued("{}", json.dumps(event))
    for record in records["Records"]:
        record["attributes"] = {"SentTimestamp": "1795212000000", "ApproximateReceiveCount": receive}
        record["messageAttributes"] = {"QueuedAt": {"dataType": "String", "stringValue": stated}}
    assert load("builder").handler(records, Context()) == {"batchItemFailures": []}
    assert arrivals == [datetime.fromtimestamp(1795212000, UTC)] * 2


@pytest.mark.filterwarnings("ignore:No application metrics to publish")
@pytest.mark.parametrize("named", [{}, {"version-id": None}, {"version-id": ""}])
def test_an_event_that_names_no_version_is_told_to_the_builder_as_such(
    load: Load, monkeypatch: pytest.MonkeyPatch, named: dict[str, Any]
) -> None:
    versions: list[str] = []

    def dropped(_bucket: str, _key: str, version: str, *_: object) -> BuildResult:
        versions.append(version)
        return BuildResult("an-id", Status.INVALID)

    monkeypatch.setattr(wiring, "builder", lambda _settings: SimpleNamespace(dropped=dropped, send_queue=QUEUE))
    monkeypatch.setattr(wiring, "build_canary", lambda _settings: None)
    event = {
        "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": "drop"}, "object": {"key": "a/request.json", **named}},
    }  # fmt: skip
    load("builder").handler(queued(json.dumps(event)), Context())
    assert versions == [""]


@pytest.mark.parametrize("use", [builder, sender, poller])
def test_every_log_line_names_the_invocation(
    use: Callable[[Load, pytest.MonkeyPatch], None], load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(load, monkeypatch)
    logger: Logger = load(use.__name__).logger
    assert logger.get_current_keys()["function_request_id"] == REQUEST_ID

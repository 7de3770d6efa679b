"""A canary goes through the real handlers: from the due work by both queues to the sender, and never to MESH."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging import wiring
from gpconnect_messaging.enabled import ASKED_AGAIN, EnabledParts, PartKind
from gpconnect_messaging.ledger.canaries import KEPT, Canaries
from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.pds.errors import RetryLater
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.steps.canary import BuildCanary, EndCanary, StartCanaries, UnknownCanaryError
from gpconnect_messaging.steps.due_work import SweepResult
from gpconnect_messaging.steps.escalate import EscalationResult
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.send import Sender, UnknownMessageError
from tests.in_memory import Table
from tests.lambda_context import Context
from tests.steps_in_memory import PATIENCE

FUNCTIONS = Path(__file__).resolve().parents[3] / "functions"
EVERY = timedelta(minutes=15)
ENVIRONMENT = {
    **dict.fromkeys(
        ("LEDGER_TABLE", "NOTICES_TOPIC_ARN", "MAILBOX_PARAMETERS", "DROP_BUCKET", "OUTBOX_BUCKET", "EVIDENCE_BUCKET",
         "SEND_QUEUE_URL", "INTAKE_QUEUE_URL", "MAILBOX_SECRETS", "MESH_SECRET", "MESH_URL", "EVENT_RULE",
        "IDENTIFIERS_SECRET",
         "EVENT_SOURCE_MAPPINGS", "KEYS"),
        "a-name",
    ),
    "NHS_NUMBERS": "live",
    "POWERTOOLS_METRICS_NAMESPACE": "GPConnectMessaging",
    "POWERTOOLS_SERVICE_NAME": "tests",
}  # fmt: skip


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    time: datetime = datetime(2026, 11, 29, 4, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, wait: timedelta) -> None:
        self.time += wait


class Untouched:
    """A step of real requests and messages: a canary must not reach it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a canary came to {name}")


@dataclass
class Sqs:
    """SQS: the queued messages, by queue URL."""

    sent: list[tuple[str, str]] = field(default_factory=list)

    def send_message(self, *, QueueUrl: str, MessageBody: str, MessageGroupId: str) -> None:  # noqa: N803
        assert MessageGroupId == "canaries"
        self.sent.append((QueueUrl, MessageBody))

    def take(self, queue: str) -> list[str]:
        taken = [body for url, body in self.sent if url == queue]
        self.sent = [(url, body) for url, body in self.sent if url != queue]
        return taken


@dataclass
class Refused:
    """The builder, as far as it is given a request that comes whole."""

    bodies: list[bytes] = field(default_factory=list)

    def queued(self, raw: bytes, _at: Any, _queue_of: str) -> BuildResult:
        self.bodies.append(raw)
        return BuildResult("a-request", Status.HELD, unanswered=RetryLater("lookup", "used up"))


class Product:
    """The three handlers over one ledger and two queues."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.table, self.sqs, self.builder = Clock(), Table(), Sqs(), Refused()
        sqs: Any = self.sqs
        canaries = self.canaries = Canaries(cast("Any", self.table), "ledger")
        self.intake = IntakeQueue(sqs, "intake")
        swept, escalated = (lambda *_: SweepResult()), (lambda *_: EscalationResult())
        steps = {
            "start_canaries": StartCanaries(
                canaries=canaries, intake_queue=self.intake, every=EVERY, now=self.clock
            ),
            "build_canary": BuildCanary(canaries=canaries, send_queue=SendQueue(sqs, "send"), now=self.clock),
            "end_canary": EndCanary(canaries=canaries, now=self.clock),
            "builder": self.builder,
            "sender": Untouched(),
            "poller": (Untouched(), SimpleNamespace(unsent=list, run=swept)),
            "escalation": SimpleNamespace(run=escalated),
            "enabled_parts": SimpleNamespace(recent=lambda _kind: ()),
            "balance_deadline": SimpleNamespace(late=timedelta),
            "drop_passes": SimpleNamespace(age=lambda _now: None),
        }  # fmt: skip
        for name, step in steps.items():
            monkeypatch.setattr(wiring, name, lambda _settings, step=step: step)
        self.handlers = {name: _load(name) for name in ("builder", "sender", "poller")}

    def due(self) -> None:
        self.handlers["poller"].handler({"task": "due"}, Context())

    def take(self, function: str, *bodies: str) -> list[str]:
        """Invoke a function with the messages on the queue; return the records that failed."""
        if not bodies:
            return []
        records = [
            {
                "messageId": str(number),
                "body": body,
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:eu-west-2:123456789012:intake",
                "attributes": {"SentTimestamp": "0"},
                "messageAttributes": {},
            }
            for number, body in enumerate(bodies)
        ]
        answer = self.handlers[function].handler({"Records": records}, Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def age(self) -> timedelta:
        state = self.canaries.state()
        assert state is not None
        return state.age(self.clock())


def _load(function: str) -> ModuleType:
    name = f"canary_handler_of_the_{function}"
    spec = importlib.util.spec_from_file_location(name, FUNCTIONS / function / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    yield Product(monkeypatch)
    for function in FUNCTIONS.iterdir():
        sys.modules.pop(f"canary_handler_of_the_{function.name}", None)


def test_a_canary_goes_from_the_due_work_by_both_queues_to_the_sender(product: Product) -> None:
    product.due()
    assert product.take("builder", *product.sqs.take("intake")) == []
    assert product.take("sender", *product.sqs.take("send")) == []
    product.clock.forward(timedelta(minutes=5))
    assert product.age() == timedelta(minutes=5), "it came through: its start counts"
    assert product.builder.bodies == []


def test_a_canary_starts_once_in_its_time_however_often_the_due_work_runs(product: Product) -> None:
    for _ in range(3):
        product.due()
    product.clock.forward(EVERY)
    product.due()
    assert len(product.sqs.take("intake")) == 2


def test_two_runs_of_the_due_work_at_once_start_one_canary(product: Product) -> None:
    assert product.canaries.start(product.clock(), None) is not None
    assert product.canaries.start(product.clock(), None) is None


@pytest.mark.parametrize("stopped", ["intake", "send"])
def test_while_a_queue_stands_still_the_age_grows_with_every_canary_that_is_lost(
    product: Product, stopped: str
) -> None:
    for _ in range(4):
        product.due()
        product.take("builder", *(() if stopped == "intake" else product.sqs.take("intake")))
        product.clock.forward(EVERY)
    assert product.age() == 4 * EVERY


def test_an_older_canary_that_comes_late_does_not_make_a_newer_one_forgotten(product: Product) -> None:
    product.due()
    late = product.sqs.take("intake")
    product.clock.forward(EVERY)
    product.due()
    product.take("builder", *product.sqs.take("intake"))
    product.take("sender", *product.sqs.take("send"))
    product.take("builder", *late)
    product.take("sender", *product.sqs.take("send"))
    assert product.age() == timedelta()


def test_a_canary_that_is_brought_twice_is_ended_twice(product: Product) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    assert product.take("builder", body, body) == []
    assert product.take("sender", *product.sqs.take("send")) == []


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "canary", "canary": "00000000-0000-4000-8000-000000000000"},
        {"kind": "canary", "canary": "9658218865"},
        {"kind": "canary", "patient": {"nhs_number": "9658218865"}},
    ],
)
def test_a_canary_that_the_due_work_did_not_start_is_a_request_like_any_other(
    product: Product, body: dict[str, Any]
) -> None:
    written = json.dumps(body)
    assert product.take("builder", written) == []
    assert product.builder.bodies == [written.encode()]
    assert product.sqs.take("send") == []
    assert list(product.table.item_keys()) == []


def test_a_canary_with_anything_else_in_it_is_a_request_like_any_other(product: Product) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    forged = json.dumps(json.loads(body) | {"mailbox": "Y90001OT001"})
    product.take("builder", forged)
    assert product.builder.bodies == [forged.encode()]


def test_the_sender_ends_no_canary_that_the_builder_did_not_take(product: Product) -> None:
    product.due()
    canary_id = json.loads(product.sqs.take("intake")[0])["canary"]
    with pytest.raises(UnknownCanaryError):
        EndCanary(canaries=product.canaries).run(canary_id)
    product.clock.forward(EVERY)
    assert product.age() == EVERY


def test_a_canary_is_no_message_so_that_there_is_nothing_to_upload_list_or_count(product: Product) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    product.take("builder", body)
    product.take("sender", *product.sqs.take("send"))
    client: Any = product.table
    ledger = Ledger(client, "ledger", PATIENCE, product.clock)
    assert ledger.find(json.loads(body)["canary"]) is None, "the sender's step of a message would find none"
    for item in product.table.items.values():
        indexed = {"status_shard", "due_shard", "time_shard", "encounter", "mailbox", "status", "message_id"}
        assert not indexed & set(item)


def test_a_canarys_id_in_place_of_a_messages_reaches_neither_the_outbox_nor_mesh(product: Product) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    product.take("builder", body)
    client, untouched = cast("Any", product.table), cast("Any", Untouched())
    sender = Sender(
        outbox=untouched, ledger=Ledger(client, "ledger", PATIENCE, product.clock), mesh=untouched, notifier=untouched,
        lease=timedelta(minutes=3), timeouts=PATIENCE, now=product.clock,
    )  # fmt: skip
    with pytest.raises(UnknownMessageError):
        sender.send(json.loads(body)["canary"])


def test_a_canary_goes_a_day_after_its_dead_letter_would(product: Product) -> None:
    product.due()
    [expires] = [int(item["expires_at"]) for item in product.table.items.values() if "expires_at" in item]
    assert expires == int((product.clock() + KEPT).timestamp())
    assert timedelta(days=14) < KEPT


def measured(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [float(value) for line in lines if name in line for value in _listed(line[name])]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_due_work_measures_the_age_of_the_newest_canary_that_came_through(
    product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    product.due()
    product.clock.forward(2 * EVERY)
    product.due()
    assert measured(capsys, "CanaryAge") == [0, (2 * EVERY).total_seconds()]


# What is switched off


@dataclass
class Aws:
    """EventBridge, Lambda and KMS: the states of the parts, and how often the services were asked."""

    states: dict[str, str] = field(
        default_factory=lambda: {"rule": "ENABLED", "one": "Enabled", "two": "Enabled", "key": "Enabled"}
    )
    asked: int = 0
    fails: str = ""

    def describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self._state(Name)}

    def get_event_source_mapping(self, *, UUID: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self._state(UUID)}

    def describe_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        return {"KeyMetadata": {"KeyState": self._state(KeyId)}}

    def _state(self, name: str) -> str:
        self.asked += 1
        if self.fails:
            raise ClientError({"Error": {"Code": self.fails, "Message": "no"}}, "Describe")
        return self.states[name]


def parts(aws: Aws, clock: Clock) -> EnabledParts:
    client: Any = aws
    return EnabledParts(
        events=client, functions=client, keys=client, rule="rule", mapping_ids=("one", "two"), key_arns=("key",),
        now=clock,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("part", "state", "metric"),
    [
        ("rule", "DISABLED", "RuleEnabled"),
        ("two", "Disabled", "EventSourceMappingsEnabled"),
        ("two", "Disabling", "EventSourceMappingsEnabled"),
        ("key", "Disabled", "KeysEnabled"),
        ("key", "PendingDeletion", "KeysEnabled"),
    ],
)
def test_the_due_work_measures_0_for_what_is_switched_off_and_1_for_the_rest(
    product: Product,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    part: str,
    state: str,
    metric: str,
) -> None:
    aws = Aws()
    aws.states[part] = state
    product.handlers["poller"].enabled = parts(aws, product.clock)  # type: ignore[attr-defined]
    product.due()
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    found = {name: _listed(line[name])[0] for name in ("RuleEnabled", "EventSourceMappingsEnabled", "KeysEnabled")}
    assert found == dict.fromkeys(found, 1) | {metric: 0}
    assert [
        part_name for part_name in (getattr(record, "name_of_the_part", None) for record in caplog.records) if part_name
    ] == [part]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "NotFoundException"])
def test_a_part_that_is_gone_is_not_enabled(code: str) -> None:
    assert not any(part.enabled for part in parts(Aws(fails=code), Clock()).ask())


def test_what_aws_does_not_answer_is_not_measured_and_the_due_work_is_done_all_the_same(
    product: Product, capsys: pytest.CaptureFixture[str]
) -> None:
    product.handlers["poller"].enabled = parts(Aws(fails="AccessDenied"), product.clock)  # type: ignore[attr-defined]
    product.due()
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert "DueWorkDone" in line
    assert not {"RuleEnabled", "EventSourceMappingsEnabled", "KeysEnabled"} & set(line)


def test_aws_is_asked_about_a_part_every_ten_minutes_and_its_answer_is_given_in_between() -> None:
    aws, clock = Aws(), Clock()
    watched = parts(aws, clock)
    for _ in range(3):
        assert [part.enabled for part in watched.recent(PartKind.KEY)] == [True]
    assert aws.asked == 1
    aws.states["key"] = "Disabled"
    clock.forward(ASKED_AGAIN)
    assert [part.enabled for part in watched.recent(PartKind.KEY)] == [False]


def test_the_ledger_failing_does_not_stop_the_due_work(
    product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "Throttled", "Message": "no"}}, "GetItem")

    getter: Callable[..., Any] = fails
    monkeypatch.setattr(product.table, "get_item", getter)
    product.due()
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    assert "DueWorkDone" in line
    assert "CanaryAge" not in line

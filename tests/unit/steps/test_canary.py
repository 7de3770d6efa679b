"""A canary goes through the real handlers: from the due work by both queues to the sender, and never to MESH."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gpconnect_messaging import wiring
from gpconnect_messaging.enabled import ASKED_AGAIN, EnabledParts, PartKind
from gpconnect_messaging.ledger.canaries import KEPT, Canaries
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.pds.errors import RetryLater
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.safe_errors import StepFailedError
from gpconnect_messaging.steps.canary import BuildCanary, EndCanary, StartCanaries, UnknownCanaryError
from gpconnect_messaging.steps.due_work import SweepResult
from gpconnect_messaging.steps.escalate import EscalationResult
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.send import Sender, UnknownMessageError
from tests.fakes.clock import Clock
from tests.fakes.deployed_parts import DeployedParts
from tests.fakes.dynamodb import Table
from tests.fakes.faults import aws_error, fail
from tests.fakes.lambda_runtime import Context, Runtime, lambda_runtime, queued
from tests.fakes.product import TIMEOUTS
from tests.fakes.sqs import Sqs

EVERY = timedelta(minutes=15)
MORNING = datetime(2026, 11, 29, 4, 0, tzinfo=UTC)


def standing_still() -> Clock:
    return Clock(MORNING, tick=timedelta())


class Untouched:
    """A step of real requests and messages: a canary must not reach it."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a canary came to {name}")


@dataclass
class Refused:
    """The builder, as far as it is given a request that comes whole."""

    bodies: list[bytes] = field(default_factory=list)
    send_queue: Any = field(default_factory=lambda: SimpleNamespace(together=nullcontext))

    def queued(self, raw: bytes, _at: Any, _queue_of: str) -> BuildResult:
        self.bodies.append(raw)
        return BuildResult("a-request", Status.HELD, unanswered=RetryLater("lookup", "used up"))


class Functions:
    """The three handlers over one ledger and two queues."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runtime: Runtime) -> None:
        self.clock, self.table, self.builder = standing_still(), Table(), Refused()
        self.sqs = Sqs(self.clock, "intake", "send")
        sqs: Any = self.sqs
        canaries = self.canaries = Canaries(cast("Any", self.table), "ledger")
        self.intake = IntakeQueue(sqs, "intake")
        self.swept = 0
        steps = {
            "start_canaries": StartCanaries(
                canaries=canaries, intake_queue=self.intake, every=EVERY, now=self.clock
            ),
            "build_canary": BuildCanary(canaries=canaries, send_queue=SendQueue(sqs, "send"), now=self.clock),
            "end_canary": EndCanary(canaries=canaries, now=self.clock),
            "builder": self.builder,
            "sender": Untouched(),
            "poller": (Untouched(), SimpleNamespace(due=list, run=self._sweep)),
            "escalation": SimpleNamespace(run=lambda *_: EscalationResult()),
            "enabled_parts": SimpleNamespace(recent=lambda _kind: ()),
            "balance_deadline": SimpleNamespace(late=timedelta),
            "drop_passes": SimpleNamespace(age=lambda _now, _listing="": timedelta(hours=1)),
        }  # fmt: skip
        for name, step in steps.items():
            monkeypatch.setattr(wiring, name, lambda _settings, step=step: step)
        self.handlers = {name: runtime.load(name) for name in ("builder", "sender", "poller")}

    def _sweep(self, *_: Any) -> SweepResult:
        self.swept += 1
        return SweepResult()

    def due(self) -> None:
        self.handlers["poller"].handler({"task": "due"}, Context())

    def take(self, function: str, *bodies: str) -> list[str]:
        """Invoke a function with the messages on the queue; return the records that failed."""
        if not bodies:
            return []
        answer = self.handlers[function].handler(queued(*bodies), Context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def age(self) -> timedelta:
        state = self.canaries.state()
        assert state is not None
        return state.age(self.clock())


@pytest.fixture
def product(monkeypatch: pytest.MonkeyPatch) -> Iterator[Functions]:
    with lambda_runtime(monkeypatch) as runtime:
        yield Functions(monkeypatch, runtime)


def test_a_canary_goes_from_the_due_work_by_both_queues_to_the_sender(product: Functions) -> None:
    product.due()
    assert product.take("builder", *product.sqs.take("intake")) == []
    assert product.take("sender", *product.sqs.take("send")) == []
    product.clock.advance(timedelta(minutes=5))
    assert product.age() == timedelta(minutes=5), "it came through: its start counts"
    assert product.builder.bodies == []


def test_a_canary_starts_once_in_its_time_however_often_the_due_work_runs(product: Functions) -> None:
    for _ in range(3):
        product.due()
    product.clock.advance(EVERY)
    product.due()
    assert len(product.sqs.take("intake")) == 2


def test_two_runs_of_the_due_work_at_once_start_one_canary(product: Functions) -> None:
    assert product.canaries.start(product.clock(), None) is not None
    assert product.canaries.start(product.clock(), None) is None


@pytest.mark.parametrize("stopped", ["intake", "send"])
def test_while_a_queue_stands_still_the_age_grows_with_every_canary_that_is_lost(
    product: Functions, stopped: str
) -> None:
    for _ in range(4):
        product.due()
        product.take("builder", *(() if stopped == "intake" else product.sqs.take("intake")))
        product.clock.advance(EVERY)
    assert product.age() == 4 * EVERY


def test_an_older_canary_that_comes_late_does_not_make_a_newer_one_forgotten(product: Functions) -> None:
    product.due()
    late = product.sqs.take("intake")
    product.clock.advance(EVERY)
    product.due()
    product.take("builder", *product.sqs.take("intake"))
    product.take("sender", *product.sqs.take("send"))
    product.take("builder", *late)
    product.take("sender", *product.sqs.take("send"))
    assert product.age() == timedelta()


def test_a_canary_that_is_brought_twice_is_ended_twice(product: Functions) -> None:
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
    product: Functions, body: dict[str, Any]
) -> None:
    written = json.dumps(body)
    assert product.take("builder", written) == []
    assert product.builder.bodies == [written.encode()]
    assert product.sqs.take("send") == []
    assert list(product.table.item_keys()) == []


def test_a_canary_with_anything_else_in_it_is_a_request_like_any_other(product: Functions) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    forged = json.dumps(json.loads(body) | {"mailbox": "Y90001OT001"})
    product.take("builder", forged)
    assert product.builder.bodies == [forged.encode()]


def test_the_sender_ends_no_canary_that_the_builder_did_not_take(product: Functions) -> None:
    product.due()
    canary_id = json.loads(product.sqs.take("intake")[0])["canary"]
    with pytest.raises(UnknownCanaryError):
        EndCanary(canaries=product.canaries).run(canary_id)
    product.clock.advance(EVERY)
    assert product.age() == EVERY


def test_a_canary_is_no_message_so_that_there_is_nothing_to_upload_list_or_count(product: Functions) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    product.take("builder", body)
    product.take("sender", *product.sqs.take("send"))
    client: Any = product.table
    ledger = Ledger(client, "ledger", TIMEOUTS, product.clock)
    assert ledger.find(json.loads(body)["canary"]) is None, "the sender's step of a message would find none"
    for item in product.table.items.values():
        indexed = {"work_shard", "attention_shard", "time_shard", "encounter", "mailbox", "statuses", "message_id"}
        assert not indexed & set(item)


def test_a_canarys_id_in_place_of_a_messages_reaches_neither_the_outbox_nor_mesh(product: Functions) -> None:
    product.due()
    [body] = product.sqs.take("intake")
    product.take("builder", body)
    client, untouched = cast("Any", product.table), cast("Any", Untouched())
    sender = Sender(
        outbox=untouched, ledger=Ledger(client, "ledger", TIMEOUTS, product.clock), mesh=untouched, notifier=untouched,
        lease=timedelta(minutes=3), timeouts=TIMEOUTS, now=product.clock,
    )  # fmt: skip
    with pytest.raises(UnknownMessageError):
        sender.send(json.loads(body)["canary"])


def test_a_canary_goes_a_day_after_its_dead_letter_would(product: Functions) -> None:
    product.due()
    [expires] = [int(item["expires_at"]) for item in product.table.items.values() if "expires_at" in item]
    assert expires == int((product.clock() + KEPT).timestamp())
    assert timedelta(days=14) < KEPT


def measured(capsys: pytest.CaptureFixture[str], name: str) -> list[float]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [float(value) for line in lines if name in line for value in _listed(line[name])]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_the_due_work_measures_the_age_of_the_newest_canary_once_the_second_is_overdue(
    product: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    product.due()
    for _ in range(3):
        product.clock.advance(EVERY)
        product.due()
    assert measured(capsys, "CanaryAge") == [(3 * EVERY).total_seconds()]


# What is switched off

SWITCHES = ("RuleEnabled", "EventSourceMappingsEnabled", "KeysEnabled")


def aws() -> DeployedParts:
    """The rule, two event source mappings and a key, all of them enabled."""
    return DeployedParts({"rule": "ENABLED", "one": "Enabled", "two": "Enabled", "key": "Enabled"})


def failing(code: str) -> DeployedParts:
    """The same, of which AWS gives no state but this error."""
    failing = aws()
    for operation in ("describe_rule", "get_event_source_mapping", "describe_key"):
        fail(failing, operation, aws_error("Describe", code))
    return failing


def parts(aws: DeployedParts, clock: Clock) -> EnabledParts:
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
def test_the_due_work_measures_0_for_what_is_switched_off_and_nothing_for_the_rest(
    product: Functions,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    part: str,
    state: str,
    metric: str,
) -> None:
    deployed = aws()
    deployed.states[part] = state
    product.handlers["poller"].enabled = parts(deployed, product.clock)  # type: ignore[attr-defined]
    product.due()
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    found = {name: _listed(line[name])[0] for name in SWITCHES if name in line}
    assert found == {metric: 0}
    assert [
        part_name for part_name in (getattr(record, "name_of_the_part", None) for record in caplog.records) if part_name
    ] == [part]


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "NotFoundException"])
def test_a_part_that_is_gone_is_not_enabled(code: str) -> None:
    assert not any(part.enabled for part in parts(failing(code), standing_still()).ask())


def test_where_aws_does_not_answer_the_due_work_is_done_and_not_said_to_be(
    product: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    product.due()
    assert measured(capsys, "DueWorkDone") == [1]
    product.handlers["poller"].enabled = parts(failing("AccessDenied"), product.clock)  # type: ignore[attr-defined]
    product.due()
    assert measured(capsys, "DueWorkDone") == []
    assert product.swept == 2


def test_aws_is_asked_about_a_part_every_ten_minutes_and_its_answer_is_given_in_between() -> None:
    deployed, clock = aws(), standing_still()
    watched = parts(deployed, clock)
    for _ in range(3):
        assert [part.enabled for part in watched.recent(PartKind.KEY)] == [True]
    assert deployed.asked == 1
    deployed.states["key"] = "Disabled"
    clock.advance(ASKED_AGAIN)
    assert [part.enabled for part in watched.recent(PartKind.KEY)] == [False]


def test_a_measurement_that_fails_does_not_stop_the_due_work_and_is_told_by_its_silence(
    product: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(product.table, "get_item", aws_error("GetItem", "Throttled"))
    product.due()
    assert measured(capsys, "DueWorkDone") == []
    assert product.swept == 1


def test_the_key_is_asked_about_before_the_ledger_that_it_opens(
    product: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed = aws()
    deployed.states["key"] = "Disabled"
    product.handlers["poller"].enabled = parts(deployed, product.clock)  # type: ignore[attr-defined]
    product.handlers["poller"].sweep = Untouched()  # type: ignore[attr-defined]
    with pytest.raises(StepFailedError):
        product.due()
    assert measured(capsys, "KeysEnabled") == [0]

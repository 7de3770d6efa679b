"""A backfill as an operator starts it: counted first, one at a time, recorded without the sender's words."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.operators import ActorError
from gpconnect_messaging.replay.backfill import Backfill, BackfillError
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table
from tests.fakes.s3 import Bucket

PREFIX = "9658218865-WRIGHT/"
BY: dict[str, Any] = {"actor": "operator-7", "reason": "the rule was off"}


@dataclass
class States:
    """Step Functions with one state machine; each look at an execution gives the next of its statuses."""

    statuses: list[str] = field(default_factory=lambda: ["RUNNING", "SUCCEEDED"])
    running: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)

    def list_executions(self, **_: Any) -> dict[str, Any]:
        return {"executions": self.running}

    def start_execution(self, *, input: str, **_: Any) -> dict[str, Any]:  # noqa: A002 - boto3's
        self.started.append(input)
        return {"executionArn": "arn:execution"}

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        return {"status": self.statuses.pop(0), "error": "States.TaskFailed"}


@pytest.fixture
def states() -> States:
    return States()


@pytest.fixture
def tool(states: States) -> Backfill:
    clock, bucket = Clock(), Bucket()
    for key in ("1/request.json", "1/report.pdf", "2/request.json"):
        bucket.put_object(Key=f"{PREFIX}{key}", Body=b"")
    bucket.put_object(Key="elsewhere/request.json", Body=b"")
    trail = AuditTrail(cast("Any", Table()), "ledger", clock)
    return Backfill(states=states, s3=cast("Any", bucket), trail=trail, machine_arn="arn:machine", drop_bucket="drop")


def test_requests_are_counted_and_nothing_else(tool: Backfill, states: States) -> None:
    assert tool.count(PREFIX) == 2
    assert states.started == []


def test_it_is_started_with_its_prefix_and_waited_for(tool: Backfill, states: States) -> None:
    rests: list[None] = []
    tool.follow(tool.start(PREFIX, **BY), lambda: rests.append(None))
    assert states.started == [f'{{"prefix": "{PREFIX}"}}']
    assert len(rests) == 1


def test_who_and_why_are_recorded_and_the_prefix_is_not(tool: Backfill) -> None:
    tool.start(PREFIX, **BY)
    items = cast("Any", tool.trail)._client.items.values()
    assert [(each["actor"], each["what"]) for each in items] == [("operator-7", "backfill")]
    assert PREFIX not in repr(list(items))


def test_a_second_one_waits_for_the_first(tool: Backfill, states: States) -> None:
    states.running.append("arn:other")
    with pytest.raises(BackfillError, match="is running"):
        tool.start(PREFIX, **BY)
    assert states.started == []


def test_one_that_failed_says_so(tool: Backfill, states: States) -> None:
    states.statuses = ["FAILED"]
    with pytest.raises(BackfillError, match="TaskFailed"):
        tool.follow("arn:execution")


@pytest.mark.parametrize(("actor", "reason", "error"), [("9658218865", "why", ActorError), ("me", " ", ValueError)])
def test_nobody_starts_it_without_a_name_and_a_reason(
    tool: Backfill, states: States, actor: str, reason: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        tool.start(PREFIX, actor=actor, reason=reason)
    assert states.started == []

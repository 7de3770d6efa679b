"""A backfill by the deployed state machine, as the emulator runs it: what S3 never announced is taken in once."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from gpcm.functions import FunctionFailedError
from gpconnect_messaging.replay.backfill import Backfill, BackfillError
from infra.local.ledger import Message
from infra.local.operators import of_product
from infra.local.run import LocalRun
from tests.examples import REQUESTS, request_data

PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()
RATE = 2
"""The local environment's, requests a second."""
BY: dict[str, Any] = {"actor": "operator-7", "reason": "the rule was off"}


@contextmanager
def unannounced(run: LocalRun) -> Iterator[None]:
    """Let S3 announce nothing for a while."""
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    store.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    store.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
    )


def drop(run: LocalRun, folder: str) -> str:
    """Drop a request into a folder; return the request id."""
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    request = json.dumps(request_data(encounter=str(uuid.uuid4()))).encode()
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    stored = store.put_object(Bucket=bucket, Key=f"{folder}/request.json", Body=request)
    return str(run.identifiers.dropped_request_id(bucket, f"{folder}/request.json", stored["VersionId"]))


def of(run: LocalRun) -> Backfill:
    tool = of_product(run).backfill
    assert tool is not None, "the local environment has a backfill"
    return tool


def messages(run: LocalRun, ids: list[str]) -> list[Message]:
    return [message for message in run.messages() if message.request_id in ids]


def delivered(run: LocalRun, ids: list[str]) -> None:
    deadline = time.monotonic() + 120
    while {message.request_id for message in messages(run, ids) if message.status == "DELIVERED"} != set(ids):
        assert time.monotonic() < deadline, {message.request_id: message.status for message in messages(run, ids)}
        with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
            run.poll()


def test_what_was_never_announced_is_delivered_and_what_was_is_not_sent_twice(local_run: LocalRun) -> None:
    tool = of(local_run)
    prefix = f"backfill-{uuid.uuid4()}"
    known = [drop(local_run, f"{prefix}/known")]
    delivered(local_run, known)
    with unannounced(local_run):
        missed = [drop(local_run, f"{prefix}/missed/{number}") for number in range(4)]
    assert messages(local_run, missed) == []
    assert tool.count(f"{prefix}/") == 5
    assert messages(local_run, missed) == [], "counting starts nothing"
    begun = time.monotonic()
    tool.follow(tool.start(f"{prefix}/", **BY), lambda: time.sleep(0.2))
    assert time.monotonic() - begun >= len([*known, *missed]) / RATE - 1, "the rate is kept"
    delivered(local_run, missed)
    assert len(messages(local_run, [*known, *missed])) == 5
    assert all(message.item["version"] == 1 for message in messages(local_run, [*known, *missed]))


def test_two_backfills_at_once_are_refused_and_each_is_recorded(local_run: LocalRun) -> None:
    tool = of(local_run)
    prefix = f"backfill-{uuid.uuid4()}"
    with unannounced(local_run):
        drop(local_run, f"{prefix}/1")
    begun = datetime.now(UTC)
    execution = tool.start(prefix, **BY)
    with pytest.raises(BackfillError, match="is running"):
        tool.start(prefix, **BY)
    tool.follow(execution, lambda: time.sleep(0.2))
    events = [event for event in tool.trail.between(begun, datetime.now(UTC)) if event.what == "backfill"]
    assert [(event.actor, event.details) for event in events] == [("operator-7", {"reason": BY["reason"]})]

"""An operator at the deployed product: dead letters redriven, messages sent again, on the emulator's own services."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from gpcm.dropping import Dropped
from gpcm.environment import OperatorEnvironment
from gpcm.functions import FunctionFailedError
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.replay.policy import ResendAction, ResendMode
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.replay.redrive import Lane
from gpconnect_messaging.replay.resend import Choice
from infra.local.ledger import Message
from infra.local.operators import of_product
from infra.local.run import LocalRun
from tests.examples import REQUESTS, request_data
from tests.upload_faults import fail_upload

PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()
BY: dict[str, Any] = {"actor": "operator-7", "reason": "what stood in its way is mended"}


@pytest.fixture(scope="module")
def tools(local_run: LocalRun) -> OperatorEnvironment:
    return of_product(local_run)


@pytest.fixture(autouse=True)
def _mesh_as_it_was(local_run: LocalRun) -> Iterator[None]:
    yield
    httpx.request("DELETE", f"{local_run.mesh_url}/control/faults", timeout=10).raise_for_status()


def drop(run: LocalRun, documents: dict[str, bytes]) -> Dropped:
    return run.drop_request(request_data(encounter=str(uuid.uuid4())), documents)


def reaches(run: LocalRun, *wanted: Status, request: str | None = None, message: str | None = None) -> Message:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for candidate in run.messages_of(request or message or ""):
            if candidate.status in wanted:
                return candidate
        with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
            run.poll()
    known = {row.message_id: row.status for row in run.messages()}
    pytest.fail(f"{request or message} is not {wanted}: {known}; denials: {run.denials()}")


def put(run: LocalRun, queue: str, body: dict[str, Any]) -> None:
    run.session.client("sqs").send_message(
        QueueUrl=run.outputs[queue], MessageBody=json.dumps(body), MessageGroupId="Y90001OT001"
    )


def test_a_request_without_its_document_is_taken_in_once_the_document_is_there(
    local_run: LocalRun, tools: OperatorEnvironment
) -> None:
    dropped = drop(local_run, {})
    reaches(local_run, Status.INVALID, request=dropped.request_id)
    key = dropped.key.replace("request.json", "report.pdf")
    local_run.session.client("s3").put_object(Bucket=local_run.outputs["DropBucketName"], Key=key, Body=PDF)
    plan = list(tools.resend.plan(Choice(ids=(dropped.request_id,))))
    (done,) = tools.resend.carry_out(plan, ResendMode.UNCHANGED, **BY, pace=RateLimiter(5))
    assert done.action is ResendAction.RESUBMIT
    message = reaches(local_run, Status.DELIVERED, request=done.becomes)
    assert message.item["version"] == 1
    events = tools.resend.trail.of_message(dropped.request_id)
    assert [event.actor for event in events if event.what == "re-send"] == ["operator-7"]
    (again,) = tools.resend.plan(Choice(ids=(dropped.request_id,)))
    assert (again.action, again.becomes) == (ResendAction.NONE, done.becomes)


def refused_by_mesh(run: LocalRun) -> Message:
    """A message that MESH refuses."""
    request = request_data(encounter=str(uuid.uuid4()))
    fail_upload(run, request, "refuse")
    dropped = run.drop_request(request, {"report.pdf": PDF})
    return reaches(run, Status.REFUSED, request=dropped.request_id)


@pytest.mark.parametrize("way", ResendMode)
def test_a_refused_message_is_delivered_once_mesh_takes_it(
    local_run: LocalRun, tools: OperatorEnvironment, way: ResendMode
) -> None:
    begun = datetime.now(UTC)
    refused = refused_by_mesh(local_run)
    choice = Choice(status=Status.REFUSED, since=begun, until=datetime.now(UTC) + timedelta(minutes=1))
    plan = [item for item in tools.resend.plan(choice, way) if item.message_id == refused.message_id]
    (done,) = tools.resend.carry_out(plan, way, **BY, pace=RateLimiter(5))
    if way is ResendMode.UNCHANGED:
        assert done.action is ResendAction.RESEND
        reaches(local_run, Status.DELIVERED, message=refused.message_id)
    else:
        assert done.action is ResendAction.RESUBMIT
        assert reaches(local_run, Status.DELIVERED, request=done.becomes).item["version"] == 2


def test_dead_letters_of_the_intake_become_messages_and_are_harmless_twice(
    local_run: LocalRun, tools: OperatorEnvironment
) -> None:
    redrive = tools.redrives[Lane.INTAKE]
    known = drop(local_run, {"report.pdf": PDF})
    reaches(local_run, Status.DELIVERED, request=known.request_id)
    store, bucket = local_run.session.client("s3"), local_run.outputs["DropBucketName"]
    version = store.head_object(Bucket=bucket, Key=known.key)["VersionId"]
    fresh = f"{uuid.uuid4()}/"
    request = request_data(encounter=str(uuid.uuid4()), request_id=str(uuid.uuid4()))
    request["documents"][0]["key"] = f"{fresh}report.pdf"
    store.put_object(Bucket=bucket, Key=f"{fresh}report.pdf", Body=PDF)
    put(local_run, "IntakeDeadLetterQueueUrl", request)
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "time": datetime.now(UTC).isoformat(),
        "detail": {"bucket": {"name": bucket}, "object": {"key": known.key, "version-id": version}},
    }  # fmt: skip
    put(local_run, "IntakeDeadLetterQueueUrl", event)
    put(local_run, "IntakeDeadLetterQueueUrl", {"again": str(uuid.uuid4())})
    looked = {letter.id: letter for letter in redrive.look()}
    assert len(looked) == 3
    assert {letter.id for letter in redrive.look()} == set(looked), "looking consumes nothing"
    moved = {letter.id: letter for letter in redrive.run(**BY, pace=RateLimiter(50))}
    assert sorted(letter.moved for letter in moved.values()) == [False, True, True]
    (new,) = (letter for letter in moved.values() if letter.moved and letter.subject != known.request_id)
    reaches(local_run, Status.DELIVERED, request=new.subject)
    assert len([row for row in local_run.messages() if row.request_id == known.request_id]) == 1
    kept = store.head_object(Bucket=local_run.outputs["EvidenceBucketName"], Key=f"requests/{new.subject}.json.gz")
    assert kept["Metadata"]["arrived"] == new.queued_at.isoformat(), "it counts from when it first came"
    (left,) = redrive.look()
    assert not left.moves


def test_a_dead_letter_of_the_send_queue_is_sent(local_run: LocalRun, tools: OperatorEnvironment) -> None:
    redrive = tools.redrives[Lane.SEND]
    dropped = drop(local_run, {"report.pdf": PDF})
    message = reaches(local_run, Status.DELIVERED, request=dropped.request_id)
    put(local_run, "SendDeadLetterQueueUrl", {"message_id": message.message_id})
    (letter,) = redrive.look()
    assert letter.status is Status.DELIVERED
    (moved,) = redrive.run(**BY, pace=RateLimiter(50), chosen={message.message_id})
    assert moved.moved
    assert redrive.look() == []
    copies = httpx.get(f"{local_run.mesh_url}/control/messages", timeout=10).json()
    assert len([copy for copy in copies if f"{message.message_id}.xml" in str(copy["headers"])]) == 1

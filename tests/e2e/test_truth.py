"""No status without an upload behind it, through what is deployed: real handlers, the emulator and the local MESH."""

import json
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.mesh import Outgoing
from infra.local.ledger import Message
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from tests.e2e.conftest import PDF, Product
from tests.examples import request_data
from tests.local_mesh import PRACTICE, SENDER, WORKFLOW, LocalMesh
from tests.local_mesh import answer as answer_from

STRANGER = "FA565OT001"
SILENT: dict[str, Any] = {"practitioner__name": {"family": "Test Harness", "given": ["noresponse"]}}


def answers(product: Product, message: Message, *codes: str, sender: str = STRANGER) -> None:
    """Somebody answers, in the practice's name, whenever it likes."""
    mesh = LocalMesh(product.run.mesh_url)
    with mesh.client(sender) as client:
        answer_from(client, message.message_id, *codes)
    mesh.http.close()


def repeats_by_reference(product: Product, encounter: str, *codes: str) -> None:
    """The practice answers once more, and names the encounter alone."""
    mesh = LocalMesh(product.run.mesh_url)
    with mesh.client(PRACTICE) as client:
        for code in codes:
            nobodys = Reading(message_id=str(uuid.uuid4()))
            response = write(
                Answer(code), nobodys, Practice("A20047", PRACTICE), shape=Shape.STANDARD, now=datetime.now(UTC)
            )
            body, replaced = re.subn(
                rb'(url="SenderReference">\s*<valueString value=")[^"]*',
                rb"\g<1>" + encounter.encode(),
                response.content,
            )
            assert replaced == 1
            client.send(Outgoing(to=SENDER, workflow_id=f"{WORKFLOW}_ACK", local_id="A20047"), body)
    mesh.http.close()


def kept_from_mesh(product: Product, *, version: int = 1, **changes: Any) -> Message:
    """A message that MESH is too busy to take for the time being."""
    dropped = product.drop_to_fail("busy", version=version, settings={"retry_after_seconds": 20}, **changes)
    product.wait(
        lambda: any(fact.kind == "upload postponed" for m in product.run.messages_of(dropped) for fact in m.facts)
    )
    return product.message(dropped)


def collected(product: Product, message: Message, count: int) -> Message:
    """Wait until so many answers to a message are recorded."""

    def recorded() -> bool:
        return sum(fact.kind == "response" for fact in product.message(message.request_id).facts) >= count

    product.wait(recorded)
    return product.message(message.request_id)


def notified(product: Product, message: Message) -> list[str]:
    """The kinds of the notifications about a message."""
    table = product.run.session.resource("dynamodb").Table(product.run.outputs["LedgerTableName"])
    found = table.query(
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": f"MESSAGE#{message.message_id}", ":sk": "NOTICE#"},
    )
    return sorted({str(item["kind"]) for item in found["Items"]})


def test_an_answer_to_what_mesh_refused_to_take_does_not_deliver_it(product: Product) -> None:
    message = kept_from_mesh(product)
    answers(product, message, "20013", "30001")
    judged = collected(product, message, 2)
    assert judged.status == "BUILT"
    assert product.uploads(judged) == []
    assert notified(product, judged) == ["suspicious response"]
    delivered = product.reaches(message.request_id, "DELIVERED")
    assert len(product.uploads(delivered)) == 1, "it was sent all the same, and its practice answered"


def test_an_old_answer_by_reference_does_not_deliver_the_version_that_waits(product: Product) -> None:
    encounter = str(uuid.uuid4())
    first = product.reaches(product.drop(encounter=encounter), "DELIVERED")
    second = kept_from_mesh(product, version=2, encounter=encounter)
    assert second.message_id != first.message_id
    repeats_by_reference(product, encounter, "20013", "30001")
    product.run.poll()
    assert product.message(second.request_id).status in {"BUILT", "SENDING"}
    delivered = product.reaches(second.request_id, "DELIVERED")
    assert len(product.uploads(delivered)) == 1


def test_a_forged_20014_voids_nothing(product: Product) -> None:
    encounter = str(uuid.uuid4())
    first = product.reaches(product.drop(encounter=encounter), "DELIVERED")
    second = kept_from_mesh(product, version=2, encounter=encounter)
    answers(product, second, "20014")
    assert collected(product, second, 1).status == "BUILT"
    assert product.message(first.request_id).status == "DELIVERED"


@pytest.mark.parametrize("name", ["Request.JSON", "REQUEST.json"])
def test_a_request_is_announced_in_any_letter_case(product: Product, name: str) -> None:
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    request = json.dumps(request_data(encounter=str(uuid.uuid4()))).encode()
    stored = store.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=request)
    request_id = str(run.identifiers.dropped_request_id(bucket, f"{folder}/{name}", stored["VersionId"]))
    product.reaches(request_id, "DELIVERED")


def test_a_file_that_only_ends_like_a_request_is_none(product: Product) -> None:
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    stored = store.put_object(Bucket=bucket, Key=f"{folder}/referral-request.json", Body=b"{}")
    key = f"{folder}/referral-request.json"
    other = product.drop()
    product.reaches(other, "DELIVERED")
    assert run.message(str(run.identifiers.dropped_request_id(bucket, key, stored["VersionId"]))) is None


def test_a_correction_from_a_slow_clock_is_the_next_version(product: Product) -> None:
    encounter, run = str(uuid.uuid4()), product.run
    now = datetime.now(UTC)
    first = product.reaches(product.drop(encounter=encounter, consultation__updated=now.isoformat()), "DELIVERED")
    queue, key = run.session.client("sqs"), f"e2e/{uuid.uuid4()}/report.pdf"
    run.session.client("s3").put_object(Bucket=run.outputs["DropBucketName"], Key=key, Body=PDF)
    documents = [{"key": key, "content_type": "application/pdf", "title": "Consultation report", "primary": True}]
    correction = request_data(
        encounter=encounter, request_id=str(uuid.uuid4()), documents=documents,
        consultation__updated=(now - timedelta(seconds=30)).isoformat(),
    )  # fmt: skip
    body = json.dumps(correction)
    product.wait(lambda: datetime.now(UTC) > now + timedelta(seconds=75), 120)
    queue.send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=body)
    request_id = str(run.identifiers.queued_request_id(body.encode()))
    second = product.reaches(request_id, "DELIVERED")
    assert int(str(second.item["version"])) == int(str(first.item["version"])) + 1


def test_a_request_that_cannot_be_read_is_received_and_not_forgotten(product: Product) -> None:
    """Here: it was removed for good before it could be read."""
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "time": datetime.now(UTC).isoformat(),
        "detail": {"bucket": {"name": bucket}, "object": {"key": f"{folder}/request.json", "version-id": "gone"}},
    }  # fmt: skip
    run.session.client("sqs").send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=json.dumps(event))
    request_id = str(run.identifiers.dropped_request_id(bucket, f"{folder}/request.json", "gone"))

    def received() -> bool:
        pages = store.get_paginator("list_objects_v2").paginate(
            Bucket=run.outputs["EvidenceBucketName"], Prefix="receipts/"
        )
        return any(found["Key"].endswith(request_id) for page in pages for found in page.get("Contents", ()))

    product.wait(received)
    assert product.reaches(request_id, "INVALID").status == "INVALID"

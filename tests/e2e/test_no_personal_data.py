"""No NHS number, name, birth date or address of any sample anywhere that is not meant to hold them (safety rule 5).

The samples are sent once more under telling keys; then every log line, metric, send-queue body, S3 key, ledger key and
notification of the whole run is searched for them.
"""

import json
import re
import time
import uuid
from typing import Any

import pytest

from gpconnect_messaging.ledger.encounter_format import unpack
from gpconnect_messaging.ledger.encounter_table import STATE
from infra.local.run import LocalRun
from tests.e2e.conftest import PDF, DeployedProduct
from tests.examples import REQUESTS, request_data

SAMPLES = sorted(folder.name for folder in REQUESTS.iterdir())


def _personal() -> set[str]:
    """Everything in the samples that could name a patient, as it might be written."""
    words: set[str] = set()
    for name in SAMPLES:
        patient = request_data(name).get("patient")
        if patient is None:  # a withdrawal names no patient
            continue
        year, _, rest = str(patient["birth_date"]).partition("-")
        words |= {patient["nhs_number"], patient["birth_date"], f"{year}{rest.replace('-', '')}"}
        words |= {patient["name"]["family"], *patient["name"]["given"]} - {"Test"}
        words |= {*patient["address"]["lines"], patient["address"]["postcode"], *patient["phones"]}
    return {word for word in words if len(word) > 3}


PERSONAL = _personal() | {"KEY-THAT-NAMES-WRIGHT"}


def revealing(text: str) -> list[str]:
    """The personal words in a text, as words of their own ("Bill" is a patient, "Billed Duration" is not)."""
    return sorted(word for word in PERSONAL if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE))


@pytest.fixture(scope="module")
def sent(run: LocalRun) -> DeployedProduct:
    """All samples sent, one under a key that names the patient; records the notifications and the send queue."""
    product = DeployedProduct(run)
    dropped = [product.run.drop(REQUESTS / name, {"encounter": f"WRIGHT-{uuid.uuid4()}"}) for name in SAMPLES]
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    folder = f"KEY-THAT-NAMES-WRIGHT/{uuid.uuid4()}"
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    for file in ("report.pdf", "missing-WRIGHT.pdf"):
        documents = [{"key": file, "content_type": "application/pdf", "title": "WRIGHT", "primary": True}]
        body = json.dumps(request_data(encounter=f"WRIGHT-{uuid.uuid4()}", documents=documents)).encode()
        store.put_object(Bucket=bucket, Key=f"{folder}/{file}/request.json", Body=body)
    store.put_object(Bucket=bucket, Key=f"{folder}/garbage/request.json", Body=b'{"patient": {"WRIGHT": 9658218865}}')
    dropped.append(product.drop_to_fail("refuse", encounter=f"WRIGHT-{uuid.uuid4()}"))
    product.wait(lambda: all(product.run.message(request) is not None for request in dropped))
    open_statuses = {"BUILT", "SENDING", "SENT", "UNCERTAIN", "ACKNOWLEDGED"}
    product.wait(lambda: not {message.status for message in run.messages()} & open_statuses)
    return product


@pytest.mark.parametrize("function", ["builder", "sender", "poller"])
def test_no_log_line_or_metric_of_a_function_names_anyone(sent: DeployedProduct, function: str) -> None:
    lines = sent.run.logs(function)
    assert len(lines) > 5
    assert any('"_aws"' in line for line in lines), "metrics are log lines; there must be some"
    assert [(found, line) for line in lines if (found := revealing(line))] == []


def test_cloudwatch_holds_nothing_else(sent: DeployedProduct) -> None:
    logs = sent.run.session.client("logs")
    for group in logs.describe_log_groups()["logGroups"]:
        for event in logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
            assert revealing(str(event["message"])) == []


def test_no_key_of_ours_names_anyone(sent: DeployedProduct) -> None:
    store = sent.run.session.client("s3")
    for bucket in ("OutboxBucketName", "EvidenceBucketName"):
        keys = [
            item["Key"]
            for page in store.get_paginator("list_objects_v2").paginate(Bucket=sent.run.outputs[bucket])
            for item in page["Contents"]
        ]
        assert keys
        assert revealing(" ".join(keys)) == []
    keys = [f"{item['pk']} {item['sk']} {item.get('encounter_key')} {item.get('statuses')}" for item in sent.items()]
    assert keys
    assert revealing(" ".join(keys)) == []


def test_nothing_in_the_ledger_but_the_senders_own_reference_and_folder_names_anyone(sent: DeployedProduct) -> None:
    for item in sent.items():
        ours = {name: value for name, value in item.items() if name not in {"body", "folder"}}
        if item["sk"] == STATE:
            body = unpack(item["body"], int(item["v"]))
            for request in body.get("requests", {}).values():
                request.get("origin", {}).pop("folder", None)
            ours |= {"body": {name: value for name, value in body.items() if name != "encounter"}}
        assert revealing(str(ours)) == []


def test_the_send_queue_carries_ids_only(sent: DeployedProduct) -> None:
    """Stop the sender for a moment, so that the send queue can be read."""
    run = sent.run
    functions, queue = run.session.client("lambda"), run.session.client("sqs")
    mapping = functions.list_event_source_mappings(FunctionName=run.outputs["SenderFunctionName"])[
        "EventSourceMappings"
    ][0]["UUID"]
    functions.update_event_source_mapping(UUID=mapping, Enabled=False)
    try:
        dropped = sent.drop()
        bodies: list[str] = []
        end = time.monotonic() + 30
        while not bodies and time.monotonic() < end:
            answer = queue.receive_message(
                QueueUrl=run.outputs["SendQueueUrl"], WaitTimeSeconds=1, VisibilityTimeout=0, AttributeNames=["All"]
            )
            bodies = [str(message) for message in answer.get("Messages", [])]
            found = [json.loads(message["Body"]) for message in answer.get("Messages", [])]
        assert found == [{"message_id": sent.message(dropped).message_id}]
        assert revealing(" ".join(bodies)) == []
    finally:
        functions.update_event_source_mapping(UUID=mapping, Enabled=True)
    sent.reaches(dropped, "DELIVERED")


def test_notifications_name_messages_and_never_people(sent: DeployedProduct) -> None:
    run = sent.run
    queue, topic = run.session.client("sqs"), run.session.client("sns")
    url = queue.create_queue(QueueName=f"overhearing-{uuid.uuid4()}")["QueueUrl"]
    arn = queue.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement | {"Resource": arn}]})
    queue.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    topic.subscribe(TopicArn=run.outputs["NoticesTopicArn"], Protocol="sqs", Endpoint=arn)
    message = sent.reaches(sent.run.drop(REQUESTS / "invalid", {"encounter": f"WRIGHT-{uuid.uuid4()}"}), "INVALID")
    received: list[Any] = []
    end = time.monotonic() + 20
    while not received and time.monotonic() < end:
        received = queue.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", [])
    (notification,) = received
    assert message.message_id in notification["Body"]
    assert "patient.nhs_number" in notification["Body"]
    assert revealing(str(notification)) == []

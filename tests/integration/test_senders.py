"""Two senders on the running product: what the deployed policies and the builder allow them."""

import copy
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from gpcm.dropping import Dropped, drop
from infra import environments
from infra.configuration import Sender
from infra.local.emulator import ACCOUNT
from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests.examples import REQUESTS, request_data
from tests.infra.templates import synthesize, with_changes

HUB, NORTH = "Y90001OT001", "Y90002OT001"
SENDERS = (
    Sender(
        name="hub", principals=(f"arn:aws:iam::{ACCOUNT}:role/hub",), mailboxes=(HUB, "Y90001OT002"), queue=True
    ),
    Sender(
        name="north", principals=(f"arn:aws:iam::{ACCOUNT}:role/north",), mailboxes=(NORTH, "Y90003OT001"),
        prefix="ooh/north/", queue=True,
    ),
)  # fmt: skip
PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """A product with two senders, for these tests only: all other tests drop as the account's owner."""
    made = synthesize(with_changes(environments.load("local"), senders=SENDERS), tmp_path_factory.mktemp("senders"))

    def with_senders(template: dict[str, Any]) -> None:
        template.clear()
        template.update(copy.deepcopy(dict(made.body)))

    with LocalRun(rest_seconds=0.5, adjust=with_senders) as running:
        yield running


class System:
    """A sending system with a role that has no policies."""

    def __init__(self, run: LocalRun, name: str) -> None:
        self.run = run
        trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "sts:AssumeRole"}
        role = run.session.client("iam").create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )["Role"]
        taken = run.session.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="test")["Credentials"]
        access = run.state.access
        self._session: Any = boto3.Session(
            aws_access_key_id=taken["AccessKeyId"],
            aws_secret_access_key=taken["SecretAccessKey"],
            aws_session_token=taken["SessionToken"],
            region_name=access.region,
        )
        self._how: dict[str, Any] = {"endpoint_url": access.endpoint, "verify": access.certificate}

    def client(self, name: str) -> Any:
        return self._session.client(name, **self._how)

    def drops(self, into: str, **changes: Any) -> Dropped:
        body = json.dumps(request_data(encounter=str(uuid.uuid4()), **changes)).encode()
        bucket, ids = self.run.outputs["DropBucketName"], self.run.identifiers
        made: Any = self
        return drop(made, bucket, body, {"report.pdf": PDF}, identifiers=ids, into=into)

    def uploads(self, into: str) -> str:
        """Put a document into a folder of its own; return the key. A document belongs to one encounter (ADR 47)."""
        key = f"{into}/{uuid.uuid4()}/report.pdf"
        self.client("s3").put_object(Bucket=self.run.outputs["DropBucketName"], Key=key, Body=PDF)
        return key

    def queues(self, sender: str, **changes: Any) -> str:
        """Put a whole request on a sender's queue; return the request id."""
        data = request_data(encounter=str(uuid.uuid4()), request_id=str(uuid.uuid4()), **changes)
        body = json.dumps(data)
        self.client("sqs").send_message(QueueUrl=self.run.outputs[f"IntakeQueueUrlOf{sender}"], MessageBody=body)
        return str(self.run.identifiers.queued_request_id(body.encode(), sender.lower()))


@pytest.fixture(scope="module")
def hub(run: LocalRun) -> System:
    return System(run, "hub")


@pytest.fixture(scope="module")
def north(run: LocalRun) -> System:
    return System(run, "north")


def becomes(run: LocalRun, request: Dropped | str, status: str, *, seconds: float = 120) -> Message:
    deadline = time.monotonic() + seconds
    while True:
        found = run.message(request)
        if found and found.status == status:
            return found
        assert time.monotonic() < deadline, found and found.status
        if status == "DELIVERED":
            run.poll(mailboxes_only=True)
        time.sleep(0.3)


def denied(act: Callable[[], object]) -> bool:
    try:
        act()
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
    return False


def test_a_sender_drops_and_queues_its_own_and_it_is_delivered(run: LocalRun, hub: System) -> None:
    dropped = hub.drops("hub")
    document = request_data()["documents"][0] | {"key": hub.uploads("hub")}
    queued = hub.queues("Hub", documents=[document])
    for request in (dropped, queued):
        assert becomes(run, request, "DELIVERED").item["mailbox"] == HUB


@pytest.mark.parametrize("into", ["ooh/north", "hub2", "elsewhere"])
def test_a_sender_puts_nowhere_but_under_its_prefix(hub: System, into: str) -> None:
    assert denied(lambda: hub.drops(into))


def test_a_sender_neither_reads_nor_lists_what_was_dropped(run: LocalRun, hub: System) -> None:
    store, bucket = hub.client("s3"), run.outputs["DropBucketName"]
    key = hub.drops("hub").key
    assert denied(lambda: store.get_object(Bucket=bucket, Key=key))
    assert denied(lambda: store.list_objects_v2(Bucket=bucket))


def test_a_senders_queue_is_closed_to_the_other(run: LocalRun, hub: System, north: System) -> None:
    assert denied(lambda: north.queues("Hub"))
    assert denied(lambda: north.client("sqs").send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody="{}"))
    assert denied(lambda: hub.queues("North"))


def test_what_names_anothers_mailbox_or_document_is_refused_on_the_senders_own_account(
    run: LocalRun, hub: System, north: System
) -> None:
    theirs = hub.drops("hub").key.rpartition("/")[0]
    document = request_data()["documents"][0] | {"key": f"{theirs}/report.pdf"}
    cases = (
        (north.drops("ooh/north", mailbox=HUB), "mailbox: is not one that this sender may use"),
        (north.queues("North", mailbox=NORTH, documents=[document]), "documents[0].key: lies outside of this sender's"),
    )
    for request, reason in cases:
        refused = becomes(run, request, "INVALID")
        assert refused.item["mailbox"] == NORTH
        [found] = refused.events[0].details["reasons"]
        assert found.startswith(reason)


def test_what_the_accounts_owner_puts_on_the_shared_queue_is_no_senders(run: LocalRun) -> None:
    body = json.dumps(request_data(encounter=str(uuid.uuid4()), request_id=str(uuid.uuid4())))
    run.session.client("sqs").send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=body)
    refused = becomes(run, str(run.identifiers.queued_request_id(body.encode())), "INVALID")
    assert refused.item["mailbox"] == "-"

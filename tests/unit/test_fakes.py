"""The fakes are no kinder than what they stand for: calls and answers are those of boto3, and of the MESH client."""

import inspect
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import OperationModel
from botocore.validate import ParamValidator

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.replay.policy import ResendMode
from gpconnect_messaging.replay.redrive import Lane, Redrive
from tests.fakes.clock import Clock
from tests.fakes.deployed_parts import DeployedParts
from tests.fakes.faults import aws_error, fail
from tests.fakes.mesh import Client, Connections, Mood
from tests.fakes.parameter_store import Parameters
from tests.fakes.product import AT_ONCE, PDF, WINDOW, Product
from tests.fakes.s3 import S3, Bucket
from tests.fakes.secrets_manager import Secrets
from tests.fakes.sns import Topic
from tests.fakes.sqs import Sqs
from tests.identifiers import IDENTIFIERS

DAY = timedelta(days=1)


@cache
def operations(service: str) -> dict[str, OperationModel]:
    """What boto3's client of a service can do, by the name of the method."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): model.operation_model(name) for name in model.operation_names}


class Described:
    """A client whose calls and answers are held against boto3's description of the service."""

    def __init__(self, service: str, target: Any, seen: Counter[str]) -> None:
        self.service, self.target, self.seen = service, target, seen

    def __getattr__(self, operation: str) -> Any:
        call = getattr(self.target, operation)
        if operation == "get_paginator":
            return lambda name: DescribedPages(self, call(name), name)
        if operation == "upload_fileobj":  # boto3's own, of no service
            return call

        def described(**arguments: Any) -> Any:
            self.asked(operation, arguments)
            return self.answered(operation, call(**arguments))

        return described

    def asked(self, operation: str, arguments: dict[str, Any]) -> None:
        self.seen[f"{self.service}.{operation}"] += 1
        _require(arguments, operations(self.service)[operation].input_shape)

    def answered(self, operation: str, answer: Any) -> Any:
        _require(answer or {}, operations(self.service)[operation].output_shape)
        return answer


class DescribedPages:
    """A paginator, likewise."""

    def __init__(self, client: Described, pages: Any, operation: str) -> None:
        self.client, self.pages, self.operation = client, pages, operation

    def paginate(self, **arguments: Any) -> Iterator[Any]:
        self.client.asked(self.operation, arguments)
        for page in self.pages.paginate(**arguments):
            yield self.client.answered(self.operation, page)


def _require(data: Any, shape: Any) -> None:
    found = ParamValidator().validate(data, shape) if shape else None
    assert not (found and found.has_errors()), found.generate_report()


def test_all_that_the_steps_ask_and_hear_is_what_boto3_would_take_and_give() -> None:
    seen: Counter[str] = Counter()
    product = Product(port=lambda name, client: client if name == "mesh" else Described(name, client, seen))
    held = product.asks()
    product.later(WINDOW + timedelta(minutes=1))
    (message,) = product.messages(held)
    assert message.status is Status.SENT
    product.put("in/one/report.pdf", PDF)
    product.put("in/one/request.json", product.dropped.objects["request.json"])
    product.announce("in/one/request.json")
    product.put("in/two/request.json", b"unannounced")
    assert product.withdraws().status is Status.TELL_PRACTICE
    product.mesh.mood = Mood.REFUSES
    refused = product.asks(encounter="another")
    product.later(WINDOW + timedelta(minutes=1))
    assert product.status(refused) is Status.RELEASED
    product.mesh.mood = Mood.TAKES
    product.sends_again(status=Status.REFUSED)
    product.sends_again(ResendMode.REBUILT, ids=(message.message_id,))
    product.mesh.deliver(product.mailbox.mailbox, b"no answer", sender="A20047OT001", message_type="DATA")
    product.polls(product.mailbox.mailbox)
    product.later(DAY)
    product.list_drop.run()
    product.escalation.run(product.sweep.due())
    product.reconciliation.run()
    redrive = Redrive(
        lane=Lane.INTAKE, sqs=Described("sqs", product.sqs, seen), dead_letters_url="send",  # type: ignore[arg-type]
        queue_url="intake", ledger=product.ledger, trail=product.trail, identifiers=lambda: IDENTIFIERS,
        now=product.clock,
    )  # fmt: skip
    product.sqs.put("send", '{"a": "request"}', group="Y90001OT001", QueuedAt="2026-11-20T22:00:00+00:00")
    assert any(letter.moved for letter in redrive.run(actor="operator-7", reason="mended", pace=AT_ONCE))
    services = {operation.partition(".")[0] for operation in seen}
    assert services == {"dynamodb", "s3", "sns", "sqs", "ssm"}
    assert len(seen) > 15


@pytest.mark.parametrize(
    ("fake", "services"),
    [
        (Bucket, ["s3"]), (Topic, ["sns"]), (Sqs, ["sqs"]), (Secrets, ["secretsmanager"]), (Parameters, ["ssm"]),
        (DeployedParts, ["events", "lambda", "kms"]),
    ],
)  # fmt: skip
def test_what_a_fake_can_be_asked_is_named_as_boto3_names_it(fake: type, services: list[str]) -> None:
    known = {name: model for service in services for name, model in operations(service).items()}
    asked = {name: method for name, method in vars(fake).items() if name in known and inspect.isfunction(method)}
    assert asked
    for name, method in asked.items():
        shape = known[name].input_shape
        members = set(shape.members if shape else ())
        given = {part.name for part in inspect.signature(method).parameters.values() if part.kind is part.KEYWORD_ONLY}
        assert given <= members, name


@pytest.mark.parametrize(("fake", "real"), [(Client, MeshClient), (Connections, MeshConnections)])
def test_what_the_fake_mesh_can_be_asked_the_real_one_can(fake: type, real: type) -> None:
    for name, method in vars(fake).items():
        if name.startswith("_") or name in fake.__annotations__ or not inspect.isfunction(method):
            continue
        ours, theirs = (inspect.signature(call).parameters.values() for call in (method, getattr(real, name)))
        assert len(ours) <= len(theirs), name
        named = {part.name for part in ours if part.kind is part.KEYWORD_ONLY}
        assert named <= {part.name for part in theirs}, name


def sqs() -> Sqs:
    return Sqs(Clock(tick=timedelta()), "live")


@pytest.mark.parametrize(
    "wrong",
    [
        {"QueueUrl": "another"}, {"MessageBody": ""}, {"MessageBody": "x" * 1_048_577}, {"DelaySeconds": 901},
        {"MessageGroupId": ""}, {"MessageGroupId": "a group"}, {"MessageGroupId": "x" * 129},
    ],
    ids=str,
)  # fmt: skip
def test_sqs_takes_no_message_that_the_real_one_refuses(wrong: dict[str, Any]) -> None:
    client = sqs()
    with pytest.raises(ClientError):
        client.send_message(**{"QueueUrl": "live", "MessageBody": "{}"} | wrong)
    assert client.sent == []


def test_a_received_message_is_hidden_until_its_time_is_over_or_it_is_put_back() -> None:
    client = sqs()
    client.put("live")
    for _ in range(2):
        [message] = client.receive_message(QueueUrl="live", VisibilityTimeout=30)["Messages"]
        assert client.receive_message(QueueUrl="live") == {}
        client.clock.advance(timedelta(seconds=30))
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    [message] = client.receive_message(QueueUrl="live")["Messages"]
    how: dict[str, Any] = {"QueueUrl": "live", "ReceiptHandle": message["ReceiptHandle"]}
    client.change_message_visibility(**how, VisibilityTimeout=0)
    with pytest.raises(ClientError):
        client.change_message_visibility(**how, VisibilityTimeout=0)
    assert client.receive_message(QueueUrl="live")["Messages"]
    client.delete_message(**how)
    client.clock.advance(timedelta(hours=1))
    assert client.receive_message(QueueUrl="live") == {}


@pytest.mark.parametrize("subject", ["", "x" * 101, "two\nlines", "Zoë"])
def test_sns_takes_no_subject_that_the_real_one_refuses(subject: str) -> None:
    with pytest.raises(ClientError):
        Topic().publish(TopicArn="topic", Subject=subject, Message="x")


def test_s3_knows_no_other_bucket_no_removed_object_and_no_version_that_was_never_put() -> None:
    bucket = Bucket()
    s3: Any = S3(drop=bucket)
    s3.put_object(Bucket="drop", Key="a", Body=b"1")
    s3.put_object(Bucket="drop", Key="a", Body=b"2")
    bucket.delete_object(Key="a")
    assert s3.get_object(Bucket="drop", Key="a", VersionId="1")["Body"].read() == b"1"
    for wrong in ({"Bucket": "outbox"}, {"Key": "b"}, {}, {"VersionId": "3"}, {"VersionId": "x"}):
        with pytest.raises(ClientError):
            s3.get_object(**{"Bucket": "drop", "Key": "a"} | wrong)
    with pytest.raises(ClientError):
        s3.put_object(Bucket="drop", Key="é" * 513, Body=b"")
    bucket.expire("a")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="drop", Key="a", VersionId="1")


def test_a_call_fails_as_often_as_a_test_wants_and_works_again_then() -> None:
    topic = Topic()
    how: dict[str, Any] = {"TopicArn": "topic", "Subject": "a subject"}
    fault = fail(topic, "publish", aws_error("Publish", "Throttled"), times=1, when=lambda call: call["Message"] == "a")
    topic.publish(**how, Message="b")
    with pytest.raises(ClientError, match="Throttled"):
        topic.publish(**how, Message="a")
    topic.publish(**how, Message="a")
    assert (fault.calls, topic.subjects) == (3, ["a subject"] * 2)
    away = fail(topic, "publish", OSError())
    with pytest.raises(OSError):
        topic.publish(**how, Message="b")
    away.end()
    topic.publish(**how, Message="b")

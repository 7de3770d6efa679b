"""Telling people, escalating, acknowledging, and the daily balance, through what is deployed."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.holds import HeldItems
from gpconnect_messaging.ledger.notifications import NotificationStore
from gpconnect_messaging.ledger.records import RaisedNotification
from gpconnect_messaging.legal_hold import LegalHold
from infra.local.denials import noted
from infra.local.emulator import DENIALS
from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests.e2e.conftest import PDF, DeployedProduct, rule_disabled
from tests.examples import request_data
from tests.fakes.product import TIMEOUTS
from tests.metrics import Metric, documented, logged


class Desk:
    """A contact who reads notifications: a queue subscribed to the topic, with a filter as contacts have."""

    def __init__(self, run: LocalRun, **wanted: list[str]) -> None:
        self._queues = run.session.client("sqs")
        self._url = self._queues.create_queue(QueueName=f"desk-{uuid.uuid4()}")["QueueUrl"]
        arn = self._queues.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
                 "Resource": arn}
            ],
        }  # fmt: skip
        self._queues.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        run.session.client("sns").subscribe(
            TopicArn=run.outputs["NoticesTopicArn"],
            Protocol="sqs",
            Endpoint=arn,
            Attributes={"FilterPolicy": json.dumps(wanted)},
        )
        self.read: list[dict[str, Any]] = []

    def notifications(self, about: str) -> list[dict[str, Any]]:
        """Everything that came so far about a message."""
        while found := self._queues.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in found:
                self.read.append(json.loads(message["Body"]))
                self._queues.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return [notification for notification in self.read if about in notification["Message"]]


@pytest.fixture(scope="module", autouse=True)
def message(run: LocalRun) -> Message:
    """A delivered message, made before all else: by the time that the day is reckoned, it did not come just now."""
    product = DeployedProduct(run)
    return product.reaches(product.drop(), "DELIVERED")


@pytest.fixture
def book(run: LocalRun) -> NotificationStore:
    return NotificationStore(DeployedProduct(run).ledger)


@pytest.mark.requirement("1.5:GPCM-SD-044", "1.5:GPCM-SD-045")
def test_a_notification_reaches_its_organisation_and_escalates_unless_it_is_acknowledged(
    product: DeployedProduct, book: NotificationStore
) -> None:
    run, mailbox = product.run, "Y90001OT001"
    desk, superior = Desk(run, route=[f"{mailbox}/first"]), Desk(run, route=[f"{mailbox}/escalation"])
    other = Desk(run, mailbox=["Y90002OT001"])
    taken = product.reaches(product.drop_to_fail("refuse"), "REFUSED").message_id
    notification_id = f"MESSAGE#{taken}/refused"
    product.wait(lambda: bool(desk.notifications(taken)), seconds=20)
    (first,) = desk.notifications(taken)
    assert first["Subject"] == "GP Connect Messaging: MESH refused a message"
    assert f"This notification: {notification_id}" in first["Message"]
    assert notification_id in {open_notification.notification.id for open_notification in book.open()}
    acknowledge = {"task": "acknowledge", "notice": notification_id, "actor": "a.nurse"}
    assert run.invoke("poller", acknowledge) == {"acknowledged": 1}
    assert run.invoke("poller", acknowledge) == {"acknowledged": 0}

    left = product.reaches(product.drop_to_fail("refuse"), "REFUSED").message_id
    product.wait(lambda: bool(superior.notifications(left)), seconds=60)
    product.run.poll()
    assert [notification["Subject"] for notification in superior.notifications(left)] == [
        "GP Connect Messaging, escalated: MESH refused a message"
    ]
    assert superior.notifications(taken) == []
    assert other.read == [] == other.notifications("MESSAGE#")
    client: Any = run.session.client("dynamodb")
    trail, now = AuditTrail(client, run.outputs["LedgerTableName"]), datetime.now(UTC)
    assert [(event.actor, event.what) for event in trail.of_message(taken)][-1] == (
        "a.nurse",
        "notification acknowledged",
    )
    lately = [event.what for event in trail.between(now - timedelta(hours=1), now) if event.message_id == taken]
    assert lately == [
        "built", "upload started", "upload refused", "notification raised", "notification told",
        "notification acknowledged",
    ]  # fmt: skip
    assert run.denials() == []


@pytest.mark.requirement("GPC-SD09")
def test_a_message_under_a_legal_hold_cannot_be_removed(run: LocalRun, message: Message) -> None:
    outputs = run.outputs
    client: Any = run.session.client("dynamodb")
    store = run.session.client("s3")
    for bucket in ("OutboxBucketName", "EvidenceBucketName"):
        # The template says so, and a test of it that it does; the emulator's CloudFormation leaves it out.
        store.put_object_lock_configuration(
            Bucket=outputs[bucket], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )
    trail = AuditTrail(client, outputs["LedgerTableName"])
    hold = LegalHold(
        items=HeldItems(client, outputs["LedgerTableName"], TIMEOUTS, kept_for=timedelta(days=90)),
        trail=trail, s3=store,
        outbox_bucket=outputs["OutboxBucketName"], evidence_bucket=outputs["EvidenceBucketName"],
    )  # fmt: skip
    # The message, the request, and two acknowledgements.
    assert hold.apply(message.message_id, "a.solicitor", "a complaint") >= 4
    key = f"messages/{message.message_id}"
    version = store.head_object(Bucket=outputs["OutboxBucketName"], Key=key)["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        store.delete_object(Bucket=outputs["OutboxBucketName"], Key=key, VersionId=version)
    ledger = DeployedProduct(run).ledger
    held = ledger.find(message.message_id)
    assert held is not None
    assert held.legal_hold
    assert hold.lift(message.message_id, "a.solicitor", "settled") >= 4
    store.delete_object(Bucket=outputs["OutboxBucketName"], Key=key, VersionId=version)
    deeds = [(event.actor, event.what) for event in trail.of_message(message.message_id)][-2:]
    assert deeds == [("a.solicitor", "legal hold placed"), ("a.solicitor", "legal hold lifted")]


def test_a_canary_comes_through_what_is_deployed_and_is_no_message_and_a_sender_s_own_is_refused(
    product: DeployedProduct,
) -> None:
    table = product.run.session.resource("dynamodb").Table(product.run.outputs["LedgerTableName"])

    def canaries() -> list[dict[str, Any]]:
        return [item for item in table.scan()["Items"] if item["sk"] == "CANARY"]

    product.wait(lambda: any("through_at" in item for item in canaries()), seconds=60)
    known = {str(item["pk"]).removeprefix("CANARY#") for item in canaries()}
    for message in product.run.messages():
        assert not known & {message.message_id, message.request_id}
    forged = product.run.drop_request({"kind": "canary", "canary": str(uuid.uuid4())}, {})
    product.reaches(forged, "INVALID")
    assert {str(item["pk"]).removeprefix("CANARY#") for item in canaries()} == known
    assert product.run.denials() == []


def test_the_due_work_measures_what_is_switched_off(product: DeployedProduct) -> None:
    def measured(metric: str) -> bool:
        product.run.kill_handlers()  # what a poller knows it keeps for ten minutes
        product.run.invoke("poller", {"task": "due"})
        return any(metric in line for line in product.run.logs("poller")[-40:])

    product.wait(lambda: measured('"DueWorkDone":[1'), seconds=60)
    with rule_disabled(product.run):
        product.wait(lambda: measured('"RuleEnabled":[0'), seconds=60)


def test_a_request_that_was_dropped_while_the_rule_was_off_is_taken_in(product: DeployedProduct) -> None:
    run = product.run
    with rule_disabled(run):
        dropped = product.drop()
    found: list[int] = []

    def listed() -> bool:
        found.append(run.invoke("poller", {"task": "drop"})["requests_unannounced"])
        return sum(found) > 0

    product.wait(listed, seconds=60)
    product.reaches(dropped, "DELIVERED")
    assert sum(found) == 1
    day = datetime.now(UTC).date().isoformat()
    run.invoke("poller", {"task": "reconcile", "day": day})
    store = run.session.client("s3")
    kept = store.get_object(Bucket=run.outputs["EvidenceBucketName"], Key=f"balances/{day}.json")
    assert json.loads(kept["Body"].read())["requests_unannounced"] >= 1
    assert run.denials() == []


def test_the_days_balance_finds_a_deliberately_lost_row(product: DeployedProduct, message: Message) -> None:
    run, day = product.run, datetime.now(UTC).date().isoformat()
    before = run.invoke("poller", {"task": "reconcile", "day": day})
    table = run.session.resource("dynamodb").Table(run.outputs["LedgerTableName"])
    pk = pk_of(encounter_key_of(message.message_id))
    row = table.get_item(Key={"pk": pk, "sk": STATE})["Item"]
    table.delete_item(Key={"pk": row["pk"], "sk": row["sk"]})
    try:
        # At the latest when it is so old that the builder cannot be at it any more.
        after = product_reconciled(product, day, message.request_id)
    finally:
        table.put_item(Item=row)
    assert after["wrong"] > before["wrong"], "lost; and vanished, if the balance of yesterday was made as it was open"
    store = run.session.client("s3")
    kept = store.get_object(Bucket=run.outputs["EvidenceBucketName"], Key=f"balances/{day}.json")
    balance = json.loads(kept["Body"].read())
    assert [message.request_id] == balance["mailboxes"]["-"]["lost"], "what it names is not known without its row"
    assert any(raised.told_at for raised in imbalances(run, day))
    assert run.invoke("poller", {"task": "reconcile", "day": day})["wrong"] == before["wrong"], "found again"
    assert run.denials() == []


@contextmanager
def unreadable(run: LocalRun, key: str) -> Iterator[None]:
    """Deny reading an object of the drop, as if it were encrypted with a key that the functions may not use."""
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    policy = json.loads(store.get_bucket_policy(Bucket=bucket)["Policy"])
    deny = {
        "Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:GetObjectVersion"],
        "Resource": f"arn:aws:s3:::{bucket}/{key}",
    }  # fmt: skip
    refused = run.logs_folder / DENIALS
    before = refused.read_text() if refused.exists() else ""
    store.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy | {"Statement": [*policy["Statement"], deny]}))
    try:
        yield
    finally:
        store.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
        provoked = noted(refused, after=len(before.splitlines()))
        refused.write_text(before)  # no other test of this run provoked them
    assert {(denial.role, denial.action) for denial in provoked} == {(builder(run), "s3:GetObjectVersion")}


def builder(run: LocalRun) -> str:
    """The name of the builder's role."""
    found = run.session.client("lambda").get_function(FunctionName=run.outputs["BuilderFunctionName"])
    return found["Configuration"]["Role"].rpartition("/")[2]


def test_a_request_that_the_builder_may_not_read_is_missed_and_taken_in_once_it_may(product: DeployedProduct) -> None:
    run, day = product.run, datetime.now(UTC).date().isoformat()
    store, bucket, queues = run.session.client("s3"), run.outputs["DropBucketName"], run.session.client("sqs")
    of_other_tests = {raised.notification.id for raised in imbalances(run, day)}
    folder = f"e2e/{uuid.uuid4()}"
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    body = json.dumps(request_data(encounter=str(uuid.uuid4()))).encode()
    with unreadable(run, f"{folder}/request.json"):
        version = store.put_object(Bucket=bucket, Key=f"{folder}/request.json", Body=body)["VersionId"]
        request_id = str(run.identifiers.dropped_request_id(bucket, f"{folder}/request.json", version))
        dead, letters = run.outputs["IntakeDeadLetterQueueUrl"], list[Any]()

        def dead_letter() -> bool:
            letters.extend(queues.receive_message(QueueUrl=dead).get("Messages", ()))
            return any(folder in letter["Body"] for letter in letters)

        product.wait_for(dead_letter, seconds=120)
        assert product.received(request_id)
        assert product_reconciled(product, day, request_id)["wrong"] >= 1
        new = [raised for raised in imbalances(run, day) if raised.notification.id not in of_other_tests]
        assert any(raised.told_at for raised in new), "a person is notified"
    for letter in letters:  # as a redrive does
        queues.send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=letter["Body"])
        queues.delete_message(QueueUrl=dead, ReceiptHandle=letter["ReceiptHandle"])
    product.reaches(request_id, "DELIVERED")
    assert run.denials() == []


def imbalances(run: LocalRun, day: str) -> list[RaisedNotification]:
    """The notifications of a day's balance: one per imbalance."""
    return list(DeployedProduct(run).ledger.encounter(f"BALANCE#{day}").notifications.values())


def product_reconciled(product: DeployedProduct, day: str, request_id: str) -> dict[str, Any]:
    """Reckon the day until a request counts as lost, not as just received."""
    found: dict[str, Any] = {}

    def missed() -> bool:
        found.update(product.run.invoke("poller", {"task": "reconcile", "day": day}))
        kept = product.run.session.client("s3").get_object(
            Bucket=product.run.outputs["EvidenceBucketName"], Key=f"balances/{day}.json"
        )
        mailboxes = json.loads(kept["Body"].read())["mailboxes"].values()
        return any(request_id in counts["lost"] for counts in mailboxes)

    product.wait(missed, seconds=150)  # longer than a request may wait for documents
    return found


def test_every_metric_that_the_functions_log_is_documented_and_those_of_every_day_are_logged(
    product: DeployedProduct, message: Message
) -> None:
    run = product.run
    refused = product.drop_to_fail("refuse")
    product.reaches(refused, "REFUSED")
    expected = {
        product.drop_to_fail("busy"): "DELIVERED",
        product.drop(practitioner__name={"family": "Test Harness", "given": ["20009"]}): "REJECTED",
        product.drop(practitioner__name={"family": "Test Harness", "given": ["noresponse"]}): "OVERDUE",
        product.drop(mailbox="NOBODYS01"): "INVALID",
    }
    for dropped, status in expected.items():
        product.reaches(dropped, status, seconds=120)
    run.invoke("poller", {"task": "reconcile", "day": datetime.now(UTC).date().isoformat()})
    lines = run.logs()
    found = logged(lines)
    assert found <= documented()
    assert {(metric.service, metric.name) for metric in found} >= {
        ("builder", "MessageBuilt"), ("builder", "MessageInvalid"), ("sender", "MessageSending"),
        ("sender", "MessageSent"), ("sender", "MessageRefused"), ("sender", "TimeToSend"),
        ("sender", "UploadPostponed"), ("sender", "UploadRefused"), ("poller", "MessageAcknowledged"),
        ("poller", "MessageDelivered"), ("poller", "MessageRejected"), ("poller", "MessageOverdue"),
        ("poller", "TimeToAcknowledge"), ("poller", "AnsweredNo"), ("poller", "MailboxPolled"),
        ("poller", "DueWorkDone"), ("poller", "Matched"), ("poller", "RequestsReceived"),
    }  # fmt: skip
    assert Metric("MessageInvalid", "builder", of_one_mailbox=True, unit="Count") not in found, "its sender's word"
    assert message.message_id not in " ".join(line for line in lines if '"_aws"' in line)

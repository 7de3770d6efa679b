"""A step that dies before or after any effect leaves a message that still ends well.

The crash points are not chosen by hand: every call to AWS, and the upload to MESH, is one, before it and after it. The
steps run in this process, on the deployed stack's own queues, table and buckets; what the crash leaves is healed by
the deployed functions.
"""

import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.received_objects import ReceivedObjects
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialVault, MailboxDirectory
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import Listed, SendQueue
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.poll import Poller
from gpconnect_messaging.steps.send import Sender
from gpconnect_messaging.storage import DropBucket, Evidence, Outbox, StoredMessage
from infra.local.run import LocalRun
from tests.crash_injection import Crasher
from tests.e2e.conftest import PDF, DeployedProduct
from tests.examples import request_data

PATIENCE = Timeouts(requeue_after=timedelta(seconds=15), resolve_after=timedelta(seconds=10))
MAILBOX = "Y90001OT001"


class NoQueue:
    """A send queue that loses everything: only the sweep can find the message again."""

    def put(self, message_id: str, mailbox: str) -> None:
        """Lose it."""


class OwnInbox:
    """An inbox queue that no other poller reads."""

    listed: tuple[str, ...] = ()

    def put(self, mailbox: str, mesh_message_ids: tuple[str, ...]) -> None:
        """Keep what an inbox lists."""
        self.listed = mesh_message_ids


class Steps:
    """The three steps over the deployed stack; every effect is a crash point."""

    def __init__(self, product: DeployedProduct) -> None:
        outputs = product.run.outputs
        self.crasher = Crasher()
        self._product = product
        ledger = Ledger(self._client("dynamodb"), outputs["LedgerTableName"], PATIENCE)
        notifier = Notifier(self._client("sns"), outputs["NoticesTopicArn"], ledger)
        s3 = self._client("s3")
        evidence, outbox = Evidence(s3, outputs["EvidenceBucketName"]), Outbox(s3, outputs["OutboxBucketName"])
        vault = CredentialVault(self._client("secretsmanager"), outputs["MailboxSecrets"], outputs["MeshSecretName"])
        self.mesh = MeshConnections(product.run.state.mesh_url, vault)
        self.drop_bucket = outputs["DropBucketName"]
        self.builder = Builder(
            drop=DropBucket(s3, self.drop_bucket),
            received=ReceivedObjects(self._client("dynamodb"), outputs["LedgerTableName"], self.drop_bucket),
            outbox=outbox,
            evidence=evidence,
            ledger=ledger,
            mailboxes=MailboxDirectory(self._client("ssm"), outputs["MailboxParameters"]),
            send_queue=SendQueue(self._client("sqs"), outputs["SendQueueUrl"]),
            notifier=notifier,
            numbers=NumberRange.TEST,
            identifiers=product.run.identifiers,
        )
        self.sender = Sender(
            outbox=outbox,
            ledger=ledger,
            mesh=self.mesh,
            notifier=notifier,
            lease=timedelta(seconds=20),
            timeouts=PATIENCE,
        )
        self.inbox = OwnInbox()
        self.poller = Poller(
            evidence=evidence, ledger=ledger, mesh=self.mesh, notifier=notifier,
            identifiers=product.run.identifiers, queue=cast("Any", self.inbox),
        )  # fmt: skip

    def _client(self, name: str) -> Any:
        client = self._product.run.session.client(name)  # type: ignore[call-overload]
        client.meta.events.register("before-call", self.crasher.effect)
        client.meta.events.register("after-call", self.crasher.effect)
        return client

    def placed(self, name: str = "consultation-report-2.0") -> tuple[str, str, str, None, str]:
        """Place a request where the deployed builder does not look; return what names it."""
        store = self._product.run.session.client("s3")
        folder = f"crash/{uuid.uuid4()}"
        store.put_object(Bucket=self.drop_bucket, Key=f"{folder}/report.pdf", Body=PDF)
        body = json.dumps(request_data(name, encounter=str(uuid.uuid4()))).encode()
        stored = store.put_object(Bucket=self.drop_bucket, Key=f"{folder}/asked.json", Body=body)
        return self.drop_bucket, f"{folder}/asked.json", stored["VersionId"], None, ""


@pytest.fixture(scope="module")
def steps(run: LocalRun) -> Iterator[Steps]:
    steps = Steps(DeployedProduct(run))
    yield steps
    steps.mesh.close()


def test_a_builder_that_dies_anywhere_leaves_one_message_of_one_version(product: DeployedProduct, steps: Steps) -> None:
    with steps.crasher.dying_at(None):
        first = steps.builder.dropped(*steps.placed())
    points, built = steps.crasher.seen, [first.message_id]
    assert points >= 20
    for point in range(1, points + 1):
        dropped = steps.placed()
        with steps.crasher.dying_at(point):
            steps.builder.dropped(*dropped)
        with steps.crasher.dying_at(None):
            built.append(steps.builder.dropped(*dropped).message_id)  # the queue brings it again
    assert len(set(built)) == points + 1
    product.wait(lambda: all(message.status == "DELIVERED" for message in found(product, built)))
    for message in found(product, built):
        assert message.item["version"] == 1
        assert len(product.uploads(message)) == 1
    print(f"{points} crash points of the builder")


def test_a_sender_that_dies_anywhere_loses_nothing_and_hides_no_second_copy(
    product: DeployedProduct, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = MeshClient.send

    def watched(self: MeshClient, *arguments: Any, **settings: Any) -> Any:
        steps.crasher.effect()
        sent = upload(self, *arguments, **settings)
        steps.crasher.effect()
        return sent

    monkeypatch.setattr(MeshClient, "send", watched)
    quiet = replace(steps.builder, send_queue=NoQueue())  # type: ignore[arg-type]

    def unsent() -> str:
        return quiet.dropped(*steps.placed()).message_id

    with steps.crasher.dying_at(None):
        first = unsent()
    with steps.crasher.dying_at(None):
        steps.sender.send(first)
    points, sent = steps.crasher.seen, [first]
    assert points >= 12
    for point in range(1, points + 1):
        message_id = unsent()
        with steps.crasher.dying_at(point):
            steps.sender.send(message_id)
        sent.append(message_id)
    product.wait(lambda: all(message.status == "DELIVERED" for message in found(product, sent)))
    for message in found(product, sent):
        copies = len(product.uploads(message))
        assert 1 <= copies <= message.item["possible_copies"], "a copy that the ledger does not know of"
    print(f"{points} crash points of the sender")


def test_of_two_senders_at_the_same_moment_one_uploads(
    product: DeployedProduct, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    both_ready, read = threading.Barrier(2), Outbox.open

    def together(self: Outbox, *arguments: Any) -> StoredMessage:
        both_ready.wait(timeout=20)  # both have read the ledger, neither has written to it
        return read(self, *arguments)

    monkeypatch.setattr(Outbox, "open", together)
    quiet = replace(steps.builder, send_queue=NoQueue())  # type: ignore[arg-type]
    sent = [quiet.dropped(*steps.placed()).message_id for _ in range(3)]
    with ThreadPoolExecutor(2) as threads:
        for message_id in sent:
            for sending in [threads.submit(steps.sender.send, message_id) for _ in range(2)]:
                sending.result()
    product.wait(lambda: all(message.status == "DELIVERED" for message in found(product, sent)))
    for message in found(product, sent):
        assert len(product.uploads(message)) == 1


def test_a_poller_that_dies_anywhere_lets_every_answer_land_once(product: DeployedProduct, steps: Steps) -> None:
    with steps.crasher.dying_at(None):
        built = [steps.builder.dropped(*steps.placed()).message_id for _ in range(12)]

    def answered() -> bool:
        linked = [
            item for item in product.mesh("GET", "messages") if item["to"] == MAILBOX and item["status"] == "accepted"
        ]
        return len(linked) >= 2 * len(built)

    end_of_patience = 600
    while not answered():
        end_of_patience -= 1
        assert end_of_patience, "the practice did not answer"
        product.run.invoke("poller", {"task": "due"})
    points = itertools.count(1)
    point = next(points)
    while True:
        steps.poller.poll(MAILBOX)
        entry = Listed(MAILBOX, steps.inbox.listed, False, datetime.now(UTC), 1, "")
        with steps.crasher.dying_at(point):
            steps.poller.collect(entry)
        if steps.crasher.seen < point:
            break  # it finished before it could die
        point = next(points)
    for message in found(product, built):
        assert message.status == "DELIVERED"
        assert sorted(event.details["code"] for event in message.events if event.kind == "response") == [
            "20013",
            "30001",
        ]
    assert not answered()
    print(f"{point - 1} crash points of the poller")


def found(product: DeployedProduct, message_ids: list[str]) -> list[Any]:
    """The messages with these ids, in any order; all must be in the ledger."""
    wanted = set(message_ids)
    messages = [message for message in product.run.messages() if message.message_id in wanted]
    assert len(messages) == len(wanted)
    return messages

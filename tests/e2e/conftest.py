"""The words that the tests of the whole product are written in."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gpcm.dropping import Dropped
from gpcm.functions import FunctionFailedError
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import plain
from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests import stored
from tests.examples import REQUESTS, request_data
from tests.upload_faults import fail_upload

PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()


class NotReachedError(AssertionError):
    """A message did not get where it should in time."""


@dataclass(frozen=True)
class DeployedProduct:
    """The running product, with the words that tests need."""

    run: LocalRun

    @property
    def ledger(self) -> Ledger:
        """The deployed ledger, as the library reads and writes it."""
        client: Any = self.run.session.client("dynamodb")
        timeouts = Timeouts(requeue_after=timedelta(seconds=15), resolve_after=timedelta(seconds=10))
        return Ledger(client, self.run.outputs["LedgerTableName"], timeouts)

    def items(self) -> list[dict[str, Any]]:
        """All items of the ledger."""
        client = self.run.session.client("dynamodb")
        return [plain(item) for item in client.scan(TableName=self.run.outputs["LedgerTableName"])["Items"]]

    def drop(self, name: str = "consultation-report-2.0", **changes: Any) -> Dropped:
        """Drop a sample request for a new encounter, changed as `request_data` changes it."""
        request = request_data(name, **({"encounter": str(uuid.uuid4())} | changes))
        return self.run.drop_request(request, {"report.pdf": PDF})

    def drop_to_fail(
        self,
        fault: str,
        name: str = "consultation-report-2.0",
        *,
        version: int = 1,
        settings: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Dropped:
        """Drop a request whose upload meets a fault of MESH; no other upload does."""
        request = request_data(name, **({"encounter": str(uuid.uuid4())} | changes))
        fail_upload(self.run, request, fault, version=version, **(settings or {}))
        return self.run.drop_request(request, {"report.pdf": PDF})

    def message(self, dropped: Dropped | str) -> Message:
        """What the ledger has of a request."""
        found = self.run.message(dropped)
        assert found is not None, "the ledger has nothing of this request"
        return found

    def sent(self, message: Message) -> bytes:
        """The message in the outbox."""
        store, bucket = self.run.session.client("s3"), self.run.outputs["OutboxBucketName"]
        return stored.message(store.get_object(Bucket=bucket, Key=f"messages/{message.message_id}")["Body"].read())

    def received(self, request_id: str) -> bool:
        """Whether there is a receipt of a request."""
        pages = self.run.session.client("s3").get_paginator("list_objects_v2")
        receipts = pages.paginate(Bucket=self.run.outputs["EvidenceBucketName"], Prefix="receipts/")
        return any(found["Key"].endswith(request_id) for page in receipts for found in page.get("Contents", ()))

    def reaches(self, dropped: Dropped | str, *statuses: str, seconds: float = 90) -> Message:
        """Wait, doing the schedules' work, until the request's message has one of the statuses."""
        self.wait(lambda: (found := self.run.message(dropped)) is not None and found.status in statuses, seconds)
        return self.message(dropped)

    def wait(self, holds: Callable[[], bool], seconds: float = 90) -> None:
        """Do the schedules' work until something holds: mailboxes all the time, due work every other second."""
        begin = swept = time.monotonic()
        while not holds():
            now = time.monotonic()
            if now > begin + seconds:
                statuses = {message.message_id: message.status for message in self.run.messages()}
                raise NotReachedError(f"not reached in {seconds} s: {statuses}; denials: {self.run.denials()}")
            sweep = now > swept + 2
            with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
                self.run.poll(mailboxes_only=not sweep)
            if sweep:
                swept = time.monotonic()
            time.sleep(0.2)

    def wait_for(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something holds, and do nothing meanwhile."""
        begin = time.monotonic()
        while not holds():
            if time.monotonic() > begin + seconds:
                raise NotReachedError(f"not reached in {seconds} s")
            time.sleep(0.1)

    def mesh(self, method: str, path: str, body: Any = None) -> Any:
        """Use the local MESH's control endpoint."""
        answer = httpx.request(method, f"{self.run.state.mesh_url}/control/{path}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def uploads(self, message: Message) -> list[dict[str, Any]]:
        """The copies of a message that MESH holds."""
        name = f"{message.message_id}.xml"
        return [message for message in self.mesh("GET", "messages") if name in str(message["headers"])]


@contextmanager
def rule_disabled(run: LocalRun) -> Iterator[None]:
    """Announce nothing that is dropped: the rule of S3's events is disabled."""
    rules = run.session.client("events")
    [rule] = [rule["Name"] for rule in rules.list_rules()["Rules"] if "RequestDropped" in rule["Name"]]
    rules.disable_rule(Name=rule)
    try:
        yield
    finally:
        rules.enable_rule(Name=rule)


@pytest.fixture(scope="session")
def run(local_run: LocalRun) -> LocalRun:
    """The running product, whose queues are quick to hand out again what a killed function left."""
    local_run.redeliver_after(8)
    return local_run


@pytest.fixture
def product(run: LocalRun) -> Iterator[DeployedProduct]:
    product = DeployedProduct(run)
    yield product
    product.mesh("DELETE", "faults")

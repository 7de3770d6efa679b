"""Version n+1 is deployed over version n while work is under way, with a new organisation's mailbox: nothing is lost.

The next version is a copy of this checkout with a mark in each handler and one mailbox more in its configuration. It is
synthesized as any is, and CloudFormation updates the running stack: functions, versions, aliases, schedules, secrets.
"""

import json
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gpcm.functions import FunctionFailedError
from infra.local.environments import BUILD, ROOT
from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests.examples import REQUESTS, request_data
from tests.upload_faults import fail_upload

PDF = (REQUESTS / "consultation-report-2.0" / "report.pdf").read_bytes()
NEW_MAILBOX = """        MailboxSettings(
            mailbox="Y90005OT001",
            ods_code="Y90005",
            hold_window_seconds=0,
            infrastructure_acknowledgement_seconds=12,
            business_acknowledgement_seconds=12,
        ),
    ),
    backfill="""
MARK = "this is version n+1"


@pytest.fixture
def next_version(tmp_path: Path) -> Path:
    """A checkout of the next version: changed function code, and one more mailbox in the configuration."""
    source = tmp_path / "next"
    for name in ("infra", "functions", "layers"):
        # Byte code comes along: functions that have to compile first start late on a slow machine.
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("local"))
    for name in ("pyproject.toml", "requirements-dev.txt", "cdk.json"):
        shutil.copy(ROOT / name, source)
    (source / ".build").symlink_to(BUILD)
    for handler in (source / "functions").glob("*/handler.py"):
        handler.write_text(f'{handler.read_text()}\n\nlogger.info("{MARK}")\n')
    configuration = source / "infra" / "environments" / "local.py"
    text = configuration.read_text()
    assert text.count("    ),\n    backfill=") == 1
    text = text.replace("    ),\n    backfill=", NEW_MAILBOX)
    # A slow machine starts two versions of the builder at once, which may exceed the deployed timeout.
    assert text.count("memory_megabytes=1024, timeout_seconds=30") == 1
    text = text.replace("memory_megabytes=1024, timeout_seconds=30", "memory_megabytes=1024, timeout_seconds=60")
    configuration.write_text(text)
    return source


class Work:
    """Requests for encounters of their own, and what became of them."""

    def __init__(self, run: LocalRun) -> None:
        self.run = run
        self.asked: set[str] = set()

    def drop(self, mailbox: str = "Y90001OT001", *, busy: int = 0, **changes: Any) -> str:
        """Drop a request whose upload MESH puts off so many times."""
        request = request_data(mailbox=mailbox, encounter=str(uuid.uuid4()), **changes)
        request["organisation"]["ods_code"] = mailbox[:6]
        if busy:
            fail_upload(self.run, request, "busy", count=busy)
        dropped = self.run.drop_request(request, {"report.pdf": PDF})
        self.asked.add(dropped.request_id)
        return dropped.request_id

    def found(self) -> dict[str, Message]:
        """Messages by request id; a request without a message has a row of its own."""
        rows = [message for message in self.run.messages() if message.request_id in self.asked]
        return {message.request_id: message for message in sorted(rows, key=lambda message: message.item["version"])}

    def status(self, request_id: str) -> str | None:
        found = self.found().get(request_id)
        return found.status if found else None

    def all_delivered(self) -> bool:
        found = self.found()
        return found.keys() == self.asked and {message.status for message in found.values()} == {"DELIVERED"}

    def wait(self, holds: Callable[[], bool], *, poll: bool = True, seconds: float = 360) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, {name: message.status for name, message in self.found().items()}
            with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
                if poll:
                    self.run.poll()
            time.sleep(0.2)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Drop requests all the while, as many as a slow machine can deliver in time."""
        ended = threading.Event()

        def drops() -> None:
            for _ in range(6):
                self.drop()
                if ended.wait(0.7):
                    break

        thread = threading.Thread(target=drops)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def copies(run: LocalRun, message: Message) -> int:
    held = httpx.get(f"{run.mesh_url}/control/messages", timeout=30).json()
    return sum(f"{message.message_id}.xml" in str(stored["headers"]) for stored in held)


def test_a_release_loses_nothing_that_is_under_way_and_brings_a_new_mailbox(
    local_run: LocalRun, next_version: Path
) -> None:
    work = Work(local_run)
    before = {name: versions(local_run, name) for name in ("builder", "sender", "poller")}
    sent = work.drop()
    work.wait(lambda: work.status(sent) == "SENT", poll=False)  # nobody polls, so that nobody hears its answers
    waiting = work.drop(busy=2)
    work.wait(lambda: work.status(waiting) == "BUILT", poll=False)
    held = work.drop("Y90001OT002")
    work.wait(lambda: work.status(held) == "HELD", poll=False)
    with work.going_on():
        work.drop()
        local_run.release(next_version)
        local_run.put_credentials()
        new = work.drop("Y90005OT001")
    local_run.redeliver_after(70)  # what a function that started too slowly did not do

    # The state that was reached before is gone on with by the version that is there now.
    assert all(version > before[name] for name, version in {n: versions(local_run, n) for n in before}.items())
    work.wait(work.all_delivered)
    assert work.found()[new].item["mailbox"] == "Y90005OT001"
    for name in before:
        assert any(MARK in line for line in local_run.logs(name)), f"the {name} of the next version did its part"
    assert {copies(local_run, message) for message in work.found().values()} == {1}, "and nothing was sent twice"
    balances(local_run, work.asked)


def versions(run: LocalRun, function: str) -> int:
    """Version that a function's alias names."""
    name = run.state.deployment.functions[function]
    found = run.session.client("lambda").get_alias(FunctionName=name, Name="live")
    return int(found["FunctionVersion"])


def balances(run: LocalRun, requests: set[str]) -> None:
    """Every request is received and settled in the day's balance."""
    today = datetime.now(UTC).date().isoformat()
    run.invoke("poller", {"task": "reconcile", "day": today})
    store, bucket = run.session.client("s3"), run.outputs["EvidenceBucketName"]
    receipts = {
        item["Key"].rpartition("/")[2]
        for page in store.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"receipts/{today}/")
        for item in page["Contents"]
    }
    assert requests <= receipts
    balance = json.loads(store.get_object(Bucket=bucket, Key=f"balances/{today}.json")["Body"].read())
    for mailbox in balance["mailboxes"].values():
        for wrong in ("lost", "incomplete", "without_receipt", "unattended", "vanished", "unknown_to_mesh"):
            assert not requests & set(mailbox[wrong]), wrong

"""Each sample, its files dropped in the order of the AWS CLI with the slowest document last, ends as it declares.

`events/outcomes.json` says what the drop of each sample alone produces: the ledger's rows by status, the messages that
MESH takes, and the notifications by kind. The CLI uploads by boto3's own transfer library, in the order of the keys,
several files at once; so a small request is there before a large document, which goes up in parts.
"""

import itertools
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx
import pytest
from boto3.s3.transfer import TransferConfig

from gpcm.functions import FunctionFailedError, invoke
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.encounter_table import STATE, EncounterTable
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.table import plain
from infra.local.run import LocalRun
from infra.local.scenarios import OUTCOMES
from tests.examples import REQUESTS

IN_PARTS = TransferConfig(multipart_threshold=1, use_threads=False)
SECONDS = 240


@dataclass(frozen=True)
class Sample:
    """A dropped sample: the request's key and id, and a unique encounter."""

    name: str
    key: str
    request_id: str


class NewEncounters:
    """The encounters that the ledger did not have before."""

    def __init__(self, run: LocalRun) -> None:
        self.run = run
        self.before = set(self._all())

    def read(self) -> list[Encounter]:
        """Return them, as the ledger has them now."""
        return [encounter for key, encounter in self._all().items() if key not in self.before]

    def _all(self) -> dict[str, Encounter]:
        client, table = self.run.session.client("dynamodb"), self.run.outputs["LedgerTableName"]
        pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        reader = EncounterTable(client, table)
        states = (plain(item) for page in pages for item in page["Items"])
        return {item["pk"]: reader.from_item(item) for item in states if item["sk"] == STATE}


def upload(run: LocalRun, name: str, *, sync: bool) -> Sample:
    """Upload a sample's folder as `aws s3 sync` (which lists before) or `aws s3 cp --recursive` do, slowest last."""
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    folder, files = f"samples/{uuid.uuid4()}", sorted(REQUESTS.joinpath(name).iterdir())
    if sync:
        assert "Contents" not in store.list_objects_v2(Bucket=bucket, Prefix=f"{folder}/")
    documents = [file for file in files if not is_request(file.name)]
    slowest = max(documents, key=lambda file: file.stat().st_size, default=None)
    request = REQUESTS / name / "request.json"
    own = json.loads(request.read_text())["encounter"]
    version = ""
    for file in files:
        if file == request:
            body = file.read_text().replace(own, str(uuid.uuid4())).encode()
            version = store.put_object(Bucket=bucket, Key=f"{folder}/{file.name}", Body=body)["VersionId"]
        elif file != slowest:
            store.upload_file(str(file), bucket, f"{folder}/{file.name}")
    key = f"{folder}/request.json"
    sample = Sample(name, key, str(run.identifiers.dropped_request_id(bucket, key, version)))
    until(lambda: received(run, sample.request_id), "the request is not received")
    if slowest:
        store.upload_file(str(slowest), bucket, f"{folder}/{slowest.name}", Config=IN_PARTS)
    return sample


def received(run: LocalRun, request_id: str) -> bool:
    pages = run.session.client("s3").get_paginator("list_objects_v2")
    receipts = pages.paginate(Bucket=run.outputs["EvidenceBucketName"], Prefix="receipts/")
    return any(found["Key"].endswith(request_id) for page in receipts for found in page.get("Contents", ()))


def run_schedules(run: LocalRun, *tasks: str) -> None:
    for schedule in run.state.deployment.schedules:
        if json.loads(schedule.input)["task"] in tasks:
            with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
                invoke(run.session, schedule.function, schedule.input)


def until(holds: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_every_sample_ends_as_it_declares_however_the_cli_uploads_it(local_run: LocalRun) -> None:
    encounters = NewEncounters(local_run)
    samples = []
    for name, sync in itertools.product(OUTCOMES, (True, False)):
        samples.append(upload(local_run, name, sync=sync))
        run_schedules(local_run, "mailbox")  # or the first answers are overdue on a slow machine
    wanted = {sample: Counter(OUTCOMES[sample.name]["rows"]) for sample in samples}

    def found(sample: Sample) -> Counter[str]:
        return Counter(message.status for message in local_run.messages_of(sample.request_id))

    def all_there() -> bool:
        # Without the listing of the drop: here it checks objects after seconds, when they may wait for a document.
        tasks = {json.loads(schedule.input)["task"] for schedule in local_run.state.deployment.schedules}
        run_schedules(local_run, "mailbox")  # what has come is read before it is looked for what has not
        run_schedules(local_run, *tasks - {"drop"})
        return all(found(sample) == rows for sample, rows in wanted.items())

    with suppress(AssertionError):
        until(all_there, "")
    ended = {sample: found(sample) for sample in samples}
    reasons = [
        event.details["reasons"]
        for sample in samples
        for message in local_run.messages_of(sample.request_id)
        for event in message.events
        if event.kind == "request refused" and sample.name != "invalid"
    ]
    assert ended == wanted, reasons

    came = encounters.read()
    rows = {record.message_id: record for encounter in came for record in encounter.records.values()}
    assert Counter(record.status.value for record in rows.values()) == sum(wanted.values(), Counter()), "no row besides"
    in_mesh = str(httpx.get(f"{local_run.state.mesh_url}/control/messages", timeout=30).json())
    uploads = Counter(record.request_id for record in rows.values() if f"{record.message_id}.xml" in in_mesh)
    assert {sample: uploads[sample.request_id] for sample in samples} == {
        sample: OUTCOMES[sample.name]["messages"] for sample in samples
    }
    told: dict[str, list[str]] = {sample.request_id: [] for sample in samples}
    for notification in (raised.notification for encounter in came for raised in encounter.notifications.values()):
        subject = notification.details.get("message_id", "")
        assert subject in rows, f"a notification of something else: {notification.kind}"
        told[rows[subject].request_id].append(notification.kind)
    assert told == {sample.request_id: OUTCOMES[sample.name]["notifications"] for sample in samples}


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_file_of_a_sample_is_its_request_or_named_by_it(name: str) -> None:
    asked = json.loads((REQUESTS / name / "request.json").read_text())
    named = {entry["key"] for part in ("documents", "resources") for entry in asked.get(part, ()) if "key" in entry}
    files = {file.name for file in (REQUESTS / name).iterdir()}
    assert files == named | {"request.json"}
    assert [file for file in files if is_request(file)] == ["request.json"]


def test_every_sample_declares_what_its_drop_produces() -> None:
    assert set(OUTCOMES) == {folder.name for folder in REQUESTS.iterdir()}

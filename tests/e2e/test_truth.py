"""No status without an upload behind it, through what is deployed: real handlers, the emulator and the local MESH."""

import json
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import pytest

from gpcm.functions import FunctionFailedError
from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.ledger.table import item, text
from gpconnect_messaging.mesh import OutboundMessage
from infra.local.ledger import Message
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from tests.e2e.conftest import PDF, DeployedProduct, rule_disabled
from tests.examples import request_data
from tests.fakes.product import WORKFLOW
from tests.hostile_responses import HOSTILE
from tests.local_mesh import PRACTICE, SENDER, LocalMesh
from tests.local_mesh import answer as answer_from

STRANGER = "FA565OT001"
SILENT: dict[str, Any] = {"practitioner__name": {"family": "Test Harness", "given": ["noresponse"]}}


def answers(product: DeployedProduct, message: Message, *codes: str, sender: str = STRANGER) -> None:
    """Somebody answers, in the practice's name, whenever it likes."""
    mesh = LocalMesh(product.run.mesh_url)
    with mesh.client(sender) as client:
        answer_from(client, message.message_id, *codes)
    mesh.http.close()


def repeats_by_reference(product: DeployedProduct, encounter: str, *codes: str) -> None:
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
            client.send(OutboundMessage(to=SENDER, workflow_id=f"{WORKFLOW}_ACK", local_id="A20047"), body)
    mesh.http.close()


def kept_from_mesh(product: DeployedProduct, *, version: int = 1, **changes: Any) -> Message:
    """A message that MESH is too busy to take for the time being."""
    dropped = product.drop_to_fail("busy", version=version, settings={"retry_after_seconds": 20}, **changes)
    product.wait(
        lambda: any(event.kind == "upload postponed" for m in product.run.messages_of(dropped) for event in m.events)
    )
    return product.message(dropped)


def collected(product: DeployedProduct, message: Message, count: int) -> Message:
    """Wait until so many answers to a message are recorded."""

    def recorded() -> bool:
        return sum(event.kind == "response" for event in product.message(message.request_id).events) >= count

    product.wait(recorded)
    return product.message(message.request_id)


def recorded(product: DeployedProduct, request_id: str) -> None:
    """Wait until the ledger has something of a request."""
    product.wait(lambda: product.run.message(request_id) is not None)


def notified(product: DeployedProduct, message: Message) -> list[str]:
    """The kinds of the notifications about a message."""
    encounter = product.ledger.encounter_of(message.message_id)
    assert encounter is not None
    raised = (state.notification for state in encounter.notifications.values())
    return sorted({each.kind.value for each in raised if each.subject_key == f"MESSAGE#{message.message_id}"})


def a_document(title: str) -> dict[str, Any]:
    return {"key": "report.pdf", "content_type": "application/pdf", "title": title, "primary": True}


@dataclass(frozen=True)
class Put:
    """A version of a request that was put into the drop, and that nothing has announced."""

    key: str
    version: str
    request_id: str


def puts(product: DeployedProduct, *requests: dict[str, Any]) -> list[Put]:
    """Put requests into the drop one after the other, under one key, while the rule is disabled."""
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket, key = run.session.client("s3"), run.outputs["DropBucketName"], f"{folder}/request.json"
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    found = []
    with rule_disabled(run):
        for request in requests:
            version = store.put_object(Bucket=bucket, Key=key, Body=json.dumps(request).encode())["VersionId"]
            found.append(Put(key, version, str(run.identifiers.dropped_request_id(bucket, key, version))))
    return found


def announce(product: DeployedProduct, key: str, version: str, at: datetime, **more: str) -> None:
    """Put S3's event about an object on the intake queue, as EventBridge does."""
    run = product.run
    event = {
        "source": "aws.s3", "detail-type": "Object Created", "time": at.isoformat(),
        "detail": {
            "bucket": {"name": run.outputs["DropBucketName"]},
            "object": {"key": key, "version-id": version, **more},
        },
    }  # fmt: skip
    run.session.client("sqs").send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=json.dumps(event))


@contextmanager
def mesh_that(product: DeployedProduct, **behaviour: Any) -> Iterator[None]:
    """Have the local MESH behave otherwise for a while."""
    before = product.mesh("GET", "")["behaviour"]
    product.mesh("PUT", "behaviour", behaviour)
    try:
        yield
    finally:
        product.mesh("PUT", "behaviour", {name: before[name] for name in behaviour})


def test_an_answer_to_what_mesh_refused_to_take_does_not_deliver_it(product: DeployedProduct) -> None:
    message = kept_from_mesh(product)
    answers(product, message, "20013", "30001")
    judged = collected(product, message, 2)
    assert judged.status == "BUILT"
    assert product.uploads(judged) == []
    assert notified(product, judged) == ["suspicious response"]
    delivered = product.reaches(message.request_id, "DELIVERED")
    assert len(product.uploads(delivered)) == 1, "it was sent all the same, and its practice answered"


def test_an_old_answer_by_reference_does_not_deliver_the_version_that_waits(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    first = product.reaches(product.drop(encounter=encounter), "DELIVERED")
    second = kept_from_mesh(product, version=2, encounter=encounter)
    assert second.message_id != first.message_id
    repeats_by_reference(product, encounter, "20013", "30001")
    product.run.poll()
    assert product.message(second.request_id).status in {"BUILT", "SENDING"}
    delivered = product.reaches(second.request_id, "DELIVERED")
    assert len(product.uploads(delivered)) == 1


def test_a_forged_20014_voids_nothing(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    first = product.reaches(product.drop(encounter=encounter), "DELIVERED")
    second = kept_from_mesh(product, version=2, encounter=encounter)
    answers(product, second, "20014")
    assert collected(product, second, 1).status == "BUILT"
    assert product.message(first.request_id).status == "DELIVERED"


def test_where_mesh_once_did_not_say_where_it_routed_a_message_only_its_practice_delivers_it(
    product: DeployedProduct,
) -> None:
    message = product.reaches(product.drop(**SILENT), "SENT")
    with mesh_that(product, tracking_names_recipient=False):
        answers(product, message, "20013", "30001")
        product.run.poll(mailboxes_only=True)
    assert any(
        event.kind == "routed" and not event.details["mailbox"] for event in product.message(message.request_id).events
    )
    judged = collected(product, message, 2)
    assert judged.status in {"SENT", "OVERDUE"}, "the silence is not remembered"
    assert "suspicious response" in notified(product, judged)
    answers(product, message, "20013", "30001", sender=PRACTICE)
    product.reaches(message.request_id, "DELIVERED")


@pytest.mark.parametrize("name", ["Request.JSON", "REQUEST.json"])
def test_a_request_is_announced_in_any_letter_case(product: DeployedProduct, name: str) -> None:
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    store.put_object(Bucket=bucket, Key=f"{folder}/report.pdf", Body=PDF)
    request = json.dumps(request_data(encounter=str(uuid.uuid4()))).encode()
    stored = store.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=request)
    request_id = str(run.identifiers.dropped_request_id(bucket, f"{folder}/{name}", stored["VersionId"]))
    product.reaches(request_id, "DELIVERED")


def test_a_file_that_only_ends_like_a_request_is_none(product: DeployedProduct) -> None:
    run, folder = product.run, f"e2e/{uuid.uuid4()}"
    store, bucket = run.session.client("s3"), run.outputs["DropBucketName"]
    stored = store.put_object(Bucket=bucket, Key=f"{folder}/referral-request.json", Body=b"{}")
    key = f"{folder}/referral-request.json"
    other = product.drop()
    product.reaches(other, "DELIVERED")
    assert run.message(str(run.identifiers.dropped_request_id(bucket, key, stored["VersionId"]))) is None


def test_a_correction_from_a_slow_clock_is_the_next_version(product: DeployedProduct) -> None:
    encounter, an_hour_ago, slow = str(uuid.uuid4()), datetime.now(UTC) - timedelta(hours=1), timedelta(seconds=30)
    (first,) = puts(product, request_data(encounter=encounter, consultation__updated=an_hour_ago.isoformat()))
    announce(product, first.key, first.version, an_hour_ago)
    assert product.reaches(first.request_id, "DELIVERED").item["version"] == 1
    correction = product.drop(encounter=encounter, consultation__updated=(an_hour_ago - slow).isoformat())
    corrected = product.reaches(correction, "DELIVERED", "SUPERSEDED")
    assert (corrected.status, corrected.item["version"]) == ("DELIVERED", 2)


def test_of_two_puts_of_one_object_whose_events_come_reversed_the_last_put_is_the_newest(
    product: DeployedProduct,
) -> None:
    encounter, at = str(uuid.uuid4()), datetime.now(UTC).replace(microsecond=0)
    first, second = puts(
        product,
        request_data(encounter=encounter, documents=[a_document("Report")]),
        request_data(encounter=encounter, documents=[a_document("Corrected report")]),
    )
    for put, sequencer in ((second, "00617F08299329D190"), (first, "00617F08299329D189")):
        announce(product, put.key, put.version, at, sequencer=sequencer)
        recorded(product, put.request_id)
    assert product.reaches(second.request_id, "DELIVERED").item["version"] == 1
    rows = product.run.messages_of(first.request_id)
    assert [(message.status, message.item["version"]) for message in rows] == [("SUPERSEDED", 0)]


def test_a_request_that_cannot_be_read_is_received_and_not_forgotten(product: DeployedProduct) -> None:
    """Here: it was removed for good before it could be read."""
    run, key = product.run, f"e2e/{uuid.uuid4()}/request.json"
    announce(product, key, "gone", datetime.now(UTC))
    request_id = str(run.identifiers.dropped_request_id(run.outputs["DropBucketName"], key, "gone"))
    product.wait(lambda: product.received(request_id))
    assert product.reaches(request_id, "INVALID").status == "INVALID"


def killed(product: DeployedProduct) -> list[str]:
    """What the memory limit's watcher said of the pollers that it killed."""
    return [line for line in product.run.logs("poller") if "signal: killed" in line]


def test_hostile_responses_kill_no_poller_and_genuine_ones_beside_them_are_taken_in(product: DeployedProduct) -> None:
    message, before = product.reaches(product.drop(**SILENT), "SENT"), killed(product)
    mesh = LocalMesh(product.run.mesh_url)
    with mesh.client(STRANGER) as client:
        for _ in range(4):
            body = HOSTILE["1.2 million empty elements in 5 kB"]()
            assert len(body) < 6_000
            client.send(OutboundMessage(to=SENDER, workflow_id=f"{WORKFLOW}_ACK", local_id="FA565"), body)
    mesh.http.close()
    answers(product, message, "20013", "30001", sender=PRACTICE)
    with suppress(FunctionFailedError):
        product.run.poll(mailboxes_only=True)
    product.wait_for(lambda: product.message(message.request_id).status == "DELIVERED")

    def acknowledged() -> bool:
        waiting = [message for message in product.mesh("GET", "messages") if message["from"] == STRANGER]
        return {message["status"] for message in waiting} == {"acknowledged"}

    product.wait_for(acknowledged)
    assert killed(product) == before


def downloads(product: DeployedProduct, count: int) -> None:
    """Wait until so many downloads were begun."""
    product.wait_for(lambda: len(product.mesh("GET", "requests?kind=download")) >= count)


def test_a_poller_that_is_killed_again_and_again_costs_no_answer_its_tries(product: DeployedProduct) -> None:
    """Five times, as often as a message is tried at most, with all that waits in flight."""
    run = product.run
    sent = [product.reaches(product.drop(**SILENT), "SENT") for _ in range(2)]
    stalled = {"rate": 1, "faults": ["stall"], "stall_seconds": 60, "kinds": ["download"], "mailbox": SENDER}
    product.mesh("PUT", "faults", stalled)
    for message in sent:
        answers(product, message, "20013", "30001", sender=PRACTICE)
    for number in range(5):
        product.mesh("DELETE", "requests")
        run.invoke("poller", {"task": "mailbox", "mailbox": SENDER})
        downloads(product, 4 if number == 0 else 1)  # what was begun before is collected alone
        assert run.kill_handlers("poller")
    product.mesh("DELETE", "faults")

    def delivered() -> bool:
        with suppress(FunctionFailedError):  # as on AWS: the schedule comes round again
            run.poll(mailboxes_only=True)
        return [product.message(message.request_id).status for message in sent] == ["DELIVERED", "DELIVERED"]

    product.wait_for(delivered)


PAUSED = "paused by tomorrow's release"


def as_the_next_release(product: DeployedProduct, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger as a release reads it that has one kind of event more."""
    kinds = {kind.name: kind.value for kind in EventType} | {"PAUSED": PAUSED}
    monkeypatch.setattr(encounter_format, "EventType", cast("Any", StrEnum)("EventType", kinds))
    return product.ledger


def state_of(product: DeployedProduct, message: Message) -> dict[str, Any]:
    """The item of a message's encounter."""
    pk = pk_of(encounter_key_of(message.message_id))
    return next(found for found in product.items() if (found["pk"], found["sk"]) == (pk, STATE))


def body_of(product: DeployedProduct, message: Message) -> dict[str, Any]:
    """What is stored of a message's encounter."""
    values = state_of(product, message)
    return encounter_format.unpack(values["body"], int(values["v"]))


def of_newer_release(product: DeployedProduct, message: Message, event: list[Any]) -> None:
    """A newer release writes an event, and a value of the message."""
    values, body = state_of(product, message), body_of(product, message)
    body["messages"][message.message_id]["events"].append(event)
    body["messages"][message.message_id]["paused_until"] = "Monday"
    written = {**values, "revision": int(values["revision"]) + 1, "body": encounter_format.pack(body)}
    client: Any = product.run.session.client("dynamodb")
    client.put_item(TableName=product.run.outputs["LedgerTableName"], Item=item(written))


def test_an_event_of_a_release_that_was_rolled_back_is_carried_along(
    product: DeployedProduct, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = product.reaches(product.drop(**SILENT), "SENT")
    newer = [PAUSED, "paused", text(datetime.now(UTC)), "builder", {"until": "Monday"}]
    of_newer_release(product, message, newer)
    answers(product, message, "20013", sender=PRACTICE)
    product.run.poll()  # nothing raises
    answered = product.message(message.request_id)
    assert [event.details["code"] for event in answered.events if event.kind == "response"] == ["20013"]
    overdue = product.reaches(message.request_id, "OVERDUE")
    assert "overdue" in notified(product, overdue)
    answers(product, message, "30001", sender=PRACTICE)
    product.reaches(message.request_id, "DELIVERED")
    stored = body_of(product, message)["messages"][message.message_id]
    assert newer in stored["events"]
    assert stored["paused_until"] == "Monday"
    found = as_the_next_release(product, monkeypatch).find(message.message_id)
    assert found is not None
    assert [event.details for event in found.history.events if event.kind.name == "PAUSED"] == [{"until": "Monday"}]


@pytest.mark.parametrize("sweep_first", [True, False])
def test_what_never_left_is_certain_whenever_the_sweep_recorded_that_a_lease_ended(
    product: DeployedProduct, sweep_first: bool
) -> None:
    message = kept_from_mesh(product)
    ledger = product.ledger
    begin, second = datetime.now(UTC), timedelta(seconds=1)
    first, then = begin + second, begin + 2 * second
    postponed = ledger_events.upload_postponed(at=then if sweep_first else first, attempt=2, why="MESH is busy")
    uncertain = ledger_events.upload_uncertain(
        at=first if sweep_first else then, attempt=2, why="the lease ended", source="poller"
    )
    ledger.record(message.message_id, ledger_events.upload_started(at=begin, attempt=2, lease=second))
    for event in (uncertain, postponed) if sweep_first else (postponed, uncertain):
        ledger.record(message.message_id, event)
    waiting = product.message(message.request_id)
    assert waiting.status == "BUILT"
    assert waiting.item["possible_copies"] == 0
    delivered = product.reaches(message.request_id, "DELIVERED")
    assert len(product.uploads(delivered)) == 1
    assert delivered.item["possible_copies"] == 1

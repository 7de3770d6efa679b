"""Every status that a message can have, reached through what is deployed: the real handlers in their own processes."""

import gzip
import json
import uuid
from typing import Any

import pytest

from infra.local.ledger import Message
from infra.local.run import LocalRun
from tests.e2e.conftest import PDF, DeployedProduct
from tests.examples import REQUESTS, request_data
from tests.performance.opened_documents import a_scan

REQUESTS_OWN = {"HELD", "RELEASING", "RELEASED", "SUPERSEDED", "WITHDRAWN", "TELL_PRACTICE", "NOT_REQUIRED"}
"""Of requests that are no messages: see `test_hold_and_withdraw`."""

SILENT: dict[str, Any] = {"practitioner__name": {"family": "Test Harness", "given": ["noresponse"]}}


def answered_with(given: str) -> dict[str, Any]:
    return {"practitioner__name": {"family": "Test Harness", "given": [given]}}


def kinds(message: Message) -> list[str]:
    return [event.kind for event in message.events]


def notifications(product: DeployedProduct, key: str) -> list[str]:
    """The kinds of the notifications about a subject; all must have been delivered."""
    kind, _, own_id = key.partition("#")
    encounter = product.ledger.encounter_of(own_id) if kind == "MESSAGE" else product.ledger.encounter(key)
    assert encounter is not None
    found = [raised for raised in encounter.notifications.values() if raised.notification.subject_key == key]
    assert all(raised.told_at for raised in found)
    return sorted(raised.notification.kind.value for raised in found)


@pytest.mark.requirement("GPCM-SD-CS-069", "GPCM-SD-CS-070", "GPCM-C-01", "GPCM-C-1", "GPCM-SD-CS-066", "GPCM-SD-059")
@pytest.mark.parametrize("specification", ["1.5", "2.0"])
def test_a_report_is_built_sent_acknowledged_and_delivered(product: DeployedProduct, specification: str) -> None:
    dropped = product.drop(f"consultation-report-{specification}")
    message = product.reaches(dropped, "DELIVERED")
    assert kinds(message)[:3] == ["built", "upload started", "upload accepted"]
    assert sorted(event.details["code"] for event in message.events if event.kind == "response") == ["20013", "30001"]
    (stored,) = product.uploads(message)
    workflow = {"1.5": "GPFED_CONSULT_REPORT", "2.0": "GPCONNECT_SEND_DOCUMENT"}[specification]
    assert stored["workflow"] == workflow
    assert notifications(product, f"MESSAGE#{message.message_id}") == []


def test_a_whole_request_on_the_queue_is_sent_too(product: DeployedProduct) -> None:
    run = product.run
    key = f"queued/{uuid.uuid4()}/report.pdf"
    run.session.client("s3").put_object(Bucket=run.outputs["DropBucketName"], Key=key, Body=PDF)
    documents = [{"key": key, "content_type": "application/pdf", "title": "Consultation report", "primary": True}]
    request = request_data(encounter=str(uuid.uuid4()), request_id=str(uuid.uuid4()), documents=documents)
    queue = run.session.client("sqs")
    for _ in range(2):  # the second is a repeat, and makes no second message
        queue.send_message(QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=json.dumps(request))

    def new() -> list[Message]:
        return [message for message in run.messages() if message.item["encounter"] == request["encounter"]]

    product.wait(lambda: [message.status for message in new()] == ["DELIVERED"])
    (message,) = new()
    assert len(product.uploads(message)) == 1
    kept = run.session.client("s3").get_object(
        Bucket=run.outputs["EvidenceBucketName"], Key=f"requests/{message.request_id}.json.gz"
    )
    assert json.loads(gzip.decompress(kept["Body"].read())) == request


def test_a_queued_request_without_an_id_is_invalid(product: DeployedProduct) -> None:
    run = product.run
    before = {message.message_id for message in run.messages()}
    run.session.client("sqs").send_message(
        QueueUrl=run.outputs["IntakeQueueUrl"], MessageBody=json.dumps(request_data(encounter=str(uuid.uuid4())))
    )

    def new() -> list[Message]:
        return [message for message in run.messages() if message.message_id not in before]

    product.wait(lambda: bool(new()))
    (message,) = new()
    assert message.status == "INVALID"
    assert message.events[0].details["reasons"] == ["request_id: is missing: a request on the queue needs one"]


def test_an_invalid_request_is_kept_and_told_with_every_reason(product: DeployedProduct) -> None:
    dropped = product.run.drop(REQUESTS / "invalid")
    message = product.reaches(dropped, "INVALID")
    fields = [reason.partition(":")[0] for reason in message.events[0].details["reasons"]]
    assert fields == ["patient.nhs_number", "patient.birth_date", "organisation.phone"]
    assert notifications(product, f"MESSAGE#{message.message_id}") == ["invalid"]
    kept = product.run.session.client("s3").get_object(
        Bucket=product.run.outputs["EvidenceBucketName"], Key=f"requests/{dropped.request_id}.json.gz"
    )
    assert gzip.decompress(kept["Body"].read()) == (REQUESTS / "invalid" / "request.json").read_bytes()


@pytest.mark.parametrize(
    ("changes", "documents", "reason"),
    [
        ({}, {}, "documents[0].key: names no file in the drop bucket (letter case counts)"),
        ({}, {"report.pdf": b"GIF89a"}, "documents[0]: is not a PDF that begins with %PDF-"),
        ({}, {"report.pdf": b""}, "documents[0]: is empty"),
        ({}, {"report.pdf": PDF[: len(PDF) // 2]}, "documents[0]: is broken, and not every PDF reader can repair it"),
        ({"mailbox": "Y90009OT001"}, {"report.pdf": PDF}, "mailbox: is not a sending mailbox of this environment"),
        (
            {"patient__nhs_number": "4010232137"},
            {"report.pdf": PDF},
            "patient.nhs_number: is outside the test range 900-999, and this environment is for tests only",
        ),
        ({}, {"report.pdf": a_scan(4_000_000)}, "documents: make a message of"),
    ],
)
def test_a_request_that_cannot_be_sent_says_why(
    product: DeployedProduct, changes: dict[str, Any], documents: dict[str, bytes], reason: str
) -> None:
    dropped = product.run.drop_request(request_data(encounter=str(uuid.uuid4()), **changes), documents)
    message = product.reaches(dropped, "INVALID", seconds=240)  # what is not there is waited for
    (found,) = message.events[0].details["reasons"]
    assert found.startswith(reason)


def test_what_is_no_json_is_invalid_too(product: DeployedProduct) -> None:
    message = product.reaches(product.run.drop_request(b"\xff{nothing", {}), "INVALID")
    assert message.events[0].details["reasons"] == [
        "request: line 1, column 1: this is not UTF-8: save the file as UTF-8, not as Windows-1252 or Latin-1"
    ]


@pytest.mark.requirement("GPCM-SD-CS-007", "GPCM-SD-098", "GPCM-SD-CS-046")
def test_a_newer_request_for_an_encounter_is_its_next_version(product: DeployedProduct) -> None:
    encounter = str(uuid.uuid4())
    versions = []
    for _ in range(3):
        message = product.reaches(product.drop(encounter=encounter), "DELIVERED")
        versions.append(int(message.item["version"]))
    assert versions == [1, 2, 3]


@pytest.mark.requirement("1.5:GPCM-SD-043", "1.5:GPCM-SD-044")
@pytest.mark.parametrize(
    ("given", "codes"), [("20009", ["20009"]), ("30002", ["20013", "30002"]), ("30014", ["20013", "30014"])]
)
def test_a_negative_answer_rejects_and_is_told(product: DeployedProduct, given: str, codes: list[str]) -> None:
    message = product.reaches(product.drop(**answered_with(given)), "REJECTED")
    assert sorted(event.details["code"] for event in message.events if event.kind == "response") == codes
    assert notifications(product, f"MESSAGE#{message.message_id}") == ["rejected"]


def test_the_business_answer_may_come_first(product: DeployedProduct) -> None:
    product.reaches(product.drop(**answered_with("reversed")), "DELIVERED")


@pytest.mark.requirement("1.5:GPCM-SD-045", "GPCM-SD-095")
@pytest.mark.parametrize(
    ("given", "missing"), [("noresponse", ["infrastructure", "business"]), ("infonly", ["business"])]
)
def test_nobody_or_half_replied_is_overdue_and_told(product: DeployedProduct, given: str, missing: list[str]) -> None:
    message = product.reaches(product.drop(**answered_with(given)), "OVERDUE")
    assert message.events[-1].details["missing"] == missing
    assert notifications(product, f"MESSAGE#{message.message_id}") == ["overdue"]


@pytest.mark.requirement("GPCM-SD-094")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"patient__nhs_number": "9990000409"}, "EPL-153"),
        ({"patient__name__family": "WRONG"}, "EPL-154"),
        ({"patient__birth_date": "1933-11-15"}, "EPL-154"),
    ],
)
def test_a_mesh_report_means_undelivered_and_is_told(
    product: DeployedProduct, changes: dict[str, Any], code: str
) -> None:
    message = product.reaches(product.drop(**changes), "UNDELIVERED")
    assert [event.details["code"] for event in message.events if event.kind == "report"] == [code]
    assert notifications(product, f"MESSAGE#{message.message_id}") == ["undelivered"]


def test_a_refusal_of_mesh_is_final_and_told(product: DeployedProduct) -> None:
    message = product.reaches(product.drop_to_fail("refuse", **SILENT), "REFUSED")
    assert product.uploads(message) == []
    assert kinds(message) == ["built", "upload started", "upload refused"]
    assert notifications(product, f"MESSAGE#{message.message_id}") == ["refused"]
    product.run.poll()
    assert product.message(message.request_id).status == "REFUSED"


def test_a_busy_mesh_is_tried_again_by_the_queue(product: DeployedProduct) -> None:
    message = product.reaches(product.drop_to_fail("busy"), "DELIVERED")
    assert kinds(message)[:5] == ["built", "upload started", "upload postponed", "upload started", "upload accepted"]
    assert message.item["possible_copies"] == 1
    assert len(product.uploads(message)) == 1


@pytest.mark.parametrize(("fault", "copies"), [("cut_before", 1), ("cut_after", 2)])
def test_an_upload_whose_answer_was_lost_is_uncertain_and_then_sent_again(
    product: DeployedProduct, fault: str, copies: int
) -> None:
    dropped = product.drop_to_fail(fault, **SILENT)
    product.reaches(dropped, "UNCERTAIN")
    message = product.reaches(dropped, "SENT", "OVERDUE")
    assert kinds(message)[:6] == [
        "built", "upload started", "upload uncertain", "queued again", "upload started", "upload accepted",
    ]  # fmt: skip
    assert message.item["possible_copies"] == 2, "the ledger must know that there may be two"
    assert len(product.uploads(message)) == copies


def test_an_answer_proves_that_an_uncertain_upload_arrived_and_no_second_copy_is_sent(product: DeployedProduct) -> None:
    message = product.reaches(product.drop_to_fail("cut_after"), "DELIVERED")
    assert "upload uncertain" in kinds(message)
    assert "queued again" not in kinds(message)
    assert len(product.uploads(message)) == 1
    assert notifications(product, f"MESSAGE#{message.message_id}") == []


def test_what_belongs_to_no_message_is_kept_told_and_acknowledged(product: DeployedProduct) -> None:
    message = product.reaches(product.drop(**answered_with("invrep")), "OVERDUE")
    received = [item for item in product.items() if item.get("outcome") == "unmatched"]
    assert received
    for item in received:
        mailbox, name = item["sk"].partition("#")[2], item["pk"].partition("#")[2]
        assert notifications(product, f"RECEIVED#{mailbox}#{name}") == ["unmatched"]
        product.run.session.client("s3").head_object(
            Bucket=product.run.outputs["EvidenceBucketName"], Key=str(item["evidence_key"])
        )
    waiting = [message for message in product.mesh("GET", "messages") if message.get("status") == "accepted"]
    assert not [entry for entry in waiting if entry["to"] == message.item["mailbox"]]


def test_an_acknowledgement_that_mesh_lost_lands_once(product: DeployedProduct) -> None:
    product.mesh("POST", "faults/next", {"fault": "cut_before", "kind": "acknowledge", "count": 2})
    message = product.reaches(product.drop(), "DELIVERED")
    assert sorted(event.details["code"] for event in message.events if event.kind == "response") == ["20013", "30001"]


def test_every_status_has_been_seen(run: LocalRun) -> None:
    """Last in this file: the tests above have reached them all."""
    final = {message.status for message in run.messages()}
    passing = {"UNCERTAIN", "SENDING", "SENT", "BUILT", "ACKNOWLEDGED"}  # seen on the way, as facts
    assert (
        {"INVALID", "DELIVERED", "REJECTED", "OVERDUE", "UNDELIVERED", "REFUSED"}
        <= final
        <= ({"INVALID", "DELIVERED", "REJECTED", "OVERDUE", "UNDELIVERED", "REFUSED"} | passing | REQUESTS_OWN)
    )

"""Where the drop is scanned for malware, nothing of it is read before GuardDuty has called that very version clean."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.scan_results import SCAN_TAG
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.scanning import MalwareScan
from gpconnect_messaging.steps.waiting import NotReadyError
from tests.examples import REQUESTS, request_data
from tests.fakes.product import Product
from tests.fakes.s3 import ScannedBucket
from tests.identifiers import IDENTIFIERS

PATIENCE = timedelta(minutes=45)
SAMPLE = "consultation-report-2.0-attachments"
CLEAN = "NO_THREATS_FOUND"
INFECTED = b"%PDF-1.4 X5O!P%@AP[4 EICAR %%EOF"
BAD = {
    "THREATS_FOUND": "holds malware",
    "UNSUPPORTED": "cannot be scanned",
    "ACCESS_DENIED": "was not let at it",
    "FAILED": "GuardDuty failed",
    "a word that GuardDuty does not use": "GuardDuty failed",
}


class ScannedProduct(Product):
    """The product with a scanned drop that holds the sample and the documents."""

    dropped: ScannedBucket

    def __init__(self) -> None:
        super().__init__(sample=SAMPLE, drop=None, hold_window_seconds=0)
        self.dropped = self.around.s3.buckets["drop"] = ScannedBucket(self.clock)
        self.folder = REQUESTS / SAMPLE
        for file in sorted(self.folder.iterdir()):
            self.dropped.put_object(Key=f"a/{file.name}", Body=file.read_bytes())
        scan = MalwareScan(drop=self.drop, received=self.received_objects, patience=PATIENCE, now=self.clock)
        self.builder = replace(self.builder, scanned=scan)
        self.arrived = self.clock()

    @property
    def keys(self) -> list[str]:
        return [f"a/{file.name}" for file in sorted(self.folder.iterdir())]

    def scanned(self, result: str, *keys: str, version: str = "1") -> None:
        for key in keys:
            self.dropped.tags.setdefault((key, version), {})[SCAN_TAG] = result

    def receives(self) -> BuildResult:
        """The queue brings S3's event of the request."""
        return self.builder.dropped("drop", "a/request.json", "1", self.arrived, "")

    def receives_whole(self) -> BuildResult:
        """The queue brings the same request whole."""
        data = request_data(SAMPLE, request_id="whole-request-1")
        for document in data["documents"]:
            document["key"] = f"a/{document['key']}"
        return self.builder.queued(json.dumps(data).encode(), self.arrived)


@pytest.fixture
def product() -> ScannedProduct:
    return ScannedProduct()


def test_a_request_is_not_even_read_before_it_is_scanned(product: ScannedProduct) -> None:
    with pytest.raises(NotReadyError):
        product.receives()
    assert product.dropped.read == []
    assert [key.partition("/")[0] for key in product.bucket.objects] == ["receipts"], "it is missed if it never goes on"


def test_each_document_is_waited_for_and_then_the_message_is_built(product: ScannedProduct) -> None:
    waited = 0
    for key in ["a/request.json", *(key for key in product.keys if key != "a/request.json")]:
        with pytest.raises(NotReadyError):
            product.receives()
        assert key not in {read for read, _ in product.dropped.read}
        product.scanned(CLEAN, key)
        waited += 1
    assert waited > 2
    built = product.receives()
    assert built.status is Status.BUILT
    for key in product.keys:
        assert product.dropped.tags[key, "1"] == {SCAN_TAG: CLEAN}, "only GuardDuty writes tags"
        received_by = None if key == "a/request.json" else product.row(built.message_id).request_id
        assert product.received_by(key) == received_by


def test_the_documents_of_a_queued_request_are_waited_for_too(product: ScannedProduct) -> None:
    with pytest.raises(NotReadyError):
        product.receives_whole()
    product.scanned(CLEAN, *product.keys)
    assert product.receives_whole().status is Status.BUILT


def test_a_request_waits_again_for_as_long_as_it_has_waited_within_bounds(product: ScannedProduct) -> None:
    waits = []
    for minutes in (0, 0.5, 2, 10, 44):
        product.clock.time = product.arrived + timedelta(minutes=minutes)
        with pytest.raises(NotReadyError) as pending:
            product.receives()
        waits.append(round(pending.value.again_in.total_seconds()))
    assert waits == [15, 30, 120, 300, 60]


@pytest.mark.parametrize("unscanned", ["a/request.json", "a/wound.png"])
def test_what_has_no_verdict_in_time_is_refused_and_told(product: ScannedProduct, unscanned: str) -> None:
    assert unscanned in product.keys
    product.scanned(CLEAN, *(key for key in product.keys if key != unscanned))
    product.clock.advance(PATIENCE)
    built = product.receives()
    assert built.status is Status.INVALID
    assert "was not scanned for malware in time" in product.reasons(built)[0]
    assert product.notified() == ["A request could not be scanned for malware"]
    product.scanned(CLEAN, unscanned)
    assert product.receives() == built, "a verdict that comes later changes nothing by itself"
    assert not is_found_by_the_listing(product, unscanned)


@pytest.mark.parametrize("verdict", BAD)
@pytest.mark.parametrize("bad", ["a/request.json", "a/wound.png"])
def test_what_is_not_clean_is_refused_told_and_copied_nowhere(product: ScannedProduct, verdict: str, bad: str) -> None:
    product.scanned(CLEAN, *product.keys)
    product.scanned(verdict, bad)
    built = product.receives()
    assert built.status is Status.INVALID
    field = "request" if bad == "a/request.json" else "documents[0]"
    [reason] = product.reasons(built)
    assert reason.startswith(f"{field}: ")
    assert BAD[verdict] in reason
    subject = (
        "Malware was found in a dropped object"
        if verdict == "THREATS_FOUND"
        else "A request could not be scanned for malware"
    )
    assert product.notified() == [subject]
    assert product.stored_messages == {}
    assert (bad, "1") not in product.dropped.read
    kept = f"requests/{built.message_id}.json.gz" in product.bucket.objects
    assert kept is (bad != "a/request.json"), "what is itself bad stays where it is"
    assert bad in product.dropped.objects
    assert product.dropped.tags[bad, "1"] == {SCAN_TAG: verdict}
    assert not is_found_by_the_listing(product, bad), "no list takes it for forgotten"


@pytest.mark.parametrize("verdicts", [("FAILED", "THREATS_FOUND"), ("THREATS_FOUND", "FAILED")])
def test_malware_is_told_as_malware_whatever_else_is_wrong(product: ScannedProduct, verdicts: tuple[str, str]) -> None:
    product.scanned(CLEAN, *product.keys)
    documents = [f"a/{document['key']}" for document in request_data(SAMPLE)["documents"]]
    for key, verdict in zip(documents, verdicts, strict=False):
        product.scanned(verdict, key)
    found = sorted(line.partition(":")[0] for line in product.reasons(product.receives()))
    assert found == ["documents[0]", "documents[1]"], "each document that is wrong is named"
    assert product.notified() == ["Malware was found in a dropped object"]


def test_the_version_that_is_read_is_the_one_whose_verdict_was_read(product: ScannedProduct) -> None:
    product.scanned(CLEAN, *product.keys)
    documents = [key for key in product.keys if key != "a/request.json"]
    product.dropped.dropped_next = dict.fromkeys(documents, INFECTED)
    assert product.receives().status is Status.BUILT
    assert {version for _, version in product.dropped.read} == {"1"}
    [message] = product.stored_messages.values()
    assert b"EICAR" not in message


def test_a_newer_version_needs_a_verdict_of_its_own(product: ScannedProduct) -> None:
    product.scanned(CLEAN, *product.keys)
    product.dropped.put_object(Key="a/wound.png", Body=INFECTED)
    with pytest.raises(NotReadyError):
        product.receives()
    product.scanned("THREATS_FOUND", "a/wound.png", version="2")
    assert product.receives().status is Status.INVALID


@pytest.mark.parametrize("verdict", [CLEAN, "THREATS_FOUND"])
def test_a_document_that_expired_since_this_request_received_it_is_found_with_its_verdict(
    product: ScannedProduct, verdict: str
) -> None:
    product.scanned(CLEAN, *product.keys)
    builder = product.builder
    product.builder = replace(builder, lookup=ends)
    with pytest.raises(OSError, match="ended"):
        product.receives()
    for key in product.keys:
        if key != "a/request.json":
            product.dropped.delete_object(Key=key)
    product.scanned(verdict, "a/wound.png")
    product.builder = builder
    built = product.receives()
    assert built.status is (Status.BUILT if verdict == CLEAN else Status.INVALID)


def is_found_by_the_listing(product: ScannedProduct, key: str) -> bool:
    """Whether the listing takes an object for an unannounced request, or for a document that no request names."""
    product.clock.advance(timedelta(hours=2))
    found = product.list_drop.run()
    document_id = IDENTIFIERS.digest("dropped document", key).hex()[:16]
    return bool(found.requests_unannounced) or document_id in found.document_ids


def ends(*_: object) -> Any:
    """Stand for a builder whose process ends after it has found the documents, and before it has claimed them."""
    raise OSError("ended")


def test_a_document_that_another_request_received_and_its_sender_removed_is_not_found(product: ScannedProduct) -> None:
    product.scanned(CLEAN, *product.keys)
    product.receives()
    product.dropped.delete_object(Key="a/wound.png")
    built = product.receives_whole()
    assert built.status is Status.INVALID
    assert product.reasons(built) == ["documents[0].key: names no file in the drop bucket (letter case counts)"]


def test_a_document_that_is_found_clean_later_is_its_patients_and_no_others(product: ScannedProduct) -> None:
    product.scanned(CLEAN, *product.keys)
    product.scanned("FAILED", "a/wound.png")
    product.receives()
    product.scanned(CLEAN, "a/wound.png")
    product.clock.advance(timedelta(minutes=1))
    product.dropped.put_object(Key="a/request.json", Body=product.dropped.objects["a/request.json"] + b" ")
    product.scanned(CLEAN, "a/request.json", version="2")
    built = product.builder.dropped("drop", "a/request.json", "2", product.clock(), "")
    assert built.status is Status.BUILT
    assert product.received_by("a/wound.png") == product.row(built.message_id).request_id


def test_a_held_request_is_released_only_from_versions_that_are_clean() -> None:
    product = ScannedProduct()
    product.mailbox = replace(product.mailbox, hold_window_seconds=600)
    product.scanned(CLEAN, *product.keys)
    held = product.receives()
    assert held.status is Status.HELD
    product.scanned("THREATS_FOUND", "a/wound.png")  # scanned again meanwhile
    product.later(timedelta(hours=3))
    assert product.status(held) is Status.INVALID
    assert product.mesh.sent == []
    assert "Malware was found in a dropped object" in product.notified()


def test_the_sample_has_what_is_tried(product: ScannedProduct) -> None:
    assert {"a/request.json", "a/wound.png"} < set(product.keys)
    assert Path(product.folder / "request.json").is_file()

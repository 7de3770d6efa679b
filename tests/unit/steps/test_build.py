"""What the builder takes in, what it refuses and in which words, and what it stores of a message."""

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any

import pytest

from gpconnect_messaging import assembly
from gpconnect_messaging.itk3.compose import ComposedMessage, NotFhirError, compose
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.records import Order, Origin
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.requests.models import LARGEST_REQUEST
from gpconnect_messaging.requests.refusal import MOST_REASONS, Reason, RequestRefusedError
from gpconnect_messaging.steps import message_pipeline, request_content
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.message_pipeline import REPLACEMENT_WINDOW, BuildResult, UnknownRequestError
from gpconnect_messaging.steps.release import CLOCKS_DIFFER
from gpconnect_messaging.steps.waiting import NotReadyError
from gpconnect_messaging.storage import DropFile, Evidence, NotThereError
from tests.examples import MAILBOXES, REQUESTS, request_data
from tests.fakes.product import PDF, SAMPLE, WINDOW, Product

MINUTE = timedelta(minutes=1)
READY = "send-document-2.0-discharge"
KEY = "in/one/request.json"


class Dropping(Product):
    """The product, with a drop bucket that has one report."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(drop=None, **({"hold_window_seconds": 0} | settings))
        self.put("in/one/report.pdf", PDF)

    def put(self, key: str, content: bytes) -> str:
        """Put an object into the drop, which takes a second."""
        version = super().put(key, content)
        self.clock.advance(timedelta(seconds=1))
        return version

    def beside_copies(self, folder: str) -> str:
        """Copy the documents into another folder; return the key of a request there."""
        for key, content in list(self.dropped.objects.items()):
            if key.startswith("in/one/") and not key.endswith("request.json"):
                self.put(folder + key.removeprefix("in/one/"), content)
        return f"{folder}request.json"

    def drops(self, name: str = SAMPLE, key: str = KEY, sequencer: str = "", **changes: Any) -> BuildResult:
        version = self.put(key, json.dumps(request_data(name, **changes)).encode())
        return self.builder.dropped("drop", key, version, self.clock(), sequencer)

    def reasons(self, built: BuildResult) -> list[str]:
        assert built.status is Status.INVALID
        assert self.notified() == ["A request was refused"], "a person knows at once"
        return super().reasons(built)

    def received(self) -> set[str]:
        pages = self.evidence.receipt_pages(self.clock().astimezone(UTC).date())
        return {receipt.request_id for receipts, _ in pages for receipt in receipts}


@pytest.fixture
def product() -> Dropping:
    return Dropping()


# How a request comes


def test_a_dropped_request_is_built_from_its_own_folder_and_receives_its_documents(product: Dropping) -> None:
    built = product.drops()
    assert built.status is Status.BUILT
    assert product.queue.take() == [built.message_id]
    assert PDF[:20] not in product.message(built.message_id), "the document is in base64"
    request_id = product.row(built.message_id).request_id
    assert product.received_by("in/one/report.pdf") == request_id
    assert product.received() == {request_id}
    assert product.evidence.request(request_id) == product.dropped.objects[KEY]


def test_a_held_request_remembers_where_its_documents_are() -> None:
    product = Dropping(hold_window_seconds=int(WINDOW.total_seconds()))
    held = product.drops()
    assert held.status is Status.HELD
    origin = product.ledger.find_origin(held.message_id)
    assert origin is not None
    assert (origin.folder, origin.document_versions) == ("in/one/", ("1",))
    product.later(WINDOW + MINUTE)
    (message,) = product.messages(held)
    assert message.status is Status.SENT


def test_an_event_of_another_bucket_is_refused_unread_with_a_receipt(product: Dropping) -> None:
    product.put(KEY, b"{}")
    refused = product.builder.dropped("other", KEY, "1", None, "")
    assert product.reasons(refused) == ["request: lies in a bucket that is not the drop"]
    assert product.dropped.read == []
    assert product.received() == {refused.message_id}


@pytest.mark.parametrize("version", ["", "\ud800"])
def test_an_event_without_a_version_makes_no_second_request_of_an_object(product: Dropping, version: str) -> None:
    taken = product.drops()
    refused = product.builder.dropped("drop", KEY, version, None, "")
    assert product.reasons(refused) == ["request: was announced without an object version"]
    assert refused.message_id in product.received()
    assert product.row(taken.message_id).version == 1
    assert product.drops().message_id == taken.message_id


def test_a_request_that_was_removed_is_refused_with_a_receipt(product: Dropping) -> None:
    refused = product.builder.dropped("drop", "in/two/request.json", "1", None, "")
    assert product.reasons(refused) == ["request: was removed before it could be read"]
    assert product.received() == {refused.message_id}
    origin = product.ledger.find_origin(refused.message_id)
    assert origin is not None
    assert origin.arrived is not None, "nobody says when it was dropped: it came now"
    assert origin.folder == "in/two/"


def test_a_request_that_is_too_long_is_refused(product: Dropping) -> None:
    product.put(KEY, b" " * (LARGEST_REQUEST + 1))
    assert product.reasons(product.builder.dropped("drop", KEY, "1", None, "")) == [
        "request: is larger than 1.05 MB (1,048,576 bytes): leave out content that is not needed"
    ]


def test_a_request_without_an_arrival_came_now(product: Dropping) -> None:
    product.put(KEY, json.dumps(request_data(SAMPLE)).encode())
    before = product.clock()
    dropped = product.builder.dropped("drop", KEY, "1", None, "")
    (event,) = product.row(dropped.message_id).history.of(EventType.BUILT)
    assert before.isoformat() < event.details["arrived"] < product.clock().isoformat()


def test_of_two_versions_of_one_object_s3s_sequencer_says_which_is_newer() -> None:
    product = Dropping(hold_window_seconds=int(WINDOW.total_seconds()))
    before = product.put(KEY, json.dumps(request_data(SAMPLE, practitioner__name__family="Before")).encode())
    assert product.drops(sequencer="0B").status is Status.HELD
    older = product.builder.dropped("drop", KEY, before, product.clock(), "0A")
    assert older.status is Status.SUPERSEDED


def test_a_request_on_the_queue_needs_an_id_of_its_own_and_a_dropped_one_does_not(product: Dropping) -> None:
    product.put("report.pdf", PDF)
    refused = product.builder.queued(json.dumps(request_data(SAMPLE)).encode())
    assert product.reasons(refused) == ["request_id: is missing: a request on the queue needs one"]
    assert product.received() == {refused.message_id}
    built = product.builder.queued(json.dumps(request_data(SAMPLE, request_id="request-1")).encode())
    assert built.status is Status.BUILT
    assert product.received() == {refused.message_id, product.row(built.message_id).request_id}
    assert product.drops(key=product.beside_copies("in/two/"), encounter="another").status is Status.BUILT


def test_what_nobody_ordered_or_holds_is_not_built(product: Dropping) -> None:
    for unknown in (product.builder.resubmitted, product.builder.release):
        with pytest.raises(UnknownRequestError):
            unknown("5f0e7f58-0000-5000-8000-000000000009")


def test_a_message_is_no_held_request(product: Dropping) -> None:
    with pytest.raises(UnknownRequestError):
        product.builder.release(product.drops().message_id)


def test_a_refused_request_is_not_released(product: Dropping) -> None:
    refused = product.drops(patient__birth_date="2199-01-01")
    assert product.builder.release(refused.message_id) == refused


def order(monkeypatch: pytest.MonkeyPatch, product: Dropping, of: str, **origin: Any) -> str:
    """An operator resubmits a kept request; return the new id."""
    again = "5f0e7f58-0000-5000-8000-000000000009"
    given = Order(
        request_id=again, of=of, origin=Origin(**({"folder": "in/one/", "document_versions": ("1",)} | origin))
    )
    monkeypatch.setattr(product.ledger, "find_order", lambda request_id: given if request_id == again else None)
    return again


def test_a_request_is_taken_in_again_with_its_documents_of_then(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = product.drops(patient__birth_date="2199-01-01")
    request_id = product.row(refused.message_id).request_id
    product.evidence.keep_request("kept", json.dumps(request_data(SAMPLE)).encode(), product.clock())
    arrived = product.clock() - 5 * MINUTE
    again = order(monkeypatch, product, "kept", arrived=arrived)
    looks: list[str | None] = []
    find = product.drop.find

    def noting(key: str, version: str | None = None) -> DropFile:
        looks.append(version)
        return find(key, version)

    monkeypatch.setattr(product.drop, "find", noting)
    built = product.builder.resubmitted(again)
    assert built.status is Status.BUILT
    assert looks == ["1"]
    assert {request_id, again} <= product.received()
    (event,) = product.row(built.message_id).history.of(EventType.BUILT)
    assert event.details["arrived"] == arrived.isoformat()


def test_a_request_that_is_not_kept_cannot_be_taken_in_again(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = product.builder.resubmitted(order(monkeypatch, product, "gone"))
    assert product.reasons(refused) == ["request: is not kept any longer"]


def test_a_request_that_is_refused_once_more_is_read_with_its_newest_documents_the_next_time(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = json.dumps(request_data(SAMPLE, patient__birth_date="2199-01-01")).encode()
    product.evidence.keep_request("kept", wrong, product.clock())
    refused = product.builder.resubmitted(order(monkeypatch, product, "kept", arrived=product.clock()))
    assert refused.status is Status.INVALID
    origin = product.ledger.find_origin(refused.message_id)
    assert origin is not None
    assert (origin.folder, origin.document_versions) == ("in/one/", ())


def test_a_request_that_is_given_up_keeps_its_origin(product: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    new = "5f0e7f58-0000-5000-8000-000000000008"
    product.builder.give_up(new, "TypeError", Origin(folder="in/one/"))
    again = order(monkeypatch, product, "kept", folder="in/two/")
    product.builder.give_up(again, "TypeError")
    origins = [product.ledger.find_origin(request_id) for request_id in (new, again)]
    assert [origin and origin.folder for origin in origins] == ["in/one/", "in/two/"]


def test_a_held_request_whose_message_breaks_a_rule_in_its_version_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    product = Dropping(hold_window_seconds=int(WINDOW.total_seconds()))
    held = product.drops()

    def broken(*_: Any, **__: Any) -> Any:
        raise RequestRefusedError.because("request", "breaks GPCM-SD-039 in this version")

    monkeypatch.setattr(Builder, "_store_all", broken)
    product.clock.advance(WINDOW + MINUTE)
    refused = product.builder.release(held.message_id)
    assert refused == BuildResult(held.message_id, Status.INVALID)
    assert product.reasons(refused) == ["request: breaks GPCM-SD-039 in this version"]


def test_a_held_request_that_is_not_kept_any_longer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Dropping(hold_window_seconds=int(WINDOW.total_seconds()))
    held = product.drops()

    def gone(_evidence: Evidence, _request_id: str) -> bytes:
        raise NotThereError

    monkeypatch.setattr(Evidence, "request", gone)
    product.later(WINDOW + MINUTE)
    assert product.status(held) is Status.INVALID
    (event,) = product.row(held.message_id).history.of(EventType.REQUEST_REFUSED)
    assert event.details["reasons"] == ["request: is not kept any longer: it waited for too long"]


def test_a_request_is_as_old_as_now_where_its_order_does_not_say_when_it_first_came(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.evidence.keep_request("kept", json.dumps(request_data(SAMPLE)).encode(), product.clock())
    before = product.clock()
    built = product.builder.resubmitted(order(monkeypatch, product, "kept"))
    (event,) = product.row(built.message_id).history.of(EventType.BUILT)
    assert before.isoformat() < event.details["arrived"] < product.clock().isoformat()


@pytest.mark.parametrize("claimed", [(), ("1", "1")])
def test_a_claim_of_more_or_fewer_documents_than_the_request_has_is_an_error(
    product: Dropping, monkeypatch: pytest.MonkeyPatch, claimed: tuple[str, ...]
) -> None:
    claim = product.ledger.claim

    def claimed_otherwise(*given: Any, **named: Any) -> Any:
        made = claim(*given, **named)
        assert made is not None
        return replace(made, document_versions=claimed)

    monkeypatch.setattr(product.ledger, "claim", claimed_otherwise)
    with pytest.raises(ValueError, match="argument 2"):
        product.drops()
    assert product.stored_messages == {}


def test_of_two_builders_the_later_sends_the_ready_resources_that_the_other_claimed(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = product.ledger.claim
    of_the_other = CONDITION["content"].replace("194828000", "49436004")
    product.put("in/one/condition.json", of_the_other.encode())

    def claimed_by_another(*given: Any, **named: Any) -> Any:
        made = claim(*given, **named)
        assert made is not None
        return replace(made, document_versions=(*made.document_versions[:-1], "1"))

    monkeypatch.setattr(product.ledger, "claim", claimed_by_another)
    product.put("in/one/condition.json", CONDITION["content"].encode())
    by_key = {name: value for name, value in CONDITION.items() if name != "content"} | {"key": "condition.json"}
    content = product.message(ready(product, resources=[by_key]).message_id)
    assert (b"49436004" in content, b"194828000" in content) == (True, False)


@pytest.mark.parametrize("dropped", [True, False])
def test_of_two_builders_the_later_reads_what_the_other_claimed(
    product: Dropping, monkeypatch: pytest.MonkeyPatch, dropped: bool
) -> None:
    claim, looks, find = product.ledger.claim, list[tuple[str, str | None]](), product.drop.find

    def claimed_by_another(*given: Any, **named: Any) -> Any:
        made = claim(*given, **named)
        assert made is not None
        return replace(made, document_versions=("1",))

    def noting(key: str, version: str | None = None) -> DropFile:
        looks.append((key, version))
        return find(key, version)

    monkeypatch.setattr(product.ledger, "claim", claimed_by_another)
    monkeypatch.setattr(product.drop, "find", noting)
    key = "in/one/report.pdf" if dropped else "report.pdf"
    for content in (PDF, PDF + b"% newer"):
        product.put(key, content)
    built = product.drops() if dropped else product.asks()
    assert built.status is Status.BUILT
    assert looks == [(key, None), (key, "1")]
    assert base64.b64encode(PDF) in product.message(built.message_id)


# Why a request is refused


def test_a_mailbox_that_is_not_ours_is_refused_and_not_repeated(product: Dropping) -> None:
    refused = product.drops(mailbox="9658218873")
    assert product.reasons(refused) == ["mailbox: is not a sending mailbox of this environment"]
    assert product.row(refused.message_id).mailbox == "-"


def test_every_document_that_is_wrong_is_named(product: Dropping) -> None:
    product.put("in/one/wound.png", PDF)
    refused = product.drops("consultation-report-2.0-attachments")
    assert product.reasons(refused)[0].startswith("documents[0]: ")
    product.topic.published.clear()
    product.dropped.delete_object(Key="in/one/wound.png")
    found = product.drops("consultation-report-2.0-attachments", encounter="another", key="in/one/again/request.json")
    assert product.reasons(found) == [
        "documents[0].key: names no file in the drop bucket (letter case counts)",
        "documents[1].key: names no file in the drop bucket (letter case counts)",
        "documents[2].key: names no file in the drop bucket (letter case counts)",
    ]


# A request that comes before the documents

WAIT = timedelta(minutes=10)


@pytest.fixture
def waiting(product: Dropping) -> Dropping:
    product.builder = replace(product.builder, document_wait=WAIT)
    return product


@pytest.mark.parametrize("last", ["wound.png", "ecg.pdf", "report.pdf"])
def test_a_request_waits_for_a_document_that_comes_later_and_is_built_then(waiting: Dropping, last: str) -> None:
    folder = REQUESTS / "consultation-report-2.0-attachments"
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    for name in files.keys() - {last, "report.pdf"}:
        waiting.put(f"in/one/{name}", files[name])
    waiting.dropped.delete_object(Key="in/one/report.pdf")
    if last != "report.pdf":
        waiting.put("in/one/report.pdf", files["report.pdf"])
    arrived, waits = waiting.clock(), list[int]()
    while waiting.clock.time - arrived < WAIT - timedelta(minutes=1):
        with pytest.raises(NotReadyError, match="not in the drop yet") as pending:
            waiting.builder.dropped("drop", KEY, "1", arrived, "")
        waits.append(round(pending.value.again_in.total_seconds()))
        waiting.clock.advance(pending.value.again_in)
    assert waits[0] == 15
    assert sum(waits) <= WAIT.total_seconds(), "it is looked at once more when the time is over"
    assert (waiting.notified(), waiting.stored_messages) == ([], {})
    assert waiting.received() == {str(waiting.builder.identifiers.dropped_request_id("drop", KEY, "1"))}
    waiting.put(f"in/one/{last}", files[last])
    built = waiting.builder.dropped("drop", KEY, "1", arrived, "")
    assert built.status is Status.BUILT
    (event,) = waiting.row(built.message_id).history.of(EventType.BUILT)
    assert event.details["arrived"] == arrived.isoformat(), "its place in the order is its own arrival's"


def test_a_request_whose_document_never_comes_is_refused_in_time_and_can_be_dropped_again(waiting: Dropping) -> None:
    waiting.dropped.delete_object(Key="in/one/report.pdf")
    with pytest.raises(NotReadyError):
        waiting.drops()
    arrived = waiting.clock()
    waiting.clock.advance(WAIT)
    refused = waiting.builder.dropped("drop", KEY, "1", arrived, "")
    assert waiting.reasons(refused) == [
        "documents[0].key: names no file in the drop bucket (letter case counts), and none came within 10 minutes of "
        "it: put it there, and drop the request again"
    ]
    waiting.put("in/one/report.pdf", PDF)
    assert waiting.builder.dropped("drop", KEY, "1", arrived, "") == refused, (
        "a document that comes later changes nothing"
    )
    again = waiting.dropped.put_object(Key=KEY, Body=waiting.dropped.objects[KEY])["VersionId"]
    assert waiting.builder.dropped("drop", KEY, again, waiting.clock(), "").status is Status.BUILT


def test_a_ready_resource_in_a_file_and_a_document_of_a_queued_request_are_waited_for(waiting: Dropping) -> None:
    by_key = {name: value for name, value in CONDITION.items() if name != "content"} | {"key": "condition.json"}
    with pytest.raises(NotReadyError):
        ready(waiting, resources=[by_key])
    waiting.put("in/one/condition.json", CONDITION["content"].encode())
    assert ready(waiting, resources=[by_key]).status is Status.BUILT
    raw = json.dumps(request_data(SAMPLE, request_id="request-1", encounter="another")).encode()
    with pytest.raises(NotReadyError):
        waiting.builder.queued(raw, waiting.clock())
    waiting.put("report.pdf", PDF)
    assert waiting.builder.queued(raw, waiting.clock()).status is Status.BUILT


def test_a_held_requests_document_that_was_removed_is_not_waited_for() -> None:
    product = Dropping(hold_window_seconds=int(WINDOW.total_seconds()))
    product.builder = replace(product.builder, document_wait=WAIT)
    held = product.drops()
    product.dropped.expire("in/one/report.pdf")
    product.clock.advance(WINDOW + MINUTE)
    refused = product.builder.release(held.message_id)
    assert product.reasons(refused) == ["documents[0].key: names no file in the drop bucket (letter case counts)"]


def ready(product: Dropping, key: str = KEY, **changes: Any) -> BuildResult:
    for name in ("discharge.pdf", "medicines.pdf"):
        product.put(key.removesuffix("request.json") + name, (REQUESTS / READY / name).read_bytes())
    return product.drops(READY, key, **changes)


CONDITION = request_data(READY)["resources"][0]


def test_a_ready_resource_may_lie_in_a_file_beside_the_request(product: Dropping) -> None:
    product.put("in/one/condition.json", CONDITION["content"].encode())
    by_key = {name: value for name, value in CONDITION.items() if name != "content"} | {"key": "condition.json"}
    built = ready(product, resources=[by_key])
    assert built.status is Status.BUILT
    assert b"194828000" in product.message(built.message_id)
    assert product.received_by("in/one/condition.json") == product.row(built.message_id).request_id


def test_a_ready_resource_that_is_not_there_is_refused(product: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    by_key = {name: value for name, value in CONDITION.items() if name != "content"} | {"key": "condition.json"}
    refused = ready(product, resources=[CONDITION, by_key])
    assert product.reasons(refused) == ["resources[1].key: names no file in the drop bucket (letter case counts)"]
    product.put("in/one/condition.json", CONDITION["content"].encode())
    product.topic.published.clear()
    monkeypatch.setattr(request_content, "LARGEST_RESOURCE", 10)
    refused = ready(product, resources=[by_key], key=product.beside_copies("in/three/"), encounter="c")
    assert product.reasons(refused) == ["resources[0]: is larger than 0.00 MB (10 bytes)"]


def test_a_confidential_resource_stays_here(product: Dropping) -> None:
    for number, resource in enumerate((CONDITION | {"confidential": True}, CONDITION)):
        built = ready(product, resources=[resource], encounter=f"e{number}", key=f"in/{number}/request.json")
        assert built.status is Status.BUILT
        assert (b"194828000" in product.message(built.message_id)) is (number == 1)


def test_what_cannot_be_written_as_fhir_is_refused(product: Dropping, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_fhir(*_: Any) -> Any:
        raise NotFhirError("Patient.name")

    monkeypatch.setattr(assembly, "compose", not_fhir)
    (reason,) = product.reasons(product.drops())
    assert reason.startswith("request: cannot be written as FHIR: see ")


def test_a_request_with_hundreds_of_faults_is_not_listed_to_the_end() -> None:
    faults = [Reason(f"field{number}", "is wrong") for number in range(52)]
    assert message_pipeline._listed(faults[:50]) == [f"field{number}: is wrong" for number in range(50)]
    assert message_pipeline._listed(faults) == [*(f"field{number}: is wrong" for number in range(50)), "… and 2 more"]


def test_a_withdrawal_that_breaks_a_rule_is_refused(product: Dropping) -> None:
    (reason,) = product.reasons(product.withdraws(deleted="2999-01-01T00:00:00+00:00"))
    assert reason.startswith("deleted: ")


# What is stored


def test_a_message_is_written_once_where_nobody_else_claimed_its_version(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []

    def noting(message: Message, sizes: list[int]) -> ComposedMessage:
        written.append(message.version)
        return compose(message, sizes)

    monkeypatch.setattr(assembly, "compose", noting)
    product.drops()
    assert written == [1]
    product.drops(key=product.beside_copies("in/two/"))
    assert written == [1, 1, 2], "on trial as the first, and in the version that was claimed"


def test_the_ledger_has_of_a_message_what_its_way_needs(product: Dropping) -> None:
    arrived = product.clock() - MINUTE
    product.put(KEY, json.dumps(request_data(SAMPLE)).encode())
    row = product.row(product.builder.dropped("drop", KEY, "1", arrived, "").message_id)
    (event,) = row.history.of(EventType.BUILT)
    mailbox = next(iter(MAILBOXES.values()))
    assert event.details == {
        "sha256": hashlib.sha256(product.message(row.message_id)).hexdigest(),
        "size": len(product.message(row.message_id)),
        "infrastructure_seconds": mailbox.infrastructure_deadline.total_seconds(),
        "business_seconds": mailbox.business_deadline.total_seconds(),
        "to_organisation": "A20047",
        "registration": {
            "source": "the request",
            "ods_code": "A20047",
            "name": "Millbrook Surgery",
            "nhs_number_status": "02",
        },
        "arrived": arrived.isoformat(),
        "warn_at": event.details["warn_at"],
    }
    assert (row.version, row.messages, row.encounter) == (1, 1, request_data(SAMPLE)["encounter"])
    assert (row.mailbox, row.created_at.microsecond) == ("Y90001OT001", 0)


@pytest.mark.requirement("GPCM-SD-037")
@pytest.mark.parametrize(("hours", "advised"), [(23, False), (25, True)])
def test_a_replacement_later_than_a_day_is_sent_with_what_advises_against_it(
    product: Dropping, hours: int, advised: bool
) -> None:
    product.drops()
    product.clock.advance(timedelta(hours=hours))
    second = product.row(product.drops(key=product.beside_copies("in/two/")).message_id)
    (event,) = second.history.of(EventType.BUILT)
    assert second.version == 2
    assert [advice.partition(":")[0] for advice in event.details.get("advice", ())] == ["GPCM-SD-037"] * advised


def test_a_row_of_a_refused_request_names_its_encounter(product: Dropping) -> None:
    refused = product.drops(patient__birth_date="2199-01-01")
    row = product.row(refused.message_id)
    assert (row.version, row.encounter, row.request_id) == (0, request_data(SAMPLE)["encounter"], row.message_id)
    assert row.created_at.microsecond == 0


def test_what_should_have_been_known_by_now_is_not_promised(product: Dropping) -> None:
    product.put(KEY, json.dumps(request_data(SAMPLE)).encode())
    late = product.builder.dropped("drop", KEY, "1", product.clock() - timedelta(hours=4), "")
    (event,) = product.row(late.message_id).history.of(EventType.BUILT)
    assert "warn_at" not in event.details


def test_a_repeated_request_queues_its_message_while_no_sender_took_it(product: Dropping) -> None:
    built = product.drops()
    product.queue.take()
    assert product.drops().message_id == built.message_id
    assert product.queue.take() == [built.message_id]
    product.sender.send(built.message_id)
    assert product.drops().status is Status.SENT
    assert product.queue.take() == []


def test_a_report_that_is_rendered_shows_the_pictures_of_its_attachments(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [file for file in (REQUESTS / "rendered-report").iterdir() if file.name != "request.json"]
    for file in files:
        product.put(f"in/one/{file.name}", file.read_bytes())
    chunks, read = product.drop.chunks, []

    def noting(file: Any) -> Iterator[bytes]:
        read.append(file.key)
        yield from chunks(file)

    monkeypatch.setattr(product.drop, "chunks", noting)
    assert product.drops("rendered-report").status is Status.BUILT
    assert set(read) <= {f"in/one/{file.name}" for file in files}


def test_the_limits_are_what_the_documents_say() -> None:
    limits = (REPLACEMENT_WINDOW, LARGEST_REQUEST, CLOCKS_DIFFER, MOST_REASONS)
    assert limits == (timedelta(hours=24), 1_048_576, MINUTE, 50)


def test_a_message_with_an_event_of_a_newer_release_is_not_queued_by_a_repeat(product: Dropping) -> None:
    built = product.drops()
    assert product.queue.take() == [built.message_id]
    assert product.drops().status is Status.BUILT
    assert product.queue.take() == [built.message_id], "a repeat queues it"
    paused = EventType("paused by tomorrow's release")
    product.ledger.record(
        built.message_id, LedgerEvent(kind=paused, identity="paused", at=product.clock(), source="builder", details={})
    )
    assert product.drops().status is Status.BUILT
    assert product.queue.take() == []


def test_a_document_that_is_removed_while_it_is_read_is_named(
    product: Dropping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def removed(_file: DropFile) -> Iterator[bytes]:
        raise NotThereError("the file was removed")

    monkeypatch.setattr(product.drop, "chunks", removed)
    assert product.reasons(product.drops()) == ["documents[0].key: was removed before it could be read"]

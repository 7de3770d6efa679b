"""The same content under the same key is a repeat; what differs in any byte, or lies under another key, is not."""

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast
from unittest.mock import patch

import pytest

from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.steps.message_pipeline import BuildResult
from tests.crash_injection import Died
from tests.examples import REQUESTS, request_data
from tests.fakes.product import PDF, SAMPLE, WINDOW, Product

OTHER_PDF = (REQUESTS / "consultation-report-2.0-replacement" / "report.pdf").read_bytes()
MONTH = timedelta(days=29)


class Copied(Product):
    """The product with an empty drop, in which objects are copied in place."""

    def __init__(self, hold: timedelta = timedelta(0)) -> None:
        super().__init__(drop=None, hold_window_seconds=int(hold.total_seconds()))

    def drops(self, folder: str = "in/one", document: bytes = PDF, name: str = SAMPLE, **changes: Any) -> BuildResult:
        """A sender drops a request and a document."""
        self.dropped.put_object(Key=f"{folder}/report.pdf", Body=document)
        body = json.dumps(request_data(name, **changes)).encode()
        self.dropped.put_object(Key=f"{folder}/request.json", Body=body)
        return self.announce(f"{folder}/request.json")

    def copies(self, folder: str = "in/one", *, ordered: bool = True) -> BuildResult:
        """All that lies in a folder is copied onto itself, and S3 announces it."""
        for key in (f"{folder}/report.pdf", f"{folder}/request.json"):
            if key in self.dropped.objects:
                self.dropped.put_object(Key=key, Body=self.dropped.objects[key])
        return self.announce(f"{folder}/request.json", ordered=ordered)

    def repeats(self, built: BuildResult) -> str | None:
        """Which request it was found to repeat."""
        (event,) = self.row(built.message_id).history.of(EventType.NOT_REQUIRED)
        assert built.status is Status.NOT_REQUIRED
        return cast("str | None", event.details.get("repeats"))

    def request_of(self, message: BuildResult) -> str:
        return self.row(message.message_id).request_id


@pytest.fixture
def product() -> Copied:
    return Copied()


def reported(product: Copied, **changes: Any) -> BuildResult:
    sent = product.drops(**changes)
    product.works()
    assert product.status(sent) is Status.SENT
    return sent


@pytest.mark.parametrize("ordered", [True, False], ids=["by S3's event", "by a backfill"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_copy_in_place_is_a_repeat_and_nothing_is_sent_or_told(product: Copied, times: int, ordered: bool) -> None:
    sent = reported(product)
    for _ in range(times):
        product.clock.advance(MONTH)
        copied = product.copies(ordered=ordered)
        assert product.repeats(copied) == product.request_of(sent)
        assert product.announce("in/one/request.json").status is Status.NOT_REQUIRED, "the event comes again"
    assert (len(product.mesh.sent), product.queue.take(), product.notified()) == (1, [], [])


def test_a_copy_of_a_corrected_report_does_not_send_the_older_one_again(product: Copied) -> None:
    reported(product)
    product.clock.advance(timedelta(minutes=10))
    reported(product, folder="in/two", document=OTHER_PDF)
    product.clock.advance(MONTH)
    for folder in ("in/two", "in/one"):
        product.repeats(product.copies(folder))
    assert len(product.mesh.sent) == 2
    assert product.notified() == []


@pytest.mark.parametrize(
    "changes",
    [{"document": OTHER_PDF}, {"document": PDF + b"\n"}, {"consultation__updated": "2026-11-20T22:05:00+00:00"},
     {"practitioner__name__family": "Another"}, {"folder": "in/two"}],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_what_differs_in_a_byte_or_lies_elsewhere_is_a_new_version(product: Copied, changes: dict[str, Any]) -> None:
    reported(product)
    product.clock.advance(timedelta(minutes=10))
    again = reported(product, **changes)
    assert product.row(again.message_id).version == 2


def test_what_was_put_in_between_counts_and_the_first_content_is_then_new(product: Copied) -> None:
    for number, document in enumerate((PDF, OTHER_PDF, PDF), 1):
        sent = reported(product, document=document)
        assert product.row(sent.message_id).version == number
        product.clock.advance(timedelta(minutes=10))


def test_of_two_versions_whose_events_come_reversed_the_newer_ones_copy_is_the_repeat(product: Copied) -> None:
    product.dropped.put_object(Key="in/one/report.pdf", Body=PDF)
    for title in ("first", "second"):
        body = json.dumps(request_data(SAMPLE, practitioner__name__family=title)).encode()
        product.dropped.put_object(Key="in/one/request.json", Body=body)
    newer = product.builder.dropped("drop", "in/one/request.json", "2", product.clock(), "02")
    older = product.builder.dropped("drop", "in/one/request.json", "1", product.clock(), "01")
    assert (newer.status, older.status) == (Status.BUILT, Status.SUPERSEDED)
    product.dropped.put_object(Key="in/one/request.json", Body=product.dropped.objects["in/one/request.json"])
    copied = product.builder.dropped("drop", "in/one/request.json", "3", product.clock(), "03")
    assert product.repeats(copied) == product.request_of(newer)


def test_a_copy_of_what_was_refused_is_looked_at_anew(product: Copied) -> None:
    product.dropped.put_object(Key="in/one/request.json", Body=json.dumps(request_data(SAMPLE)).encode())
    assert product.announce("in/one/request.json").status is Status.INVALID
    assert product.drops().status is Status.BUILT
    broken = product.drops("in/three", patient__nhs_number="9658218873", encounter="x", organisation__ods_code="Z99")
    assert broken.status is Status.INVALID
    assert product.copies("in/three").status is Status.INVALID


def test_a_copy_of_a_held_request_leaves_it_where_it_is() -> None:
    product = Copied(WINDOW)
    held = product.drops()
    product.clock.advance(timedelta(hours=1))
    assert product.repeats(product.copies()) == held.message_id
    product.later(WINDOW)
    (message,) = product.messages(held)
    assert (message.status, message.version) == (Status.SENT, 1)
    product.clock.advance(MONTH)
    assert product.repeats(product.copies()) == held.message_id


def test_a_held_request_that_was_refused_at_its_release_can_be_dropped_again() -> None:
    product = Copied(WINDOW)
    held = product.drops()
    product.evidence.request = None  # type: ignore[method-assign,assignment]
    product.builder.give_up(held.message_id, "TypeError")
    assert product.status(held) is Status.INVALID
    assert product.copies().status is Status.HELD


@pytest.mark.parametrize("sent", [True, False])
def test_a_copy_of_a_withdrawal_withdraws_nothing_that_came_after_it(product: Copied, sent: bool) -> None:
    if sent:
        reported(product)
    body = json.dumps(request_data("withdrawal") | {"encounter": request_data(SAMPLE)["encounter"]}).encode()
    product.dropped.put_object(Key="gone/request.json", Body=body)
    first = product.announce("gone/request.json")
    told = product.notified()
    product.clock.advance(timedelta(minutes=10))
    report = reported(product, folder="in/two")
    product.clock.advance(MONTH)
    assert product.repeats(product.copies("gone")) == first.message_id
    assert product.status(report) is Status.SENT
    assert product.notified() == told


def test_a_copy_of_a_withdrawn_report_is_not_sent(product: Copied) -> None:
    product.drops()
    body = json.dumps(request_data("withdrawal") | {"encounter": request_data(SAMPLE)["encounter"]}).encode()
    product.dropped.put_object(Key="gone/request.json", Body=body)
    product.announce("gone/request.json")
    product.clock.advance(MONTH)
    copied = product.copies()
    assert product.notified()[-1] == "A later request was not sent", "a person knows whether it was meant"
    product.works()
    assert (product.status(copied), product.mesh.sent) == (Status.SUPERSEDED, [])


def test_files_of_ready_resources_are_part_of_the_content(product: Copied) -> None:
    ready = "send-document-2.0-discharge"
    for name in ("discharge.pdf", "medicines.pdf"):
        product.dropped.put_object(Key=f"in/one/{name}", Body=(REQUESTS / ready / name).read_bytes())
    condition = request_data(ready)["resources"][0]
    by_key = {name: value for name, value in condition.items() if name != "content"} | {"key": "condition.json"}
    content = json.loads(condition["content"])
    product.dropped.put_object(Key="in/one/condition.json", Body=json.dumps(content).encode())
    first = product.drops(name=ready, resources=[by_key])
    assert first.status is Status.BUILT
    product.clock.advance(timedelta(minutes=10))
    assert product.repeats(product.copies()) == product.request_of(first)
    product.dropped.put_object(Key="in/one/condition.json", Body=json.dumps(content, indent=1).encode())
    changed = product.copies()
    assert product.row(changed.message_id).version == 2


def test_a_message_is_claimed_once_where_two_copies_are_built_at_once(product: Copied) -> None:
    product.drops("in/zero", encounter="another")
    product.dropped.put_object(Key="in/one/report.pdf", Body=PDF)
    for _ in range(2):
        product.dropped.put_object(Key="in/one/request.json", Body=json.dumps(request_data(SAMPLE)).encode())
    look_up, built = product.builder.lookup, list[BuildResult]()

    def meanwhile(*asked: Any) -> Any:
        """Another builder receives the second copy, after this one read the content and before it claims."""
        if not built:
            built.append(BuildResult("", Status.BUILT))
            built[0] = product.announce("in/one/request.json", version="2")
        return look_up(*asked)

    product.builder = replace(product.builder, lookup=meanwhile)
    with pytest.raises(LedgerBusyError):
        product.announce("in/one/request.json", version="1")
    copied = product.announce("in/one/request.json", version="1")
    assert product.repeats(copied) == product.request_of(built[0])
    assert len(product.queue.take()) == 2


def test_a_request_that_two_builders_build_at_once_does_not_repeat_itself(product: Copied) -> None:
    key = "in/one/request.json"
    product.dropped.put_object(Key="in/one/report.pdf", Body=PDF)
    product.dropped.put_object(Key=key, Body=json.dumps(request_data(SAMPLE)).encode())
    built = list[BuildResult]()

    def meanwhile(_key: str, version: str | None, field: str, _since: Any) -> str | None:
        """Another builder takes the request, after this one saw that nobody had, and before it reads the content."""
        if field == "documents[0]" and not built:
            built.append(BuildResult("", Status.BUILT))
            built[0] = product.announce(key)
        return version

    product.builder = replace(product.builder, scanned=meanwhile)
    assert product.announce(key) == built[0]
    assert built[0].status is Status.BUILT
    assert set(product.queue.take()) == {built[0].message_id}


def test_the_document_version_that_another_builder_claimed_is_sent(product: Copied) -> None:
    """Also where the two messages are equal but for the documents: both are built within a second."""
    key = "in/one/request.json"
    product.dropped.put_object(Key="in/one/report.pdf", Body=PDF)
    product.dropped.put_object(Key=key, Body=json.dumps(request_data(SAMPLE)).encode())
    look_up, killed = product.builder.lookup, list[bool]()

    def meanwhile(*asked: Any) -> Any:
        """Another builder finds a newer document and claims it, and is killed before it stores the message."""
        if not killed:
            killed.append(True)
            product.dropped.put_object(Key="in/one/report.pdf", Body=OTHER_PDF)
            with pytest.raises(Died), patch.object(product.outbox, "put", side_effect=Died):
                product.announce(key)
        return look_up(*asked)

    product.builder = replace(product.builder, lookup=meanwhile)
    built = product.announce(key)
    assert base64.b64encode(OTHER_PDF) in product.message(built.message_id)

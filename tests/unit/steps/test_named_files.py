"""A message carries the right patient's documents, also where a sender reuses a key for several patients."""

import base64
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.ledger.received_objects import KNOWN_FOR
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.steps import message_pipeline
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.waiting import NotReadyError, require_ready
from tests.examples import request_data
from tests.fakes.product import PDF, SAMPLE, Product

SECOND, WAIT = timedelta(seconds=1), timedelta(minutes=10)


def report_of(encounter: str) -> bytes:
    return PDF + f"\n%{encounter}\n".encode()


class OneFolder(Product):
    """A sender that uses one folder for every request, and a builder that comes when it comes."""

    at = "in/"

    def __init__(self) -> None:
        super().__init__(drop=None, hold_window_seconds=0)
        self.builder = replace(self.builder, document_wait=WAIT)
        self.dropped_at: dict[str, tuple[str, datetime]] = {}

    def file(self, encounter: str) -> None:
        self.dropped.put_object(Key=f"{self.at}report.pdf", Body=report_of(encounter))

    def request(self, encounter: str, label: str = "", **changes: object) -> None:
        body = json.dumps(request_data(SAMPLE, encounter=encounter, **changes)).encode()
        version = self.dropped.put_object(Key=f"{self.at}request.json", Body=body)["VersionId"]
        self.dropped_at[label or encounter] = version, self.clock()

    def build(self, label: str) -> BuildResult:
        version, at = self.dropped_at[label]
        return self.builder.dropped("drop", f"{self.at}request.json", version, at, f"{int(version):018X}")

    def has_sent(self, encounter: str, *, ago: timedelta) -> None:
        self.file(encounter)
        self.request(encounter)
        self.build(encounter)
        self.clock.advance(ago)

    def build_after_the_wait(self, label: str) -> BuildResult:
        with pytest.raises(NotReadyError):
            self.build(label)
        self.clock.advance(WAIT)
        return self.build(label)

    def carries(self, built: BuildResult, encounter: str) -> bool:
        return base64.b64encode(report_of(encounter)) in self.message(built.message_id)

    def why(self, refused: BuildResult) -> str:
        assert refused.status is Status.INVALID
        return str(self.row(refused.message_id).history.events)


@pytest.fixture
def folder() -> OneFolder:
    return OneFolder()


def test_the_next_patients_report_that_came_before_the_builder_is_not_sent_with_this_request(folder: OneFolder) -> None:
    folder.file("A")
    folder.request("A")
    folder.clock.advance(5 * SECOND)
    folder.file("B")
    first = folder.build("A")
    folder.request("B")
    assert folder.carries(first, "A")
    assert folder.carries(folder.build("B"), "B")


def test_the_last_patients_report_is_awaited_for_and_then_refused_not_sent(folder: OneFolder) -> None:
    folder.has_sent("A", ago=timedelta(days=1))
    folder.request("B")
    assert "belongs to a request of another encounter" in folder.why(folder.build_after_the_wait("B"))


def test_the_own_report_that_comes_after_the_request_takes_the_last_patients_place(folder: OneFolder) -> None:
    folder.has_sent("A", ago=timedelta(days=1))
    folder.request("B")
    with pytest.raises(NotReadyError):
        folder.build("B")
    folder.clock.advance(30 * SECOND)
    folder.file("B")
    assert folder.carries(folder.build("B"), "B")


@pytest.mark.parametrize("change", [{"practitioner__name__family": "Another"}, {}], ids=["a change", "the same bytes"])
@pytest.mark.parametrize("document", ["no document", "before the build", "after the build"])
def test_a_correction_waits_for_its_document_and_keeps_the_old_one_only_where_none_comes(
    folder: OneFolder, change: dict[str, object], document: str
) -> None:
    """`aws s3 sync` uploads the small request before the large document (ADR 46)."""
    folder.has_sent("A", ago=timedelta(hours=1))
    folder.request("A", "correction", **change)
    if document == "after the build":
        with pytest.raises(NotReadyError):
            folder.build("correction")
    if document != "no document":
        folder.clock.advance(20 * SECOND)
        folder.dropped.put_object(Key="in/report.pdf", Body=report_of("corrected"))
    corrected = folder.build_after_the_wait("correction")
    if document == "no document" and not change:
        assert corrected.status is Status.NOT_REQUIRED, "a copy of the request is a repeat"
    else:
        assert folder.row(corrected.message_id).version == 2
        assert folder.carries(corrected, "A" if document == "no document" else "corrected")


def test_a_document_is_not_the_corrections_where_a_later_request_was_dropped(folder: OneFolder) -> None:
    folder.has_sent("A", ago=timedelta(hours=1))
    folder.request("A", "correction", practitioner__name__family="Another")
    folder.clock.advance(20 * SECOND)
    folder.file("B")
    folder.clock.advance(SECOND)
    folder.request("B")
    assert "it is not certain which content it means" in folder.why(folder.build_after_the_wait("correction"))


@pytest.mark.parametrize("at", ["in/", ""], ids=["in a folder", "in the root"])
def test_a_request_that_an_operator_resubmits_never_takes_what_another_encounter_received(
    folder: OneFolder, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    folder.at = at
    folder.file("A")
    folder.request("A", organisation__ods_code="Z99")
    refused = folder.build("A")
    folder.clock.advance(timedelta(hours=1))
    folder.has_sent("B", ago=timedelta(minutes=1))
    monkeypatch.setattr(message_pipeline, "broken_rules", lambda *_: [])  # the setting that refused it is corrected
    folder.sends_again(ids=(refused.message_id,))
    [again] = folder.resubmitted.take()
    assert "belongs to a request of another encounter" in folder.why(folder.builder.resubmitted(again))


def test_a_document_that_a_refused_request_received_never_goes_with_another_encounter(folder: OneFolder) -> None:
    folder.file("A")
    folder.request("wrong", organisation__ods_code="Z99")
    assert folder.build("wrong").status is Status.INVALID
    folder.clock.advance(timedelta(minutes=3))
    folder.request("next patient")
    assert "belongs to a request of another encounter" in folder.why(folder.build_after_the_wait("next patient"))
    folder.file("B")
    folder.request("with its own")
    assert folder.carries(folder.build("with its own"), "B")


@pytest.mark.parametrize("same_content", [True, False])
def test_two_reports_in_the_second_of_the_request_are_one_only_if_they_are_equal(
    folder: OneFolder, same_content: bool
) -> None:
    folder.file("A")
    folder.request("A")
    folder.file("A" if same_content else "B")
    if same_content:
        assert folder.carries(folder.build("A"), "A")
    else:
        assert "it is not certain which content it means" in folder.why(folder.build_after_the_wait("A"))


def test_a_report_of_the_same_second_that_another_request_received_leaves_no_choice_of_a_later_one(
    folder: OneFolder,
) -> None:
    """The version before is this request's if the other's came after it, and is not if it came before."""
    folder.file("A")
    folder.clock.advance(SECOND)
    folder.request("A")
    folder.file("B")
    folder.clock.advance(SECOND)
    folder.request("B")
    assert folder.carries(folder.build("B"), "B")
    folder.clock.advance(SECOND)
    folder.file("C")
    assert "it is not certain which content it means" in folder.why(folder.build_after_the_wait("A"))


STEPS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.booleans(), st.sampled_from([0, 1, 30]), st.sampled_from([0, 1, 30])),
    min_size=2,
    max_size=5,
)


@settings(deadline=None)  # the builder renders and hashes
@given(requests=STEPS, data=st.data())
def test_no_message_ever_carries_another_encounters_report(
    requests: list[tuple[str, bool, int, int]], data: st.DataObject
) -> None:
    """The sender puts file and request in either order; the builder comes in between, late, repeatedly, out of order.

    Two cases are left out, which the hazard log (H1) names: a request that comes before its file while an earlier one
    waits to be built, and a file that comes in the second of a correction that is dropped before it.
    """
    folder = OneFolder()
    labels: list[str] = []
    seen: list[str] = []
    built: dict[str, BuildResult] = {}

    def may_build() -> None:
        for label in data.draw(st.lists(st.sampled_from(labels), max_size=3)) if labels else ():
            build(label)

    def build(label: str) -> None:
        try:
            built[label] = folder.build(label)
        except NotReadyError:
            return

    def put(what: str, encounter: str, label: str) -> None:
        if what == "file":
            folder.file(encounter)
        else:
            folder.request(encounter, label)
            labels.append(label)

    for number, (encounter, file_first, before, between) in enumerate(requests):
        label, corrected = f"{number}{encounter}", bool(seen) and seen[-1] in seen[:-1]
        order = (
            ["file", "request"]
            if file_first or any(earlier not in built for earlier in labels)
            else ["request", "file"]
        )
        seen.append(encounter)
        for what, gap in zip(order, (before or int(corrected), between), strict=True):
            folder.clock.advance(gap * SECOND)
            put(what, encounter, label)
            may_build()
    folder.clock.advance(WAIT)
    for label in labels:
        build(label)
        assert label in built, "it waits for ever"
        if built[label].message_id in folder.stored_messages:
            assert folder.carries(built[label], label[1])


LONG_AGO = KNOWN_FOR + timedelta(days=2)


def forget_receivers(folder: OneFolder) -> None:
    """DynamoDB removes what has expired."""
    for pk, sk in folder.table.item_keys():
        if sk.startswith("RECEIVED#"):
            folder.table.delete_item(Key={"pk": {"S": pk}, "sk": {"S": sk}})


def test_a_report_that_is_too_old_to_know_whose_it_is_is_refused_not_sent(folder: OneFolder) -> None:
    folder.has_sent("A", ago=LONG_AGO)
    forget_receivers(folder)
    folder.request("B")
    assert "was put more than 60 days ago" in folder.why(folder.build_after_the_wait("B"))
    assert folder.received_by("in/report.pdf") is None


def test_the_own_report_takes_the_place_of_one_that_is_too_old_to_know_whose_it_is(folder: OneFolder) -> None:
    folder.has_sent("A", ago=LONG_AGO)
    forget_receivers(folder)
    folder.request("B")
    with pytest.raises(NotReadyError):
        folder.build("B")
    folder.clock.advance(30 * SECOND)
    folder.file("B")
    assert folder.carries(folder.build("B"), "B")


def test_a_leaflet_that_requests_on_the_queue_share_may_be_old(folder: OneFolder) -> None:
    folder.file("leaflet")
    folder.clock.advance(LONG_AGO)
    documents = request_data(SAMPLE)["documents"]
    documents[0]["key"] = "in/report.pdf"
    assert folder.carries(folder.asks(documents=documents), "leaflet")


def test_of_the_files_before_the_second_of_the_request_only_the_last_can_be_meant(folder: OneFolder) -> None:
    for encounter in ("another", "A"):
        folder.file(encounter)
        folder.clock.advance(30 * SECOND)
    folder.request("A")
    folder.file("A")
    assert folder.carries(folder.build("A"), "A")


@pytest.mark.parametrize(
    ("waited", "seconds"),
    [(0, 15), (20, 20), (299, 299), (400, 200), (590, 10), (599.7, 1)],
)
def test_a_request_waits_as_long_as_it_waited_within_limits(waited: float, seconds: float) -> None:
    with pytest.raises(NotReadyError) as error:
        require_ready("not yet", timedelta(seconds=waited), WAIT)
    assert error.value.again_in == timedelta(seconds=seconds)


def test_a_request_that_waited_long_enough_waits_no_longer() -> None:
    require_ready("not yet", WAIT, WAIT)

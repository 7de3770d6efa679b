"""A document for another care provider: two messages with separate ledger rows, lookups and outcomes."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gpconnect_messaging import assembly
from gpconnect_messaging.conformance import Finding
from gpconnect_messaging.conformance.checks.check import Level as Binding
from gpconnect_messaging.conformance.validation import Verdict as Judged
from gpconnect_messaging.itk3.compose import ComposedMessage
from gpconnect_messaging.itk3.response_codes import Level, Verdict
from gpconnect_messaging.itk3.responses import Outcome
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import Refused, RetryLater
from gpconnect_messaging.mesh.models import ReceivedMessage
from gpconnect_messaging.notifications import write
from gpconnect_messaging.pds.answers import Practice
from gpconnect_messaging.steps.lookup import Registration
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.send import NotAuthorisedError, PostponedError
from tests.examples import REQUESTS, request_data
from tests.fakes.mesh import Mood
from tests.fakes.product import Product
from tests.identifiers import IDENTIFIERS

PHARMACY = "online-consultation-1.5-pharmacy"
FAULT = Finding(
    id="GPCM-SD-039", specification="1.5", level=Binding.MUST, verdict=Judged.BROKEN, looks_at="", path="Composition",
    line=0, message="names nothing",
)  # fmt: skip


class TwoRecipients(Product):
    """The product with a request for a pharmacy, which the registered practice gets, too."""

    def __init__(self, folder: Path = REQUESTS / PHARMACY) -> None:
        super().__init__(sample=PHARMACY, drop=folder, hold_window_seconds=0)
        self.mesh.directory["FA565"] = ("FA565OT001",)

    def built(self, version: str = "1") -> BuildResult:
        """The request is dropped once more up to this version, never with the same content, and announced."""
        while self.newest("request.json") < version:
            self.put("request.json", self.dropped.objects["request.json"] + b" ")
        return self.builder.dropped("drop", "request.json", version, None, f"{int(version):04}")

    def answered(self, message_id: str, code: str, level: Level, verdict: Verdict) -> None:
        """A response comes to a message."""
        outcomes = (Outcome(level=level, verdict=verdict, code=code),)
        response = type("Response", (), {"outcomes": outcomes, "sender_ods_code": "A20047"})
        for mesh_message_id in self.row(message_id).history.mesh_message_ids:
            went = ledger_events.routed(at=self.clock(), mesh_message_id=mesh_message_id, mailbox="A20047OT001")
            self.ledger.record(message_id, went)
        events = self.poller._responses(
            ReceivedMessage(message_id=f"R{code}{message_id}", sender="A20047OT001"), cast("Any", response), (), ""
        )
        self.poller._record("Y90002OT001", f"R{code}", "key", (self.row(message_id), events))


@pytest.fixture
def product() -> TwoRecipients:
    return TwoRecipients()


def subject(kind: NotificationType) -> str:
    return write(kind, {})[0].removeprefix("GP Connect Messaging: ")


@pytest.mark.requirement("FHIR-MR-01", "GPCM-SD-OC-141", "GPCM-SD-OC-142")
def test_each_recipient_has_a_message_a_row_and_a_place_on_the_queue(product: TwoRecipients) -> None:
    built = product.built()
    (copy,) = built.copies
    assert product.queue.waiting == [built.message_id, copy.message_id]
    to_pharmacy, to_practice = product.row(built.message_id), product.row(copy.message_id)
    assert (to_pharmacy.recipient, to_practice.recipient) == ("organisation/FA565", "registered-practice")
    assert to_pharmacy.version == to_practice.version == 1
    assert to_pharmacy.encounter == to_practice.encounter


def test_a_request_that_is_given_up_half_way_names_the_message_that_is_sent(
    product: TwoRecipients, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, queued = product.send_queue.put, list[str]()

    def failing_at_the_second(message_id: str, *of: Any) -> None:
        if queued:
            raise TypeError
        queued.append(message_id)
        put(message_id, *of)

    monkeypatch.setattr(product.send_queue, "put", failing_at_the_second)
    with pytest.raises(TypeError):
        product.built()
    request_id = str(IDENTIFIERS.dropped_request_id("drop", "request.json", "1"))
    given_up = product.builder.give_up(request_id, "TypeError")
    (event,) = product.row(given_up.message_id).history.of(EventType.REQUEST_REFUSED)
    encounter = product.ledger.encounter_of(request_id)
    assert encounter is not None
    built = encounter.versions[0].message_ids
    assert len(built) == 2
    assert event.details["reasons"] == [
        "request: could not be processed: TypeError",
        *(f"request: message {message_id} was built from it before, and is sent all the same"
          for message_id in built),
    ]  # fmt: skip
    assert product.queue.waiting == queued


def test_a_held_request_is_released_as_all_its_messages(product: TwoRecipients) -> None:
    product.mailbox = replace(product.mailbox, hold_window_seconds=600)
    held = product.built()
    product.clock.advance(timedelta(days=4))
    released = product.builder.release(held.message_id)
    (event,) = product.row(held.message_id).history.of(EventType.RELEASED)
    assert event.details["message_ids"] == [released.message_id, *(copy.message_id for copy in released.copies)]
    assert len(event.details["message_ids"]) == 2


def test_a_care_provider_that_pds_has_as_the_registered_practice_is_refused(product: TwoRecipients) -> None:
    looked = Registration(source="PDS", practice=Practice(ods_code="FA565", name=None))
    product.builder = replace(product.builder, lookup=lambda *_: looked)
    (event,) = product.row(product.built().message_id).history.of(EventType.REQUEST_REFUSED)
    assert event.details["reasons"] == [
        "care_provider.ods_code: is the registered practice, which gets the document anyway"
    ]


def test_building_again_finds_both_and_changes_nothing(product: TwoRecipients) -> None:
    first, messages = product.built(), product.stored_messages
    for key, content in list(product.dropped.objects.items()):  # the versions that were read first stay
        if key != "request.json":
            product.put(key, content + b" ")
    assert product.built() == first
    assert product.stored_messages == messages
    assert {version for key, version in product.dropped.read if key != "request.json"} == {"1"}


def test_each_message_has_a_lifecycle_of_its_own(product: TwoRecipients) -> None:
    built = product.built()
    copy = built.copies[0].message_id
    assert product.sender.send(copy) is Status.SENT
    product.answered(copy, "30002", Level.BUSINESS, Verdict.NEGATIVE)
    assert product.row(copy).status is Status.REJECTED
    assert product.row(built.message_id).status is Status.BUILT


@pytest.mark.requirement("GPCM-SD-OC-159", "GPCM-SD-GE-286")
def test_the_one_mailbox_that_mesh_names_gets_the_message(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    assert product.sender.send(message_id) is Status.SENT
    assert product.mesh.looked_up == [("FA565", "GPFED_CONSULT_REPORT")]
    assert product.mesh.addresses == ["FA565OT001"]
    (accepted,) = product.row(message_id).history.of(EventType.UPLOAD_ACCEPTED)
    assert accepted.details["resolved_mailbox"] == "FA565OT001"


def test_the_registered_practice_is_never_looked_up(product: TwoRecipients) -> None:
    product.sender.send(product.built().copies[0].message_id)
    assert product.mesh.looked_up == []
    assert product.mesh.addresses == ["GPPROVIDER_9658218881_19210808_LEACH"]


@pytest.mark.parametrize("mailboxes", [(), ("FA565OT001", "FA565OT002"), ("Not\na mailbox",)])
def test_none_or_several_mailboxes_end_it_and_a_person_is_told(
    product: TwoRecipients, mailboxes: tuple[str, ...]
) -> None:
    message_id = product.built().message_id
    product.mesh.directory["FA565"] = mailboxes
    assert product.sender.send(message_id) is Status.REFUSED
    assert product.notified() == [subject(NotificationType.UNRESOLVED)]
    assert product.mesh.sent == []
    (event,) = product.row(message_id).history.of(EventType.RECIPIENT_UNRESOLVED)
    assert event.details["mailboxes"] == len(mailboxes)
    assert product.sender.send(message_id) is Status.REFUSED, "the queue bringing it again changes nothing"
    assert product.row(message_id).history.possible_copies == 0


def test_a_lookup_that_mesh_is_too_busy_for_is_tried_again(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    product.mesh.failures["endpoint_lookup"] = RetryLater("endpoint lookup", "answered 503", status=503)
    with pytest.raises(PostponedError):
        product.sender.send(message_id)
    product.mesh.failures.clear()
    assert product.sender.send(message_id) is Status.SENT
    assert product.row(message_id).history.attempts == 2
    assert product.row(message_id).history.possible_copies == 1


def test_a_busy_mesh_is_left_alone_for_as_long_as_it_asks_however_often_the_queue_brings_the_message(
    product: TwoRecipients,
) -> None:
    message_id = product.built().message_id
    product.mesh.failures["endpoint_lookup"] = RetryLater("endpoint lookup", "answered 429", status=429, retry_after=90)
    with pytest.raises(PostponedError):
        product.sender.send(message_id)
    product.mesh.failures.clear()
    product.clock.advance(timedelta(seconds=89))
    assert product.sender.send(message_id) is Status.BUILT
    assert len(product.mesh.looked_up) == 1
    product.clock.advance(timedelta(seconds=1))
    assert product.sender.send(message_id) is Status.SENT


def test_a_busy_mesh_that_asks_for_a_day_is_asked_again_in_time_for_a_person_to_be_told(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    product.mesh.failures["endpoint_lookup"] = RetryLater(
        "endpoint lookup", "answered 429", status=429, retry_after=86_400
    )
    with pytest.raises(PostponedError):
        product.sender.send(message_id)
    product.mesh.failures.clear()
    product.clock.advance(timedelta(minutes=14))
    assert product.sender.send(message_id) is Status.BUILT
    product.clock.advance(timedelta(minutes=1))
    assert product.sender.send(message_id) is Status.SENT


def test_a_secret_that_becomes_unusable_under_way_is_told_and_makes_nothing_uncertain(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    product.mesh.failures["endpoint_lookup"] = CredentialsError("the password of mailbox Y90001OT001 is empty")
    with pytest.raises(NotAuthorisedError, match="the password of mailbox"):
        product.sender.send(message_id)
    assert product.row(message_id).status is Status.BUILT
    product.mesh.failures.clear()
    assert product.sender.send(message_id) is Status.SENT
    assert product.row(message_id).history.possible_copies == 1


def test_a_lookup_that_mesh_refuses_is_final(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    product.mesh.failures["endpoint_lookup"] = Refused("endpoint lookup", "answered 400", status=400)
    assert product.sender.send(message_id) is Status.REFUSED
    assert product.notified() == [subject(NotificationType.REFUSED)]


def test_a_mailbox_that_mesh_takes_nothing_for_is_looked_up_afresh_next_time(product: TwoRecipients) -> None:
    message_id = product.built().message_id
    product.mesh.mood = Mood.REFUSES
    assert product.sender.send(message_id) is Status.REFUSED
    assert product.connections.forgotten == product.mesh.looked_up != []


@pytest.mark.requirement("GPCM-SD-037")
def test_a_replacement_after_a_day_is_sent_and_the_advice_against_it_recorded(product: TwoRecipients) -> None:
    advice = []
    for version, hours in (("1", 0), ("2", 24), ("3", 24.5)):
        product.clock.time = datetime(2026, 11, 20, 22, 0, tzinfo=UTC) + timedelta(hours=hours)
        built = product.built(version)
        assert built.status is Status.BUILT
        for message in (built, *built.copies):
            (event,) = product.row(message.message_id).history.of(EventType.BUILT)
            advice.append([found for found in event.details.get("advice", []) if found.startswith("GPCM-SD-037")])
    assert advice[:4] == [[]] * 4
    assert [len(found) for found in advice[4:]] == [1, 1]


@pytest.mark.requirement("FHIR-V&V-01")
def test_a_replacement_is_checked_as_it_is_stored_and_not_only_the_trial_before_it(
    product: TwoRecipients, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken_by_replacing(written: ComposedMessage, *_: object) -> list[Finding]:
        broken = any(b"<relatesTo>" in piece for piece in written.pieces if isinstance(piece, bytes))
        return [FAULT] if broken else []

    monkeypatch.setattr(assembly, "broken_requirements", broken_by_replacing)
    assert product.built("1").status is Status.BUILT
    refused = product.built("2")
    assert refused.status is Status.INVALID
    (event,) = product.row(refused.message_id).history.of(EventType.REQUEST_REFUSED)
    assert event.details["reasons"] == ["GPCM-SD-039: names nothing (Composition)"]
    assert len(product.stored_messages) == 2


@pytest.mark.requirement("FHIR-DOC-01", "GPCM-C-01", "GPCM-C-1")
def test_what_was_sent_stays_on_record_with_its_document_and_the_time_and_the_number_that_mesh_gave_it(
    product: TwoRecipients,
) -> None:
    message_id = product.built().message_id
    product.clock.time += timedelta(minutes=2)
    product.sender.send(message_id)
    record = product.row(message_id)
    (sent,) = record.history.of(EventType.UPLOAD_ACCEPTED)
    (built,) = record.history.of(EventType.BUILT)
    assert (sent.at.replace(microsecond=0), sent.details["mesh_message_id"]) == (
        product.clock.time.replace(microsecond=0),
        "OUT000001",
    )
    assert built.details["sha256"] == hashlib.sha256(product.message(message_id)).hexdigest()
    assert product.mesh.addresses == ["FA565OT001"]


@pytest.mark.requirement("1.5:GPCM-SD-035", "GPCM-SD-128")
def test_a_replacement_that_cannot_be_processed_voids_what_it_replaced_at_that_recipient(
    product: TwoRecipients,
) -> None:
    (first, second, third) = (product.built(version) for version in "123")
    for built in (first, second):
        assert product.sender.send(built.copies[0].message_id) is Status.SENT
    product.answered(first.copies[0].message_id, "20013", Level.INFRASTRUCTURE, Verdict.POSITIVE)
    product.answered(first.copies[0].message_id, "30001", Level.BUSINESS, Verdict.POSITIVE)
    product.answered(second.copies[0].message_id, "20014", Level.INFRASTRUCTURE, Verdict.NEGATIVE)
    assert product.row(second.copies[0].message_id).status is Status.REJECTED
    assert product.row(first.copies[0].message_id).status is Status.REJECTED
    assert subject(NotificationType.VOIDED) in product.notified()
    for untouched in (third.copies[0], first, second):
        assert product.row(untouched.message_id).status is Status.BUILT


@pytest.mark.requirement("1.5:GPCM-SD-035", "GPCM-SD-128")
def test_what_never_left_cannot_be_void(product: TwoRecipients) -> None:
    first, second = product.built("1"), product.built("2")
    product.mesh.mood = Mood.REFUSES
    assert product.sender.send(first.copies[0].message_id) is Status.REFUSED
    product.mesh.mood = Mood.TAKES
    assert product.sender.send(second.copies[0].message_id) is Status.SENT
    product.answered(second.copies[0].message_id, "20014", Level.INFRASTRUCTURE, Verdict.NEGATIVE)
    assert product.row(first.copies[0].message_id).status is Status.REFUSED
    assert subject(NotificationType.VOIDED) not in product.notified()


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ({"key": "no-such-file.json"}, "resources[0].key: names no file in the drop bucket (letter case counts)"),
        ({"content": "{}"}, "resources[0]: must be one resource of "),
        (
            {"content": '{"resourceType": "Task", "status": "requested", "intent": "order",'
                        ' "focus": {"reference": "Task/2"}}'},
            "resources[0]: Task.focus.reference: refers to nothing in this message",
        ),
    ],
)  # fmt: skip
def test_a_ready_resource_that_does_not_fit_makes_the_request_invalid(
    tmp_path: Path, resource: dict[str, str], reason: str
) -> None:

    for name in ("report.pdf", "letter.pdf"):
        (tmp_path / name).write_bytes((REQUESTS / PHARMACY / name).read_bytes())
    resources = [{"content_type": "application/fhir+json", **resource}]
    (tmp_path / "request.json").write_text(json.dumps(request_data(PHARMACY, resources=resources)), encoding="utf-8")
    product = TwoRecipients(tmp_path)
    built = product.built()
    assert built.status is Status.INVALID
    (event,) = product.row(built.message_id).history.of(EventType.REQUEST_REFUSED)
    assert event.details["reasons"][0].startswith(reason)


def test_what_a_label_calls_restricted_is_not_sent(tmp_path: Path) -> None:

    for file in (REQUESTS / PHARMACY).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    allergy = json.loads((tmp_path / "allergy.json").read_bytes())
    allergy["meta"] = {"security": [{"system": "http://hl7.org/fhir/v3/Confidentiality", "code": "R"}]}
    (tmp_path / "allergy.json").write_text(json.dumps(allergy), encoding="utf-8")
    product = TwoRecipients(tmp_path)
    built = product.built()
    assert built.status is Status.BUILT
    assert all(b"AllergyIntolerance" not in raw for raw in product.stored_messages.values())

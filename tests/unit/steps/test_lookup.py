"""What PDS says decides what becomes of a request: through the build step, the sweep and an operator."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.settings import Release
from gpconnect_messaging.pds.errors import Unavailable
from gpconnect_messaging.steps.lookup import Lookup, LookupNotConfiguredError, Registration
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from tests.examples import a_request
from tests.fakes.pds import World
from tests.fakes.product import WINDOW, Product

WRIGHT = "9658218865"
MILLBROOK = {"source": "PDS", "ods_code": "A20047", "name": "Millbrook Surgery", "nhs_number_status": "01"}
NOTHING: dict[str, Any] = {"hold_window_seconds": 0}
WHEN = pytest.mark.parametrize("window", [NOTHING, {}], ids=["at arrival", "at release"])


class Asking(Product):
    """A product whose mailbox asks PDS."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.pds = World(clock=self.clock)
        lookup = Lookup(evidence=self.evidence, directory=lambda: self.pds.client, now=self.clock)
        self.builder = replace(self.builder, lookup=lookup)

    def asks_for(self, nhs_number: str, family: str, birth_date: str, **changes: Any) -> BuildResult:
        patient = {"nhs_number": nhs_number, "birth_date": birth_date, "name__family": family}
        return self.asks(**({f"patient__{name}": value for name, value in patient.items()} | changes))

    def asks_until_answered(self, nhs_number: str, family: str, birth_date: str) -> BuildResult:
        """A request that PDS is asked about: when it comes, or when its hold window is over."""
        request = self.asks_for(nhs_number, family, birth_date)
        if self.mailbox.hold_window_seconds:
            assert (request.status, self.pds.seen) == (Status.HELD, [])
            self.later(WINDOW)
        return replace(request, status=self.status(request))

    def moves(self, nhs_number: str, ods_code: str) -> None:
        """A patient registers with another practice."""
        people = dict(self.pds.pds.people)
        people[nhs_number] = {**people[nhs_number], "practices": [{"ods_code": ods_code, "start": "2026-01-01"}]}
        self.pds.pds.people = people

    def renames(self, nhs_number: str, family: str) -> None:
        """PDS learns of another family name."""
        people = dict(self.pds.pds.people)
        self.pds.pds.people = people | {nhs_number: {**people[nhs_number], "family": family}}

    def registration(self, message: BuildResult) -> dict[str, Any]:
        return dict(self.row(message.message_id).history.registration)

    def registration_of_a_request(self) -> dict[str, Any]:
        return self.registration(self.asks())

    def everything_kept_in_view(self) -> str:
        """All that ledger and notifications hold, but for the sender's own words."""
        items = [{name: value for name, value in item.items() if name != "encounter"} for item in
                 self.table.items.values()]  # fmt: skip
        return repr(items) + repr(self.topic.published)


@pytest.mark.requirement("GPCM-SD-CS-072", "GPCM-SD-084")
def test_the_practice_that_pds_names_is_kept_beside_the_message() -> None:
    product = Asking(**NOTHING)
    message = product.asks()
    assert message.status is Status.BUILT
    assert product.registration(message) == MILLBROOK
    (built,) = product.row(message.message_id).history.of(EventType.BUILT)
    assert built.details["to_organisation"] == "A20047", "who else answers is suspicious"


@pytest.mark.requirement("GPCM-SD-CS-072", "GPCM-SD-084")
def test_pds_is_believed_about_the_practice_and_the_requests_own_word_is_not() -> None:
    product = Asking(**NOTHING)
    product.moves(WRIGHT, "B82617")
    message = product.asks(registered_practice={"ods_code": "A20047", "name": "Millbrook Surgery"})
    assert product.registration(message) == {"source": "PDS", "ods_code": "B82617", "nhs_number_status": "01"}
    (built,) = product.row(message.message_id).history.of(EventType.BUILT)
    assert built.details["to_organisation"] == "B82617"


def test_without_pds_the_ledger_says_whose_word_was_taken() -> None:
    product = Product(**NOTHING)
    message = product.asks()
    assert dict(product.row(message.message_id).history.registration) == MILLBROOK | {
        "source": "the request",
        "nhs_number_status": "02",
    }


@pytest.mark.requirement("FHIR-PDS-10")
@pytest.mark.parametrize(
    ("asks", "stated", "status"),
    [
        (None, {}, "01"),
        (None, {"patient__nhs_number_status": "04"}, "01"),
        (False, {}, "02"),
        (False, {"patient__nhs_number_status": "01"}, "01"),
        (False, {"patient__nhs_number_status": "06"}, "06"),
    ],
)
def test_the_verification_status_says_what_was_really_done(
    asks: bool | None, stated: dict[str, Any], status: str
) -> None:
    product = Asking(pds_lookup=asks, **NOTHING)
    message = product.asks(**stated)
    assert product.registration(message)["nhs_number_status"] == status
    assert f'<code value="{status}"/>' in number_of(product, message)


@pytest.mark.requirement("FHIR-PDS-02", "FHIR-PDS-10")
def test_a_number_whose_details_pds_contradicts_is_in_conflict_though_a_person_released_it() -> None:
    product = Asking(**NOTHING)
    request = product.asks_for(WRIGHT, "WRONG", "1933-11-14")
    assert product.status(request) is Status.HELD
    product.operator_actions.release(request.message_id, actor="operator")
    product.works()
    (message,) = product.messages(request)
    assert '<code value="05"/>' in number_of(product, BuildResult(message.message_id, message.status))


@pytest.mark.requirement("FHIR-PDS-02")
def test_a_patient_whom_pds_verifies_needs_no_further_description_and_another_does() -> None:
    assert Asking(**NOTHING).asks(patient__gender=None).status is Status.BUILT
    assert Asking(pds_lookup=False, **NOTHING).asks(patient__gender=None).status is Status.INVALID


@pytest.mark.parametrize(("stated", "status"), [({}, "01"), ({"patient__nhs_number_status": "02"}, "02")])
def test_a_claim_from_before_the_status_was_kept_gives_the_bytes_that_it_gave(
    stated: dict[str, Any], status: str
) -> None:
    request = a_request(**stated)
    registration = Registration.recorded({"source": "the request", "ods_code": "A20047"})
    assert registration.of(request).patient.verification == status


def number_of(product: Product, message: BuildResult) -> str:
    """The NHS number of a built message, with the extension."""
    return product.message(message.message_id).decode().partition("NHSNumberVerificationStatus-1")[2][:400]


def test_a_mailbox_asks_where_the_environment_has_a_pds_unless_it_says_otherwise() -> None:
    assert Asking(pds_lookup=None, **NOTHING).registration_of_a_request()["source"] == "PDS"
    assert Product(**NOTHING).asks().status is Status.BUILT


def test_an_organisation_that_does_not_ask_is_not_looked_up_for() -> None:
    product = Asking(pds_lookup=False, **NOTHING)
    message = product.asks()
    assert product.registration(message)["source"] == "the request"
    assert product.pds.seen == []


def test_a_mailbox_that_asks_a_pds_that_is_not_there_is_a_fault_of_the_deployment() -> None:
    product = Product(pds_lookup=True)
    with pytest.raises(LookupNotConfiguredError, match="mailbox Y90001OT001 asks PDS"):
        product.asks()


@WHEN
@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-083")
@pytest.mark.parametrize(("nhs_number", "birth_date"), [("9990000085", "1991-09-15"), ("9990000093", "1993-02-11")])
def test_a_patient_of_the_senders_own_practice_needs_no_message(
    nhs_number: str, birth_date: str, window: dict[str, Any]
) -> None:
    product = Asking(ods_code="Y90001", further_ods_codes=("Y90003", "Y90013"), **window)
    request = product.asks_until_answered(nhs_number, "Testhaven", birth_date)
    assert request.status is Status.NOT_REQUIRED
    (event,) = product.row(request.message_id).history.of(EventType.NOT_REQUIRED)
    assert event.details["requirement"] == "GPCM-SD-CS-071"


@pytest.mark.requirement("GPCM-SD-CS-071")
def test_what_is_not_certain_makes_no_message_unnecessary() -> None:
    product = Asking(further_ods_codes=("Y90003",), **NOTHING)
    held = product.asks_for("9990000085", "Anybody", "1991-09-15")
    assert held.status is Status.HELD, "it may be another patient"
    (event,) = product.row(held.message_id).history.of(EventType.HELD)
    assert event.details["why"] == "PDS has the patient's details otherwise"
    product.pds.meet("down", 9)
    own = {"ods_code": "Y90003", "name": "The sender's own"}
    assert product.asks(encounter="another", registered_practice=own).status is Status.HELD, "PDS has not said so yet"


@pytest.mark.requirement("GPCM-SD-CS-071")
def test_a_patient_who_joins_the_sender_while_the_request_is_held_needs_no_message_either() -> None:
    product = Asking(further_ods_codes=("Y90003",))
    request = product.asks()
    assert request.status is Status.HELD
    product.moves(WRIGHT, "Y90003")
    product.later(WINDOW)
    assert product.status(request) is Status.NOT_REQUIRED
    assert product.mesh.sent == []


@WHEN
@pytest.mark.requirement("FHIR-PDS-03", "FHIR-PDS-05")
@pytest.mark.parametrize(
    ("nhs_number", "family", "birth_date", "word"),
    [
        ("9990000050", "MEAKIN", "1927-06-19", "replaced"),
        ("9990000069", "ANYBODY", "1960-01-01", "invalidated"),
        ("9990000409", "ANYBODY", "1960-01-01", "unknown to PDS"),
        ("9658220142", "KEWN", "1999-10-03", "restricted"),
        ("9990000042", "TESTWICK", "1964-01-30", "restricted"),
        ("9990000077", "TESTMOOR", "1979-07-07", "no practice"),
        ("9000000009", "SMITH", "2010-10-22", "no practice"),
        ("9000000025", "SMYTHE", "2010-10-22", "restricted"),
        ("9000000033", "ANYBODY", "2010-10-22", "no practice"),
    ],
)
def test_whom_pds_leaves_without_a_practice_is_stopped_and_told(
    nhs_number: str, family: str, birth_date: str, word: str, window: dict[str, Any]
) -> None:
    product = Asking(**window)
    request = product.asks_until_answered(nhs_number, family, birth_date)
    assert request.status is Status.INVALID
    assert word in "\n".join(product.reasons(request))
    assert product.notified() == ["A request was refused"]
    assert word in product.topic.published[0]


def test_a_patient_who_has_died_is_flagged_and_sent() -> None:
    product = Asking(**NOTHING)
    message = product.asks_for("9658220290", "Bisset", "1920-03-17")
    assert message.status is Status.BUILT
    assert product.registration(message)["deceased"] is True


def test_a_patient_who_has_died_is_flagged_where_the_details_differ() -> None:
    product = Asking(**NOTHING)
    request = product.asks_for("9658220290", "Bisset", "1920-03-18")
    assert request.status is Status.HELD
    product.operator_actions.release(request.message_id, "operator-7")
    product.works()
    (message,) = product.messages(request)
    assert message.status is Status.SENT
    [built] = message.history.of(EventType.BUILT)
    assert built.details["registration"]["deceased"] is True


@pytest.mark.parametrize(
    ("family", "birth_date"), [("O'Test-Aberg", "1985-04-21"), ("OTEST ABERG", "1985-04-21")]
)  # fmt: skip
def test_ways_of_writing_a_name_make_no_difference(family: str, birth_date: str) -> None:
    assert Asking(**NOTHING).asks_for("9990000107", family, birth_date).status is Status.BUILT


@WHEN
@pytest.mark.requirement("FHIR-PDS-01")
@pytest.mark.parametrize(
    ("family", "birth_date", "fields"),
    [
        ("TESTFIELD", "1985-04-21", ["patient.name.family"]),
        ("O'TEST-ABERG", "1985-04-12", ["patient.birth_date"]),
        ("TESTFIELD", "1985-04-12", ["patient.birth_date", "patient.name.family"]),
    ],
)
def test_another_name_or_birth_date_waits_for_a_person_who_alone_sees_both(
    family: str, birth_date: str, fields: list[str], window: dict[str, Any]
) -> None:
    product = Asking(**window)
    request = product.asks_until_answered("9990000107", family, birth_date)
    assert request.status is Status.HELD
    (event,) = product.row(request.message_id).history.of(EventType.HELD)
    assert event.details["requirement"] == ("GPCM-SD-CS-072" if window else "GPCM-SD-CS-076")
    assert product.notified() == ["A patient's details differ from PDS"]
    content = product.bucket.objects[f"comparisons/{request.message_id}.json"]
    kept = json.loads(content)
    assert sorted(kept) == fields
    assert content.count(b"\n") > 3 * len(fields), "a person reads it"
    assert kept.get("patient.name.family", {"request": family})["request"] == family
    for word in (family, birth_date, "ÅBERG", "1985-04-21", "9990000107"):
        assert word not in product.everything_kept_in_view()
    product.later(timedelta(days=1))
    assert product.status(request) is Status.HELD, "no time makes it another decision"


def test_what_a_person_releases_in_spite_of_a_difference_is_sent() -> None:
    product = Asking(**NOTHING)
    request = product.asks_for("9990000107", "TESTFIELD", "1985-04-21")
    assert product.operator_actions.release(request.message_id, "operator-7") is Status.HELD
    product.works()
    assert product.status(request) is Status.RELEASED
    (message,) = product.messages(request)
    assert message.status is Status.SENT


def test_a_release_does_not_count_for_a_difference_that_nobody_knew_of() -> None:
    product = Asking(release=Release.BY_A_PERSON)
    request = product.asks()
    product.operator_actions.release(request.message_id, "operator-7")
    product.renames(WRIGHT, "WEAVER")
    product.later(WINDOW)
    assert product.status(request) is Status.HELD
    assert product.notified() == ["A request waits for a person", "A patient's details differ from PDS"]
    assert product.mesh.sent == []
    product.operator_actions.release(request.message_id, "operator-7")
    product.later(timedelta(minutes=10))
    assert product.status(request) is Status.RELEASED


def test_a_second_difference_is_told_too_since_it_waits_for_a_second_decision() -> None:
    product = Asking(**NOTHING)
    request = product.asks_for("9990000107", "TESTFIELD", "1985-04-21")
    product.operator_actions.release(request.message_id, "operator-7")
    people = dict(product.pds.pds.people)
    people["9990000107"] = {**people["9990000107"], "birth_date": "1958-04-21"}
    product.pds.pds.people = people
    product.works()
    assert product.status(request) is Status.HELD
    assert product.notified() == ["A patient's details differ from PDS", "More of a patient's details differ from PDS"]
    product.operator_actions.release(request.message_id, "operator-7")
    product.later(timedelta(minutes=10))
    assert product.status(request) is Status.RELEASED
    assert len(product.notified()) == 2


@pytest.mark.requirement("GPCM-SD-CS-071")
def test_of_two_builders_the_one_that_hears_otherwise_of_pds_does_not_undo_what_the_other_did() -> None:
    product = Asking(ods_code="Y90001", further_ods_codes=("Y90003",))
    request = product.asks()
    product.clock.advance(WINDOW)
    product.sweep.run()
    compare_and_decide = product.builder.lookup

    def meanwhile(*asked: Any) -> Any:
        product.builder.release(request.message_id)
        product.moves(WRIGHT, "Y90003")
        return compare_and_decide(*asked)

    slow = replace(product.builder, lookup=meanwhile)
    assert slow.release(request.message_id).status is Status.BUILT
    assert product.status(request) is Status.RELEASED


def test_a_request_with_a_correction_takes_the_place_of_the_one_that_differs() -> None:
    product = Asking(**NOTHING)
    wrong = product.asks_for("9990000107", "TESTFIELD", "1985-04-21")
    right = product.asks_for("9990000107", "O'TEST-ÅBERG", "1985-04-21")
    assert product.status(wrong) is Status.SUPERSEDED
    assert right.status is Status.BUILT
    with pytest.raises(NotPossibleError):
        product.operator_actions.release(wrong.message_id, "operator-7")


def test_whoever_moves_while_the_request_is_held_is_sent_to_the_new_practice() -> None:
    product = Asking()
    request = product.asks()
    product.moves(WRIGHT, "B82617")
    product.later(WINDOW)
    (message,) = product.messages(request)
    assert message.history.registration == {"source": "PDS", "ods_code": "B82617", "nhs_number_status": "01"}


@WHEN
def test_pds_is_asked_once_about_a_message_however_often_it_is_built(window: dict[str, Any]) -> None:
    product = Asking(**window)
    with pytest.raises(OSError, match="lost"), patch.object(product.outbox, "put", side_effect=OSError("lost")):
        product.asks_until_answered(WRIGHT, "Wright", "1933-11-14")
    product.asks_again()
    product.later(timedelta(minutes=30))
    assert len(product.mesh.sent) == 1
    assert [asked["status"] for asked in product.pds.pds.requests] == [200]


def test_pds_is_not_asked_about_a_request_that_another_replaced_while_it_was_held() -> None:
    product = Asking()
    for _ in range(2):
        request = product.asks()
    product.later(WINDOW)
    assert product.status(request) is Status.RELEASED
    assert len(product.pds.pds.requests) == 1


def test_a_hold_window_that_ends_while_the_request_is_checked_still_has_pds_asked() -> None:
    product = Asking()
    look_up = product.builder.lookup

    def slow(*asked: Any) -> Any:
        if product.pds.seen == []:
            product.clock.advance(WINDOW)
        return look_up(*asked)

    product.builder = replace(product.builder, lookup=slow)
    request = product.asks()
    assert request.status is Status.HELD
    product.works()
    assert product.status(request) is Status.RELEASED
    (message,) = product.messages(request)
    assert message.history.registration == MILLBROOK


@pytest.mark.requirement("GPCM-SD-CS-069")
def test_an_outage_in_the_hold_window_harms_nobody() -> None:
    product = Asking()
    product.pds.meet("down", 3)
    request = product.asks()
    assert (request.status, request.unanswered) == (Status.HELD, None)
    product.pds.pds._modes.clear()
    product.later(WINDOW)
    assert product.status(request) is Status.RELEASED
    (message,) = product.messages(request)
    assert message.history.registration == MILLBROOK
    assert product.notified() == []


def test_an_outage_beyond_the_hold_window_keeps_the_request_asks_again_soon_and_is_told_in_time() -> None:
    product = Asking()
    request = product.asks()
    product.pds.meet("down", 99)
    product.later(WINDOW)
    assert product.status(request) is Status.HELD
    assert product.notified() == []
    for _ in range(3):
        product.later(timedelta(minutes=2, seconds=1))
    assert product.notified() == ["A held request is not being sent"]
    assert "PDS lookup: answered 503" in product.topic.published[0]
    assert product.mesh.sent == []
    assert isinstance(product.builder.release(request.message_id).unanswered, Unavailable), (
        "so that PDS is seen to be down"
    )
    asked = product.row(request.message_id).history.of(EventType.LOOKUP_UNANSWERED)
    assert [event.identity for event in asked] == [f"lookup-unanswered-{times}" for times in range(1, len(asked) + 1)]
    product.pds.pds._modes.clear()
    product.later(timedelta(minutes=10))
    assert product.status(request) is Status.RELEASED


def test_a_long_outage_is_asked_about_less_often_and_loses_nothing() -> None:
    product = Asking()
    request = product.asks()
    product.pds.meet("down", 999)
    product.later(WINDOW)
    for _ in range(5):
        product.later(timedelta(minutes=2, seconds=1))
    asked = len(product.row(request.message_id).history.of(EventType.LOOKUP_UNANSWERED))
    product.later(timedelta(minutes=5))
    assert len(product.row(request.message_id).history.of(EventType.LOOKUP_UNANSWERED)) == asked == 6
    product.pds.pds._modes.clear()
    product.later(timedelta(minutes=5, seconds=1))
    assert product.status(request) is Status.RELEASED


@pytest.mark.requirement("GPCM-SD-CS-069")
@pytest.mark.parametrize("mode", ["busy", "timeout", "down", "nonsense", "refused"])
def test_whatever_keeps_pds_from_answering_loses_no_request(mode: str) -> None:
    product = Asking(**NOTHING)
    product.pds.meet(mode, 99)
    request = product.asks()
    assert request.status is Status.HELD
    product.pds.pds._modes.clear()
    product.works()
    assert product.status(request) is Status.RELEASED


def test_credentials_that_pds_does_not_accept_lose_no_request() -> None:
    product = Asking(**NOTHING)
    product.pds.register(["two"])
    request = product.asks()
    assert request.status is Status.HELD
    product.pds.register(["one", "two"])
    product.works()
    assert product.status(request) is Status.RELEASED


def test_a_repeat_reads_its_practice_where_it_was_first_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Asking(**NOTHING)

    def crash(*_: object) -> str:
        raise RuntimeError("the function died")

    with monkeypatch.context() as broken:
        broken.setattr(product.outbox, "put", crash)
        with pytest.raises(RuntimeError):
            product.asks()
    product.moves(WRIGHT, "B82617")
    message = product.asks_again()
    assert product.registration(message) == MILLBROOK, "all copies of a message say the same"
    (built,) = product.row(message.message_id).history.of(EventType.BUILT)
    assert built.details["to_organisation"] == "A20047"


def test_nobody_is_looked_up_for_a_request_that_is_not_sent_anyway() -> None:
    product = Asking()
    assert product.asks(patient__nhs_number="4010232137").status is Status.INVALID
    assert product.asks(clinically_relevant=False).status is Status.NOT_REQUIRED
    assert product.pds.seen == []


def test_a_notification_names_the_practice_that_pds_named_and_that_the_patient_has_died() -> None:
    product = Asking(infrastructure_acknowledgement_seconds=60, **NOTHING)
    product.asks_for("9658220290", "Bisset", "1920-03-17")
    product.works()
    product.later(timedelta(hours=1))
    (told,) = product.topic.published
    assert "practice: A20047 (says PDS)" in told
    assert "Millbrook" not in told, "a name is the request's word"
    assert "deceased: PDS knows that the patient has died" in told


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_the_warning_of_a_deleted_consultation_names_the_practice_that_pds_named() -> None:
    product = Asking(**NOTHING)
    product.moves(WRIGHT, "B82617")
    product.asks()
    product.works()
    withdrawal = product.withdraws()
    [warning] = [
        content.decode()
        for key, content in product.bucket.objects.items()
        if key.startswith(f"warnings/{withdrawal.message_id}/")
    ]
    assert "Registered practice: name not given, ODS code B82617" in warning


def test_both_values_of_a_field_are_kept_side_by_side_as_a_person_reads_them() -> None:
    product = Asking(**NOTHING)
    request = product.asks_for("9990000107", "Testfjörd", "1985-04-21")
    assert product.bucket.objects[f"comparisons/{request.message_id}.json"].decode().splitlines() == [
        "{",
        '  "patient.name.family": {',
        '    "request": "Testfjörd",',
        '    "PDS": "O\u2019TEST-ÅBERG"',
        "  }",
        "}",
    ]

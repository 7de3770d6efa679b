import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gpconnect_messaging.identifiers import NumberRange, is_concept_id
from gpconnect_messaging.request_rules import broken_rules
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import SPECIFICATIONS
from gpconnect_messaging.usecases import OPTIONAL_FIELDS, USE_CASES
from infra.documentation.request_schema import request_schema
from tests.examples import CREATED_AT, MAILBOXES, a_request, request_data

ONLINE, GENERIC, DISCHARGE = "online-consultation-1.5", "generic-document-1.5", "send-document-2.0-discharge"
CONCEPT = {"code": "27113001", "display": "Body weight"}


def broken(name: str, also_approved: tuple[str, ...] = (), **changes: Any) -> list[str]:
    request = a_request(name, **changes)
    (settings,) = (mailbox for mailbox in MAILBOXES.values() if mailbox.mailbox == request.mailbox)
    settings = replace(settings, document_types=also_approved)
    return [reason.field for reason in broken_rules(request, settings, NumberRange.TEST, CREATED_AT)]


def refused(name: str, **changes: Any) -> list[str]:
    with pytest.raises(RequestRefusedError) as error:
        parse_request(json.dumps(request_data(name, **changes)).encode())
    return [reason.field for reason in error.value.reasons]


def test_a_use_case_belongs_to_the_versions_that_have_it() -> None:
    changes = {
        "mailbox": "Y90001OT001",
        "organisation": request_data(DISCHARGE)["organisation"],
    }
    assert broken(ONLINE, **changes) == ["use_case"]


def test_what_a_use_case_does_not_have_is_refused_and_what_it_needs_is_asked_for() -> None:
    assert broken("consultation-report-1.5", title="Mine", document_type=CONCEPT) == ["document_type", "title"]
    assert broken(GENERIC, title=None, document_type=None) == ["title", "document_type"]


def test_a_device_that_wrote_nothing_has_no_place_in_a_document() -> None:
    assert broken(ONLINE, authors=["patient"]) == ["device"]
    assert broken(ONLINE, authors=["patient", "device"]) == []


@pytest.mark.requirement("GPCM-SD-OC-009", "GPCM-SD-GE-009")
def test_in_1_5_somebody_must_have_written_it() -> None:
    assert broken(ONLINE, authors=None, device=None) == ["authors"]
    assert broken(GENERIC, practitioner=None) == ["authors"]
    assert broken(DISCHARGE, practitioner=None) == [], "in 2.0 the organisation stands in"


@pytest.mark.requirement("GPCM-SD-CS-025", "GPCM-SD-005")
def test_in_1_5_the_practitioner_is_an_author_of_a_consultation_report_and_others_may_be() -> None:
    device = {"type": CONCEPT, "manufacturer": "Harbour"}
    report = "consultation-report-1.5"
    assert broken(report, authors=["patient"]) == ["authors"]
    assert broken(report, authors=["practitioner", "device"], device=device) == []
    assert broken("consultation-report-2.0", practitioner=None, authors=["patient"]) == []


def test_further_clinicians_come_after_the_practitioner() -> None:
    others = [{"name": {"family": "Okafor", "given": ["Ngozi"]}, "role": "Nurse"}]
    assert broken(DISCHARGE, practitioner=None, other_practitioners=others) == ["practitioner"]


def test_an_author_must_be_described_and_named_once() -> None:
    assert refused(ONLINE, related_person=None) == ["related_person"]
    assert refused(ONLINE, authors=["practitioner"]) == ["practitioner"]
    assert refused(ONLINE, authors=["patient", "patient"]) == ["authors"]


def test_no_document_is_refused_for_want_of_a_care_setting() -> None:
    assert broken(DISCHARGE, care_setting=None) == []
    assert broken(GENERIC, care_setting=None) == []


@pytest.mark.requirement("GPCM-SD-CS-043", "GPCM-SD-GE-268")
@pytest.mark.parametrize("field", ["recipient_type", "title", "document_type"])
def test_what_1_5_prescribes_a_request_of_2_0_may_say(field: str) -> None:
    values = {
        "recipient_type": "FI",
        "title": "Mine",
        "document_type": {"code": "823681000000100", "display": "Letter"},
    }
    said: dict[str, Any] = {field: values[field]}
    assert broken("consultation-report-1.5", **said) == [field]
    assert broken("consultation-report-2.0", **said) == []
    assert broken(GENERIC, recipient_type="FI") == ["recipient_type"]
    assert broken(DISCHARGE, recipient_type="FI") == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"identifiers": [{"system": "https://a.example/Id", "value": "943 476 5919"}]}, ["identifiers[0]"]),
        ({"identifiers": [{"system": "https://a.example/Id", "value": "H 1"}] * 2}, ["identifiers[1]"]),
        ({"deceased": False, "death_date": "2026-11-01"}, ["deceased"]),
        ({"death_date": "1900-01-01"}, ["death_date"]),
        ({"death_date": "2030-01-01"}, ["death_date"]),
        ({"current_from": "2026-11-02"}, ["current_from"]),
        (
            {"current_address": {"lines": ["1 A"]}, "current_from": "2026-11-02", "current_until": "2026-11-01"},
            ["current_until"],
        ),
    ],
)
def test_what_a_patients_details_contradict_is_refused(changes: dict[str, Any], fields: list[str]) -> None:
    said = {f"patient__{name}": value for name, value in changes.items()}
    assert broken("consultation-report-2.0", **said) == [f"patient.{field}" for field in fields]


@pytest.mark.requirement("GPCM-SD-115")
def test_in_2_0_the_document_type_must_be_approved_in_general_or_for_the_mailbox() -> None:
    assert broken(DISCHARGE, document_type=CONCEPT) == ["document_type.code"]
    assert broken(DISCHARGE, also_approved=("27113001",), document_type=CONCEPT) == []
    assert broken(GENERIC, document_type=CONCEPT) == [], "1.5 names no list"


@pytest.mark.requirement("GPCM-SD-CS-060")
def test_only_a_consultation_report_of_1_5_has_the_registered_practice_as_the_only_recipient() -> None:
    others: dict[str, Any] = {"care_provider": {"ods_code": "FA565"}, "copy_to": [{"ods_code": "FA566"}]}
    assert broken("consultation-report-1.5", **others) == ["care_provider", "copy_to[0]"]
    assert all(broken(name, **others) == [] for name in ("consultation-report-2.0", DISCHARGE, GENERIC, ONLINE))


def test_another_recipient_is_neither_the_practice_nor_the_sender_nor_named_twice() -> None:
    for ods_code in ("A20047", "Y90002"):
        assert broken(GENERIC, care_provider={"ods_code": ods_code}) == ["care_provider.ods_code"]
        assert broken(GENERIC, copy_to=[{"ods_code": ods_code}]) == ["copy_to[0].ods_code"]
    twice = broken(GENERIC, care_provider={"ods_code": "FA565"}, copy_to=[{"ods_code": "FA565"}])
    assert twice == ["care_provider.ods_code", "copy_to[0].ods_code"]


@pytest.mark.requirement("GPCM-SD-CS-008")
def test_a_confidential_consultation_gives_nothing_away_beside_its_document() -> None:
    found = broken(ONLINE, consultation__confidential=True)
    assert found == ["observations", "questionnaire"]


@pytest.mark.parametrize(
    ("resource", "field"),
    [
        ({"content_type": "application/fhir+json"}, "resources[0]"),
        ({"content_type": "application/fhir+json", "key": "a", "content": "{}"}, "resources[0]"),
        ({"content_type": "application/json", "key": "a"}, "resources[0].content_type"),
        ({"content_type": "application/fhir+xml", "key": "../a"}, "resources[0].key"),
    ],
)
def test_a_ready_resource_is_in_one_place_and_of_a_known_form(resource: dict[str, str], field: str) -> None:
    assert refused(GENERIC, resources=[resource]) == [field]


@pytest.mark.parametrize("value", [{}, {"text": "a", "boolean": True}, {"text": None}, {"day": "2026-11-20"}])
def test_an_observation_has_one_value_that_fhir_can_hold(value: dict[str, Any]) -> None:
    observation = {"code": CONCEPT, "issued": "2026-11-20T19:10:00+00:00", "value": value}
    assert refused(ONLINE, observations=[observation])[0].startswith("observations[0]")


@pytest.mark.parametrize("value", [{"boolean": True}, {"day": "2026-11-20"}])
def test_a_part_of_an_observation_has_a_value_that_fhir_can_hold(value: dict[str, Any]) -> None:
    observation = {"code": CONCEPT, "issued": "2026-11-20T19:10:00+00:00"}
    components = [{"code": CONCEPT, "value": value}]
    assert refused(ONLINE, observations=[observation | {"components": components}]) == ["observations[0].components"]


@pytest.mark.parametrize("code", ["27113002", "027113001", "2711300", "２７１１３００１", "27113001 ", "271130017"])
def test_a_mistyped_snomed_code_is_noticed(code: str) -> None:
    assert not is_concept_id(code)
    assert refused(GENERIC, document_type__code=code) == ["document_type.code"]


def test_the_codes_of_the_use_cases_and_specifications_are_well_formed() -> None:
    codes = [
        code.code
        for use_case in USE_CASES.values()
        for code in (use_case.document_type, use_case.encounter_type)
        if code
    ]
    codes += [code for specification in SPECIFICATIONS.values() for code in (specification.document_types or ())]
    assert len(codes) > 8
    assert all(map(is_concept_id, codes))


def test_the_schema_says_what_each_use_case_needs_and_does_not_have() -> None:
    schema = json.loads(request_schema())
    conditions = {
        condition["if"]["properties"]["use_case"]["const"]: condition["then"]
        for condition in schema["$defs"]["Request"]["allOf"]
    }
    for use_case in USE_CASES.values():
        then = conditions[use_case.name]
        assert set(then.get("required", ())) == use_case.needs
        assert {name for name, rule in then["properties"].items() if rule == {"type": "null"}} == set(
            OPTIONAL_FIELDS
        ) - use_case.takes


@pytest.mark.parametrize("born", ["1880-02-29", "2000-02-29", "1899-12-31", "2026-11-19"])
def test_people_of_any_age_can_be_written_of(born: str) -> None:
    assert broken(GENERIC, patient__birth_date=born) == []
    assert a_request(GENERIC, patient__birth_date=born).patient.birth_date == date.fromisoformat(born)

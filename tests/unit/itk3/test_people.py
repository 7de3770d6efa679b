"""Everybody whom a ready resource names is this patient, or a person of the message; all else is refused by path."""

import json
from typing import Any

import pytest
from fhir.resources.STU3 import get_fhir_model_class

from gpconnect_messaging.itk3 import people
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.stu3 import plan_of
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.requests.refusal import RequestRefusedError
from tests.examples import messages_of, request_data, written
from tests.xpath import values

NAME = "generic-document-1.5"
REQUEST = request_data(NAME)
PATIENT, DOCTOR = REQUEST["patient"], REQUEST["practitioner"]
FAMILY, GIVEN, NUMBER = PATIENT["name"]["family"], PATIENT["name"]["given"][0], PATIENT["nhs_number"]
NHS = "https://fhir.nhs.uk/Id/nhs-number"
OTHER_NUMBER = "9693632109"
OTHER = "Quillfeather, Ada"

Json = dict[str, Any]


def identifier(number: str, system: str = NHS) -> Json:
    return {"system": system, "value": number}


def condition(**elements: Any) -> Json:
    return {
        "resourceType": "Condition",
        "clinicalStatus": "active",
        "code": {"text": "Hay fever"},
        "subject": {"reference": "Patient/patient"},
        **elements,
    }


def observation(**elements: Any) -> Json:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "Wheeze"}, **elements}


def sent(*resources: Json, content_type: str = "application/fhir+json") -> bytes:
    def text(resource: Json) -> str:
        if content_type.endswith("json"):
            return json.dumps(resource)
        (xml,) = to_xml(resource)
        assert isinstance(xml, bytes)
        return xml.decode()

    inline = [{"content_type": content_type, "content": text(each)} for each in resources]
    (message,) = messages_of(NAME, resources=inline)
    return written(message, NAME)


def refused(*resources: Json, content_type: str = "application/fhir+json") -> set[str]:
    """The paths that a request with these resources is refused for."""
    with pytest.raises(RequestRefusedError) as found:
        sent(*resources, content_type=content_type)
    assert OTHER_NUMBER not in str(found.value)
    assert "Quillfeather" not in str(found.value)
    return {reason.field.removeprefix("resources[0]: ") for reason in found.value.reasons}


RIGHT: dict[str, Json] = {
    "nothing": {},
    "NHS number": {"identifier": identifier(NUMBER)},
    "NHS number with spaces": {"identifier": identifier(f"{NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]}")},
    "NHS number by its OID": {"identifier": identifier(NUMBER, "urn:oid:2.16.840.1.113883.2.1.4.1")},
    "family name": {"display": FAMILY},
    "both names": {"display": f"{FAMILY}, {GIVEN}"},
    "title": {"display": f"Dr {GIVEN} {FAMILY.title()}"},
    "initial": {"display": f"{GIVEN[0]}. {FAMILY}"},
    "name and number": {"display": f"{FAMILY}, {GIVEN} ({NUMBER})"},
}
WRONG: dict[str, tuple[Json, str]] = {
    "another NHS number": ({"identifier": identifier(OTHER_NUMBER)}, "identifier"),
    "another one by its OID": (
        {"identifier": identifier(OTHER_NUMBER, "urn:oid:2.16.840.1.113883.2.1.4.1")},
        "identifier",
    ),
    "another one by the old system": (
        {"identifier": identifier(OTHER_NUMBER, "http://fhir.nhs.net/Id/nhs-number")},
        "identifier",
    ),
    "a hospital's number": ({"identifier": identifier("A1", "https://hospital.example/mrn")}, "identifier"),
    "a number of no system": ({"identifier": {"value": OTHER_NUMBER}}, "identifier"),
    "another name": ({"display": OTHER}, "display"),
    "another first name": ({"display": f"Ada {FAMILY}"}, "display"),
    "another family name": ({"display": f"{GIVEN} Quillfeather"}, "display"),
    "another number in the name": ({"display": f"{FAMILY} {OTHER_NUMBER}"}, "display"),
    "both": ({"identifier": identifier(OTHER_NUMBER), "display": OTHER}, "display"),
}


@pytest.mark.parametrize("content_type", ["application/fhir+json", "application/fhir+xml"])
@pytest.mark.parametrize("beside", RIGHT.values(), ids=list(RIGHT))
def test_what_agrees_with_the_reference_beside_it_is_sent_as_it_is(beside: Json, content_type: str) -> None:
    message = sent(condition(subject={"reference": "Patient/patient", **beside}), content_type=content_type)
    expected = [beside["display"]] if "display" in beside else []
    assert values(message, "//f:Condition/f:subject/f:display/@value") == expected
    expected = [beside["identifier"]["value"]] if "identifier" in beside else []
    assert values(message, "//f:Condition/f:subject/f:identifier/f:value/@value") == expected


@pytest.mark.parametrize("content_type", ["application/fhir+json", "application/fhir+xml"])
@pytest.mark.parametrize(("beside", "at"), WRONG.values(), ids=list(WRONG))
def test_what_does_not_is_refused_by_path(beside: Json, at: str, content_type: str) -> None:
    assert f"Condition.subject.{at}" in refused(
        condition(subject={"reference": "Patient/patient", **beside}), content_type=content_type
    )


@pytest.mark.parametrize(("beside", "at"), WRONG.values(), ids=list(WRONG))
def test_so_it_is_at_any_depth_and_in_an_extension(beside: Json, at: str) -> None:
    named = {"reference": "Patient/patient", **beside}
    extension = {"url": "https://example.org/x", "extension": [{"url": "y", "valueReference": named}]}
    assert f"Condition.extension[0].extension[0].valueReference.{at}" in refused(condition(extension=[extension]))
    assert f"Condition.evidence[0].detail[1].{at}" in refused(
        condition(evidence=[{"detail": [{"reference": "Patient/patient"}, named]}])
    )
    task = {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "input": [{"type": {"text": "x"}, "valueReference": named}],
    }
    assert f"Task.input[0].valueReference.{at}" in refused(task)


@pytest.mark.parametrize(
    ("element", "path"),
    [
        ({"asserter": {"display": OTHER}}, "Condition.asserter.display"),
        ({"asserter": {"identifier": identifier(OTHER_NUMBER)}}, "Condition.asserter.identifier"),
        ({"asserter": {"reference": "Practitioner/practitioner", "display": OTHER}}, "Condition.asserter.display"),
        (
            {"asserter": {"reference": "Practitioner/practitioner", "display": f"{GIVEN} {FAMILY}"}},
            "Condition.asserter.display",
        ),
        ({"identifier": [identifier(OTHER_NUMBER)]}, "Condition.identifier[0].value"),
        ({"note": [{"authorReference": {"display": OTHER}, "text": "x"}]}, "Condition.note[0].authorReference.display"),
        (
            {"extension": [{"url": "https://example.org/x", "valueIdentifier": identifier(OTHER_NUMBER)}]},
            "Condition.extension[0].valueIdentifier.value",
        ),
        (
            {
                "extension": [
                    {"url": "https://example.org/x", "valueUri": f"https://ehr.example/Patient/{OTHER_NUMBER}"}
                ]
            },
            "Condition.extension[0].valueUri",
        ),
        ({"contained": [{"resourceType": "Patient", "name": [{"family": OTHER}]}]}, "Condition.contained"),
    ],
)
def test_nobody_else_is_named_elsewhere(element: Json, path: str) -> None:
    assert path in refused(condition(**element))


def test_a_person_of_the_message_may_be_named_without_a_reference() -> None:
    family, given = DOCTOR["name"]["family"], DOCTOR["name"]["given"][0]
    sds = identifier(DOCTOR["sds_user_id"], "https://fhir.nhs.uk/Id/sds-user-id")
    performers = [{"display": f"Dr {given} {family}"}, {"identifier": sds}, {"identifier": sds, "display": family}]
    message = sent(observation(performer=performers))
    assert len(values(message, "//f:Observation/f:performer")) == len(performers)
    assert refused(observation(performer=[{"identifier": sds, "display": FAMILY}])) == {
        "Observation.performer[0].display"
    }


def test_an_organisation_may_be_named_where_a_person_could_be() -> None:
    ods = identifier("A20047", "https://fhir.nhs.uk/Id/ods-organization-code")
    performers = [{"identifier": ods, "display": "Millbrook Surgery"}, {"display": REQUEST["organisation"]["name"]}]
    assert len(values(sent(observation(performer=performers)), "//f:Observation/f:performer")) == len(performers)
    order = {
        "resourceType": "MedicationRequest",
        "intent": "order",
        "medicationCodeableConcept": {"text": "x"},
        "subject": {"reference": "Patient/patient"},
        "dispenseRequest": {"performer": {"display": "Quay Street Pharmacy"}},
    }
    assert values(sent(order), "//f:dispenseRequest/f:performer/f:display/@value") == ["Quay Street Pharmacy"]
    assert values(sent(observation(device={"display": "Spirometer"})), "//f:Observation/f:device/f:display/@value")


def test_a_supplied_person_is_a_person_of_the_message() -> None:
    nurse = {
        "resourceType": "Practitioner",
        "id": "nurse",
        "identifier": [identifier("555000000999", "https://fhir.nhs.uk/Id/sds-user-id")],
        "name": [{"family": "Quillfeather", "given": ["Ada"], "prefix": ["Sister"]}],
    }
    mother = {
        "resourceType": "RelatedPerson",
        "id": "mother",
        "patient": {"reference": "Patient/patient"},
        "identifier": [identifier(OTHER_NUMBER)],
        "name": [{"text": "Berta Holt"}],
    }
    named: list[dict[str, Any]] = [
        {"reference": "Practitioner/nurse", "display": "Sister A Quillfeather"},
        {"reference": "urn:uuid:nurse", "identifier": identifier("555000000999", "https://fhir.nhs.uk/Id/sds-user-id")},
        {"display": OTHER},
        {"reference": "RelatedPerson/mother", "identifier": identifier(OTHER_NUMBER), "display": "Berta Holt"},
    ]
    message = sent(observation(performer=named), nurse, mother)
    displays = [each["display"] for each in named if "display" in each]
    assert values(message, "//f:Observation/f:performer/f:display/@value") == displays
    swapped = {"reference": "Practitioner/nurse", "display": "Berta Holt"}
    assert refused(observation(performer=[swapped]), nurse, mother) == {"Observation.performer[0].display"}


def test_the_table_of_elements_that_name_people_is_stu3s() -> None:
    """Held against the library's knowledge of what each reference may point to."""
    persons = {"Patient", "Practitioner", "RelatedPerson", "Person"}
    found, seen = set(), set()
    waiting = [get_fhir_model_class(kind) for kind in (*STRUCTURED_TYPES, "Annotation", "Signature")]
    for model in waiting:
        for name, info in model.model_fields.items():
            extra = info.json_schema_extra or {}
            if isinstance(extra, dict) and persons & set(extra.get("enum_reference_types") or ()):  # type: ignore[arg-type]
                found.add(info.alias or name)
            inner = str(info.annotation).rpartition("abc.")[2].partition("Type")[0]
            if inner.startswith(model.__name__) and inner not in seen:
                seen.add(inner)
                waiting.append(get_fhir_model_class(inner))
    assert found == set(people._PEOPLE)
    assert all(plan_of(kind) for kind in STRUCTURED_TYPES)

"""Everybody whom a ready resource names is this patient, or a person of the message; all else is refused by path."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fhir.resources.STU3 import get_fhir_model_class

from gpconnect_messaging.itk3 import people
from gpconnect_messaging.itk3.stu3 import plan_of
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.usecases import USE_CASES
from tests.examples import messages_of, request_data, written
from tests.xpath import values

pytestmark = pytest.mark.usefixtures("any_extension")

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

    inline = [{"content_type": content_type, "content": text(resource)} for resource in resources]
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
    "name and number as it is printed": {"display": f"{FAMILY}, {GIVEN} ({NUMBER[:3]} {NUMBER[3:6]} {NUMBER[6:]})"},
    "NHS number by its bare OID": {"identifier": identifier(NUMBER, "2.16.840.1.113883.2.1.4.1")},
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
    "another initial, with which a title begins": ({"display": f"M {FAMILY}"}, "display"),
    "another family name": ({"display": f"{GIVEN} Quillfeather"}, "display"),
    "another number in the name": ({"display": f"{FAMILY} {OTHER_NUMBER}"}, "display"),
    "another number in the name as it is printed": (
        {"display": f"{FAMILY} {OTHER_NUMBER[:3]} {OTHER_NUMBER[3:6]} {OTHER_NUMBER[6:]}"},
        "display",
    ),
    "an extension": ({"extension": [{"url": "https://example.org/x", "valueString": OTHER}]}, "extension[0]"),
    "an extension beside a display": (
        {"_display": {"extension": [{"url": "https://example.org/x", "valueString": f"{OTHER} {OTHER_NUMBER}"}]}},
        "_display.extension[0]",
    ),
    "an extension beside a reference": (
        {"_reference": {"extension": [{"url": "https://example.org/x", "valueString": OTHER}]}},
        "_reference.extension[0]",
    ),
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


def test_a_surname_that_is_a_title_too_is_a_surname() -> None:
    inline = [{"content_type": "application/fhir+json", "content": json.dumps(condition(
        subject={"reference": "Patient/patient", "display": f"DOCTOR, {GIVEN}"}))}]  # fmt: skip
    (message,) = messages_of(NAME, resources=inline, patient__name__family="Doctor")
    assert values(written(message, NAME), "//f:Condition/f:subject/f:display/@value") == [f"DOCTOR, {GIVEN}"]


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
        ({"identifier": [identifier(OTHER_NUMBER, "2.16.840.1.113883.2.1.4.1")]}, "Condition.identifier[0].value"),
        ({"identifier": [identifier(OTHER_NUMBER, "https://ehr.example/nhsno")]}, "Condition.identifier[0].value"),
        ({"identifier": [identifier(OTHER_NUMBER, "https://ehr.example/NHS_NUMBER")]}, "Condition.identifier[0].value"),
        (
            {"identifier": [{"type": {"text": "NHS number"}, **identifier(OTHER_NUMBER, "https://ehr.example/id")}]},
            "Condition.identifier[0].value",
        ),
        ({"identifier": [{"value": OTHER_NUMBER}]}, "Condition.identifier[0].value"),
        ({"identifier": [{"type": {"text": "NHS"}, "value": OTHER_NUMBER}]}, "Condition.identifier[0].value"),
        (
            {"identifier": [{"system": NHS, "_value": {"extension": [{"url": "u", "valueString": OTHER_NUMBER}]}}]},
            "Condition.identifier[0].value",
        ),
        (
            {"extension": [{"url": "https://example.org/x", "valueString": f"of NHS {OTHER_NUMBER}"}]},
            "Condition.extension[0].valueString",
        ),
        (
            {"extension": [{"url": f"https://ehr.example/Patient/{OTHER_NUMBER}", "valueBoolean": True}]},
            "Condition.extension[0].url",
        ),
        (
            {"extension": [{"url": "https://example.org/x", "valueHumanName": {"family": "Quillfeather"}}]},
            "Condition.extension[0].valueHumanName",
        ),
        (
            {"context": {"reference": "Encounter/encounter", "display": f"Encounter of {OTHER} {OTHER_NUMBER}"}},
            "Condition.context.display",
        ),
        (
            {"evidence": [{"detail": [{"reference": "Encounter/encounter", "display": OTHER}]}]},
            "Condition.evidence[0].detail[0].display",
        ),
        (
            {"extension": [{"url": "https://example.org/x", "valueReference": {"display": OTHER}}]},
            "Condition.extension[0].valueReference.display",
        ),
        (
            {
                "extension": [
                    {
                        "url": "https://example.org/x",
                        "valueReference": {"identifier": identifier("A1", "https://hospital.example/mrn")},
                    }
                ]
            },
            "Condition.extension[0].valueReference.identifier",
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
    gmc = identifier("1234567", "https://fhir.hl7.org.uk/Id/gmc-number")
    assert refused(observation(performer=[{"identifier": gmc}])) == {"Observation.performer[0].identifier"}
    assert refused(observation(performer=[{"identifier": sds, "display": FAMILY}])) == {
        "Observation.performer[0].display"
    }


def test_a_name_without_a_reference_is_a_persons_of_the_message_wherever_stu3_allows_a_person() -> None:
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    patient, other = {"display": f"{FAMILY}, {GIVEN}"}, {"display": OTHER}
    answers = {"resourceType": "QuestionnaireResponse", "status": "completed"}
    ways: dict[str, Callable[[Json], Json]] = {
        "Task.focus": lambda who: {**task, "focus": who},
        "Task.input[0].valueReference": lambda who: {**task, "input": [{"type": {"text": "x"}, "valueReference": who}]},
        "QuestionnaireResponse.source": lambda who: {**answers, "source": who},
        "QuestionnaireResponse.item[0].answer[0].valueReference": lambda who: {
            **answers,
            "item": [{"linkId": "1", "answer": [{"valueReference": who}]}],
        },
        "Condition.evidence[0].detail[0]": lambda who: condition(evidence=[{"detail": [who]}]),
    }
    for path, resource in ways.items():
        assert refused(resource(other)) == {f"{path}.display"}
        assert f'value="{FAMILY}, {GIVEN}"'.encode() in sent(resource(patient))


@pytest.mark.parametrize("element", ["asserter", "note"])
def test_an_organisation_is_nobody_where_stu3_allows_people_only(element: str) -> None:
    ods = {"identifier": identifier("A20047", "https://fhir.nhs.uk/Id/ods-organization-code"), "display": OTHER}
    said: Json = {"asserter": ods} if element == "asserter" else {"note": [{"authorReference": ods, "text": "x"}]}
    path = "Condition.asserter" if element == "asserter" else "Condition.note[0].authorReference"
    assert refused(condition(**said)) == {f"{path}.identifier"}


@pytest.mark.parametrize(
    "performer",
    [
        {"identifier": identifier(OTHER_NUMBER, "https://fhir.nhs.uk/Id/ods-organization-code"), "display": OTHER},
        {
            "identifier": identifier(
                REQUEST["organisation"]["ods_code"], "https://fhir.nhs.uk/Id/ods-organization-code"
            ),
            "display": OTHER,
        },
        {"reference": "Organization/organisation", "display": OTHER},
    ],
)
def test_what_is_said_of_an_organisation_is_of_one(performer: Json) -> None:
    (path,) = refused(observation(performer=[performer]))
    assert path.startswith("Observation.performer[0].")


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
    displays = [reference["display"] for reference in named if "display" in reference]
    assert values(message, "//f:Observation/f:performer/f:display/@value") == displays
    swapped = {"reference": "Practitioner/nurse", "display": "Berta Holt"}
    assert refused(observation(performer=[swapped]), nurse, mother) == {"Observation.performer[0].display"}


NESTED = {
    "Questionnaire.EnableWhen": "QuestionnaireItemEnableWhen",
    "Questionnaire.Option": "QuestionnaireItemOption",
    "QuestionnaireResponse.Answer": "QuestionnaireResponseItemAnswer",
    "DocumentReference.Related": "DocumentReferenceContextRelated",
    "Consent.Actor1": "ConsentExceptActor",
    "Consent.Data1": "ConsentExceptData",
    "Medication.Content": "MedicationPackageContent",
    "Medication.Batch": "MedicationPackageBatch",
}
"""What the library calls types that the schema names more shortly."""


def test_the_tables_of_elements_that_name_people_are_stu3s() -> None:
    """Held against the library's knowledge of what each reference may point to; nothing said means anything."""
    persons = {"Patient", "Practitioner", "RelatedPerson", "Person"}
    supplied = {kind for use_case in USE_CASES.values() for kind in use_case.resource_types}
    waiting = [*supplied, "Annotation", "Signature", "Identifier", "Extension"]
    only: set[str] = set()
    either: set[str] = set()
    neither: set[str] = set()
    for kind in waiting:
        plan = plan_of(kind)
        model = get_fhir_model_class(NESTED.get(kind, kind.replace(".", "")))
        extras = {info.alias or name: info.json_schema_extra for name, info in model.model_fields.items()}
        assert plan
        for name, slot in plan.slots.items():
            if "." in slot.kind and slot.kind not in waiting:
                waiting.append(slot.kind)
            if slot.kind == "Reference":
                extra: Any = extras[name]
                targets = set(extra.get("enum_reference_types") or ["Resource"])
                organisation = bool(targets & {"Organization", "Resource"})
                names = only if not organisation else either
                (names if targets & (persons | {"Resource"}) else neither).add(f"{kind}.{name}")
    assert only == people._PEOPLE
    assert either == people._PEOPLE_OR_ORGANISATIONS
    assert {"Observation.device", "Identifier.assigner", "Device.owner"} < neither

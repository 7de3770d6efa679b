"""Extensions of ready resources, and those of our own messages: only published ones leave."""

import json
import re
from random import Random
from typing import Any

import pytest

from gpconnect_messaging.itk3.extensions import published_extensions
from gpconnect_messaging.itk3.supplied import read_supplied
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.usecases import USE_CASES
from tests.conformance.drawn_requests import drafts
from tests.examples import REQUESTS, messages_of, written

NHS, UK = "https://fhir.nhs.uk/STU3/StructureDefinition/", "https://fhir.hl7.org.uk/STU3/StructureDefinition/"
HL7 = "http://hl7.org/fhir/StructureDefinition/"
GPC = NHS + "Extension-CareConnect-GPC-"
REPEATS = {"url": "numberOfRepeatPrescriptionsIssued", "valueUnsignedInt": 1}
CODED = {"valueCodeableConcept": {"text": "x"}}
ALLOWED = {name for use_case in USE_CASES.values() for name in use_case.resource_types}


def reasons(kind: str, **content: Any) -> list[str]:
    raw = json.dumps({"resourceType": kind} | content).encode()
    try:
        read_supplied(0, "application/fhir+json", raw, frozenset(ALLOWED))
    except RequestRefusedError as error:
        return [str(reason) for reason in error.reasons]
    return []


def condition(**extension: Any) -> list[str]:
    return reasons("Condition", subject={"reference": "Patient/patient"}, extension=[extension])


def request(*parts: dict[str, Any]) -> list[str]:
    repeats = {"url": f"{GPC}MedicationRepeatInformation-1", "extension": list(parts)}
    medicine = {"medicationCodeableConcept": {"text": "x"}, "subject": {"reference": "Patient/patient"}}
    return reasons("MedicationRequest", intent="plan", **medicine, extension=[repeats])


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (condition(url=f"{GPC}ConditionEpisode-1", valueCode="new"), None),
        (condition(url=f"{HL7}condition-outcome", **CODED), None),
        (condition(url="https://example.org/x", valueCode="new"), "Condition.extension[0].url: is named by no"),
        # An Encounter's, and one that only a modifierExtension may be:
        (condition(url=f"{HL7}encounter-associatedEncounter", valueReference={"display": "x"}), "may stand at Enc"),
        (condition(url=f"{HL7}observation-focal-subject", **CODED), ".url: is named by no published"),
        (condition(url=f"{UK}Extension-CareConnect-PrescribingAgency-1", **CODED), ".url: is named by no published"),
        (condition(url=f"{GPC}DateRecorded-1", valueDateTime="2026"), "may stand at Immunization or Procedure alone"),
        (condition(url=f"{GPC}ConditionEpisode-1", valueString="new"), "must hold a value of type code"),
        (condition(url=f"{GPC}ConditionEpisode-1", extension=[REPEATS]), "must hold a value of type code"),
        (request(REPEATS), None),
        (request(), "is empty: leave it out"),
        (
            reasons("MedicationStatement", status="active", taken="y", subject={"reference": "Patient/patient"},
                    medicationReference={"reference": "Medication/m"},
                    extension=[{"url": f"{GPC}MedicationChangeSummary-1", **CODED}]),
            "must hold status (code), ",
        ),
        (request(REPEATS, REPEATS), "must hold numberOfRepeatPrescriptionsAllowed (unsignedInt), "),
        (request({"url": "authorisationExpiryDate", "valueDateTime": "2026"}), "must hold numberOfRepeat"),
        (request(REPEATS | {"url": "x"}), "must hold numberOfRepeat"),
        (request({"url": REPEATS["url"], "valueString": "1"}), "must hold numberOfRepeat"),
        (
            reasons("Observation", status="final", code={"text": "x"}, modifierExtension=[{"url": "u:x", **CODED}]),
            "Observation.modifierExtension[0]: is not taken",
        ),
        (
            reasons("Observation", status="final", code={"text": "x"}, _status={"extension": [{"url": "u"} | CODED]}),
            "Observation._status.extension[0].url: is named by no",
        ),
    ],
)  # fmt: skip
def test_an_extension_is_published_and_stands_and_holds_what_is_published(
    found: list[str], sentence: str | None
) -> None:
    assert len(found) == (sentence is not None), found
    assert sentence is None or sentence in found[0]


def test_no_message_of_ours_has_an_extension_that_no_profile_names() -> None:
    messages = [
        written(message, folder.name)
        for folder in REQUESTS.iterdir()
        if folder.name not in ("withdrawal", "invalid")
        for message in messages_of(folder.name)
        if message.request.primary
    ]
    for seed in range(40):
        try:
            messages += [draft.xml for draft in drafts(Random(seed))]
        except RequestRefusedError:
            continue
    urls = {url.decode() for body in messages for url in re.findall(rb'<extension url="([^"]+)"', body)}
    parts = {part for known in published_extensions().values() for part in known.parts}
    assert len(urls) > 12
    assert urls - published_extensions().keys() - parts == set()

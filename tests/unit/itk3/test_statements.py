"""Coded items and results of the sections become FHIR resources, from the fields that the report shows."""

import json
import re
from typing import Any

import pytest

from gpconnect_messaging.documents.content import report_content
from gpconnect_messaging.documents.report_designs import DESIGNS
from gpconnect_messaging.drafts import draft_messages
from gpconnect_messaging.requests.models import parse_request
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.specification import Version
from tests.conformance.drawn_requests import NOW
from tests.examples import MAILBOXES, REQUESTS
from tests.identifiers import IDENTIFIERS
from tests.xpath import values

SAMPLE = (REQUESTS / "coded-items" / "request.json").read_bytes()
MEDICATION = {
    "term": "Ramipril 5mg capsules", "code": "318902004", "kind": "medication", "prescription": "repeat", "text": "one",
}  # fmt: skip
PROBLEM = {"term": "Hypertensive disorder", "code": "38341003", "kind": "problem", "significance": "major"}
ALLERGY = {"term": "Penicillin", "code": "764146007", "kind": "allergy", "cause": "medication"}
PROCEDURE = {"term": "Intravenous fluid replacement", "code": "103744005", "kind": "procedure"}
RESULT = {"test": "Potassium", "code": "1000651000000109", "value": "3.20", "unit": "mmol/L"}
RESOURCES = ("Medication", "MedicationRequest", "MedicationStatement", "Condition", "AllergyIntolerance", "Procedure",
             "Observation")  # fmt: skip


def message(*items: Any, results: Any = (), version: Version = Version.V1_5, **section: Any) -> bytes:
    request, mailbox = json.loads(SAMPLE), MAILBOXES[version]
    sections = [{"title": "Codes", "text": "x", "items": list(items), "results": list(results), **section}]
    request["consultation"]["sections"] = sections if items or results else request["consultation"]["sections"]
    request |= {"mailbox": mailbox.mailbox}
    request["organisation"]["ods_code"] = mailbox.ods_code
    (draft,) = draft_messages(json.dumps(request).encode(), mailbox, lambda _: b"", identifiers=IDENTIFIERS, now=NOW)
    return draft.xml


@pytest.mark.parametrize(
    ("item", "path", "expected"),
    [
        pytest.param(MEDICATION, "Medication/f:code/f:coding/f:code", "318902004", id="GE-147"),
        pytest.param(MEDICATION, "MedicationRequest/f:intent", "plan", id="GE-160"),
        pytest.param(MEDICATION, "MedicationRequest/f:extension//f:code", "repeat", id="GE-155"),
        pytest.param(MEDICATION, "MedicationRequest/f:dosageInstruction/f:text", "one", id="GE-169"),
        pytest.param(MEDICATION, "MedicationStatement/f:taken", "unk", id="GE-187"),
        pytest.param(MEDICATION, "MedicationStatement/f:dosage/f:text", "one", id="GE-189"),
        pytest.param(
            MEDICATION, "MedicationStatement/f:extension//f:code", "prescribed-by-another-organisation", id="GE-178"
        ),
        pytest.param(
            {**MEDICATION, "status": "stopped", "end": "2026-11-20"},
            "MedicationRequest/f:extension/f:extension[@url='statusChangeDate']/f:valueDateTime", "2026-11-20",
            id="GE-153",
        ),
        pytest.param({**MEDICATION, "end": "2027-01-20"}, "MedicationStatement//f:end", "2027-01-20", id="GE-184"),
        pytest.param(PROBLEM, "Condition/f:extension/f:valueCode", "major", id="GE-226"),
        pytest.param(PROBLEM, "Condition/f:clinicalStatus", "active", id="GE-227"),
        pytest.param(PROBLEM, "Condition/f:category//f:code", "problem-list-item", id="GE-228"),
        pytest.param({**PROBLEM, "start": "2019-04-11"}, "Condition/f:onsetDateTime", "2019-04-11", id="GE-232"),
        pytest.param(
            {**PROBLEM, "status": "inactive", "end": "2020-01-02"}, "Condition/f:abatementDateTime", "2020-01-02",
            id="GE-233",
        ),
        pytest.param(ALLERGY, "AllergyIntolerance/f:verificationStatus", "unconfirmed", id="GE-092"),
        pytest.param(ALLERGY, "AllergyIntolerance/f:category", "medication", id="GE-094"),
        pytest.param({**ALLERGY, "reaction": "Rash"}, "AllergyIntolerance/f:reaction//f:text", "Rash", id="GE-105"),
        pytest.param(
            {**ALLERGY, "status": "resolved", "end": "2020-01-02"},
            "AllergyIntolerance/f:extension/f:extension[@url='endDate']/f:valueDateTime", "2020-01-02", id="GE-089",
        ),
        pytest.param({**PROCEDURE, "start": "2026-11-20"}, "Procedure/f:performedDateTime", "2026-11-20", id="ADR 52"),
        pytest.param({**PROCEDURE, "text": "left arm"}, "Procedure/f:note/f:text", "left arm", id="words"),
    ],
)  # fmt: skip
@pytest.mark.requirement("GPCM-SD-013", "GPCM-SD-018", "GPCM-SD-019", "GPCM-SD-020", "GPCM-SD-021")
def test_a_coded_item_says_in_fhir_what_the_request_says(item: dict[str, str], path: str, expected: str) -> None:
    assert values(message(item), f"//f:{path}/@value") == [expected]


@pytest.mark.parametrize(
    ("prescription", "groups"), [("repeat", 1), ("repeat-dispensing", 1), ("acute", 0), ("delayed-prescribing", 0)]
)
@pytest.mark.requirement("GPCM-SD-GE-158")
def test_a_repeat_medicine_has_a_group_identifier(prescription: str, groups: int) -> None:
    made = message({**MEDICATION, "prescription": prescription})
    identifiers = values(made, "//f:MedicationRequest/f:identifier/f:value/@value")
    assert values(made, "//f:MedicationRequest/f:groupIdentifier/f:value/@value") == identifiers * groups


@pytest.mark.parametrize(
    ("result", "path", "expected"),
    [
        (RESULT, "valueQuantity/f:value", ["3.20"]),
        (RESULT, "valueQuantity/f:unit", ["mmol/L"]),
        (RESULT | {"value": "<0.5"}, "valueQuantity/f:comparator", ["<"]),
        (RESULT | {"value": "positive"}, "valueString", ["positive mmol/L"]),
        (RESULT | {"value": "007"}, "valueString", ["007 mmol/L"]),
        (RESULT | {"abnormal": "low"}, "interpretation//f:code", ["L"]),
        (RESULT | {"reference_range": "3.5 - 5.3"}, "referenceRange/f:text", ["3.5 - 5.3"]),
        ({"test": "Potassium", "value": "3.2"}, "status", []),
    ],
)
@pytest.mark.requirement("GPCM-SD-007", "GPCM-SD-008")
def test_a_coded_result_is_an_observation(result: dict[str, str], path: str, expected: list[str]) -> None:
    assert values(message(results=[result]), f"//f:Observation/f:{path}/@value") == expected


@pytest.mark.parametrize("version", list(Version))
def test_the_sample_has_every_kind_and_every_resource_is_in_a_section(version: Version) -> None:
    xml = message(version=version)
    listed = set(values(xml, "//f:Composition/f:section/f:entry/f:reference/@value"))
    for kind in RESOURCES:
        urls = set(values(xml, f"//f:entry[f:resource/f:{kind}]/f:fullUrl/@value"))
        assert urls, kind
        assert urls <= listed, kind


@pytest.mark.requirement("GPCM-SD-CS-009")
def test_what_is_confidential_is_not_coded_and_the_page_says_so() -> None:
    assert b"160303001" not in message()
    hidden = [item | {"confidential": True} for item in (MEDICATION, PROBLEM, ALLERGY, PROCEDURE)]
    for xml in (
        message(*hidden, results=[RESULT | {"confidential": True}]),
        message(MEDICATION, PROBLEM, results=[RESULT], confidential=True),
    ):
        assert not any(values(xml, f"//f:{kind}/f:id/@value") for kind in RESOURCES)


@pytest.mark.requirement("GPCM-SD-CS-001")
def test_the_page_shows_the_same_fields_once() -> None:
    content = report_content(parse_request(SAMPLE), 1, {}, next(iter(DESIGNS.values())))
    page = str([note.blocks for part in content.parts for note in part.notes])
    for words in (
        "Hypertensive disorder (SNOMED CT 38341003): major problem, active, from 11-Apr-2019",
        "Penicillin (SNOMED CT 764146007): medication allergy, active, from 02-Jun-1984, reaction: Widespread rash",
        "procedure, on 20-Nov-2026; 500 ml sodium chloride",
        "repeat medication, stopped, from 11-Apr-2019 to 20-Nov-2026; one a day",
        "Serum potassium level (SNOMED CT 1000651000000109)",
    ):
        assert page.count(words) == 1, words


@pytest.mark.parametrize(
    ("item", "rule"),
    [
        (MEDICATION | {"text": None}, "text: is missing: an item of kind medication needs it"),
        (PROBLEM | {"significance": None}, "significance: is missing: an item of kind problem needs it"),
        (ALLERGY | {"cause": None}, "cause: is missing: an item of kind allergy needs it"),
        (PROBLEM | {"reaction": "rash"}, "reaction: is not for an item of kind problem"),
        (PROBLEM | {"kind": None}, "significance: is not for an item without kind"),
        (PROBLEM | {"status": "stopped"}, "status: of an item of kind problem must be active or inactive"),
        (ALLERGY | {"status": "resolved"}, "end: is missing: say when it was resolved"),
        (PROBLEM | {"end": "2026-11-20"}, "end: is given, and the problem is active: say that it is inactive"),
        (MEDICATION | {"start": "2026-11-20", "end": "2026-11-19"}, "end: lies before its start"),
        (PROBLEM | {"code": "38341004"}, "code: is not a SNOMED CT concept id"),
        (PROBLEM | {"start": "1950-01-01"}, "items[0].start: lies before the patient's birth"),
        (PROCEDURE | {"start": "2027-01-01"}, "items[0].start: lies in the future"),
    ],
)
def test_what_does_not_fit_the_kind_is_refused_by_the_field(item: dict[str, Any], rule: str) -> None:
    with pytest.raises(RequestRefusedError, match=re.escape(rule)):
        message(item)


@pytest.mark.requirement("GPCM-SD-GE-101", "GPCM-SD-GE-166", "GPCM-SD-GE-235")
def test_a_coded_item_needs_who_recorded_it() -> None:
    request, mailbox = json.loads(SAMPLE), MAILBOXES[Version.V2_0]
    del request["practitioner"]
    with pytest.raises(RequestRefusedError, match="practitioner: is missing"):
        draft_messages(json.dumps(request).encode(), mailbox, lambda _: b"", identifiers=IDENTIFIERS, now=NOW)

"""Each kind of fault that an independent validator refuses is refused here too, without Java: one example of each.

`make fhir-validate` asks that validator about hundreds of seeded mutants.
"""

import json
import re
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from lxml import etree

from gpconnect_messaging.conformance.invariants import INVARIANTS
from gpconnect_messaging.conformance.tree import read
from gpconnect_messaging.conformance.validation import Verdict, validate_bytes
from tests.conformance.random_mutants import FHIR, MUTATIONS, mutants
from tests.conformance.samples import ROLES, sample

_HL7, _ITK = "http://hl7.org/fhir", "https://fhir.nhs.uk/STU3/StructureDefinition"
_NOWHERE = "urn:uuid:00000000-0000-4000-8000-000000000000"
# The kind, the sample, the check that must find it, and what is done to the message as text.
FAULTS: dict[str, tuple[str, str, str, str]] = {
    "attribute": ("2.0", "STU3-ELEMENT", r'<status value="final"/>', '<status value="final" url="x"/>'),
    "foreign attribute": ("2.0", "STU3-ELEMENT", r"<Composition>", '<Composition xmlns:o="urn:o" o:a="x">'),
    "value of a type with elements": ("2.0", "STU3-ELEMENT", r"<subject>", '<subject value="x">'),
    "value of the message": ("2.0", "STU3-ELEMENT", r"<Bundle ", '<Bundle value="x" '),
    "words between elements": ("2.0", "STU3-ELEMENT", r"<custodian>", "<custodian>words"),
    "words behind an element": ("2.0", "STU3-ELEMENT", r"</custodian>", "</custodian>words"),
    "resource that FHIR lacks": ("2.0", "STU3-ELEMENT", r"<Binary>(.*)</Binary>", r"<Nothing>\1</Nothing>"),
    "element of another resource": ("2.0", "STU3-ELEMENT", r"<Binary>(.*)</Binary>", r"<Basic>\1</Basic>"),
    "second resource in an entry": ("2.0", "STU3-CARDINALITY", r"(<Binary>.*</Binary>)", r"\1\1"),
    "no narrative": ("consultation", "STU3-VALUE", r"(<div [^>]*>).*?</div>", r"\1 </div>"),
    "entry without fullUrl": ("2.0", "STU3-BUNDLE", r"(<Bundle>.*?)<fullUrl [^>]*>", r"\1"),
    "document without date": ("2.0", "STU3-BUNDLE", r"(<Bundle>.*?)<lastUpdated [^>]*>", r"\1"),
    "entry that nothing joins": (
        "2.0", "STU3-BUNDLE", r"(<Bundle>.*)</Bundle>", rf"\1<entry><fullUrl value='{_NOWHERE}'/><resource><Device>"
        f"<id value='{_NOWHERE[9:]}'/><meta><profile value='urn:x'/></meta></Device></resource></entry></Bundle>",
    ),
    "fullUrl of another": (
        "2.0", "STU3-REFERENCE", r'<fullUrl value="[^"]*"/>(<resource><Binary>)', rf'<fullUrl value="{_NOWHERE}"/>\1'
    ),
    "bare id": ("2.0", "STU3-REFERENCE", r'(<custodian><reference value=")urn:uuid:', r"\1"),
    "type that a reference may not be to": (
        "2.0", "STU3-REFERENCE", r'(<author><reference value=")[^"]*(.*?<custodian><reference value=")([^"]*)',
        r"\g<1>\3\2\3",
    ),
    "document without a system": (
        "2.0", "STU3-INVARIANT", r"(<resource><Bundle>.*?<identifier>)<system [^>]*>", r"\1"
    ),
    "SNOMED CT without a code": (
        "2.0", "STU3-INVARIANT", r'(<system value="http://snomed.info/sct"/>)<code [^>]*>', r"\1"
    ),
    "number of no value": (
        "2.0", "STU3-INVARIANT", r"(<Practitioner>.*?<identifier><system [^>]*>)<value [^>]*>", r"\1"
    ),
    "system that is no URI": ("2.0", "STU3-INVARIANT", r'(<system value=")http://snomed.info/sct', r"\1sct"),
    "system that HL7 lacks": (
        "online", "STU3-INVARIANT", r"http://hl7.org/fhir/v3/RoleCode", "http://hl7.org/fhir/familial-relationship"
    ),
    "code that HL7 lacks": ("online", "STU3-INVARIANT", r'<code value="MTH"/>', '<code value="XXX"/>'),
    "section of nothing": ("2.0", "STU3-INVARIANT", r"(<section>.*?)<entry>.*?</entry>", r"\1"),
    "extension of a value and more": (
        "2.0", "STU3-INVARIANT", r'(url="SenderReference">)', r'\1<extension url="x"><valueCode value="x"/></extension>'
    ),
    "extension without an address": ("2.0", "STU3-VALUE", r'(<extension url=")https:[^"]*', r"\1x"),
    "care setting without its words": (
        "generic", "STU3-INVARIANT", r"</DocumentReference>",
        f'<extension url="{_ITK}/Extension-ITK-CareSettingType-1"><valueCodeableConcept><coding>'
        '<system value="http://snomed.info/sct"/><code value="789718008"/></coding>'
        "</valueCodeableConcept></extension></DocumentReference>",
    ),
    "OID of too few numbers": ("2.0", "STU3-VALUE", r'(<identifier><system value=")[^"]*', r"\1urn:oid:1.2.3"),
    "UUID in capitals": ("2.0", "STU3-VALUE", r'(<identifier><system value=")[^"]*', rf"\1{_NOWHERE[:-3]}ABC"),
    "on behalf of another, by no clinician": (
        "generic", "STU3-REFERENCE", r"(<requester><agent><reference [^>]*>)(</agent>)(.*?<custodian>)?",
        r"\1\2<onBehalfOf><reference value='x'/></onBehalfOf>\3",
    ),
    "associated encounter that is none": (
        "generic", "STU3-REFERENCE", r"(<Condition>.*?)(<clinicalStatus .*?<subject>)(<reference [^>]*>)",
        rf'\1<extension url="{_HL7}/StructureDefinition/encounter-associatedEncounter"><valueReference>\3'
        r"</valueReference></extension>\2\3",
    ),
    "unknown verification status": (
        "2.0", "PROFILE-CareConnect-Patient-1", r'(VerificationStatus-1"/?><value.*?<code value=")[0-9]+', r"\g<1>99"
    ),
    "system of another status": (
        "2.0", "PROFILE-CareConnect-Patient-1", r"System/CareConnect-NHSNumberVerificationStatus-1", "System/X-1"
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("MedicationStatement", {"taken": "unk", "reasonNotTaken": [{"text": "x"}]}),
        ("Range", {"low": {"value": 1}, "high": {"unit": "kg"}}),
        ("Range", {"low": {"value": 2}, "high": {"value": 1}}),
        ("Range", {"low": {"value": 1, "unit": "g"}, "high": {"value": 500, "unit": "mg"}}),
        ("Range", {"low": {"unit": "g"}, "high": {"unit": "g"}}),
        ("SimpleQuantity", {"value": 1, "comparator": "<"}),
        ("Age", {"value": 0.0, "system": "http://unitsofmeasure.org", "code": "a"}),
        ("Age", {"value": -3, "system": "http://unitsofmeasure.org", "code": "a"}),
        ("Count", {"value": 1.5, "system": "http://unitsofmeasure.org", "code": "1"}),
        ("Count", {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}),
        ("Task", {"authoredOn": "2026-11-20", "lastModified": "2026-11-19"}),
        ("Observation", {"interpretation": {"coding": [
            {"system": f"{_HL7}/v2/0078", "code": "H"}, {"system": f"{_HL7}/v2/0203", "code": "MR"}]}}),
        ("Identifier", {"type": {"coding": [
            {"system": f"{_HL7}/v2/0203", "code": "MR"}, {"system": f"{_HL7}/v2/0203", "code": "DL"}]}}),
        ("Condition", {"clinicalStatus": "active", "severity": {"coding": [
            {"system": "http://snomed.info/sct", "code": "24484000"}, {"system": f"{_HL7}/v2/0431", "code": "O"}]}}),
        ("DocumentReference", {"type": {"coding": [
            {"system": "http://loinc.org", "code": "34133-9"}, {"system": f"{_HL7}/v2/0431", "code": "O"}]}}),
        ("Questionnaire", {"url": "HTTP://tests.example/throat"}),
        ("Questionnaire.Item", {"linkId": "1", "type": "string", "extension": [
            {"url": f"{_HL7}/StructureDefinition/questionnaire-unit", "valueCoding": {"code": "kg"}}]}),
        ("Identifier", {"system": "urn:ietf:rfc:3986", "value": "1"}),
        ("Identifier", {"system": "mailto:someone@tests.example", "value": "1"}),
        ("Coding", {"system": "ftp://tests.example/codes", "code": "1"}),
        ("Coding", {"code": "1", "extension": [{"url": "https://tests.example/id", "valueId": "1"}] * 2}),
        ("Coding", {"code": "1", "extension": [
            {"url": f"https://tests.example/{name}", "valueId": "1"} for name in ("id", "id", "other")]}),
    ],
)  # fmt: skip
def test_an_invariant_of_a_type_is_broken(kind: str, content: dict[str, Any]) -> None:
    node = read(json.dumps({"resourceType": kind, **content}).encode()).root
    assert not all(holds(node) for _, holds in INVARIANTS[kind])


@pytest.mark.parametrize(
    ("kind", "name", "codings"),
    [
        ("RelatedPerson", "relationship", [("v2/0131", "N"), ("v3/RoleCode", "WIFE")]),
        ("Observation", "interpretation", [("v2/0078", "H"), ("v2/0078", "HH")]),
        ("Observation", "method", [("v2/0078", "H"), ("v2/0203", "MR")]),
    ],
)
def test_several_codings_of_hl7_may_be_of_one_value_set_or_of_none(
    kind: str, name: str, codings: list[tuple[str, str]]
) -> None:
    concept = {"coding": [{"system": f"{_HL7}/{system}", "code": code} for system, code in codings]}
    node = read(json.dumps({"resourceType": kind, "identifier": [{"value": "1"}], name: concept}).encode()).root
    assert all(holds(node) for _, holds in INVARIANTS.get(kind, ()))


def broken(body: bytes) -> set[str]:
    return {finding.id for finding in validate_bytes(body)[1] if finding.verdict is Verdict.BROKEN}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_of_each_kind_is_found(kind: str) -> None:
    role, check, pattern, instead = FAULTS[kind]
    body = sample(role).body.decode()
    mutant, count = re.subn(pattern, instead, body, count=1, flags=re.DOTALL)
    assert count == 1
    assert check not in broken(body.encode())
    assert check in broken(mutant.encode())


@pytest.mark.parametrize("in_json", [False, True])
def test_two_resources_that_exclude_one_another_are_told_apart_in_both_notations(*, in_json: bool) -> None:
    item: dict[str, Any] = {"linkId": "1", "answer": [{"valueString": "x"}], "item": [{"linkId": "2"}]}
    resource = {"resourceType": "QuestionnaireResponse", "status": "completed", "item": [item]}
    body = json.dumps({"resourceType": "Bundle", "type": "message", "entry": [{"resource": resource}]})
    if not in_json:
        body = (
            "<Bundle xmlns='http://hl7.org/fhir'><type value='message'/><entry><resource><QuestionnaireResponse>"
            "<status value='completed'/><item><linkId value='1'/><answer><valueString value='x'/></answer>"
            "<item><linkId value='2'/></item></item></QuestionnaireResponse></resource></entry></Bundle>"
        )
    words = [finding.message for finding in validate_bytes(body.encode())[1] if finding.id == "STU3-INVARIANT"]
    assert any("qrs-1" in message for message in words)


def test_every_order_fault_of_an_element_is_told() -> None:
    root = etree.fromstring(sample("2.0").body)
    composition = next(root.iter(f"{FHIR}Composition"))
    composition[:] = list(composition)[::-1]
    kinds = [child.tag for child in composition]
    faults = [finding for finding in validate_bytes(etree.tostring(root))[1] if finding.id == "STU3-ORDER"]
    assert len(faults) == sum(first != second for first, second in pairwise(kinds))


def test_mutants_are_the_same_for_the_same_seed_and_of_every_kind() -> None:
    bodies = [sample(role).body for role in ROLES]
    drawn = list(mutants(17, 400, bodies))
    assert drawn == list(mutants(17, 400, bodies))
    assert {name for name, _ in drawn} == set(MUTATIONS)


def test_whatever_the_mutant_the_checks_answer() -> None:
    for _, body in mutants(Random().getrandbits(32), 40, [sample(role).body for role in ROLES]):
        broken(body)

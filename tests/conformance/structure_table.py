"""Derives the library's table of STU3 elements (names, order, cardinality, codes) from HL7's schema.

    python -m tests.conformance.structure_table fhir-single.xsd > …/gpconnect_messaging/itk3/stu3.txt

One line a type: the base, then the elements in order as `name:type` with a mark (`?` 0..1, `!` 1..1, `*` 0..n, `+`
1..n); `(… …)` holds alternatives. A line that starts with `=` gives the codes of a required value set.
"""

import sys
from pathlib import Path

from lxml import etree

RESOURCES = (
    "AllergyIntolerance", "Binary", "Bundle", "Composition", "Condition", "Consent", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "FamilyMemberHistory", "HealthcareService", "Immunization", "List", "Location",
    "Medication", "MedicationRequest", "MedicationStatement", "MessageHeader", "Observation", "OperationOutcome",
    "Organization", "Patient", "Practitioner", "PractitionerRole", "Procedure", "ProcedureRequest", "Questionnaire",
    "QuestionnaireResponse", "ReferralRequest", "RelatedPerson", "Specimen", "Task",
)  # fmt: skip
_XS = "{http://www.w3.org/2001/XMLSchema}"
_MARKS = {("0", "1"): "?", ("1", "1"): "!", ("0", "unbounded"): "*", ("1", "unbounded"): "+"}
_Element = etree._Element


def table(schema: Path) -> str:
    """Write the table for the resources above and every type that they use."""
    root = etree.parse(str(schema)).getroot()
    types = {str(element.get("name")): element for element in root.findall(f"{_XS}complexType")}
    lists = {str(element.get("name")): element for element in root.findall(f"{_XS}simpleType")}
    lines: dict[str, str] = {}
    wanted = [*RESOURCES, "Extension"]
    while wanted:
        name = wanted.pop()
        if name in lines or name not in types:
            continue
        if (codes := lists.get(f"{name}-list")) is not None:
            lines[name] = f"={name} " + " ".join(str(code.get("value")) for code in codes.iter(f"{_XS}enumeration"))
            continue
        if f"{name}-primitive" in lists or name in ("ResourceContainer", "xhtml"):
            continue
        extension = types[name].find(f".//{_XS}extension")
        base = "" if extension is None else str(extension.get("base"))
        sequence = types[name].find(f".//{_XS}sequence")
        parts, used = _elements(sequence) if sequence is not None else ([], [])
        lines[name] = " ".join([name, base or "-", *parts])
        wanted += [base, *used]
    return "".join(f"{lines[name]}\n" for name in sorted(lines))


def _mark(element: _Element) -> str:
    return _MARKS[element.get("minOccurs", "1"), element.get("maxOccurs", "1")]


def _elements(sequence: _Element) -> tuple[list[str], list[str]]:
    parts: list[str] = []
    used: list[str] = []
    for element in sequence:
        members = list(element.iter(f"{_XS}element"))
        names = []
        for member in members:
            name = member.get("name") or str(member.get("ref")).rpartition(":")[2]
            kind = str(member.get("type") or "xhtml")
            used.append(kind)
            names.append(f"{name}:{kind}")
        if element.tag == f"{_XS}choice":
            parts.append(f"({' '.join(names)}){_mark(element)}")
        elif names:
            parts.append(names[0] + _mark(element))
    return parts, used


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1])))

"""HL7's STU3 examples as ready resources: the message contains the example, element by element.

The examples are not part of the project: `make fhir-examples` fetches HL7's package (CC0) and fails without it.
The comparison knows nothing of FHIR's types: it flattens JSON and XML to paths and values, each as it is written.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.supplied import LARGEST_RESOURCE, read_supplied
from gpconnect_messaging.itk3.xml import to_xml
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.usecases.generic_document import GENERIC_DOCUMENT
from tests.examples import ROOT, messages_of, spec_file, written

EXAMPLES = ROOT / ".build" / "fhir-examples" / "node_modules" / "hl7.fhir.r3.examples"
NAME = "generic-document-1.5"
JSON, XML = "application/fhir+json", "application/fhir+xml"
FHIR = "{http://hl7.org/fhir}"
PATIENT = {"reference": "Patient/patient"}


def examples() -> list[Path]:
    """Every example of a type that a generic document may carry."""
    if not EXAMPLES.is_dir():
        pytest.skip("HL7's examples are not part of the project: make fhir-examples")
    found = [path for path in sorted(EXAMPLES.glob("*.json")) if path.name.partition("-")[0] in STRUCTURED_TYPES]
    return [path for path in found if path.name.partition("-")[0] in GENERIC_DOCUMENT.resource_types]


class Literal(str):
    """A JSON number, as it is written."""


def parsed(text: str) -> Any:
    return json.loads(text, parse_float=Literal, parse_int=Literal)


def unparsed(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{unparsed(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(unparsed, value)) + "]"
    return str(value) if isinstance(value, Literal) else json.dumps(value)


def within_the_rules(example: dict[str, Any]) -> dict[str, Any]:
    """An example without what a message may not have: other people, embedded and foreign resources and documents."""
    kept = {
        name: element for name, element in example.items() if name not in ("text", "contained", "implicitRules", "meta")
    }
    return {name: _within_the_rules(element, name) for name, element in kept.items()}


def _within_the_rules(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_within_the_rules(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("reference"), str) or (value.keys() == {"display"} and name != "coding"):
        return PATIENT
    kept = {inner: element for inner, element in value.items() if not str(element).startswith("Binary/")}
    if "contentType" in kept:
        kept.pop("data", None)
    return {inner: _within_the_rules(element, inner) for inner, element in kept.items()}


def flat_json(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from flat_json(child, f"{path}/{name.removeprefix('_')}")
    elif isinstance(value, list):
        for child in value:
            yield from flat_json(child, path)
    elif value is not None:
        yield path, json.dumps(value) if isinstance(value, bool) else str(value)


def flat_xml(element: etree._Element, path: str = "") -> Iterator[tuple[str, str]]:
    for name in ("id", "url"):
        if name in element.attrib:
            yield f"{path}/{name}", str(element.get(name))
    if "value" in element.attrib:
        yield path, str(element.get("value"))
    for child in element:
        yield from flat_xml(child, f"{path}/{str(child.tag).removeprefix(FHIR)}")


def without_ours(pairs: Iterable[tuple[str, str]]) -> Counter[tuple[str, str]]:
    return Counter(
        pair for pair in pairs if pair[0] not in ("/id", "/resourceType") and not pair[0].startswith("/meta")
    )


def _id_of(content: str) -> str | None:
    element = etree.fromstring(content).find(f"{FHIR}id")
    return None if element is None else element.get("value")


def in_the_message(content: str, content_type: str, kind: str) -> tuple[Any, str]:
    """The supplied resource in the message, and the message's reference to the patient."""
    identifier = json.loads(content).get("id") if content_type == JSON else _id_of(content)
    # Every resource of a document is named by another, or names one.
    task: dict[str, Any] = {"resourceType": "Task", "status": "draft", "intent": "order", "for": PATIENT}
    task["focus"] = {"reference": f"{kind}/{identifier}"}
    naming = [{"content_type": JSON, "content": json.dumps(task)}] if identifier else []
    (message,) = messages_of(NAME, resources=[*naming, {"content_type": content_type, "content": content}])
    root: Any = etree.fromstring(written(message, NAME))
    (patient,) = root.xpath("//*[local-name()='entry'][*/*[local-name()='Patient']]/*[local-name()='fullUrl']/@value")
    # The message's own resources of that type stand before it.
    return list(root.iter(f"{FHIR}{kind}"))[-1], str(patient)


def differences(example: Iterator[tuple[str, str]], found: etree._Element, patient: str) -> list[tuple[str, str]]:
    expected = without_ours((path, patient if value == "Patient/patient" else value) for path, value in example)
    got = without_ours(flat_xml(found))
    return [*(expected - got), *(got - expected)]


UNPUBLISHED = re.compile("is named by no published profile|may stand at .* alone|must hold|is not taken: a receiver")
"""Why an example with an extension is refused: no profile of STU3 in England names it, or names it so."""


def test_hl7s_examples_come_out_as_they_went_in() -> None:
    equal, refused, extended, skipped = 0, [], 0, 0
    for path in examples():
        example = within_the_rules(parsed(path.read_text(encoding="utf-8")))
        content, kind = unparsed(example), example["resourceType"]
        if len(content.encode()) > LARGEST_RESOURCE:
            skipped += 1
            continue
        try:
            found, patient = in_the_message(content, JSON, kind)
        except RequestRefusedError as error:
            if all(UNPUBLISHED.search(str(reason)) for reason in error.reasons):
                extended += 1
            else:
                refused.append(path.stem)
            continue
        assert differences(flat_json(example), found, patient) == [], path.stem
        equal += 1
    # The one that is refused leaves out Questionnaire.item.linkId, which STU3 requires.
    assert (equal + extended, refused, skipped) == (254, ["Questionnaire-qs1"], 0)
    assert extended <= 18


def test_hl7s_examples_are_the_same_in_xml() -> None:
    """The package has no XML: the product's XML of an example, read as a sender's, gives the same message."""
    for path in examples():
        example = within_the_rules(parsed(path.read_text(encoding="utf-8")))
        raw, kind = unparsed(example).encode(), frozenset([example["resourceType"]])
        if path.stem == "Questionnaire-qs1":
            continue
        try:
            from_json = read_supplied(0, JSON, raw, kind)
        except RequestRefusedError:
            continue  # the test above says why
        (xml,) = to_xml(from_json.content)
        assert isinstance(xml, bytes)
        from_xml = read_supplied(0, XML, xml, kind)
        assert to_xml(from_xml.content) == [xml], path.stem


PUBLISHED = ("send-document-2.0.2-generic.xml", "consultation-report.xml", "oc-consultation-report.xml")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_resources_of_nhs_englands_examples_come_out_as_they_went_in(name: str) -> None:
    root: Any = etree.parse(str(spec_file(f"examples/{name}"))).getroot()
    compared = 0
    for resource in root.iter(*(f"{FHIR}{kind}" for kind in GENERIC_DOCUMENT.resource_types)):
        for element in resource.xpath("*[local-name()='text' or local-name()='meta']"):
            resource.remove(element)
        for element in resource.xpath(".//*[local-name()='display'][../*[local-name()='reference']]"):
            element.getparent().remove(element)
        for reference in resource.iter(f"{FHIR}reference"):
            reference.set("value", "Patient/patient")
        kind = str(resource.tag).removeprefix(FHIR)
        content = etree.tostring(resource, encoding="unicode", with_tail=False)
        found, patient = in_the_message(content, XML, kind)
        assert differences(flat_xml(resource), found, patient) == [], kind
        compared += 1
    assert compared > 0

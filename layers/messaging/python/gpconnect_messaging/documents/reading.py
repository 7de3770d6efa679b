"""Reads any ITK3 message for a person: who sent what about whom, and the documents in it (FHIR-DOC-04).

Tolerant: what is missing is left out, and what is unknown is shown by its own name. It judges nothing: that is
`conformance`'s work.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lxml import etree

from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.clinical_facts import clinical_facts, in_words, referred
from gpconnect_messaging.safe_parsing import DocumentTypeError, UnsafeContentError, parse_xml, xml_parser

_FHIR = "{http://hl7.org/fhir}"
_HANDLING = "Extension-ITK-MessageHandling"
_LABELS = {
    "nhs-number": "NHS number",
    "ods-organization-code": "ODS code",
    "sds-user-id": "SDS user id",
    "BusAckRequested": "Business acknowledgement asked for",
    "InfAckRequested": "Infrastructure acknowledgement asked for",
    "RecipientType": "Recipient type",
    "MessageDefinition": "Message definition",
    "SenderReference": "Sender's reference",
    "LocalExtension": "Local extension",
}
_ORDER = ("Patient", "Document", "Content", "Outcome", "Response", "Practitioner", "RelatedPerson", "Organisation")
"""What a person looks for, first things first, resources with the content; the message's own facts come last."""


class UnreadableMessageError(Exception):
    """The file is not an ITK3 message in XML: check what it is. Holds nothing of its content."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A group of labelled facts, such as a party of the message; `clinical` ones stay out of an administrative view."""

    heading: str
    facts: tuple[tuple[str, str], ...] = field(repr=False)
    clinical: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document that the message carries; `content` is None where its base64 is broken."""

    title: str = field(repr=False)
    content_type: str
    content: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A message as a person reads it, documents in the message's order. A title can be clinical."""

    title: str = field(repr=False)
    groups: tuple[Facts, ...] = field(repr=False)
    documents: tuple[Document, ...] = field(repr=False)


def read_message(content: bytes) -> Reading:
    """Read a message. Raises UnreadableMessageError."""
    try:
        root = parse_xml(content, xml_parser(huge=True, blanks=True))
    except DocumentTypeError:
        raise UnreadableMessageError("XML with a document type, which FHIR forbids") from None
    except UnsafeContentError:
        raise UnreadableMessageError("not well-formed XML") from None
    if root.tag != f"{_FHIR}Bundle":
        raise UnreadableMessageError("not a FHIR Bundle")
    resources = list(_resources(root))
    if not any(_name(each) == "MessageHeader" for each in resources):
        raise UnreadableMessageError("a Bundle without a MessageHeader")
    title = next((_value(each, "title") for each in resources if _name(each) == "Composition"), "")
    called = {
        _value(each, "id"): _called(each) for each in reversed(resources)
    }  # the first, where an id is there twice
    groups = [facts for each in resources for facts in _groups(each, called)]
    shown = sorted((each for each in groups if each.facts), key=_place)
    return Reading(title or "ITK3 message", tuple(shown), tuple(_documents(resources)))


def _groups(resource: Any, called: Mapping[str, str]) -> Iterator[Facts]:
    name = _name(resource)
    if name == "Composition":
        yield from _composition(resource, called)
    elif name in _GROUPS:
        yield from _GROUPS[name](resource)
    elif name != _DOCUMENT:
        yield Facts(_called(resource), clinical_facts(resource, called), clinical=True)


def _called(resource: Any) -> str:
    """What a person calls a resource: its type, and the name, title or code that it has."""
    if _name(resource) == _DOCUMENT:
        return _DOCUMENT
    said = _human_name(resource) or next(
        filter(None, (_value(resource, path) for path in ("name", "title", "code/coding/display", "code/text"))), ""
    )
    return ": ".join(filter(None, (in_words(_name(resource)), said)))


def _place(group: Facts) -> int:
    heading = "Content" if group.clinical else group.heading
    return _ORDER.index(heading) if heading in _ORDER else len(_ORDER)


def _header(header: Any) -> Iterator[Facts]:
    facts = [
        ("Message", _value(header, "id")),
        ("Event", _join(header, "event/code", "event/display")),
        ("Created", _value(header, "timestamp")),
        ("From mailbox", _value(header, "source/endpoint")),
    ]
    for extension in header.iterfind(f"{_FHIR}extension"):
        if _HANDLING in extension.get("url", ""):
            facts += [
                (_label(each.get("url", "")), _any_value(each)) for each in extension.iterfind(f"{_FHIR}extension")
            ]
    yield _facts("Message", facts)
    answer = [("Answers", _value(header, "response/identifier")), ("Result", _value(header, "response/code"))]
    yield _facts("Response", answer)


def _outcome(outcome: Any) -> Iterator[Facts]:
    for issue in outcome.iterfind(f"{_FHIR}issue"):
        yield _facts(
            "Outcome",
            [
                ("Severity", _value(issue, "severity")),
                ("Code", _join(issue, "details/coding/code", "details/coding/display")),
                ("Diagnostics", _value(issue, "diagnostics")),
            ],
        )


def _person(person: Any) -> Iterator[Facts]:
    yield _facts(
        _name(person),
        [
            ("Name", _human_name(person)),
            *_identifiers(person),
            ("Born", _value(person, "birthDate")),
            ("Gender", _value(person, "gender")),
            *_contacts(person),
        ],
    )


def _organisation(organisation: Any) -> Iterator[Facts]:
    yield _facts(
        "Organisation", [("Name", _value(organisation, "name")), *_identifiers(organisation), *_contacts(organisation)]
    )


def _composition(composition: Any, called: Mapping[str, str]) -> Iterator[Facts]:
    yield _facts(
        "Document",
        [
            ("Type", _join(composition, "type/coding/code", "type/coding/display")),
            ("Date", _value(composition, "date")),
            ("Confidentiality", _value(composition, "confidentiality")),
            ("Status", _value(composition, "status")),
            ("Replaces", _value(composition, "relatesTo/targetIdentifier/value")),
        ],
    )
    sections = composition.iter(f"{_FHIR}section")
    facts = [("Title", _value(composition, "title")), ("Summary", _narrative(composition))]
    facts += [(_value(each, "title") or "Section", _section(each, called)) for each in sections]
    yield Facts("Content", tuple((label, value) for label, value in facts if value), clinical=True)


def _section(section: Any, called: Mapping[str, str]) -> str:
    """What a section says, and what it refers to: each of both is shown elsewhere on the page."""
    references = [each.get("value", "") for each in section.iterfind(f"{_FHIR}entry/{_FHIR}reference")]
    found = dict.fromkeys(called.get(referred(each), "something that is not in the message") for each in references)
    seen = "; ".join("the documents" if each == _DOCUMENT else each for each in found)
    return ". ".join(filter(None, (_narrative(section).rstrip("."), seen and f"see {seen}"))) or "see its sections"


_DOCUMENT = "Binary"
_GROUPS = {
    "MessageHeader": _header,
    "OperationOutcome": _outcome,
    "Patient": _person,
    "Practitioner": _person,
    "RelatedPerson": _person,
    "Organization": _organisation,
}


def _documents(resources: list[Any]) -> Iterator[Document]:
    titles: dict[str, str] = {}
    for composition in (each for each in resources if _name(each) == "Composition"):
        for section in composition.iter(f"{_FHIR}section"):
            for reference in section.iterfind(f"{_FHIR}entry/{_FHIR}reference"):
                titles[referred(reference.get("value", ""))] = _value(section, "title")
    for binary in (each for each in resources if _name(each) == _DOCUMENT):
        try:
            content = base64.b64decode("".join(_value(binary, "content").split()), validate=True)
        except (binascii.Error, ValueError):
            content = None
        yield Document(titles.get(_value(binary, "id"), ""), _value(binary, "contentType"), content)


def _resources(bundle: Any) -> Iterator[Any]:
    for wrapper in bundle.iterfind(f"{_FHIR}entry/{_FHIR}resource"):
        for resource in wrapper:
            if _name(resource) == "Bundle":
                yield from _resources(resource)
            else:
                yield resource


def _facts(heading: str, facts: list[tuple[str, str]]) -> Facts:
    return Facts(heading, tuple((label, value) for label, value in facts if value))


def _name(element: Any) -> str:
    return str(etree.QName(element).localname)


def _value(element: Any, path: str) -> str:
    found = element.find("/".join(_FHIR + step for step in path.split("/")))
    return "" if found is None else found.get("value", "")


def _join(element: Any, *paths: str) -> str:
    return " ".join(filter(None, (_value(element, path) for path in paths)))


def _any_value(extension: Any) -> str:
    for child in extension:
        if _name(child).startswith("value"):
            return child.get("value") or _join(child, "code", "display") or _value(child, "reference")
    return ""


def _human_name(person: Any) -> str:
    for name in person.iterfind(f"{_FHIR}name"):
        parts = [part.get("value", "") for tag in ("prefix", "given", "family") for part in name.iterfind(_FHIR + tag)]
        return " ".join(filter(None, parts)) or _value(name, "text")
    return ""


def _identifiers(element: Any) -> Iterator[tuple[str, str]]:
    for identifier in element.iterfind(f"{_FHIR}identifier"):
        system = _value(identifier, "system").rpartition("/")[2]
        value = _value(identifier, "value")
        if system == "nhs-number" and len(value) == 10:
            value = wording.nhs_number(value)
        yield _label(system), value


def _label(name: str) -> str:
    return _LABELS.get(name, name or "Identifier")


def _contacts(element: Any) -> Iterator[tuple[str, str]]:
    for address in element.iterfind(f"{_FHIR}address"):
        tags = ("line", "city", "district", "postalCode")
        lines = [part.get("value", "") for tag in tags for part in address.iterfind(_FHIR + tag)]
        yield "Address", ", ".join(filter(None, lines)) or _value(address, "text")
    for contact in element.iterfind(f"{_FHIR}telecom"):
        yield (_value(contact, "system") or "contact").capitalize(), _value(contact, "value")


def _narrative(element: Any) -> str:
    division = element.find(f"{_FHIR}text/{{http://www.w3.org/1999/xhtml}}div")
    return "" if division is None else " ".join("".join(division.itertext()).split())

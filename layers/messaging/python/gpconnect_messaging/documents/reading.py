"""Reads any ITK3 message for display: sender, recipient, patient, content and documents (FHIR-DOC-04).

The reader is tolerant: missing elements are left out, and unknown ones keep FHIR's name. `conformance` checks
messages; this module does not.
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
"""The order of the groups on a page; clinical resources count as content, unlisted groups come last."""


class UnreadableMessageError(Exception):
    """The file is not an ITK3 message in XML. The text quotes nothing of the file."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A group of labelled facts, such as a party of the message; `clinical` ones stay out of an administrative view."""

    heading: str
    facts: tuple[tuple[str, str], ...] = field(repr=False)
    clinical: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document that the message carries; `content` is None if the base64 is broken."""

    title: str = field(repr=False)
    content_type: str
    content: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reading:
    """A message for display, with documents in message order. A title can be clinical."""

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
    if not any(_name(resource) == "MessageHeader" for resource in resources):
        raise UnreadableMessageError("a Bundle without a MessageHeader")
    title = next((_value(resource, "title") for resource in resources if _name(resource) == "Composition"), "")
    # Reversed, so that the first of several resources with one id wins.
    names = {_value(resource, "id"): _display_name(resource) for resource in reversed(resources)}
    groups = [facts for resource in resources for facts in _groups(resource, names)]
    shown = sorted((group for group in groups if group.facts), key=_rank)
    return Reading(title or "ITK3 message", tuple(shown), tuple(_documents(resources)))


def _groups(resource: Any, names: Mapping[str, str]) -> Iterator[Facts]:
    name = _name(resource)
    if name == "Composition":
        yield from _composition(resource, names)
    elif name in _GROUPS:
        yield from _GROUPS[name](resource)
    elif name != _DOCUMENT:
        yield Facts(_display_name(resource), clinical_facts(resource, names), clinical=True)


def _display_name(resource: Any) -> str:
    """A resource's name for display: the type, and the name, title or code if there is one."""
    if _name(resource) == _DOCUMENT:
        return _DOCUMENT
    label = _human_name(resource) or next(
        filter(None, (_value(resource, path) for path in ("name", "title", "code/coding/display", "code/text"))), ""
    )
    return ": ".join(filter(None, (in_words(_name(resource)), label)))


def _rank(group: Facts) -> int:
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
            facts += [(_label(key.get("url", "")), _any_value(key)) for key in extension.iterfind(f"{_FHIR}extension")]
    yield _facts("Message", facts)
    response = [("Answers", _value(header, "response/identifier")), ("Result", _value(header, "response/code"))]
    yield _facts("Response", response)


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


def _composition(composition: Any, names: Mapping[str, str]) -> Iterator[Facts]:
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
    facts += [(_value(section, "title") or "Section", _section(section, names)) for section in sections]
    yield Facts("Content", tuple((label, value) for label, value in facts if value), clinical=True)


def _section(section: Any, names: Mapping[str, str]) -> str:
    """A section's narrative, and the names of the resources that it refers to."""
    references = [reference.get("value", "") for reference in section.iterfind(f"{_FHIR}entry/{_FHIR}reference")]
    found = dict.fromkeys(
        names.get(referred(reference), "something that is not in the message") for reference in references
    )
    seen = "; ".join("the documents" if name == _DOCUMENT else name for name in found)
    return (
        ". ".join(filter(None, (_narrative(section).rstrip("."), seen and f"see {seen}"))) or "see the sections inside"
    )


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
    for composition in (resource for resource in resources if _name(resource) == "Composition"):
        for section in composition.iter(f"{_FHIR}section"):
            for reference in section.iterfind(f"{_FHIR}entry/{_FHIR}reference"):
                titles[referred(reference.get("value", ""))] = _value(section, "title")
    for binary in (resource for resource in resources if _name(resource) == _DOCUMENT):
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

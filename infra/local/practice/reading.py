"""Read a GP Connect message as a receiving system would: the content, and all faults.

Sources: the ITK3 message distribution profiles (ITK-Message-Bundle-1, ITK-MessageHeader-2,
Extension-ITK-MessageHandling-2, ITK-Document-Bundle-1, ITK-Attachment-Binary-1) and the Send Document specification.
Findings go to the sender and into logs, so they name elements and never quote a patient's data.
"""

import base64
import binascii
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

FHIR = "http://hl7.org/fhir"
_NS = {"f": FHIR}
_HANDLING = "https://fhir.nhs.uk/STU3/StructureDefinition/Extension-ITK-MessageHandling-2"
_HANDLING_KEYS = {
    "BusAckRequested": "valueBoolean",
    "InfAckRequested": "valueBoolean",
    "RecipientType": "valueCoding",
    "MessageDefinition": "valueReference",
    "SenderReference": "valueString",
    "LocalExtension": "valueString",
}
_EVENT_SYSTEM = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"
_RECIPIENT_TYPE_SYSTEM = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1"
_ODS_SYSTEM = "https://fhir.nhs.uk/Id/ods-organization-code"
_NHS_NUMBER_SYSTEM = "https://fhir.nhs.uk/Id/nhs-number"
_NHS_NUMBER_STATUS = re.compile(r".*NHSNumberVerificationStatus-1$")
_MESSAGE_DEFINITIONS = frozenset(
    {
        "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1",
        "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-Instance-1",
    }
)
_DIGESTS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}


class Part(StrEnum):
    """Part of the message that a finding is about; it decides the response code."""

    ENVELOPE = "envelope"
    HEADER = "header"
    PAYLOAD = "payload"


@dataclass(frozen=True)
class Finding:
    """A fault of a message."""

    part: Part
    text: str


@dataclass(frozen=True)
class Document:
    """A document in a Binary: the type, and the decoded size and SHA-256."""

    content_type: str
    size: int
    sha256: str


@dataclass
class Reading:
    """Content of a message. `message_id` is None if the header could not be read."""

    message_id: str | None = None
    event: str = ""
    endpoint: str = ""
    document_id: str | None = None
    infrastructure_requested: bool = True
    business_requested: bool = True
    given_names: tuple[str, ...] = field(default=(), repr=False)
    documents: tuple[Document, ...] = ()
    findings: list[Finding] = field(default_factory=list)

    def find(self, part: Part, text: str) -> None:
        """Add a finding."""
        self.findings.append(Finding(part, text))


def read(content: bytes, *, schema: Path | None = None, mesh_from: str = "", checksum: str = "") -> Reading:
    """Read a decompressed message body; never raises for a fault in it.

    `schema` is the STU3 `fhir-single.xsd`; `mesh_from` and `checksum` are MESH headers to compare with.
    """
    reading = Reading()
    if checksum and not _checksum_holds(checksum, content):
        reading.find(Part.PAYLOAD, "Mex-Content-Checksum is not that of the content")
    try:
        root: Any = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        reading.find(Part.ENVELOPE, f"not well-formed XML (line {error.lineno or 0})")
        return reading
    if root.getroottree().docinfo.doctype:
        reading.find(Part.ENVELOPE, "a document type declaration is not accepted")
        return reading
    if root.tag != f"{{{FHIR}}}Bundle":
        reading.find(Part.ENVELOPE, "the root element is not a FHIR Bundle")
        return reading
    if schema is not None:
        _check_schema(reading, root, schema)
    header = _first_resource(root)
    if header is None or _name(header) != "MessageHeader":
        reading.find(Part.ENVELOPE, "the first entry is not a MessageHeader")
        return reading
    reading.message_id = _value(header, "f:id")
    if reading.message_id is None:
        reading.find(Part.ENVELOPE, "MessageHeader.id is missing")
    reading.event = _value(header, "f:event/f:code") or ""
    _check_message_bundle(reading, root)
    _check_header(reading, root, header, mesh_from)
    payload = _payload(reading, root, header)
    if payload is not None:
        _check_payload(reading, payload)
    return reading


def is_nhs_number(text: str) -> bool:
    """Check ten ASCII digits with a modulus 11 check digit, not all the same."""
    if re.fullmatch(r"[0-9]{10}", text) is None or len(set(text)) == 1:
        return False
    digits = [int(digit) for digit in text]
    remainder = sum(weight * digit for weight, digit in zip(range(10, 1, -1), digits, strict=False)) % 11
    return (11 - remainder) % 11 == digits[9]


def _check_message_bundle(reading: Reading, bundle: Any) -> None:
    if _value(bundle, "f:type") != "message":
        reading.find(Part.HEADER, "Bundle.type is not message")
    if not _value(bundle, "f:identifier/f:value"):
        reading.find(Part.HEADER, "Bundle.identifier is missing")
    _check_entries(reading, Part.HEADER, bundle)
    every_id = [
        _value(resource, "f:id") for owner in (bundle, *_inner_bundles(bundle)) for resource in _resources(owner)
    ]
    if any(count > 1 for id_, count in Counter(every_id).items() if id_):
        reading.find(Part.PAYLOAD, "a resource id is used more than once")


def _check_header(reading: Reading, bundle: Any, header: Any, mesh_from: str) -> None:
    part = Part.HEADER
    if _value(header, "f:event/f:system") != _EVENT_SYSTEM or reading.event != "ITK007C":
        reading.find(part, "MessageHeader.event is not ITK007C of ITK-MessageEvent-2")
    if not _value(header, "f:event/f:display"):
        reading.find(part, "MessageHeader.event.display is missing")
    for unwanted in ("destination", "receiver", "author", "response"):
        if header.find(f"f:{unwanted}", _NS) is not None:
            reading.find(part, f"MessageHeader.{unwanted} is not expected")
    sender = _resolve(bundle, _value(header, "f:sender/f:reference"))
    if sender is None or _name(sender) != "Organization" or not _identifier(sender, _ODS_SYSTEM):
        reading.find(part, "MessageHeader.sender is not an Organization with an ODS code")
    if not _is_instant(_value(header, "f:timestamp")):
        reading.find(part, "MessageHeader.timestamp is not an instant with a time zone")
    reading.endpoint = _value(header, "f:source/f:endpoint") or ""
    if not reading.endpoint:
        reading.find(part, "MessageHeader.source.endpoint is missing")
    elif mesh_from and reading.endpoint.upper() != mesh_from.upper():
        reading.find(part, "MessageHeader.source.endpoint is not the mailbox that sent the message")
    _check_handling(reading, header)


def _check_handling(reading: Reading, header: Any) -> None:
    part = Part.HEADER
    handling = header.findall(f"f:extension[@url='{_HANDLING}']", _NS)
    if len(handling) != 1:
        reading.find(part, f"the message handling extension occurs {len(handling)} times, not once")
        return
    counts = Counter(extension.get("url") for extension in handling[0].findall("f:extension", _NS))
    for key, element in _HANDLING_KEYS.items():
        if counts[key] != 1:
            reading.find(part, f"handling key {key} occurs {counts[key]} times, not once")
        elif handling[0].find(f"f:extension[@url='{key}']/f:{element}", _NS) is None:
            reading.find(part, f"handling key {key} has no {element}")
    for unknown in sorted(str(key) for key in set(counts) - set(_HANDLING_KEYS)):
        reading.find(part, f"handling key {unknown} is not known")

    def value(key: str, path: str) -> str | None:
        return _value(handling[0], f"f:extension[@url='{key}']/{path}")

    reading.business_requested = value("BusAckRequested", "f:valueBoolean") != "false"
    reading.infrastructure_requested = value("InfAckRequested", "f:valueBoolean") != "false"
    type_system, type_code = (value("RecipientType", f"f:valueCoding/f:{name}") for name in ("system", "code"))
    if type_system != _RECIPIENT_TYPE_SYSTEM or type_code not in {"FA", "FI"}:
        reading.find(part, "handling key RecipientType is neither FA nor FI")
    if value("MessageDefinition", "f:valueReference/f:reference") not in _MESSAGE_DEFINITIONS:
        reading.find(part, "handling key MessageDefinition is not the one of GP Connect Send Document")
    reference = value("SenderReference", "f:valueString")
    if reference is not None and not 0 < len(reference) <= 255:
        reading.find(part, "handling key SenderReference is empty or longer than 255 characters")


def _payload(reading: Reading, bundle: Any, header: Any) -> Any | None:
    focus = header.findall("f:focus", _NS)
    payload = _resolve(bundle, _value(focus[0], "f:reference")) if len(focus) == 1 else None
    if payload is None or _name(payload) != "Bundle" or _value(payload, "f:type") != "document":
        reading.find(Part.HEADER, "MessageHeader.focus is not one Bundle of type document")
        return None
    return payload


def _check_payload(reading: Reading, payload: Any) -> None:
    part = Part.PAYLOAD
    reading.document_id = _value(payload, "f:identifier/f:value") or _value(payload, "f:id")
    if not _value(payload, "f:identifier/f:value"):
        reading.find(part, "the document Bundle has no identifier")
    _check_entries(reading, part, payload)
    composition = _first_resource(payload)
    if composition is None or _name(composition) != "Composition":
        reading.find(part, "the first entry of the document is not a Composition")
        return
    if _value(composition, "f:status") != "final":
        reading.find(part, "Composition.status is not final")
    for element in ("type", "date", "title", "author", "section"):
        if composition.find(f"f:{element}", _NS) is None:
            reading.find(part, f"Composition.{element} is missing")
    patients = [resource for resource in _resources(payload) if _name(resource) == "Patient"]
    subject = _resolve(payload, _value(composition, "f:subject/f:reference"))
    if len(patients) != 1 or subject is not patients[0]:
        reading.find(part, "Composition.subject is not the document's only Patient")
    for patient in patients:
        _check_patient(reading, patient)
    people = [resource for resource in _resources(payload) if _name(resource) in {"Patient", "Practitioner"}]
    reading.given_names = tuple(
        name.get("value", "") for person in people for name in person.findall("f:name/f:given", _NS)
    )
    _check_documents(reading, payload, composition)


def _check_patient(reading: Reading, patient: Any) -> None:
    part = Part.PAYLOAD
    numbers = [
        identifier
        for identifier in patient.findall("f:identifier", _NS)
        if _value(identifier, "f:system") == _NHS_NUMBER_SYSTEM
    ]
    if len(numbers) != 1 or not is_nhs_number(_value(numbers[0], "f:value") or ""):
        reading.find(part, "Patient has not exactly one valid NHS number")
    elif not any(
        _NHS_NUMBER_STATUS.match(extension.get("url", "")) for extension in numbers[0].findall("f:extension", _NS)
    ):
        reading.find(part, "Patient's NHS number has no verification status")
    official = [name for name in patient.findall("f:name", _NS) if _value(name, "f:use") == "official"]
    if len(official) != 1 or not _value(official[0], "f:family"):
        reading.find(part, "Patient has not exactly one official name with a family name")
    if not re.fullmatch(r"\d{4}(-\d{2}(-\d{2})?)?", _value(patient, "f:birthDate") or ""):
        reading.find(part, "Patient.birthDate is missing or not a date")


def _check_documents(reading: Reading, payload: Any, composition: Any) -> None:
    part = Part.PAYLOAD
    referenced = [
        _resolve(payload, reference.get("value"))
        for reference in composition.findall(".//f:section/f:entry/f:reference", _NS)
    ]
    binaries = [resource for resource in _resources(payload) if _name(resource) == "Binary"]
    if not binaries:
        reading.find(part, "the document carries no Binary")
    if any(all(binary is not resource for resource in referenced) for binary in binaries):
        reading.find(part, "a Binary is not referenced from a section")
    documents = []
    for binary in binaries:
        content_type = _value(binary, "f:contentType") or ""
        if not content_type:
            reading.find(part, "Binary.contentType is missing")
        try:
            text = re.sub(r"\s+", "", _value(binary, "f:content") or "")
            content = base64.b64decode(text, validate=True)
        except binascii.Error:
            reading.find(part, "Binary.content is not base64")
            continue
        if not content:
            reading.find(part, "Binary.content is empty")
        elif content_type == "application/pdf" and not (content.startswith(b"%PDF-") and b"%%EOF" in content[-1024:]):
            reading.find(part, "a document of type application/pdf is not a complete PDF")
        documents.append(Document(content_type, len(content), hashlib.sha256(content).hexdigest()))
    reading.documents = tuple(documents)


def _check_entries(reading: Reading, part: Part, bundle: Any) -> None:
    """Check every entry of a Bundle for an id, a matching full URL, and references that resolve."""
    full_urls = [_value(entry, "f:fullUrl") for entry in bundle.findall("f:entry", _NS)]
    if any(count > 1 for url, count in Counter(full_urls).items() if url):
        reading.find(part, "a fullUrl is used more than once")
    for entry in bundle.findall("f:entry", _NS):
        resource = next(iter(entry.findall("f:resource/*", _NS)), None)
        url = _value(entry, "f:fullUrl")
        if resource is None or url is None:
            reading.find(part, "an entry has no resource or no fullUrl")
            continue
        id_ = _value(resource, "f:id")
        if id_ is None:
            reading.find(part, f"{_name(resource)}.id is missing")
        elif url.startswith("urn:uuid:") and url != f"urn:uuid:{id_}":
            reading.find(part, f"fullUrl of {_name(resource)} does not match the id")
        if _name(resource) != "Bundle":
            _check_references(reading, part, bundle, resource)


def _check_references(reading: Reading, part: Part, bundle: Any, resource: Any) -> None:
    for reference in resource.iter(f"{{{FHIR}}}reference"):
        # The message definition is referenced by URL and is not part of the message.
        if reference.getparent().tag == f"{{{FHIR}}}valueReference":
            continue
        if _resolve(bundle, reference.get("value")) is None:
            reading.find(part, f"a reference of {_name(resource)} does not resolve in the Bundle")


def _check_schema(reading: Reading, root: Any, schema: Path) -> None:
    validator = _compiled(schema)
    if not validator.validate(root):
        # The validator's messages quote the values.
        errors: Any = validator.error_log
        lines = sorted({entry.line for entry in errors})
        shown = ", ".join(str(line) for line in lines[:5])
        reading.find(Part.PAYLOAD, f"not valid against the STU3 schema ({len(lines)} lines: {shown})")


@cache
def _compiled(schema: Path) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(schema)))


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_comments=True, remove_pis=True
    )


def _inner_bundles(bundle: Any) -> list[Any]:
    return [resource for resource in _resources(bundle) if _name(resource) == "Bundle"]


def _resources(bundle: Any) -> Iterator[Any]:
    return iter(bundle.findall("f:entry/f:resource/*", _NS))


def _first_resource(bundle: Any) -> Any | None:
    return next(_resources(bundle), None)


def _resolve(bundle: Any, reference: str | None) -> Any | None:
    """Return the resource in this Bundle that a reference names, by full URL or by `Type/id`."""
    if not reference:
        return None
    for entry in bundle.findall("f:entry", _NS):
        resource = next(iter(entry.findall("f:resource/*", _NS)), None)
        if resource is None:
            continue
        if reference in {_value(entry, "f:fullUrl"), f"{_name(resource)}/{_value(resource, 'f:id')}"}:
            return resource
    return None


def _identifier(resource: Any, system: str) -> str | None:
    for identifier in resource.findall("f:identifier", _NS):
        if _value(identifier, "f:system") == system:
            return _value(identifier, "f:value")
    return None


def _name(resource: Any) -> str:
    return str(etree.QName(resource).localname)


def _value(element: Any, path: str) -> str | None:
    child = element.find(path, _NS)
    return None if child is None else child.get("value")


def _is_instant(text: str | None) -> bool:
    try:
        # FHIR allows seven fractional digits; Python does not.
        moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text or ""))
    except ValueError:
        return False
    return moment.tzinfo is not None


def _checksum_holds(checksum: str, content: bytes) -> bool:
    """Compare a hexadecimal checksum, with or without the algorithm's name; other forms are not checked."""
    digest = re.split(r"[\s:]+", checksum.strip())[-1].lower()
    algorithm = _DIGESTS.get(len(digest)) if re.fullmatch(r"[0-9a-f]+", digest) else None
    return algorithm is None or hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == digest

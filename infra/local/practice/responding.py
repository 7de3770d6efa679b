"""Write ITK3 Responses, in the current form and in older and rarer forms that a reader must accept.

A response is FHIR JSON values; the XML is made from the same values, in the schema's element order.
Sources: ITK-MessageHeader-2, Extension-ITK-MessageHandling-2, ITK-Response-OperationOutcome-1.
"""

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from lxml import etree

from infra.local.practice import codes
from infra.local.practice.answering import Answer
from infra.local.practice.reading import FHIR, Reading

UNREADABLE_ORIGINAL = "UNREADABLE-IN-ORIGINAL-MESSAGE"
_PROFILES = "https://fhir.nhs.uk/STU3/StructureDefinition"
_SYSTEMS = "https://fhir.nhs.uk/STU3/CodeSystem"


class Shape(StrEnum):
    """Form of a response."""

    STANDARD = "standard"
    LEGACY = "legacy"  # event ITK002M, the old code system, no handling extension, a Practitioner as sender
    JSON = "json"  # FHIR JSON
    GZIP = "gzip"  # XML under Content-Encoding gzip
    SEVERAL = "several"  # more than one issue, the second without a coding
    BARE = "bare"  # no diagnostics, no profiles, the identifier as an upper-case urn:uuid


@dataclass(frozen=True)
class Practice:
    """The responding organisation: ODS code and mailbox."""

    ods_code: str
    mailbox: str


@dataclass(frozen=True)
class Response:
    """A response to upload."""

    id: str
    content: bytes
    content_type: str
    content_encoding: str = ""


def write(answer: Answer, reading: Reading, practice: Practice, *, shape: Shape, now: datetime) -> Response:
    """Write a response. The id derives from the original's id and the code, so a repeat has the same id."""
    original = reading.message_id or UNREADABLE_ORIGINAL
    id_ = str(uuid5(NAMESPACE_URL, f"{practice.mailbox}/{original}/{answer.code}"))
    bundle = _bundle(answer, original, id_, practice, shape=shape, now=now)
    if shape is Shape.JSON:
        content, content_type = json.dumps(bundle, indent=1).encode(), "application/fhir+json"
    else:
        content, content_type = _as_xml(bundle), "application/xml"
    if answer.malformed:
        content = content[: len(content) // 2]
    if shape is Shape.GZIP:
        return Response(id_, gzip.compress(content), content_type, "gzip")
    return Response(id_, content, content_type)


def _bundle(
    answer: Answer, original: str, id_: str, practice: Practice, *, shape: Shape, now: datetime
) -> dict[str, Any]:
    resources = (
        _header(answer, original, id_, practice, shape=shape, now=now),
        _sender(id_, practice, shape),
        _outcome(answer, id_, shape),
    )
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid5(NAMESPACE_URL, f"{id_}/bundle")),
        "meta": {"profile": [f"{_PROFILES}/ITK-Message-Bundle-1"]},
        "identifier": {"system": "https://tools.ietf.org/html/rfc4122", "value": id_},
        "type": "message",
        "entry": [{"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource} for resource in resources],
    }
    return _without_profiles(bundle) if shape is Shape.BARE else bundle


def _header(
    answer: Answer, original: str, id_: str, practice: Practice, *, shape: Shape, now: datetime
) -> dict[str, Any]:
    legacy = shape is Shape.LEGACY
    known = original != UNREADABLE_ORIGINAL
    header = {
        "resourceType": "MessageHeader",
        "id": id_,
        "meta": {"profile": [f"{_PROFILES}/ITK-MessageHeader-2"]},
        "extension": [_handling(id_)],
        "event": {
            "system": f"{_SYSTEMS}/ITK-MessageEvent-2",
            "code": "ITK002M" if legacy else "ITK008M",
            "display": "ITK Business Acknowledgement" if legacy else "ITK Response",
        },
        "sender": {"reference": f"urn:uuid:{_sender_id(id_)}"},
        "timestamp": now.astimezone(UTC).isoformat(timespec="milliseconds"),
        "source": {"endpoint": practice.mailbox},
        "response": {
            "identifier": f"urn:uuid:{original.upper()}" if shape is Shape.BARE and known else original,
            "code": "ok" if codes.lookup(answer.code).positive else "fatal-error",
            "details": {"reference": f"urn:uuid:{_outcome_id(id_)}"},
        },
    }
    if legacy:
        del header["extension"]
    return header


def _handling(id_: str) -> dict[str, Any]:
    return {
        "url": f"{_PROFILES}/Extension-ITK-MessageHandling-2",
        "extension": [
            {"url": "BusAckRequested", "valueBoolean": False},
            {"url": "InfAckRequested", "valueBoolean": False},
            {
                "url": "RecipientType",
                "valueCoding": {
                    "system": f"{_SYSTEMS}/ITK-RecipientType-1",
                    "code": "FI",
                    "display": "For Information",
                },
            },
            {
                "url": "MessageDefinition",
                "valueReference": {
                    "reference": "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-Response-MessageDefinition-1"
                },
            },
            {"url": "SenderReference", "valueString": id_},
            {"url": "LocalExtension", "valueString": "None"},
        ],
    }


def _sender(id_: str, practice: Practice, shape: Shape) -> dict[str, Any]:
    if shape is Shape.LEGACY:
        return {
            "resourceType": "Practitioner",
            "id": _sender_id(id_),
            "meta": {"profile": [f"{_PROFILES}/CareConnect-ITK-Header-Practitioner-1"]},
            "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "999999999999"}],
            "name": [{"family": "Testpractice", "given": ["Synthetic"]}],
        }
    return {
        "resourceType": "Organization",
        "id": _sender_id(id_),
        "meta": {"profile": [f"{_PROFILES}/CareConnect-ITK-Header-Organization-1"]},
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": practice.ods_code}],
    }


def _outcome(answer: Answer, id_: str, shape: Shape) -> dict[str, Any]:
    code = codes.lookup(answer.code)
    system = "ITK-Acknowledgement-1" if shape is Shape.LEGACY else "ITK-ResponseCodes-1"
    issue: dict[str, Any] = {
        "severity": code.severity,
        "code": code.issue,
        "details": {"coding": [{"system": f"{_SYSTEMS}/{system}", "code": code.code, "display": code.display}]},
    }
    if answer.diagnostics and shape is not Shape.BARE:
        issue["diagnostics"] = "; ".join(answer.diagnostics[:10])
    issues = [issue]
    if shape is Shape.SEVERAL:
        issues.append({"severity": "information", "code": "informational", "diagnostics": "A second issue, to be kept"})
    profile = "ITK-Busack-OperationOutcome-1" if shape is Shape.LEGACY else "ITK-Response-OperationOutcome-1"
    return {
        "resourceType": "OperationOutcome",
        "id": _outcome_id(id_),
        "meta": {"profile": [f"{_PROFILES}/{profile}"]},
        "issue": issues,
    }


def _sender_id(id_: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{id_}/sender"))


def _outcome_id(id_: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{id_}/outcome"))


def _without_profiles(bundle: dict[str, Any]) -> dict[str, Any]:
    def stripped(resource: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in resource.items() if key != "meta"}

    entries = [{**entry, "resource": stripped(entry["resource"])} for entry in bundle["entry"]]
    return {**stripped(bundle), "entry": entries}


def _as_xml(bundle: dict[str, Any]) -> bytes:
    default_namespace: Any = {None: FHIR}
    root = etree.Element(f"{{{FHIR}}}{bundle['resourceType']}", nsmap=default_namespace)
    _fill(root, bundle)
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True))


def _fill(parent: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if name == "resourceType":
                continue
            if name == "url":
                parent.set("url", item)
                continue
            element = etree.SubElement(parent, f"{{{FHIR}}}{name}")
            if name == "resource":
                element = etree.SubElement(element, f"{{{FHIR}}}{item['resourceType']}")
            if isinstance(item, dict):
                _fill(element, item)
            else:
                element.set("value", str(item).lower() if isinstance(item, bool) else str(item))

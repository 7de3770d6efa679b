"""The FHIR STU3 resources of a Send Document message, as FHIR JSON objects.

Source: the ITK3 and CareConnect profiles that `meta.profile` names; GPCM-SD-001 … 032; GPCM-SD-CS-017 … 053;
GPCM-SD-OC-001 … 173; GPCM-SD-GE-001 … 146; GPCM-SD-028 … 049 and 103 … 123 (2.0.2).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape

from gpconnect_messaging.identifiers import NHS_NUMBER_SYSTEM, PROFESSIONAL_SYSTEMS
from gpconnect_messaging.itk3.clinical import StructuredPart, concept, structured_part
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.requests.models import (
    Address,
    Author,
    Device,
    Event,
    Location,
    Name,
    Practitioner,
    RelatedPerson,
)
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError

Resource = dict[str, Any]

_ITK = "https://fhir.nhs.uk/STU3/StructureDefinition"
_CARE_CONNECT = "https://fhir.hl7.org.uk/STU3/StructureDefinition"
_VERIFICATION = "CareConnect-NHSNumberVerificationStatus-1"
_VERIFICATION_DISPLAY = {
    "01": "Number present and verified",
    "02": "Number present but not traced",
    "03": "Trace required",
    "04": "Trace attempted - No match or multiple match found",
    "05": "Trace needs to be resolved - (NHS number or patient detail conflict)",
    "06": "Trace in progress",
    "08": "Trace postponed (baby under six weeks old)",
}
_UUID_SYSTEM = "https://tools.ietf.org/html/rfc4122"
_CARE_SETTING = f"{_CARE_CONNECT}/Extension-CareConnect-CareSettingType-1"
"""The extension of CareConnect-Composition-1, since our Composition claims that profile. ITK3 publishes one of the same
name and shape under another URL, for other documents: the check of FHIR-DOC-06 accepts either."""
_PRIORITY_DISPLAY = {"R": "routine", "UR": "urgent", "EM": "emergency", "A": "ASAP"}
_AUTHORS = {
    Author.PRACTITIONER: "Practitioner",
    Author.PATIENT: "Patient",
    Author.RELATED_PERSON: "RelatedPerson",
    Author.DEVICE: "Device",
}
_UNNAMED = "is named by no other part of the message: name it in authors, give consultation.type, or leave it out"
_UNREFERRED = "is named by no other resource: refer to it in one that the Composition lists, or leave it out"
_UNKNOWN = "UNK"
"""The value that live senders write for an SDS user id that they do not know."""
_ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"


def message_bundle(message: Message) -> tuple[Resource, dict[str, str]]:
    """The message Bundle: header, header Organization, payload (ITK-Message-Bundle-1).

    Beside it, the request's fields of the ready resources in it, by resource id.
    """
    identifier = str(message.message_id)
    payload, fields = _payload(message)
    return {
        "resourceType": "Bundle",
        "id": identifier,
        "meta": _meta(f"{_ITK}/ITK-Message-Bundle-1"),
        "identifier": {"system": _UUID_SYSTEM, "value": identifier},
        "type": "message",
        "entry": [_entry(_message_header(message)), _entry(_header_organisation(message)), _entry(payload)],
    }, fields


def binary_id(message: Message, index: int) -> str:
    """The id of the Binary that carries the document at `index`, the primary one being 0."""
    return message.resource_id(f"Binary/{index}")


def _message_header(message: Message) -> Resource:
    return {
        "resourceType": "MessageHeader",
        "id": str(message.message_id),
        "meta": _meta(f"{_ITK}/ITK-MessageHeader-2"),
        "extension": [_message_handling(message)],
        "event": {
            "system": "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2",
            "code": "ITK007C",
            "display": "ITK GP Connect Send Document",
        },
        "sender": _reference(message.resource_id("ITK-Header-Organization")),
        "timestamp": message.created_at.isoformat(),
        "source": {"endpoint": message.mailbox.mailbox},
        "focus": [_reference(str(message.document_id))],
    }


def _message_handling(message: Message) -> Resource:
    recipient = message.recipient.type
    return {
        "url": f"{_ITK}/Extension-ITK-MessageHandling-2",
        "extension": [
            {"url": "BusAckRequested", "valueBoolean": True},
            {"url": "InfAckRequested", "valueBoolean": True},
            {
                "url": "RecipientType",
                "valueCoding": {
                    "system": "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1",
                    "code": recipient.value,
                    "display": recipient.display,
                },
            },
            {"url": "MessageDefinition", "valueReference": {"reference": message.mailbox.message_definition}},
            {"url": "SenderReference", "valueString": message.request.encounter},
            {
                "url": "LocalExtension",
                "valueString": message.use_case.versions[message.mailbox.specification].local_extension,
            },
        ],
    }


def _header_organisation(message: Message) -> Resource:
    return {
        "resourceType": "Organization",
        "id": message.resource_id("ITK-Header-Organization"),
        "meta": _meta(f"{_ITK}/CareConnect-ITK-Header-Organization-1"),
        "identifier": [{"system": _ODS_CODE, "value": message.request.organisation.ods_code}],
    }


def _payload(message: Message) -> tuple[Resource, dict[str, str]]:
    request = message.request
    people = [
        *(resource for role, person in _clinicians(message) for resource in _practitioner(message, role, person)),
        *([_related_person(message, request.related_person)] if request.related_person else []),
        *([_device(message, request.device)] if request.device else []),
        *([_sending_system(message)] if Author.DEVICE in message.authors and not request.device else []),
    ]
    encounter = _encounter(message)
    location = [_location(message, request.location)] if request.location else []
    structured = structured_part(message, _parts(message), location)
    resources = [
        _composition(message, structured),
        *(_binary(message, index) for index in range(len(request.documents))),
        _patient(message),
        *people,
        _organisation(message),
        *([encounter] if encounter else []),
        *structured.resources,
    ]
    fields = {
        message.resource_id("Practitioner"): "practitioner",
        message.resource_id("RelatedPerson"): "related_person",
        message.resource_id("Device"): "device",
        **structured.fields,
    }
    if unreachable := [fields[identifier] for identifier in _unreachable(resources)]:
        ready = structured.fields.values()
        raise RequestRefusedError([Reason(field, _UNREFERRED if field in ready else _UNNAMED) for field in unreachable])
    return {
        "resourceType": "Bundle",
        "id": str(message.document_id),
        # A document must bear a date (FHIR STU3, documents; ITK3 says that it is this one).
        "meta": {
            "lastUpdated": message.created_at.isoformat(),
            **_meta(f"{_ITK}/ITK-Document-Bundle-1"),
            **_replacement_version(message),
        },
        "identifier": {"system": _UUID_SYSTEM, "value": str(message.document_id)},
        "type": "document",
        "entry": [_entry(resource) for resource in resources],
    }, structured.fields


def _parts(message: Message) -> dict[str, str]:
    """Map the names by which a supplied resource refers to the message's parts to ids."""
    request = message.request
    parts = {"Patient/patient": "Patient", "Organization/organisation": "Organization"}
    parts |= {f"Practitioner/{name}": _clinician_role(name) for name in request.clinicians}
    if request.related_person:
        parts["RelatedPerson/related-person"] = "RelatedPerson"
    if request.device:
        parts["Device/device"] = "Device"
    if request.location:
        parts["Location/location"] = "Location/0"
    if message.encounter_type:
        parts["Encounter/encounter"] = "Encounter"
    documents = {
        f"Binary/{document.key}": binary_id(message, index) for index, document in enumerate(request.documents_in_order)
    }
    return {name: message.resource_id(role) for name, role in parts.items()} | documents


def _composition(message: Message, structured: StructuredPart) -> Resource:
    request = message.request
    composition: Resource = {
        "resourceType": "Composition",
        "id": message.resource_id("Composition"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Composition-1") | _replacement_version(message),
        "text": _narrative(message.text),
        "identifier": {"system": _UUID_SYSTEM, "value": str(message.document_id)},
        "status": "final",
        "subject": _reference(message.resource_id("Patient")),
        "date": message.created_at.isoformat(),
        "author": [_reference(message.resource_id(role)) for role in _author_roles(message)],
        "title": message.title,
        "confidentiality": "R" if request.consultation.confidential else "N",
        "custodian": _reference(message.resource_id("Organization")),
        "section": [
            {"title": document.title, "entry": [_reference(binary_id(message, index))]}
            for index, document in enumerate(request.documents_in_order)
        ]
        + structured.sections
        + ([{"title": "For the attention of", "text": _narrative(request.attention)}] if request.attention else []),
    }
    if message.document_type:
        composition["type"] = concept(message.document_type)
    if message.care_setting:
        setting = {"url": _CARE_SETTING, "valueCodeableConcept": concept(message.care_setting)}
        composition["extension"] = [setting]
    if encounter := _encounter_id(message, structured):
        composition["encounter"] = _reference(encounter)
    if request.event:
        composition["event"] = [_event(request.event)]
    if message.replaced_document_id:
        target = {"system": _UUID_SYSTEM, "value": str(message.replaced_document_id)}
        composition["relatesTo"] = [{"code": "replaces", "targetIdentifier": target}]
    return composition


def _narrative(words: str) -> Resource:
    return {
        "status": "generated",
        "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(words)}</p></div>',
    }


def _event(event: Event) -> Resource:
    resource: Resource = {"code": [concept(event.code)]}
    if period := _period(event.start, event.end):
        resource["period"] = period
    return resource


def _period(start: datetime | None, end: datetime | None) -> Resource:
    return {name: time.isoformat() for name, time in (("start", start), ("end", end)) if time}


def _encounter_id(message: Message, structured: StructuredPart) -> str | None:
    supplied = next((item["id"] for item in structured.resources if item["resourceType"] == "Encounter"), None)
    if supplied:
        return str(supplied)
    return message.resource_id("Encounter") if message.encounter_type else None


def _encounter(message: Message) -> Resource | None:
    """The encounter, unless it is supplied ready-made or the type is unknown (GPCM-SD-OC-033 … 039)."""
    if message.encounter_type is None or any(supplied.type == "Encounter" for supplied in message.supplied):
        return None
    request = message.request
    roles = [role for role, _ in _clinicians(message)] + (["RelatedPerson"] if request.related_person else [])
    resource: Resource = {
        "resourceType": "Encounter",
        "id": message.resource_id("Encounter"),
        "meta": _meta(STRUCTURED_TYPES["Encounter"].profile),
        "status": "finished",
        "type": [concept(message.encounter_type)],
        "priority": {
            "coding": [
                {
                    "system": "http://hl7.org/fhir/v3/ActPriority",
                    "code": request.consultation.priority,
                    "display": _PRIORITY_DISPLAY[request.consultation.priority],
                }
            ]
        },
        "subject": _reference(message.resource_id("Patient")),
        "period": _period(request.consultation.start, request.consultation.end),
        "serviceProvider": _reference(message.resource_id("Organization")),
    }
    if roles:
        resource["participant"] = [{"individual": _reference(message.resource_id(role))} for role in roles]
    if request.location:
        resource["location"] = [{"location": _reference(message.resource_id("Location/0"))}]
    return resource


def _location(message: Message, location: Location) -> Resource:
    resource: Resource = {
        "resourceType": "Location",
        "id": message.resource_id("Location/0"),
        "meta": _meta(STRUCTURED_TYPES["Location"].profile),
        "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": location.site_code}],
        "status": "active",
        "name": location.name,
        "telecom": [_work_phone(location.phone)],
    }
    if location.address:
        resource["address"] = _address(location.address)
    return resource


def _related_person(message: Message, person: RelatedPerson) -> Resource:
    resource: Resource = {
        "resourceType": "RelatedPerson",
        "id": message.resource_id("RelatedPerson"),
        "meta": _meta(STRUCTURED_TYPES["RelatedPerson"].profile),
        "patient": _reference(message.resource_id("Patient")),
        "name": [_official_name(person.name)],
        "birthDate": person.birth_date.isoformat(),
    }
    if person.phones:
        resource["telecom"] = [{"system": "phone", "value": phone} for phone in person.phones]
    return resource


def _device(message: Message, device: Device) -> Resource:
    resource: Resource = {
        "resourceType": "Device",
        "id": message.resource_id("Device"),
        "meta": _meta(STRUCTURED_TYPES["Device"].profile),
        "type": concept(device.type),
        "manufacturer": device.manufacturer,
    }
    for element, value in (("model", device.model), ("version", device.version)):
        if value:
            resource[element] = value
    return resource


def _sending_system(message: Message) -> Resource:
    """The author where no person is known: FHIR STU3 lets no organisation be one (GPCM-SD-107)."""
    return {
        "resourceType": "Device",
        "id": message.resource_id("Device"),
        "meta": _meta(STRUCTURED_TYPES["Device"].profile),
        "type": {"text": "Sending system"},
        "owner": _reference(message.resource_id("Organization")),
    }


def _unreachable(resources: Sequence[Resource]) -> list[str]:
    """Return the ids that no path of references, in either direction, joins to the first resource, the Composition.

    Source: FHIR STU3, documents: every resource of a document is part of what the Composition says.
    """
    ids = {f"urn:uuid:{resource['id']}": resource["id"] for resource in resources}
    neighbours: dict[str, set[str]] = {identifier: set() for identifier in ids.values()}
    for resource in resources:
        for reference in _references(resource):
            if (named := ids.get(reference)) is not None:
                neighbours[resource["id"]].add(named)
                neighbours[named].add(resource["id"])
    reached: set[str] = set()
    waiting = [resources[0]["id"]]
    while waiting:
        identifier = waiting.pop()
        if identifier not in reached:
            reached.add(identifier)
            waiting += neighbours[identifier]
    return [identifier for identifier in neighbours if identifier not in reached]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("reference"), str):
            yield reference
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        yield from _references(inner)


def _binary(message: Message, index: int) -> Resource:
    return {
        "resourceType": "Binary",
        "id": binary_id(message, index),
        "meta": _meta(f"{_ITK}/ITK-Attachment-Binary-1"),
        "contentType": message.request.documents_in_order[index].content_type,
        "content": "",
    }


def _patient(message: Message) -> Resource:
    patient = message.request.patient
    verification = {
        "url": f"{_CARE_CONNECT}/Extension-{_VERIFICATION}",
        "valueCodeableConcept": {
            "coding": [
                {
                    "system": f"https://fhir.hl7.org.uk/STU3/CodeSystem/{_VERIFICATION}",
                    "code": patient.verification,
                    "display": _VERIFICATION_DISPLAY[patient.verification],
                }
            ]
        },
    }
    resource: Resource = {
        "resourceType": "Patient",
        "id": message.resource_id("Patient"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Patient-1"),
        "identifier": [
            {"extension": [verification], "system": NHS_NUMBER_SYSTEM, "value": patient.nhs_number},
            *({"system": number.system, "value": number.value} for number in patient.identifiers),
        ],
        "name": [_official_name(patient.name)],
        "birthDate": patient.birth_date.isoformat(),
    }
    uses = (("mobile", patient.mobile), ("temp", patient.current_phone))
    telecom = [{"system": "phone", "value": phone} for phone in patient.phones]
    telecom += [{"system": "phone", "value": phone, "use": use} for use, phone in uses if phone]
    addresses = [_address(patient.address)] if patient.address else []
    if patient.current_address:
        days = (("start", patient.current_from), ("end", patient.current_until))
        period = {name: day.isoformat() for name, day in days if day}
        addresses.append({"use": "temp", **_address(patient.current_address), **({"period": period} if period else {})})
    known = {"telecom": telecom, "gender": patient.gender, "address": addresses}
    resource |= {element: value for element, value in known.items() if value}
    if patient.death_date:
        resource["deceasedDateTime"] = patient.death_date.isoformat()
    elif patient.deceased is not None:
        resource["deceasedBoolean"] = patient.deceased
    return resource


def _clinicians(message: Message) -> list[tuple[str, Practitioner]]:
    """List the clinicians, with the roles that their ids are derived from."""
    return [(_clinician_role(name), one) for name, one in message.request.clinicians.items()]


def _clinician_role(name: str) -> str:
    return "Practitioner" if name == "practitioner" else name.replace("other-", "Practitioner/")


def _author_roles(message: Message) -> list[str]:
    others = enumerate(message.request.other_practitioners, 1)
    return [_AUTHORS[author] for author in message.authors] + [
        f"Practitioner/{number}" for number, other in others if other.author
    ]


def _practitioner(message: Message, role: str, practitioner: Practitioner) -> Iterator[Resource]:
    numbers = practitioner.numbers
    if message.specification.sds_user_id_required and not practitioner.sds_user_id:
        numbers.insert(0, (PROFESSIONAL_SYSTEMS["sds_user_id"], _UNKNOWN))
    resource: Resource = {
        "resourceType": "Practitioner",
        "id": message.resource_id(role),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Practitioner-1"),
        "name": [_official_name(practitioner.name)],
    }
    if numbers:
        resource["identifier"] = [{"system": system, "value": value} for system, value in numbers]
    if practitioner.phone:
        resource["telecom"] = [_work_phone(practitioner.phone)]
    yield resource
    if practitioner.role:
        yield {
            "resourceType": "PractitionerRole",
            "id": message.resource_id(role.replace("Practitioner", "PractitionerRole")),
            "meta": _meta(f"{_CARE_CONNECT}/CareConnect-PractitionerRole-1"),
            "practitioner": _reference(message.resource_id(role)),
            "organization": _reference(message.resource_id("Organization")),
            "code": [{"text": practitioner.role}],
        }


def _organisation(message: Message) -> Resource:
    organisation = message.request.organisation
    telecom = [_work_phone(organisation.phone)]
    if organisation.email:
        telecom.append({"system": "email", "value": organisation.email, "use": "work"})
    resource: Resource = {
        "resourceType": "Organization",
        "id": message.resource_id("Organization"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Organization-1"),
        "identifier": [{"system": _ODS_CODE, "value": organisation.ods_code}],
        "name": organisation.name,
        "telecom": telecom,
    }
    if organisation.address:
        resource["address"] = [_address(organisation.address)]
    return resource


def _meta(profile: str) -> Resource:
    return {"profile": [profile]}


def _replacement_version(message: Message) -> Resource:
    """The version of a replacement, as 2.0.2 advises ("How to handle updates to documents")."""
    is_named = message.version > 1 and message.specification.version_in_meta
    return {"versionId": str(message.version)} if is_named else {}


def _entry(resource: Resource) -> Resource:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _reference(identifier: str) -> Resource:
    return {"reference": f"urn:uuid:{identifier}"}


def _official_name(name: Name) -> Resource:
    parts: Resource = {"use": "official", "family": name.family}
    if name.given:
        parts["given"] = name.given
    if name.prefix:
        parts["prefix"] = [name.prefix]
    return parts


def _work_phone(number: str) -> Resource:
    return {"system": "phone", "value": number, "use": "work"}


def _address(address: Address) -> Resource:
    parts: Resource = {"line": address.lines}
    for element, value in (("city", address.city), ("district", address.district), ("postalCode", address.postcode)):
        if value:
            parts[element] = value
    return parts

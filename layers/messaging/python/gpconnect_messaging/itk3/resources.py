"""The FHIR STU3 resources of a Send Document message, as FHIR JSON objects.

Source: the ITK3 and CareConnect profiles that each `meta.profile` names; GPCM-SD-001 … 032; GPCM-SD-CS-017 … 053;
GPCM-SD-028 … 049 and 103 … 123 (2.0.2).
"""

from typing import Any
from xml.sax.saxutils import escape

from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.requests.models import Address, Name, Practitioner

Resource = dict[str, Any]

_ITK = "https://fhir.nhs.uk/STU3/StructureDefinition"
_CARE_CONNECT = "https://fhir.hl7.org.uk/STU3/StructureDefinition"
_VERIFICATION = "CareConnect-NHSNumberVerificationStatus-1"
_VERIFICATION_DISPLAY = {"01": "Number present and verified", "02": "Number present but not traced"}
_UUID_SYSTEM = "https://tools.ietf.org/html/rfc4122"
_ODS_CODE = "https://fhir.nhs.uk/Id/ods-organization-code"


def message_bundle(message: Message) -> Resource:
    """The message Bundle: header, header Organization, payload (ITK-Message-Bundle-1)."""
    identifier = str(message.message_id)
    return {
        "resourceType": "Bundle",
        "id": identifier,
        "meta": _meta(f"{_ITK}/ITK-Message-Bundle-1"),
        "identifier": {"system": _UUID_SYSTEM, "value": identifier},
        "type": "message",
        "entry": [_entry(_message_header(message)), _entry(_header_organisation(message)), _entry(_payload(message))],
    }


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
    recipient = message.use_case.recipient_type
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
                "valueString": message.specification.local_extensions[message.request.use_case],
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


def _payload(message: Message) -> Resource:
    request = message.request
    practitioner = [_practitioner(message, request.practitioner)] if request.practitioner else []
    resources = [
        _composition(message),
        *(_binary(message, index) for index in range(len(request.documents))),
        _patient(message),
        *practitioner,
        _organisation(message),
    ]
    return {
        "resourceType": "Bundle",
        "id": str(message.document_id),
        "meta": _meta(f"{_ITK}/ITK-Document-Bundle-1"),
        "identifier": {"system": _UUID_SYSTEM, "value": str(message.document_id)},
        "type": "document",
        "entry": [_entry(resource) for resource in resources],
    }


def _composition(message: Message) -> Resource:
    request, use_case = message.request, message.use_case
    # The specification's example and the profile name the practitioner; GPCM-SD-107 (2.0.2) names the organisation,
    # which stands in when no practitioner is known.
    author = message.resource_id("Practitioner" if request.practitioner else "Organization")
    composition: Resource = {
        "resourceType": "Composition",
        "id": message.resource_id("Composition"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Composition-1"),
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(message.text)}</p></div>',
        },
        "identifier": {"system": _UUID_SYSTEM, "value": str(message.document_id)},
        "status": "final",
        "type": {
            "coding": [
                {"system": "http://snomed.info/sct", "code": use_case.type_code, "display": use_case.type_display}
            ]
        },
        "subject": _reference(message.resource_id("Patient")),
        "date": message.created_at.isoformat(),
        "author": [_reference(author)],
        "title": use_case.title,
        "confidentiality": "R" if request.consultation.confidential else "N",
        "custodian": _reference(message.resource_id("Organization")),
        "section": [
            {"title": document.title, "entry": [_reference(binary_id(message, index))]}
            for index, document in enumerate(request.documents_in_order)
        ],
    }
    if message.replaced_document_id:
        target = {"system": _UUID_SYSTEM, "value": str(message.replaced_document_id)}
        composition["relatesTo"] = [{"code": "replaces", "targetIdentifier": target}]
    return composition


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
                    "code": patient.nhs_number_status,
                    "display": _VERIFICATION_DISPLAY[patient.nhs_number_status],
                }
            ]
        },
    }
    resource: Resource = {
        "resourceType": "Patient",
        "id": message.resource_id("Patient"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Patient-1"),
        "identifier": [
            {"extension": [verification], "system": "https://fhir.nhs.uk/Id/nhs-number", "value": patient.nhs_number}
        ],
        "name": [_official_name(patient.name)],
        "birthDate": patient.birth_date.isoformat(),
    }
    if patient.phones:
        resource["telecom"] = [{"system": "phone", "value": phone} for phone in patient.phones]
    if patient.gender:
        resource["gender"] = patient.gender
    if patient.address:
        resource["address"] = [_address(patient.address)]
    return resource


def _practitioner(message: Message, practitioner: Practitioner) -> Resource:
    resource: Resource = {
        "resourceType": "Practitioner",
        "id": message.resource_id("Practitioner"),
        "meta": _meta(f"{_CARE_CONNECT}/CareConnect-Practitioner-1"),
        "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": practitioner.sds_user_id}],
        "name": [_official_name(practitioner.name)],
    }
    if practitioner.phone:
        resource["telecom"] = [_work_phone(practitioner.phone)]
    return resource


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


def _entry(resource: Resource) -> Resource:
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}


def _reference(identifier: str) -> Resource:
    return {"reference": f"urn:uuid:{identifier}"}


def _official_name(name: Name) -> Resource:
    parts: Resource = {"use": "official", "family": name.family, "given": name.given}
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

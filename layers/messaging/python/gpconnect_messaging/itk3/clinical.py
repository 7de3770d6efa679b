"""The structured part of a document: resources made from the request's fields, and the ready resources beside them.

Every resource gets a derived id, a profile and an entry in the Composition's sections. One List gathers the
Observations, and every type that occurs more than once (GPCM-SD-007, 008, 026; GPCM-SD-OC-040 … 046).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from gpconnect_messaging.code_systems import UNITS
from gpconnect_messaging.identifiers import SNOMED_CT
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.people import parties
from gpconnect_messaging.itk3.statements import statements
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.itk3.supplied import placed
from gpconnect_messaging.requests.clinical import Observation, ObservationComponent, Quantity, Question, Value
from gpconnect_messaging.requests.fields import Concept
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.usecases import Code

Resource = dict[str, Any]

_LIST_CODE = Code("826501000000100", "Miscellaneous record")  # GPCM-SD-OC-043, GPCM-SD-OC-044
_CATEGORIES = {
    "social-history": "Social History",
    "vital-signs": "Vital Signs",
    "imaging": "Imaging",
    "laboratory": "Laboratory",
    "procedure": "Procedure",
    "survey": "Survey",
    "exam": "Exam",
    "therapy": "Therapy",
}


@dataclass(frozen=True, slots=True)
class StructuredPart:
    """The structured resources of a document, and the Composition sections that list them."""

    resources: list[Resource]
    sections: list[Resource]
    fields: dict[str, str]
    """The request's fields of ready resources, by resource id."""


def structured_part(message: Message, parts: dict[str, str], mentioned: Iterable[Resource]) -> StructuredPart:
    """Compose the structured part of a message.

    `parts` maps the names by which a ready resource refers to the message's other parts (`Patient/patient`,
    `Binary/letter.pdf`, …) to ids; `mentioned` are those parts that have a section.
    Raises RequestRefusedError.
    """
    counts = Counter(resource["resourceType"] for resource in mentioned)
    resources = [*mentioned, *_composed(message, counts)]
    names = {name: _urn(identifier) for name, identifier in parts.items()}
    identifiers: list[str] = []
    for supplied in message.supplied:
        identifiers.append(_next_id(message, supplied.type, counts))
        for name in supplied.names:
            if name in names and name != "Encounter/encounter":
                rule = "has the id of another resource, or of a part of the message: give it one of its own"
                raise RequestRefusedError.because(f"resources[{supplied.index}]: {supplied.type}.id", rule)
            names[name] = _urn(identifiers[-1])
        if supplied.type == "Encounter":
            names["Encounter/encounter"] = _urn(identifiers[-1])
    resources += statements(message, names.get("Encounter/encounter"), lambda kind: _next_id(message, kind, counts))
    patient = _urn(message.resource_id("Patient"))
    known = parties(message.request, [(supplied.names, supplied.content) for supplied in message.supplied])
    by_id = list(zip(message.supplied, identifiers, strict=True))
    resources += [placed(supplied, identifier, names, patient, known) for supplied, identifier in by_id]
    listed = _listed(resources)
    if listed:
        resources.append(_list(message, listed))
    fields = {identifier: f"resources[{supplied.index}]" for supplied, identifier in by_id}
    return StructuredPart(resources, list(_sections(resources)), fields)


def concept(code: Code | Concept) -> Resource:
    """Write a SNOMED CT concept as a CodeableConcept."""
    return {"coding": [{"system": SNOMED_CT, "code": code.code, "display": code.display}]}


def _composed(message: Message, counts: Counter[str]) -> Iterator[Resource]:
    for observation in message.request.observations:
        yield _observation(message, observation, _next_id(message, "Observation", counts))
    answers = message.request.questionnaire
    if answers:
        resource = _resource("QuestionnaireResponse", _next_id(message, "QuestionnaireResponse", counts))
        resource |= {"status": "completed", "subject": _patient(message)}
        if answers.authored:
            resource["authored"] = answers.authored.isoformat()
        yield resource | {"item": [_question(question) for question in answers.questions]}


def _next_id(message: Message, kind: str, counts: Counter[str]) -> str:
    counts[kind] += 1
    return message.resource_id(f"{kind}/{counts[kind] - 1}")


def _observation(message: Message, observation: Observation, identifier: str) -> Resource:
    resource = _resource("Observation", identifier) | {"status": observation.status}
    if observation.category:
        system, display = "http://hl7.org/fhir/observation-category", _CATEGORIES[observation.category]
        resource["category"] = [{"coding": [{"system": system, "code": observation.category, "display": display}]}]
    resource |= {
        "code": concept(observation.code),
        "subject": _patient(message),
        "issued": observation.issued.isoformat(),
        "performer": [_patient(message)],  # GPCM-SD-OC-052: marks it as entered by the patient
    }
    if observation.value:
        resource |= _result(observation.value)
    if observation.components:
        resource["component"] = [_component(component) for component in observation.components]
    return resource


def _component(component: ObservationComponent) -> Resource:
    return {"code": concept(component.code), **_result(component.value)}


def _result(value: Value) -> Resource:
    match value.given:
        case bool(boolean):
            return {"valueBoolean": boolean}
        case Concept() as coded:
            return {"valueCodeableConcept": concept(coded)}
        case Quantity() as quantity:
            return {"valueQuantity": _quantity(quantity)}
        case text:
            return {"valueString": text}


def _answer(value: Value) -> Resource:
    match value.given:
        case Concept() as coded:
            return {"valueCoding": concept(coded)["coding"][0]}
        case date() as day:
            return {"valueDate": day.isoformat()}
        case _:
            return _result(value)


def _quantity(quantity: Quantity) -> Resource:
    coded = {"system": UNITS, "code": quantity.code} if quantity.code else {}
    return {"value": quantity.value, "unit": quantity.unit, **coded}


def _question(question: Question) -> Resource:
    item: Resource = {"linkId": question.link_id, "text": question.text}
    inner = [_question(further) for further in question.questions]
    if question.answers:
        item["answer"] = [_answer(answer) for answer in question.answers]
    if inner and question.answers:
        item["answer"][0]["item"] = inner  # FHIR STU3, qrs-1: an answered question has further ones in an answer
    elif inner:
        item["item"] = inner
    return item


def _listed(resources: list[Resource]) -> list[Resource]:
    counts = Counter(resource["resourceType"] for resource in resources)
    return [
        resource
        for resource in resources
        if STRUCTURED_TYPES[resource["resourceType"]].section
        and (resource["resourceType"] == "Observation" or counts[resource["resourceType"]] > 1)
    ]


def _list(message: Message, listed: list[Resource]) -> Resource:
    return _resource("List", message.resource_id("List")) | {
        "status": "current",
        "mode": "snapshot",
        "title": _LIST_CODE.display,
        "code": concept(_LIST_CODE),
        "subject": _patient(message),
        "date": message.created_at.isoformat(),
        "entry": [{"item": {"reference": _urn(resource["id"])}} for resource in listed],
    }


def _sections(resources: list[Resource]) -> Iterator[Resource]:
    by_type: dict[str, list[Resource]] = {}
    for resource in resources:
        by_type.setdefault(resource["resourceType"], []).append({"reference": _urn(resource["id"])})
    for kind, structured in STRUCTURED_TYPES.items():
        if structured.section and kind in by_type:
            yield {"title": structured.section, "entry": by_type[kind]}


def _resource(kind: str, identifier: str) -> Resource:
    return {"resourceType": kind, "id": identifier, "meta": {"profile": [STRUCTURED_TYPES[kind].profile]}}


def _patient(message: Message) -> Resource:
    return {"reference": _urn(message.resource_id("Patient"))}


def _urn(identifier: str) -> str:
    return f"urn:uuid:{identifier}"

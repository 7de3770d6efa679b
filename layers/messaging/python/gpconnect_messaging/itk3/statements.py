"""The coded items and results of the consultation's sections as FHIR resources (ADR 52).

The report shows the same fields, so that the page and the codes cannot differ. What is confidential is left out.
Source: GPCM-SD-013, 018 … 022; GPCM-SD-OC-088 … 108; GPCM-SD-GE-047 … 053, 088 … 108 and 147 … 236 (1.5).
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from gpconnect_messaging.identifiers import SNOMED_CT
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.structured_types import STRUCTURED_TYPES
from gpconnect_messaging.requests.models import CodedItem, Result

Resource = dict[str, Any]

_CARE_CONNECT = "https://fhir.hl7.org.uk/STU3"
_NHS = "https://fhir.nhs.uk/STU3"
_NO_INFORMATION = "No information available"  # GPCM-SD-GE-090, GPCM-SD-GE-153: the words where none is recorded
_MEASURED = re.compile(r"(<=|<|>=|>)? ?(-?(?:0|[1-9][0-9]{0,9})(?:\.[0-9]{1,8})?)")
_INTERPRETATIONS = {"high": ("H", "High"), "low": ("L", "Low"), "abnormal": ("A", "Abnormal")}


def statements(message: Message, encounter: str | None, next_id: Callable[[str], str]) -> Iterator[Resource]:
    """Write the resources of what is coded and not confidential; `encounter` is the reference of the encounter."""
    writer = _Statements(message, encounter, next_id)
    for section in message.request.consultation.sections:
        if section.confidential:
            continue
        for item in section.items:
            if item.kind and not item.confidential:
                yield from getattr(writer, item.kind)(item)
        for result in section.results:
            if result.code and not result.confidential:
                yield writer.result(result)


class _Statements:
    """Writes the resources of one message, by the item's kind."""

    def __init__(self, message: Message, encounter: str | None, next_id: Callable[[str], str]) -> None:
        self.next_id = next_id
        self.context = {"context": {"reference": encounter}} if encounter else {}
        self.day = message.request.consultation.start.date()
        self.recorded = message.request.consultation.start.isoformat()
        self.patient = _reference(message.resource_id("Patient"))
        self.organisation = _reference(message.resource_id("Organization"))
        self.recorder = (
            _reference(message.resource_id("Practitioner")) if message.request.practitioner else self.organisation
        )

    def medication(self, item: CodedItem) -> Iterator[Resource]:
        """A plan, and a statement of it: GE-180 wants both."""
        medicine = self._new("Medication") | {"code": _code(item.code, item.term)}
        # FHIR STU3, per-1: no end before the start, which GE-171 needs, in the same precision.
        first = item.start or min(filter(None, (self.day, item.end)))
        period = _days({"start": first, "end": item.end})
        same = {"status": item.status or "active", "medicationReference": _reference(medicine["id"])}
        dosage = [{"text": item.text}]
        kind = item.prescription or ""
        type_ = _coding(f"{_CARE_CONNECT}/CodeSystem/CareConnect-PrescriptionType-1", kind)
        extension = [_extension(_CARE_CONNECT, "PrescriptionType-1", valueCodeableConcept=type_)]
        if item.status == "stopped" and item.end:
            reason = _inner(
                statusReason={"valueCodeableConcept": {"text": _NO_INFORMATION}},
                statusChangeDate={"valueDateTime": item.end.isoformat()},
            )
            extension.append(_extension(_NHS, "GPC-MedicationStatusReason-1", extension=reason))
        plan = self._new("MedicationRequest")
        identifier = {"system": "https://tools.ietf.org/html/rfc4122", "value": plan["id"]}
        plan |= {
            "extension": extension,
            "identifier": [identifier],
            **({"groupIdentifier": identifier} if kind.startswith("repeat") else {}),  # GPCM-SD-GE-158
            "intent": "plan",
            **same,
            "subject": self.patient,
            **self.context,
            "authoredOn": self.recorded,
            "requester": {"agent": self.recorder, "onBehalfOf": self.organisation},
            "recorder": self.recorder,
            "dosageInstruction": dosage,
            "dispenseRequest": {"validityPeriod": period},
        }
        agency = _coding(f"{_NHS}/CodeSystem/CareConnect-PrescribingAgency-1", "prescribed-by-another-organisation")
        statement = self._new("MedicationStatement") | {
            "extension": [_extension(_NHS, "GPC-PrescribingAgency-1", valueCodeableConcept=agency)],
            "basedOn": [_reference(plan["id"])],
            **self.context,
            **same,
            "effectivePeriod": period,
            "dateAsserted": self.recorded,
            "subject": self.patient,
            "taken": "unk",
            "dosage": dosage,
        }
        yield from (medicine, plan, statement)

    def problem(self, item: CodedItem) -> Iterator[Resource]:
        category = _coding("http://hl7.org/fhir/condition-category", "problem-list-item", "Problem List Item")
        dates = {"onsetDateTime": item.start, "abatementDateTime": item.end}
        yield self._new("Condition") | {
            "extension": [_extension(_CARE_CONNECT, "ProblemSignificance-1", valueCode=item.significance)],
            "clinicalStatus": item.status or "active",
            "category": [category],
            "code": _code(item.code, item.term),
            "subject": self.patient,
            **self.context,
            **_days(dates),
            "assertedDate": self.recorded,
            "asserter": self.recorder,
            **_note(item),
        }

    def allergy(self, item: CodedItem) -> Iterator[Resource]:
        # GE-088 wants an extension here that FHIR STU3 allows in an Encounter alone.
        ended = {}
        if item.end:
            dates = _inner(
                endDate={"valueDateTime": item.end.isoformat()}, reasonEnded={"valueString": _NO_INFORMATION}
            )
            ended["extension"] = [_extension(_NHS, "GPC-AllergyIntoleranceEnd-1", extension=dates)]
        yield self._new("AllergyIntolerance") | {
            **ended,
            "clinicalStatus": item.status or "active",
            "verificationStatus": "unconfirmed",
            "category": [item.cause],
            "code": _code(item.code, item.term),
            "patient": self.patient,
            **_days({"onsetDateTime": item.start}),
            "assertedDate": self.recorded,
            "recorder": self.recorder,
            **_note(item),
            **({"reaction": [{"manifestation": [{"text": item.reaction}]}]} if item.reaction else {}),
        }

    def procedure(self, item: CodedItem) -> Iterator[Resource]:
        yield self._new("Procedure") | {
            "status": "completed",
            "code": _code(item.code, item.term),
            "subject": self.patient,
            **self.context,
            **_days({"performedDateTime": item.start}),
            "performer": [{"actor": self.recorder}],
            **_note(item),
        }

    def result(self, result: Result) -> Resource:
        resource = self._new("Observation") | {
            "status": "final",
            "code": _code(result.code or "", result.test),
            "subject": self.patient,
            **self.context,
            "issued": self.recorded,
            "performer": [self.recorder],
        }
        if result.abnormal:
            resource["interpretation"] = _coding("http://hl7.org/fhir/v2/0078", *_INTERPRETATIONS[result.abnormal])
        if result.reference_range:
            resource["referenceRange"] = [{"text": result.reference_range}]
        if measured := _MEASURED.fullmatch(result.value):
            comparator = {"comparator": measured[1]} if measured[1] else {}
            unit = {"unit": result.unit} if result.unit else {}
            return resource | {"valueQuantity": {"value": Decimal(measured[2]), **comparator, **unit}}
        return resource | {"valueString": f"{result.value} {result.unit}" if result.unit else result.value}

    def _new(self, kind: str) -> Resource:
        profile = {"profile": [STRUCTURED_TYPES[kind].profile]}
        return {"resourceType": kind, "id": self.next_id(kind), "meta": profile}


def _code(code: str, term: str) -> Resource:
    return _coding(SNOMED_CT, code, term)


def _coding(system: str, code: str, display: str = "") -> Resource:
    display = display or code.replace("-", " ").capitalize()
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _extension(base: str, name: str, **value: Any) -> Resource:
    return {"url": f"{base}/StructureDefinition/Extension-CareConnect-{name}", **value}


def _inner(**values: Resource) -> list[Resource]:
    return [{"url": url, **value} for url, value in values.items()]


def _days(days: dict[str, Any]) -> Resource:
    return {name: day.isoformat() for name, day in days.items() if day}


def _note(item: CodedItem) -> Resource:
    return {"note": [{"text": item.text}]} if item.text else {}


def _reference(identifier: str) -> Resource:
    return {"reference": f"urn:uuid:{identifier}"}

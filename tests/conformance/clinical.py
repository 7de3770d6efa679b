"""Every clinical resource that a Send Document message may carry, valid, about the sample patient. Synthetic people."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from gpconnect_messaging.specification import Version
from tests.examples import a_message

Resource = dict[str, Any]
_PROFILES = "https://fhir.hl7.org.uk/STU3/StructureDefinition"
_EXTENSIONS = f"{_PROFILES}/Extension-CareConnect"
_WHEN = "2026-11-20T19:40:00+00:00"
_SNOMED = "http://snomed.info/sct"


def uid(name: str) -> str:
    """The id of the resource that a test calls so."""
    return str(uuid5(NAMESPACE_URL, f"https://tests.example/{name}"))


def ref(name: str) -> Resource:
    """A reference to the resource that a test calls so."""
    return {"reference": f"urn:uuid:{uid(name)}"}


def concept(code: str, display: str, system: str = _SNOMED) -> Resource:
    """A concept with one code."""
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _resource(kind: str, called: str, /, **elements: Any) -> Resource:
    profile = {"Device": "https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Device-1"}.get(
        kind, f"{_PROFILES}/CareConnect-{'ProblemHeader-' if kind == 'Condition' else ''}{kind}-1"
    )
    return {"resourceType": kind, "id": uid(called), "meta": {"profile": [profile]}, **elements}


def _extension(name: str, /, **value: Any) -> Resource:
    return {"url": f"{_EXTENSIONS}-{name}-1", **value}


def _inner(**values: Resource) -> list[Resource]:
    return [{"url": url, **value} for url, value in values.items()]


def shared() -> list[Resource]:
    """What online consultations and generic documents have in common."""
    message = a_message(Version.V1_5)
    patient = {"reference": f"urn:uuid:{message.resource_id('Patient')}"}
    practitioner = {"reference": f"urn:uuid:{message.resource_id('Practitioner')}"}
    organisation = {"reference": f"urn:uuid:{message.resource_id('Organization')}"}
    document = {"reference": f"urn:uuid:{message.resource_id('Binary/0')}"}
    identifier = [{"system": "https://tests.example/id", "value": "1"}]
    phone = [{"system": "phone", "value": "0113 496 0120"}]
    person = {"name": [{"family": "Example", "given": ["Pat"]}], "birthDate": "1980-02-29", "telecom": phone}
    return [
        _resource("RelatedPerson", "relative", patient=patient, **person),
        _resource(
            "Device", "device", type=concept("706689003", "Application program software"), manufacturer="Example"
        ),
        _resource(
            "Encounter",
            "encounter",
            identifier=identifier,
            status="finished",
            subject=patient,
            type=[concept("149971000000103", "Encounter using general practice online consultation system")],
            participant=[{"individual": practitioner}],
            priority=concept("R", "routine", "http://hl7.org/fhir/v3/ActPriority"),
            period={"start": _WHEN, "end": _WHEN},
            serviceProvider=organisation,
        ),
        _resource(
            "List",
            "list",
            identifier=identifier,
            status="current",
            mode="snapshot",
            title="Miscellaneous record",
            code=concept("826501000000100", "Miscellaneous record"),
            subject=patient,
            entry=[{"item": ref("observation")}],
        ),
        _resource(
            "Observation",
            "observation",
            status="preliminary",
            subject=patient,
            issued=_WHEN,
            performer=[patient],
            category=[concept("survey", "Survey", "http://hl7.org/fhir/observation-category")],
            code=concept("267036007", "Dyspnoea"),
            valueString="At rest",
        ),
        _resource(
            "Questionnaire",
            "questionnaire",
            version="1",
            name="Q",
            title="Questions",
            status="active",
            date="2026-01-01",
            description="What we ask",
            effectivePeriod={"start": "2026-01-01"},
            item=[{"linkId": "1", "text": "How can we help?", "type": "string"}],
        ),
        _resource(
            "QuestionnaireResponse",
            "answers",
            status="completed",
            subject=patient,
            authored=_WHEN,
            item=[
                {"linkId": "1", "text": "How can we help?", "answer": [{"valueString": "A cough"}]},
                {"linkId": "2", "text": "A picture?", "answer": [{"valueReference": ref("observation")}]},
            ],
        ),
        _resource(
            "ReferralRequest",
            "referral",
            status="unknown",
            intent="order",
            priority="routine",
            subject=patient,
            context=ref("encounter"),
            requester={"agent": practitioner},
            description="Please see",
        ),
        _resource(
            "DocumentReference",
            "reference",
            status="current",
            type=concept("371531000", "Report of clinical encounter"),
            subject=patient,
            indexed=_WHEN,
            author=[practitioner],
            context={"period": {"start": _WHEN}},
            content=[{"attachment": {"contentType": "application/pdf", "url": document["reference"]}}],
        ),
        _resource(
            "AllergyIntolerance",
            "allergy",
            identifier=identifier,
            clinicalStatus="resolved",
            verificationStatus="unconfirmed",
            type="allergy",
            category=["medication"],
            criticality="low",
            code=concept("294505008", "Amoxicillin allergy"),
            patient=patient,
            onsetDateTime="2019-05-01",
            assertedDate=_WHEN,
            recorder=practitioner,
            extension=[
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/encounter-associatedEncounter",
                    "valueReference": ref("encounter"),
                },
                _extension(
                    "AllergyIntoleranceEnd",
                    extension=_inner(
                        endDate={"valueDateTime": "2020-01-01"}, reasonEnded={"valueString": "No information available"}
                    ),
                ),
            ],
        ),
        _resource(
            "FamilyMemberHistory",
            "family",
            status="completed",
            patient=patient,
            relationship=concept("MTH", "Mother", "http://hl7.org/fhir/v3/RoleCode"),
            condition=[{"code": concept("73211009", "Diabetes mellitus")}],
        ),
        _resource(
            "Task",
            "task",
            status="requested",
            intent="order",
            priority="routine",
            code={"text": "Ring the patient"},
            **{"for": patient},
            context=ref("encounter"),
            requester={"agent": practitioner},
            owner=organisation,
            reason={"text": "Asked"},
        ),
        _resource(
            "Consent",
            "consent",
            status="active",
            category=[concept("59284-0", "Consent", "http://loinc.org")],
            patient=patient,
            period={"start": "2026-01-01"},
            sourceReference=ref("answers"),
            policyRule="https://tests.example/policy",
        ),
        _resource(
            "Location",
            "location",
            identifier=[{"system": "https://fhir.nhs.uk/Id/ods-site-code", "value": "Y9000201"}],
            status="active",
            name="Harbour",
            type={"text": "Clinic"},
            telecom=phone,
            address={"city": "Leeds"},
        ),
    ]


def generic_only() -> list[Resource]:
    """What only a generic document may carry."""
    message = a_message(Version.V1_5)
    patient = {"reference": f"urn:uuid:{message.resource_id('Patient')}"}
    practitioner = {"reference": f"urn:uuid:{message.resource_id('Practitioner')}"}
    identifier = [{"system": "https://tests.example/id", "value": "1"}]
    medicine = concept("323510009", "Amoxicillin 500mg capsules")
    dosage = [{"text": "One three times a day"}]
    protocol = [
        {
            "doseSequence": 1,
            "description": "Routine",
            "seriesDoses": 2,
            "targetDisease": [concept("14189004", "Measles")],
            "doseStatus": concept("count", "Counts", "http://hl7.org/fhir/vaccination-protocol-dose-status"),
        }
    ]
    vaccination = {
        "status": "completed",
        "patient": patient,
        "primarySource": True,
        "date": _WHEN,
        "encounter": ref("encounter"),
        "vaccineCode": concept("39859611000001101", "A vaccine"),
        "extension": [
            _extension("ParentPresent", valueBoolean=True),
            _extension("DateRecorded", valueDateTime=_WHEN),
            _extension("VaccinationProcedure", valueCodeableConcept=concept("38598009", "MMR")),
        ],
    }
    return [
        _resource("Medication", "medication", code=medicine),
        _resource(
            "MedicationRequest",
            "plan",
            identifier=identifier,
            groupIdentifier=identifier[0],
            status="stopped",
            intent="plan",
            subject=patient,
            medicationReference=ref("medication"),
            context=ref("encounter"),
            authoredOn=_WHEN,
            recorder=practitioner,
            requester={"agent": practitioner},
            dosageInstruction=dosage,
            dispenseRequest={"validityPeriod": {"start": "2026-11-20"}},
            extension=[
                _extension(
                    "MedicationStatusReason",
                    extension=_inner(
                        statusChangeDate={"valueDateTime": _WHEN},
                        statusReason={"valueCodeableConcept": {"text": "Finished"}},
                    ),
                ),
                _extension(
                    "MedicationRepeatInformation",
                    extension=_inner(
                        numberOfRepeatPrescriptionsAllowed={"valuePositiveInt": 6},
                        numberOfRepeatPrescriptionsIssued={"valueUnsignedInt": 1},
                        authorisationExpiryDate={"valueDateTime": _WHEN},
                    ),
                ),
                _extension(
                    "PrescriptionType", valueCodeableConcept=concept("repeat", "Repeat", "https://tests.example/type")
                ),
            ],
        ),
        _resource(
            "MedicationStatement",
            "statement",
            basedOn=[ref("plan")],
            context=ref("encounter"),
            status="completed",
            medicationReference=ref("medication"),
            effectivePeriod={"start": "2026-11-20"},
            dateAsserted=_WHEN,
            subject=patient,
            taken="unk",
            dosage=dosage,
            extension=[
                _extension(
                    "PrescribingAgency", valueCodeableConcept=concept("gp", "GP", "https://tests.example/agency")
                ),
                _extension("MedicationStatementLastIssueDate", valueDateTime=_WHEN),
                _extension("MedicationStatementDosageLastChanged", valueDateTime=_WHEN),
            ],
        ),
        _resource(
            "Immunization",
            "given",
            notGiven=False,
            vaccinationProtocol=protocol,
            site={"text": "Left arm"},
            route={"text": "Intramuscular"},
            doseQuantity={"value": 0.5},
            explanation={"reason": [{"text": "Routine"}]},
            **vaccination,
            practitioner=[
                {"role": concept("AP", "Administering Provider", "http://hl7.org/fhir/v2/0443"), "actor": practitioner}
            ],
        ),
        _resource(
            "Immunization",
            "refused",
            notGiven=True,
            explanation={"reasonNotGiven": [{"text": "Declined"}]},
            **vaccination,
            practitioner=[
                {"role": concept("EP", "Entering Provider", "http://hl7.org/fhir/v2/0443"), "actor": practitioner}
            ],
        ),
        _resource(
            "Condition",
            "problem",
            clinicalStatus="active",
            category=[concept("problem-list-item", "Problem", "http://hl7.org/fhir/condition-category")],
            code=concept("195967001", "Asthma"),
            subject=patient,
            context=ref("encounter"),
            onsetDateTime="2001-01-01",
            assertedDate=_WHEN,
            asserter=practitioner,
            extension=[
                _extension("ActualProblem", valueReference=ref("observation")),
                _extension(
                    "RelatedProblemHeader",
                    extension=_inner(type={"valueCode": "child"}, target={"valueReference": ref("older problem")}),
                ),
                _extension("RelatedClinicalContent", valueReference=ref("encounter")),
                _extension("ProblemSignificance", valueCode="major"),
            ],
        ),
        _resource(
            "Condition",
            "older problem",
            clinicalStatus="inactive",
            category=[concept("problem-list-item", "Problem", "http://hl7.org/fhir/condition-category")],
            code={"text": "Wheeze"},
            context=ref("encounter"),
            onsetDateTime="1999-01-01",
            abatementDateTime="2001-01-01",
            subject=patient,
            assertedDate=_WHEN,
            asserter=practitioner,
            extension=[_extension("ProblemSignificance", valueCode="minor")],
        ),
        _resource(
            "ProcedureRequest",
            "request",
            status="active",
            intent="order",
            code=concept("26604007", "Full blood count"),
            subject=patient,
            requester={"agent": practitioner},
            performer=practitioner,
        ),
        _resource(
            "DiagnosticReport",
            "report",
            status="final",
            code={"text": "Full blood count"},
            subject=patient,
            issued=_WHEN,
            category=concept("LAB", "Laboratory", "http://hl7.org/fhir/v2/0074"),
            performer=[{"actor": practitioner}],
        ),
        _resource(
            "Specimen",
            "specimen",
            status="available",
            type=concept("119297000", "Blood specimen"),
            subject=patient,
            receivedTime=_WHEN,
        ),
    ]

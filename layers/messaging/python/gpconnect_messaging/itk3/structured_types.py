"""The specification's rules for the types of structured resources, as a table.

Source: GPCM-SD-006 … 024, 078 and 026 (sections and profiles), and the type's own requirements (the patient's element).
"""

from dataclasses import dataclass

_CARE_CONNECT = "https://fhir.hl7.org.uk/STU3/StructureDefinition/CareConnect"


@dataclass(frozen=True, slots=True)
class StructuredType:
    """One resource type.

    `section` is the title of the Composition section, None for types that other resources refer to; `patient` is the
    element that must name the patient, None without one.
    """

    profile: str
    section: str | None
    patient: str | None = None


STRUCTURED_TYPES = {
    "List": StructuredType(f"{_CARE_CONNECT}-List-1", "Miscellaneous record", "subject"),
    "Observation": StructuredType(f"{_CARE_CONNECT}-Observation-1", "Observations", "subject"),
    "Questionnaire": StructuredType(f"{_CARE_CONNECT}-Questionnaire-1", "Questionnaires"),
    "QuestionnaireResponse": StructuredType(
        f"{_CARE_CONNECT}-QuestionnaireResponse-1", "Questionnaire responses", "subject"
    ),
    "ReferralRequest": StructuredType(f"{_CARE_CONNECT}-ReferralRequest-1", "Referral requests", "subject"),
    "DocumentReference": StructuredType(f"{_CARE_CONNECT}-DocumentReference-1", "Document references", "subject"),
    "AllergyIntolerance": StructuredType(
        f"{_CARE_CONNECT}-AllergyIntolerance-1", "Allergies and adverse reactions", "patient"
    ),
    "FamilyMemberHistory": StructuredType(f"{_CARE_CONNECT}-FamilyMemberHistory-1", "Family history", "patient"),
    "Task": StructuredType(f"{_CARE_CONNECT}-Task-1", "Tasks", "for"),
    "Consent": StructuredType(f"{_CARE_CONNECT}-Consent-1", "Consent", "patient"),
    "Location": StructuredType(f"{_CARE_CONNECT}-Location-1", "Locations"),
    "Medication": StructuredType(f"{_CARE_CONNECT}-Medication-1", "Medications"),
    "MedicationRequest": StructuredType(f"{_CARE_CONNECT}-MedicationRequest-1", "Medication requests", "subject"),
    "MedicationStatement": StructuredType(f"{_CARE_CONNECT}-MedicationStatement-1", "Medication statements", "subject"),
    "Immunization": StructuredType(f"{_CARE_CONNECT}-Immunization-1", "Immunisations", "patient"),
    "Condition": StructuredType(f"{_CARE_CONNECT}-ProblemHeader-Condition-1", "Problems", "subject"),
    "Procedure": StructuredType(f"{_CARE_CONNECT}-Procedure-1", "Procedures", "subject"),  # ADR 52
    "ProcedureRequest": StructuredType(f"{_CARE_CONNECT}-ProcedureRequest-1", "Procedure requests", "subject"),
    "DiagnosticReport": StructuredType(f"{_CARE_CONNECT}-DiagnosticReport-1", "Diagnostic reports", "subject"),
    "Specimen": StructuredType(f"{_CARE_CONNECT}-Specimen-1", "Specimens", "subject"),
    "Encounter": StructuredType(f"{_CARE_CONNECT}-Encounter-1", None, "subject"),
    "Practitioner": StructuredType(f"{_CARE_CONNECT}-Practitioner-1", None),
    "Organization": StructuredType(f"{_CARE_CONNECT}-Organization-1", None),
    "RelatedPerson": StructuredType(f"{_CARE_CONNECT}-RelatedPerson-1", None, "patient"),
    "Device": StructuredType("https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Device-1", None),
}
"""In the order of the sections."""

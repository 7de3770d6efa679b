"""Online consultation: answers of a patient, or a representative, to an online consultation system.

Source: GPCM-SD-OC-001 … 175 (1.5).
"""

from gpconnect_messaging.usecases.definition import Code, RecipientType, UseCase

ONLINE_CONSULTATION = UseCase(
    name="online_consultation",
    title="Online consultation report",  # GPCM-SD-OC-006
    document_type=Code(  # GPCM-SD-OC-003
        "149951000000107", "Patient information received using general practice online consultation system"
    ),
    encounter_type=Code(  # GPCM-SD-OC-034
        "149971000000103", "Encounter using general practice online consultation system"
    ),
    recipient_type=RecipientType.FOR_ACTION,  # GPCM-SD-OC-141
    primary_content_types=frozenset({"application/pdf"}),  # GPCM-SD-OC-012
    takes=frozenset(
        {
            "care_provider",
            "authors",
            "related_person",
            "device",
            "location",
            "observations",
            "questionnaire",
            "resources",
        }
    ),
    resource_types=frozenset(
        {
            "AllergyIntolerance",
            "Consent",
            "Device",
            "DocumentReference",
            "Encounter",
            "FamilyMemberHistory",
            "Location",
            "Observation",
            "Organization",
            "Practitioner",
            "Questionnaire",
            "QuestionnaireResponse",
            "ReferralRequest",
            "RelatedPerson",
            "Task",
        }
    ),
)

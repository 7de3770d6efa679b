"""Online consultation: answers of a patient, or a representative, to an online consultation system.

Source: GPCM-SD-OC-001 … 175 (1.5).
"""

from gpconnect_messaging.specification import UseCase, Version
from gpconnect_messaging.usecases.definition import Code, RecipientType, UseCaseDefinition, VersionRules, Wording

_SUBJECT = "{title} for {patient}, NHS Number {nhs_number}"

ONLINE_CONSULTATION = UseCaseDefinition(
    name=UseCase.ONLINE_CONSULTATION,
    family="OC",
    versions={
        Version.V1_5: VersionRules(
            local_extension="SendDocument-OnlineConsultationReport",  # GPCM-SD-OC-147
            # Only the subject names the sender, and a confidential consultation is no exception.
            wording=Wording.never_redacted(  # GPCM-SD-OC-007, GPCM-SD-OC-164
                subject=_SUBJECT + ", ODS Code {ods_code}",
                text=_SUBJECT + ", Version {version}",
            ),
            care_provider_allowed=True,  # GPCM-SD-OC-159
        ),
    },
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
            "copy_to",
            "authors",
            "related_person",
            "device",
            "location",
            "observations",
            "questionnaire",
            "resources",
        }
    ),
    coded_kinds=frozenset({"allergy"}),  # GPCM-SD-OC-088 … 108; GPCM-SD-OC-052: observations are the patient's
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

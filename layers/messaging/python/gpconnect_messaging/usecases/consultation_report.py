"""Consultation report: care for a patient outside the registered practice.

Source: GPCM-SD-CS-017 … 046 (1.5); GPCM-SD-115 and the Consultation Summary requirements (2.0.2).
"""

from gpconnect_messaging.specification import UseCase, Version
from gpconnect_messaging.usecases.definition import (
    CODED_KINDS,
    OPTIONAL_FIELDS,
    WORDING_2_0,
    Code,
    RecipientType,
    UseCaseDefinition,
    VersionRules,
    Wording,
)

_SEEN = "{title} for {patient}, NHS Number {nhs_number}, seen at {organisation}, ODS Code {ods_code}"
_REDACTED = "{title} for {patient}, NHS Number {nhs_number}"

CONSULTATION_REPORT = UseCaseDefinition(
    name=UseCase.CONSULTATION_REPORT,
    family="CS",
    versions={
        Version.V1_5: VersionRules(
            local_extension="SendDocument-ConsultationReport",  # GPCM-SD-CS-048
            wording=Wording(  # GPCM-SD-CS-023, GPCM-SD-CS-068
                subject=_SEEN,
                text=_SEEN + ", Version {version}",
                redacted_subject=_REDACTED,
                redacted_text=_REDACTED + ", Version {version}",
            ),
            practitioner_required=True,  # GPCM-SD-CS-025, GPCM-SD-CS-036
            # GPCM-SD-CS-043, GPCM-SD-CS-022, GPCM-SD-CS-019
            prescribed=frozenset({"recipient_type", "title", "document_type"}),
        ),
        Version.V2_0: VersionRules(  # GPCM-SD-032: the practitioner if known
            local_extension="None",  # GPCM-SD-044
            wording=WORDING_2_0,
            care_provider_allowed=True,
        ),
    },
    title="Consultation report",  # GPCM-SD-CS-022
    document_type=Code("371531000", "Report of clinical encounter"),  # GPCM-SD-CS-019, GPCM-SD-115
    recipient_type=RecipientType.FOR_ACTION,  # GPCM-SD-CS-043
    primary_content_types=frozenset({"application/pdf"}),  # GPCM-SD-CS-028
    rendered=True,
    takes=frozenset(OPTIONAL_FIELDS) - {"location", "observations", "questionnaire", "resources"},
    coded_kinds=CODED_KINDS,
)

"""Generic document: any document of an approved type, with what structured information belongs to it.

Source: GPCM-SD-GE-001 … 296 (1.5, "Generic"); Send Document 2.0.2, whose only other kind of document this is.
"""

from gpconnect_messaging.media_types import supported_types
from gpconnect_messaging.specification import UseCase, Version
from gpconnect_messaging.usecases.definition import (
    CODED_KINDS,
    OPTIONAL_FIELDS,
    WORDING_2_0,
    RecipientType,
    UseCaseDefinition,
    VersionRules,
    Wording,
)
from gpconnect_messaging.usecases.online_consultation import ONLINE_CONSULTATION

_SUBJECT = "{title} report for {patient}, NHS Number {nhs_number}"

GENERIC_DOCUMENT = UseCaseDefinition(
    name=UseCase.GENERIC_DOCUMENT,
    family="GE",
    versions={
        Version.V1_5: VersionRules(
            local_extension="SendDocument-Generic",  # GPCM-SD-GE-274
            # Only the subject names the sender, and a confidential consultation is no exception.
            wording=Wording.never_redacted(  # GPCM-SD-GE-007, GPCM-SD-GE-291
                subject=_SUBJECT + ", ODS Code {ods_code}",
                text=_SUBJECT + ", Version {version}",
            ),
            care_provider_allowed=True,  # GPCM-SD-GE-286
            prescribed=frozenset({"recipient_type"}),  # GPCM-SD-GE-268
        ),
        Version.V2_0: VersionRules(
            local_extension="None",  # GPCM-SD-044
            wording=WORDING_2_0,
            care_provider_allowed=True,
        ),
    },
    title=None,  # GPCM-SD-GE-006
    document_type=None,  # GPCM-SD-GE-003
    recipient_type=RecipientType.FOR_ACTION,  # GPCM-SD-GE-268
    primary_content_types=frozenset(supported_types()),  # GPCM-SD-GE-012 asks for no particular type
    takes=frozenset(OPTIONAL_FIELDS),
    coded_kinds=CODED_KINDS,
    resource_types=ONLINE_CONSULTATION.resource_types
    | {
        "Condition", "DiagnosticReport", "Immunization", "Medication", "MedicationRequest", "MedicationStatement",
        "ProcedureRequest", "Specimen",
    },
)  # fmt: skip

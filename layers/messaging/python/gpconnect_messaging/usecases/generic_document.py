"""Generic document: any document of an approved type, with what structured information belongs to it.

Source: GPCM-SD-GE-001 … 296 (1.5, "Generic"); Send Document 2.0.2, whose only other kind of document this is.
"""

from gpconnect_messaging.media_types import supported_types
from gpconnect_messaging.usecases.definition import OPTIONAL_FIELDS, RecipientType, UseCase
from gpconnect_messaging.usecases.online_consultation import ONLINE_CONSULTATION

GENERIC_DOCUMENT = UseCase(
    name="generic_document",
    title=None,  # GPCM-SD-GE-006
    document_type=None,  # GPCM-SD-GE-003
    recipient_type=RecipientType.FOR_ACTION,  # GPCM-SD-GE-268
    primary_content_types=frozenset(supported_types()),  # GPCM-SD-GE-012 asks for no particular type
    takes=frozenset(OPTIONAL_FIELDS),
    resource_types=ONLINE_CONSULTATION.resource_types
    | {
        "Condition", "DiagnosticReport", "Immunization", "Medication", "MedicationRequest", "MedicationStatement",
        "ProcedureRequest", "Specimen",
    },
)  # fmt: skip

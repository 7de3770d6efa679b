"""Consultation report: care for a patient outside the registered practice.

Source: GPCM-SD-CS-017 … 046 (1.5); GPCM-SD-115 and the Consultation Summary requirements (2.0.2).
"""

from gpconnect_messaging.usecases.definition import Code, RecipientType, UseCase

CONSULTATION_REPORT = UseCase(
    name="consultation_report",
    title="Consultation report",  # GPCM-SD-CS-022
    document_type=Code("371531000", "Report of clinical encounter"),  # GPCM-SD-CS-019, GPCM-SD-115
    recipient_type=RecipientType.FOR_ACTION,  # GPCM-SD-CS-043
    primary_content_types=frozenset({"application/pdf"}),  # GPCM-SD-CS-028
    rendered=True,
    takes=frozenset({"care_setting", "event"}),
)

"""The versions of the Send Document specification as data, so that no code asks which version it serves.

1.5: GP Connect Messaging 1.5/1.6 drafts, Send Document for Federated Appointments.
2.0: GP Connect Send Document 2.0.2 (December 2024, in force).
"""

from dataclasses import dataclass
from enum import StrEnum

MESSAGE_DEFINITION = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
"""The Send Document message definition; a requirements table of 2.0.2 prints `…-Instance-1`, which ITK3 withdrew."""


class Version(StrEnum):
    """A version of the Send Document specification; a setting of each sending mailbox."""

    V1_5 = "1.5"
    V2_0 = "2.0"


class Confidentiality(StrEnum):
    """What becomes of a consultation that the patient asked to keep confidential (safety rule 7)."""

    REDACTED = "redacted"
    NOT_SENT = "not sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """What one version prescribes.

    The wordings are `str.format` templates over title, patient, nhs_number, organisation, ods_code and version; the
    redacted ones leave out where the patient was seen (GPCM-SD-CS-008, GPCM-SD-CS-023).
    """

    version: Version
    workflow_id: str
    local_extensions: dict[str, str]
    """LocalExtension by use case."""
    subject: str
    redacted_subject: str
    text: str
    redacted_text: str
    practitioner_required: bool
    confidential: Confidentiality

    @property
    def response_workflow_id(self) -> str:
        """The workflow that acknowledgements come on."""
        return f"{self.workflow_id}_ACK"


_SUBJECT_1_5 = "{title} for {patient}, NHS Number {nhs_number}, seen at {organisation}, ODS Code {ods_code}"
_REDACTED_1_5 = "{title} for {patient}, NHS Number {nhs_number}"
_SUBJECT_2_0 = "{title} for {patient}, NHS Number: {nhs_number}, seen at {organisation}, {ods_code}, Version: {version}"

SPECIFICATIONS = {
    Version.V1_5: Specification(
        version=Version.V1_5,
        workflow_id="GPFED_CONSULT_REPORT",
        local_extensions={"consultation_report": "SendDocument-ConsultationReport"},
        subject=_SUBJECT_1_5,
        redacted_subject=_REDACTED_1_5,
        text=_SUBJECT_1_5 + ", Version {version}",
        redacted_text=_REDACTED_1_5 + ", Version {version}",
        practitioner_required=True,
        confidential=Confidentiality.REDACTED,
    ),
    Version.V2_0: Specification(
        version=Version.V2_0,
        workflow_id="GPCONNECT_SEND_DOCUMENT",
        local_extensions={"consultation_report": "None"},
        subject=_SUBJECT_2_0,
        redacted_subject=_SUBJECT_2_0,
        text=_SUBJECT_2_0,
        redacted_text=_SUBJECT_2_0,
        practitioner_required=False,
        confidential=Confidentiality.NOT_SENT,
    ),
}

RESPONSE_WORKFLOW_IDS = frozenset(each.response_workflow_id for each in SPECIFICATIONS.values())

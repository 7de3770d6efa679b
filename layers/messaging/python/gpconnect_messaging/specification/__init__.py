"""The versions of the Send Document specification as data, so that no code asks which version it serves.

1.5: GP Connect Messaging 1.5/1.6 drafts, Send Document for Federated Appointments.
2.0: GP Connect Send Document 2.0.2 (December 2024, in force).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gpconnect_messaging.specification.document_types import APPROVED_DOCUMENT_TYPES

MESSAGE_DEFINITION = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
"""The Send Document message definition."""
WITHDRAWN_DEFINITION = MESSAGE_DEFINITION.replace("MessageDefinition-1", "MessageDefinition-Instance-1")
"""A name that 2.0.2 prints and ITK3 has since withdrawn. The published example uses the current name."""


class Version(StrEnum):
    """A version of the Send Document specification; a setting of a sending mailbox."""

    V1_5 = "1.5"
    V2_0 = "2.0"


class UseCase(StrEnum):
    """The Send Document use cases that a request can ask for."""

    CONSULTATION_REPORT = "consultation_report"
    ONLINE_CONSULTATION = "online_consultation"
    GENERIC_DOCUMENT = "generic_document"


class Confidentiality(StrEnum):
    """How a consultation that the patient asked to keep confidential is handled (safety rule 7)."""

    REDACTED = "redacted"
    NOT_SENT = "not sent"


class PageSize(StrEnum):
    """The paper of rendered reports; a setting of a sending mailbox."""

    LETTER = "letter"
    A4 = "a4"

    @property
    def points(self) -> tuple[float, float]:
        """Width and height."""
        return (612.0, 792.0) if self is PageSize.LETTER else (595.28, 841.89)


class ReportDesign(StrEnum):
    """Which published layout a rendered report follows."""

    CONSULTATION_REPORT = "consultation report"
    """GPCM-SD-CS-005."""
    SUMMARY = "summary"
    """The wireframe of 2.0.2, with the data of GPCM-SD-090."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """The rules of one version that do not differ by use case; a use case has the others."""

    version: Version
    workflow_id: str
    confidential: Confidentiality
    report: ReportDesign
    author_may_be_unknown: bool
    """Whether the sending system stands in as author where no person is known."""
    version_in_meta: bool = False
    """Whether a replacement's meta.versionId says which version it is."""
    sds_user_id_required: bool
    """Whether a practitioner must have an SDS user id, so that an unknown one is sent as unknown."""
    document_types: Mapping[str, str] | None = None
    """Approved Composition.type codes and their words; None: any document type."""

    @property
    def response_workflow_id(self) -> str:
        """The workflow that acknowledgements come on."""
        return f"{self.workflow_id}_ACK"


SPECIFICATIONS = {
    Version.V1_5: Specification(
        version=Version.V1_5,
        workflow_id="GPFED_CONSULT_REPORT",
        confidential=Confidentiality.REDACTED,
        report=ReportDesign.CONSULTATION_REPORT,
        author_may_be_unknown=False,  # GPCM-SD-005, GPCM-SD-OC-009, GPCM-SD-GE-009
        sds_user_id_required=True,  # GPCM-SD-CS-036, GPCM-SD-OC-025, GPCM-SD-GE-025
    ),
    Version.V2_0: Specification(
        version=Version.V2_0,
        workflow_id="GPCONNECT_SEND_DOCUMENT",
        confidential=Confidentiality.NOT_SENT,
        report=ReportDesign.SUMMARY,
        author_may_be_unknown=True,  # GPCM-SD-107
        version_in_meta=True,
        sds_user_id_required=False,  # GPCM-SD-032: if known
        document_types=APPROVED_DOCUMENT_TYPES,
    ),
}

WORKFLOW_ANSWERED_ON = {
    specification.response_workflow_id: specification.workflow_id for specification in SPECIFICATIONS.values()
}
"""The workflow of messages, by the workflow of the responses to them."""

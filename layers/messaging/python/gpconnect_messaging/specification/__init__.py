"""The versions of the Send Document specification as data, so that no code asks which version it serves.

1.5: GP Connect Messaging 1.5/1.6 drafts, Send Document for Federated Appointments.
2.0: GP Connect Send Document 2.0.2 (December 2024, in force).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gpconnect_messaging.specification.document_types import APPROVED_DOCUMENT_TYPES

MESSAGE_DEFINITION = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
"""The Send Document message definition; a requirements table of 2.0.2 prints `…-Instance-1`, which ITK3 withdrew."""


class Version(StrEnum):
    """A version of the Send Document specification; a setting of a sending mailbox."""

    V1_5 = "1.5"
    V2_0 = "2.0"


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
class Wording:
    """The MESH subject and Composition.text of one use case, redacted where the consultation is confidential.

    `str.format` templates over title, patient, nhs_number, organisation, ods_code and version; the redacted ones leave
    out where the patient was seen (GPCM-SD-CS-008, GPCM-SD-CS-023).
    """

    subject: str
    text: str
    redacted_subject: str
    redacted_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Specification:
    """The rules of one version. Use cases have the names of requests."""

    version: Version
    workflow_id: str
    local_extensions: Mapping[str, str]
    """LocalExtension by use case; a use case that is not here is not part of this version."""
    wordings: Mapping[str, Wording]
    """Subject and text by use case."""
    confidential: Confidentiality
    report: ReportDesign
    practitioner_required: frozenset[str]
    """The use cases that need a practitioner."""
    care_setting_required: frozenset[str] = field(default=frozenset())
    """The use cases that need a care setting."""
    organisation_may_be_author: bool
    """Whether the organisation stands in as author when no person is known."""
    care_providers: frozenset[str] = field(default=frozenset())
    """The use cases whose documents may go to another care provider, with a copy to the registered practice."""
    document_types: Mapping[str, str] | None = None
    """Approved Composition.type codes and their words; None: any document type."""

    @property
    def response_workflow_id(self) -> str:
        """The workflow that acknowledgements come on."""
        return f"{self.workflow_id}_ACK"


_CONSULTATION_REPORT_1_5 = "{title} for {patient}, NHS Number {nhs_number}, seen at {organisation}, ODS Code {ods_code}"
_REDACTED_REPORT_1_5 = "{title} for {patient}, NHS Number {nhs_number}"
_ONLINE_CONSULTATION_1_5 = "{title} for {patient}, NHS Number {nhs_number}"
_GENERIC_1_5 = "{title} report for {patient}, NHS Number {nhs_number}"
_SUBJECT_2_0 = "{title} for {patient}, NHS Number: {nhs_number}, seen at {organisation}, {ods_code}, Version: {version}"
_WORDING_2_0 = Wording(
    subject=_SUBJECT_2_0, text=_SUBJECT_2_0, redacted_subject=_SUBJECT_2_0, redacted_text=_SUBJECT_2_0
)

SPECIFICATIONS = {
    Version.V1_5: Specification(
        version=Version.V1_5,
        workflow_id="GPFED_CONSULT_REPORT",
        local_extensions={
            "consultation_report": "SendDocument-ConsultationReport",  # GPCM-SD-CS-048
            "online_consultation": "SendDocument-OnlineConsultationReport",  # GPCM-SD-OC-147
            "generic_document": "SendDocument-Generic",  # GPCM-SD-GE-274
        },
        wordings={
            "consultation_report": Wording(  # GPCM-SD-CS-023, GPCM-SD-CS-068
                subject=_CONSULTATION_REPORT_1_5,
                text=_CONSULTATION_REPORT_1_5 + ", Version {version}",
                redacted_subject=_REDACTED_REPORT_1_5,
                redacted_text=_REDACTED_REPORT_1_5 + ", Version {version}",
            ),
            # These two name the sender in the subject alone, and make no exception for a confidential consultation.
            "online_consultation": Wording(  # GPCM-SD-OC-007, GPCM-SD-OC-164
                subject=_ONLINE_CONSULTATION_1_5 + ", ODS Code {ods_code}",
                text=_ONLINE_CONSULTATION_1_5 + ", Version {version}",
                redacted_subject=_ONLINE_CONSULTATION_1_5 + ", ODS Code {ods_code}",
                redacted_text=_ONLINE_CONSULTATION_1_5 + ", Version {version}",
            ),
            "generic_document": Wording(  # GPCM-SD-GE-007, GPCM-SD-GE-291
                subject=_GENERIC_1_5 + ", ODS Code {ods_code}",
                text=_GENERIC_1_5 + ", Version {version}",
                redacted_subject=_GENERIC_1_5 + ", ODS Code {ods_code}",
                redacted_text=_GENERIC_1_5 + ", Version {version}",
            ),
        },
        confidential=Confidentiality.REDACTED,
        report=ReportDesign.CONSULTATION_REPORT,
        practitioner_required=frozenset({"consultation_report"}),  # GPCM-SD-CS-025, GPCM-SD-CS-036
        organisation_may_be_author=False,  # GPCM-SD-005, GPCM-SD-OC-009, GPCM-SD-GE-009
        care_providers=frozenset({"online_consultation", "generic_document"}),  # GPCM-SD-OC-159, GPCM-SD-GE-286
    ),
    Version.V2_0: Specification(
        version=Version.V2_0,
        workflow_id="GPCONNECT_SEND_DOCUMENT",
        local_extensions={"consultation_report": "None", "generic_document": "None"},  # GPCM-SD-044
        wordings={"consultation_report": _WORDING_2_0, "generic_document": _WORDING_2_0},  # GPCM-SD-064
        confidential=Confidentiality.NOT_SENT,
        report=ReportDesign.SUMMARY,
        practitioner_required=frozenset(),  # GPCM-SD-032: if known
        care_setting_required=frozenset({"generic_document"}),
        organisation_may_be_author=True,  # GPCM-SD-107
        document_types=APPROVED_DOCUMENT_TYPES,
    ),
}

WORKFLOW_ANSWERED_ON = {
    specification.response_workflow_id: specification.workflow_id for specification in SPECIFICATIONS.values()
}
"""The workflow of messages, by the workflow of the responses to them."""

"""Every requirement id of both specification versions and of ITK3, with a paraphrased title.

Requirements that a message can show come from the table of checks. This module adds the others: the sender's conduct
(proven by tests that cite the id), rules for receivers, and rules that do not apply to this product, with the reason.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.specification import Version


class Kind(StrEnum):
    """How a requirement can be met."""

    CHECK = "check"
    """A message shows it: a check covers it, and tests prove the check."""
    CONDUCT = "conduct"
    """It is about the sender's conduct: only tests can prove it."""
    RECEIVER = "receiver only"
    """It binds the receiving system."""
    NOT_APPLICABLE = "not applicable"
    """It does not bind this product; the reason is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement id of one version (None: ITK3's, whatever the version)."""

    version: Version | None
    id: str
    level: Level
    kind: Kind
    title: str
    reason: str = ""

    @property
    def key(self) -> str:
        """The name in tests and reports: `1.5:GPCM-SD-038`, or the id alone if it has no version."""
        return f"{self.version}:{self.id}" if self.version else self.id


_M, _S = Level.MUST, Level.SHOULD
_DISPLAY = "The person who writes the consultation works in the sending system, which this product serves"
_STORIES = "A user story: the numbered requirements are listed separately"
_GUIDANCE = "Guidance for payload specifications; Send Document's own rules are listed separately"

_CONDUCT_1_5 = (
    ("C-01", _M, "Messages travel by MESH"),
    ("SD-035", _S, "Original and replacement are void once the replacement is refused"),
    ("SD-036", _S, "A replacement names the one before it; many replacements are avoided"),
    ("SD-037", _S, "A replacement is sent within 24 hours"),
    ("SD-043", _M, "Every error that a response can report is handled"),
    ("SD-044", _M, "A person is notified of a report that the receiver did not accept"),
    ("SD-045", _M, "A person is notified of a missing acknowledgement"),
    ("SD-CS-001", _M, "The PDF has all that the clinician entered"),
    ("SD-CS-002", _M, "The PDF shows data as the consultation is shown"),
    ("SD-CS-003", _M, "The message has all attachments of the consultation"),
    ("SD-CS-005", _M, "The PDF follows the prescribed layout"),
    ("SD-CS-006", _M, "The version is in the PDF and in the subject"),
    ("SD-CS-007", _M, "Versions count from 1 within a consultation"),
    ("SD-CS-008", _M, "A confidential consultation's PDF leaves out the data that the patient wants kept confidential"),
    ("SD-CS-009", _M, "A confidential item is replaced by a warning"),
    ("SD-CS-010", _M, "Every confidential item has the warning"),
    ("SD-CS-011", _M, "Every section of the notes has a bold title"),
    ("SD-CS-012", _M, "A line separates the sections of the notes"),
    ("SD-CS-013", _M, "Section titles and notes are in two even columns"),
    ("SD-CS-014", _M, "The patient's name is larger than the rest"),
    ("SD-CS-015", _M, "The PDF has the NHS blues as backgrounds"),
    ("SD-CS-016", _M, "The PDF gives the prescribed reason for the summary"),
    ("SD-CS-069", _M, "Every clinically relevant encounter is reported"),
    ("SD-CS-070", _M, "Sending takes no extra work"),
    ("SD-CS-071", _M, "Nothing is sent for a patient of the sending practice itself"),
    ("SD-CS-072", _M, "The registered practice comes from PDS"),
    ("SD-CS-073", _M, "Only clinically relevant data are sent"),
    ("SD-CS-074", _M, "A person can be asked to confirm before sending"),
    ("SD-CS-075", _M, "The report leaves within three hours"),
    ("SD-CS-076", _M, "Only the newest version of those three hours is sent"),
    ("SD-CS-077", _M, "A person is warned with the patient's details"),
    ("SD-OC-159", _M, "Other care providers' mailboxes are looked up"),
    ("SD-GE-286", _M, "Other care providers' mailboxes are looked up"),
)
_NOT_APPLICABLE_1_5 = (
    ("SD-CS-004", _M, "Without consultations, a day's data are one consultation",
     "A request is about one consultation: the sending system decides what belongs to it"),
)  # fmt: skip
_RECEIVER_1_5 = (
    ("SD-033", _M, "A replacement is processed and the replaced document archived"),
    ("SD-034", _S, "A replacement that fails voids both documents"),
    ("SD-040", _M, "A message that breaks the rules is invalid"),
    ("SD-041", _M, "An invalid message is answered with a negative response"),
    *(
        (f"SD-{family}", _M, title)
        for numbers, title in (
            (("CS-029", "OC-013", "GE-013"), "Further documents stay with their encounter"),
            (("CS-030", "OC-014", "GE-014"), "The work list shows the subject"),
            (("CS-031", "OC-015", "GE-015"), "Attachments can be opened"),
        )
        for family in numbers
    ),
)
_CONDUCT_2_0 = (
    ("C-1", _M, "Messages travel by MESH"),
    ("SD-083", _M, "Nothing is sent for a patient of the sending practice itself"),
    ("SD-084", _M, "The registered practice comes from PDS"),
    ("SD-086", _M, "The PDF has all that the clinician entered"),
    ("SD-087", _M, "The PDF shows data as the consultation is shown"),
    ("SD-088", _M, "The message has all attachments of the activity"),
    ("SD-090", _S, "The PDF has the data that all use cases share"),
    ("SD-094", _M, "A person is notified of a report that the receiver did not accept"),
    ("SD-095", _M, "A person is notified of a missing acknowledgement"),
    ("SD-096", _M, "The report leaves within three hours"),
    ("SD-129", _S, "A replacement names the one before it; many replacements are avoided"),
)
_RECEIVER_2_0 = (("SD-128", _S, "A replacement that fails voids the documents before it"),)
_ITK3 = (
    ("FHIR-PDS-01", _S, Kind.CONDUCT, "The document agrees with PDS", ""),
    ("FHIR-PDS-03", _S, Kind.CONDUCT, "The record's flag on PDS is checked", ""),
    ("FHIR-PDS-04", _S, Kind.NOT_APPLICABLE, "A sensitive record's address may be given",
     "An option: a restricted patient's address and phone come only from the sender's own request"),
    ("FHIR-PDS-05", _S, Kind.CONDUCT, "Nothing is sent for a number that PDS calls invalid", ""),
    ("FHIR-PDS-06", _M, Kind.NOT_APPLICABLE, "A number that PDS calls invalid is left out",
     "Send Document requires the NHS number, and nothing is sent for an invalid one (FHIR-PDS-05)"),
    ("FHIR-PDS-07", _M, Kind.NOT_APPLICABLE, "Without a valid number the patient is fully described",
     "Nothing is sent for an invalid number (FHIR-PDS-05)"),
    ("FHIR-PDS-08", _M, Kind.NOT_APPLICABLE, "A record under investigation does not stop the document",
     "PDS's FHIR API has no such flag: only a record without a registered practice stops a message"),
    ("FHIR-PDS-09", _S, Kind.NOT_APPLICABLE, "Dissent from sharing does not stop the document",
     "No record of dissent reaches this product, so nothing can stop for it"),
    ("FHIR-MR-01", _M, Kind.CONDUCT, "Every recipient gets the same document", ""),
    ("FHIR-TXT-01", _S, Kind.NOT_APPLICABLE, "The text does not repeat the resources",
     "Send Document prescribes the words of the text (GPCM-SD-CS-023), including location and version"),
    ("FHIR-CC-01", _S, Kind.NOT_APPLICABLE, "Payload guidance rules uncoded content", _GUIDANCE),
    ("FHIR-CC-03", _M, Kind.NOT_APPLICABLE, "Coded content is in the text as well",
     "Send Document carries the text as a PDF: GPCM-SD-CS-001 and GPCM-SD-086 rule its content"),
    ("FHIR-DOC-01", _M, Kind.CONDUCT, "Documents that are sent are logged", ""),
    ("FHIR-DOC-02", _S, Kind.NOT_APPLICABLE, "Showing, storing and printing are in the audit trail",
     "This product imports and prints nothing, and `render` only shows a file that the operator already has"),
    ("FHIR-DOC-03", _S, Kind.NOT_APPLICABLE, "Audit records name patient and user",
     "Users do not read documents in this product; the ledger holds time and document id, and no NHS number"),
    ("FHIR-DOC-04", _M, Kind.CONDUCT, "The document can be shown to authorised people", ""),
    ("FHIR-DOC-09", _M, Kind.CONDUCT, "Section texts and attachments are treated as clinical data", ""),
    ("FHIR-V&V-01", _M, Kind.CONDUCT, "Documents are validated before they are sent", ""),
    ("FHIR-V&V-02", _S, Kind.NOT_APPLICABLE, "The author can verify the document before it is sent", _DISPLAY),
)  # fmt: skip
_USER_STORIES = (
    ("GPC-SD01", "Send the report of the right patient"),
    ("GPC-SD02", "Route the report to the right practice"),
    ("GPC-SD03", "Make the PDF and the metadata"),
    ("GPC-SD04", "Receive the report"),
    ("GPC-SD05", "Notify staff of errors"),
    ("GPC-SD06", "Show the report's version"),
    ("GPC-SD07", "Send the report without work"),
    ("GPC-SD08", "Keep a consultation confidential"),
    ("GPC-SD09", "Keep the local record"),
    ("GPC-SD10", "Share data lawfully"),
    ("GPC-SD11", "Keep parts of a consultation confidential"),
    ("GPC-SD12", "Tell the practice of a deleted consultation"),
    ("GPC-SD-OC-01", "Send an online consultation to the practice"),
    ("GPC-SD-OC-02", "Send an online consultation to another care provider"),
    ("GPC-SD-OC-03", "Route it to the right care provider"),
    ("GPC-SD-OC-04", "Code the data that can be coded"),
    ("GPC-SD-OC-05", "Describe the payload"),
    ("GPC-SD-OC-06", "Carry data that are not coded"),
    ("GPC-SD-OC-07", "Triage"),
    ("GPC-SD-OC-08", "Let the patient choose another care provider"),
    ("GPC-SD-OC-09", "Send a report back to the practice"),
)


@cache
def requirements() -> tuple[Requirement, ...]:
    """List all requirements, those with a check first; keys are unique."""
    checked = [
        Requirement(version=check.version, id=check.id, level=check.level, kind=Kind.CHECK, title=check.title)
        for check in CHECKS
    ]
    others = [
        Requirement(version=version, id=f"GPCM-{short}", level=level, kind=kind, title=title)
        for version, kind, rows in (
            (Version.V1_5, Kind.CONDUCT, _CONDUCT_1_5),
            (Version.V1_5, Kind.RECEIVER, _RECEIVER_1_5),
            (Version.V2_0, Kind.CONDUCT, _CONDUCT_2_0),
            (Version.V2_0, Kind.RECEIVER, _RECEIVER_2_0),
        )
        for short, level, title in rows
    ]
    others += [
        Requirement(
            version=Version.V1_5, id=f"GPCM-{short}", level=level, kind=Kind.NOT_APPLICABLE, title=title, reason=reason
        )
        for short, level, title, reason in _NOT_APPLICABLE_1_5
    ]
    others += [
        Requirement(version=None, id=name, level=level, kind=kind, title=title, reason=reason)
        for name, level, kind, title, reason in _ITK3
    ]
    others += [
        Requirement(
            version=Version.V1_5, id=name, level=_S, kind=Kind.NOT_APPLICABLE, title=title, reason=_STORIES
        )
        for name, title in _USER_STORIES
    ]  # fmt: skip
    return (*checked, *others)

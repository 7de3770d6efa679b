"""ITK response codes of the practice, with their wording and severity in an OperationOutcome.

Codes: ITK-ResponseCodes-1; issue types: FHIR STU3 IssueType. The wording is invented: readers must go by the code.
"""

from dataclasses import dataclass

RECEIVED = "20013"
PATIENT_KNOWN = "30001"
UNREADABLE = "10009"
HEADER_INVALID = "20006"
DUPLICATE_MESSAGE = "20007"
DUPLICATE_DOCUMENT = "20008"
PAYLOAD_INVALID = "20009"


@dataclass(frozen=True)
class Code:
    """A response code, as in an issue."""

    code: str
    positive: bool
    severity: str
    issue: str
    display: str


def _positive(code: str, display: str) -> Code:
    return Code(code, positive=True, severity="information", issue="informational", display=display)


def _negative(code: str, issue: str, display: str, severity: str = "fatal") -> Code:
    return Code(code, positive=False, severity=severity, issue=issue, display=display)


_CODES = {
    entry.code: entry
    for entry in (
        _negative("10001", "processing", "Handling specification cannot be processed"),
        _negative("10002", "value", "Infrastructure response request cannot be processed"),
        _negative("10003", "value", "Business response request cannot be processed"),
        _negative("10004", "value", "Message definition cannot be processed"),
        _negative("10005", "value", "Version of the message definition cannot be processed"),
        _negative("10006", "value", "Priority cannot be processed"),
        _negative("10007", "value", "Sender reference cannot be processed"),
        _negative("10008", "business-rule", "A rule of the handling specification is broken"),
        _negative("10009", "structure", "The message cannot be read"),
        _negative("10010", "value", "Recipient type cannot be processed"),
        _negative("20001", "not-found", "Recipient person not recognised"),
        _negative("20002", "not-found", "Recipient organisation not recognised"),
        _negative("20003", "not-found", "Sender not recognised"),
        _negative("20004", "business-rule", "File type of an attachment not approved"),
        _negative("20005", "not-supported", "File type of an attachment not supported"),
        _negative("20006", "invalid", "Message header not valid"),
        _negative("20007", "duplicate", "Message received before"),
        _negative("20008", "duplicate", "Document received before"),
        _negative("20009", "invalid", "Payload not valid"),
        _negative("20010", "not-found", "Payload's recipient organisation not recognised"),
        _negative("20011", "not-found", "Payload's recipient person not recognised"),
        _negative("20012", "security", "Sender not authorised"),
        _positive("20013", "Received"),
        _negative("20014", "processing", "Replacement document cannot be processed"),
        _negative("20015", "too-long", "Message larger than accepted"),
        _positive("30001", "Patient known here"),
        _negative("30002", "business-rule", "Patient not known here"),
        _negative("30003", "business-rule", "Patient has left this practice"),
        _positive("30004", "Patient known here, and recently deceased"),
        _positive("30005", "Referral open"),
        _positive("30006", "Referral completed"),
        _negative("30007", "business-rule", "Referral returned to the GP"),
        _positive("30008", "Signposted to the GP"),
        _positive("30009", "Escalated to urgent care"),
        _positive("30010", "Escalated to an emergency department"),
        _positive("30011", "Advised to go elsewhere"),
        _negative("30012", "business-rule", "Patient could not be reached"),
        _positive("30013", "Closed: service not needed"),
        # Graded as information in practice, but negative.
        _negative("30014", "informational", "Closed: service not accepted", severity="information"),
        _negative("30015", "informational", "Closed: referral received before", severity="information"),
        _positive("30016", "Referral accepted"),
        _negative("30017", "business-rule", "Referral rejected"),
        _negative("30018", "business-rule", "Patient did not attend"),
        _positive("30019", "Registration accepted"),
        _negative("30020", "business-rule", "Registration pending"),
        _negative("30021", "business-rule", "Registration refused: registered already"),
        _negative("30022", "business-rule", "Registration refused: list full"),
        _negative("30023", "business-rule", "Registration refused: outside the practice area"),
        _negative("30024", "business-rule", "Registration refused: removed from this practice before"),
        _negative("30025", "business-rule", "Registration refused: removed from another practice before"),
    )
}


def lookup(code: str) -> Code:
    """Return the entry of a code. An unknown code is negative, so that readers can be tested with it."""
    return _CODES.get(code) or _negative(code, "processing", "Not a listed code")

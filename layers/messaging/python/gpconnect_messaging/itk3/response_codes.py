"""The response codes of ITK3, and which of them are positive.

Only this table decides whether a code is positive, never an issue's severity or display: 30014 and 30015 come
with the severity `information` and are negative all the same. Source: code system ITK-ResponseCodes-1 and the ITK3
response guidance; 10006 was withdrawn, but old tools still send it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Which of the two acknowledgements a code belongs to, by the first digit: 1 and 2, or 3."""

    INFRASTRUCTURE = "infrastructure"
    BUSINESS = "business"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """The verdict of a code, or of a whole response, on the message."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class ResponseCode:
    """One code of the table. `meaning` is our sentence for a person to read."""

    code: str
    verdict: Verdict
    meaning: str

    @property
    def level(self) -> Level:
        """The acknowledgement that the code belongs to."""
        return level_of(self.code)


def level_of(code: str) -> Level:
    """Return the level of a code, known or not."""
    if not re.fullmatch(r"[0-9]{5}", code, re.ASCII):
        return Level.UNKNOWN
    return {"1": Level.INFRASTRUCTURE, "2": Level.INFRASTRUCTURE, "3": Level.BUSINESS}.get(code[0], Level.UNKNOWN)


SUCCESS = "20013"
DUPLICATE_MESSAGE = "20007"
REPLACEMENT_NOT_PROCESSED = "20014"

_YES, _NO = Verdict.POSITIVE, Verdict.NEGATIVE
_TABLE = (
    ("10001", _NO, "the handling specification is wrong"),
    ("10002", _NO, "the request for an infrastructure acknowledgement cannot be processed"),
    ("10003", _NO, "the request for a business acknowledgement cannot be processed"),
    ("10004", _NO, "the message definition cannot be processed"),
    ("10005", _NO, "the version of the message definition cannot be processed"),
    ("10006", _NO, "the priority cannot be processed"),
    ("10007", _NO, "the sender reference cannot be processed"),
    ("10008", _NO, "the handling specification breaks a business rule"),
    ("10009", _NO, "the message could not be read"),
    ("10010", _NO, "the recipient type cannot be processed"),
    ("20001", _NO, "the receiver does not know the recipient person"),
    ("20002", _NO, "the receiver does not know the recipient organisation"),
    ("20003", _NO, "the receiver does not know the sender"),
    ("20004", _NO, "an attachment is of a type that is not approved"),
    ("20005", _NO, "an attachment is of a type that is not supported"),
    ("20006", _NO, "the ITK header is not valid"),
    ("20007", _NO, "the message came twice"),
    ("20008", _NO, "the document came twice"),
    ("20009", _NO, "the payload is not valid"),
    ("20010", _NO, "the receiver does not know the organisation that the payload names"),
    ("20011", _NO, "the receiver does not know the person whom the payload names"),
    ("20012", _NO, "the sender is not authorised"),
    ("20013", _YES, "the message was received and processed"),
    ("20014", _NO, "the replacement could not be processed; the replaced document is void as well"),
    ("20015", _NO, "the message is too large"),
    ("30001", _YES, "the patient is known here"),
    ("30002", _NO, "the patient is not known here"),
    ("30003", _NO, "the patient is no longer at this practice"),
    ("30004", _YES, "the patient was known here and died recently"),
    ("30005", _YES, "the referral is open"),
    ("30006", _YES, "the referral is completed"),
    ("30007", _NO, "the referral was escalated back to the GP"),
    ("30008", _YES, "the patient was signposted to the GP"),
    ("30009", _YES, "the case was escalated to urgent treatment, 111 or out-of-hours care"),
    ("30010", _YES, "the case was escalated to A&E or 999"),
    ("30011", _YES, "the patient was advised to go elsewhere"),
    ("30012", _NO, "the patient could not be contacted"),
    ("30013", _YES, "closed: the service is not needed"),
    ("30014", _NO, "closed: the service was not accepted"),
    ("30015", _NO, "closed: the referral is a duplicate"),
    ("30016", _YES, "the referral was accepted"),
    ("30017", _NO, "the referral was rejected"),
    ("30018", _NO, "the patient did not attend"),
    ("30019", _YES, "the registration was accepted"),
    ("30020", _NO, "the registration is pending; the practice must be contacted"),
    ("30021", _NO, "the registration was rejected: already registered"),
    ("30022", _NO, "the registration was rejected: the practice is full"),
    ("30023", _NO, "the registration was rejected: out of area"),
    ("30024", _NO, "the registration was rejected: removed from this practice before"),
    ("30025", _NO, "the registration was rejected: removed from another practice before"),
)

RESPONSE_CODES = {code: ResponseCode(code, verdict, meaning) for code, verdict, meaning in _TABLE}

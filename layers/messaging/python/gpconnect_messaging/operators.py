"""Checks the operator's id and reason that the ledger keeps: neither may hold patient data."""

import re

from gpconnect_messaging.identifiers import is_nhs_number

_ACTOR = re.compile(r"[A-Za-z0-9@._:/+=-]{1,128}")
_DIGITS = re.compile(r"[0-9]{10}")
_NHS_NUMBER = re.compile(r"(?<![0-9])([0-9]{3})[^0-9]{0,3}([0-9]{3})[^0-9]{0,3}([0-9]{4})(?![0-9])")
LONGEST_REASON = 200


class ActorError(ValueError):
    """The operator's id is not one word, or could be an NHS number."""


def checked_actor(actor: str) -> str:
    """Return an operator's id unchanged. Raises ActorError."""
    if not _ACTOR.fullmatch(actor) or any(is_nhs_number(digits) for digits in _DIGITS.findall(actor)):
        raise ActorError("name the operator by an id of one word: letters, digits and @._:/+=-")
    return actor


class ReasonError(ValueError):
    """The reason is empty, too long or holds an NHS number. The text is a sentence without a full stop."""


def checked_reason(reason: str) -> str:
    """Return the reason for an action with single spaces. Raises ReasonError."""
    words = " ".join(reason.split())
    if not words:
        raise ReasonError("Say why, in a few words")
    if len(words) > LONGEST_REASON:
        raise ReasonError(f"Say why in at most {LONGEST_REASON} characters")
    if any(is_nhs_number("".join(digits)) for digits in _NHS_NUMBER.findall(words)):
        raise ReasonError("Leave the NHS number out: the reason is kept")
    return words

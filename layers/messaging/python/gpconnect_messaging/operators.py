"""What the ledger keeps of the people who act on messages: an id, never what could be a patient's, and a reason."""

import re

from gpconnect_messaging.requests.nhs_number import is_nhs_number

_ACTOR = re.compile(r"[A-Za-z0-9@._:/+=-]{1,128}")
_DIGITS = re.compile(r"[0-9]{10}")


class ActorError(ValueError):
    """An operator is named by an id of one word, and never by something that could be a patient's."""


def checked_actor(actor: str) -> str:
    """Return an operator's id as it is. Raises ActorError."""
    if not _ACTOR.fullmatch(actor) or any(is_nhs_number(digits) for digits in _DIGITS.findall(actor)):
        raise ActorError("name the operator by an id of one word: letters, digits and @._:/+=-")
    return actor


def checked_reason(reason: str) -> str:
    """Return the reason for what an operator does, as it is. Raises ValueError where it says nothing."""
    if not reason.strip():
        raise ValueError("say why")
    return reason

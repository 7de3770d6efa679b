"""What of others' words may be repeated to people, in metrics and in keys of ours: identifiers by their form, no texts.

Whatever a sender or a receiver writes can hold a name or an NHS number (safety rule 5). An identifier is repeated only
where its form rules that out: a mailbox id has letters and digits, and neither it nor an ODS code has six digits in a
row.
"""

import re
from collections.abc import Collection

_MAILBOX_ID = re.compile(r"(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])[A-Z0-9]{5,50}")
_ODS_CODE = re.compile(r"[A-Z0-9]{3,10}")
_LONG_NUMBER = re.compile(r"[0-9]{6}")

NOT_OURS = "-"
"""Stands for the mailbox of a request that names none of ours."""
NOT_READABLE = "not readable"
NOT_GIVEN = "not given"


def mailbox_id(text: str | None) -> str | None:
    """Give a MESH mailbox id in capitals; None for what does not have the form of one."""
    capitals = (text or "").strip().upper()
    return capitals if _MAILBOX_ID.fullmatch(capitals) and not _LONG_NUMBER.search(capitals) else None


def ods_code(text: str | None) -> str | None:
    """Give an ODS code in capitals; None for what does not have the form of one."""
    capitals = (text or "").strip().upper()
    return capitals if _ODS_CODE.fullmatch(capitals) and not _LONG_NUMBER.search(capitals) else None


def own_ods_code(text: str | None, known: Collection[str]) -> str | None:
    """Give the ODS code that a response states of itself; NOT_READABLE for what can be a name, None for nothing.

    A surname can have the form of a code: one without a digit is repeated only where it is `known` from elsewhere.
    """
    code = ods_code(text)
    if code and (code in known or any(sign.isdigit() for sign in code)):
        return code
    return NOT_READABLE if text else None


def quoted(found: str | None, given: str | None) -> str:
    """Write an identifier for a person: as it is, or why it is not repeated."""
    return found or (NOT_READABLE if given else NOT_GIVEN)

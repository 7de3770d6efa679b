"""Which words of others may be quoted to people, in metrics and in keys: identifiers of a certain form, no texts.

Any text of a sender or receiver can hold a name or an NHS number (safety rule 5). An identifier is quoted only where
the form excludes that: a mailbox id has letters and digits, and mailbox ids and ODS codes have no six digits in a row.
"""

from collections.abc import Collection

from gpconnect_messaging.identifiers import is_mailbox_id, is_ods_code

NOT_OURS = "-"
"""Stands for an unknown mailbox."""
NOT_READABLE = "not readable"
NOT_GIVEN = "not given"


def mailbox_id(text: str | None) -> str | None:
    """Return a MESH mailbox id in capitals; None for a text without that form."""
    capitals = (text or "").strip().upper()
    return capitals if is_mailbox_id(capitals) else None


def ods_code(text: str | None) -> str | None:
    """Return an ODS code in capitals; None for a text without that form."""
    capitals = (text or "").strip().upper()
    return capitals if is_ods_code(capitals) else None


def own_ods_code(text: str | None, known: Collection[str]) -> str | None:
    """Return the responder's ODS code; NOT_READABLE for a text that can be a name, None for no text.

    A surname can have the form of a code: a code without a digit is quoted only where it is `known`.
    """
    code = ods_code(text)
    if code and (code in known or any(character.isdigit() for character in code)):
        return code
    return NOT_READABLE if text else None


def quoted(found: str | None, given: str | None) -> str:
    """Write an identifier for a person, or why it is not quoted."""
    return found or (NOT_READABLE if given else NOT_GIVEN)

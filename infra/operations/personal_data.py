"""Showing personal data to an operator: only when asked for, and never without an audit event first.

The event says who, when, of which message, and what kind of data; never the data.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.operators import checked_actor

REVEALED = "personal data revealed"
"""What the audit trail calls it."""

_Value = TypeVar("_Value")


class Personal(StrEnum):
    """What of a message is personal data, or can be."""

    ENCOUNTER = "the sender's word for the encounter"
    WHO = "who the message is about and who wrote it"
    REQUEST = "the request"
    DOCUMENT = "the document"
    ADDRESS = "the MESH address and subject"
    COMPARISON = "the comparison with PDS"
    WARNING = "the warning for the practice"
    ANSWER = "an answer as it came"


def reveal(
    trail: AuditTrail, *, actor: str, message_id: str, what: Personal, read: Callable[[], _Value], reason: str = ""
) -> _Value:  # fmt: skip
    """Record that an operator sees something, then read it. Raises ActorError, and what `read` raises.

    `reason` is why, in the operator's own words; it is kept, and must name no patient.
    """
    checked_actor(actor)
    why = {"reason": reason} if reason else {}
    trail.record(actor, REVEALED, message_id=message_id, details={"what": what.value, **why})
    return read()

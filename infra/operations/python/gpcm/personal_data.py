"""Reveals personal data to an operator, after recording an audit event.

The event has the operator, the time, the message and the kind of data, but not the data.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.operators import checked_actor

REVEALED = "personal data revealed"
"""The audit event of a reveal."""

_Value = TypeVar("_Value")


class Personal(StrEnum):
    """The kinds of personal data in a message."""

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
    """Record a reveal, then read the data. Raises ActorError, and the errors of `read`.

    The operator's `reason` is recorded, and must name no patient.
    """
    checked_actor(actor)
    why = {"reason": reason} if reason else {}
    trail.record(actor, REVEALED, message_id=message_id, details={"what": what.value, **why})
    return read()

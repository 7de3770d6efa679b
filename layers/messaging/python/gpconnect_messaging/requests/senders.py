"""The sender of a request, and the mailboxes and files that the sender may use.

The content of a request and the attributes of a queue message can be forged, so only the origin counts: S3 lets only a
sender's principals put under the sender's prefix of the drop bucket, and a sender has a separate queue (ADR 39).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpconnect_messaging.requests.refusal import Reason

if TYPE_CHECKING:  # pydantic takes longer to import than all the rest
    from gpconnect_messaging.requests.models import Request, Withdrawal

_QUEUE = "-intake-of-"
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class SenderSettingsError(Exception):
    """A sender's parameter is missing or wrong: correct the environment's configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sending system: a prefix of the drop bucket, which ends in a slash, and the mailboxes that it may use."""

    name: str
    prefix: str
    mailboxes: tuple[str, ...]
    """At least one; the first one's contacts are notified of a request that names none of them."""

    def owns(self, key: str) -> bool:
        """Say whether a key or folder of the drop bucket lies under this sender's prefix, also if dots are resolved."""
        return key.startswith(self.prefix) and not {".", ".."} & set(key.split("/"))

    @classmethod
    def from_json(cls, name: str, prefix: str, text: str) -> "Sender":
        """Read the mailboxes from the sender's parameter. Raises SenderSettingsError."""
        try:
            mailboxes = json.loads(text)["mailboxes"]
        except (ValueError, TypeError, KeyError):
            mailboxes = None
        if (
            not isinstance(mailboxes, list)
            or not mailboxes
            or not all(isinstance(mailbox, str) for mailbox in mailboxes)
        ):
            raise SenderSettingsError(f"sender {name}: mailboxes: must be a list of mailbox ids")
        return cls(name=name, prefix=prefix, mailboxes=tuple(mailboxes))


def broken_sender_rules(sender: Sender | None, asked: "Request | Withdrawal", folder: str) -> Iterator[Reason]:
    """Yield a reason for every mailbox or file that the request names and the sender may not use.

    The documents' keys are relative to `folder`: empty for a request that came on a queue.
    """
    if sender is None:
        yield Reason(
            "request", "came from no configured sender: it lies under no sender's prefix, or on no sender's queue"
        )
        return
    if asked.mailbox not in sender.mailboxes:
        yield Reason("mailbox", "is not one that this sender may use")
    for field, key in asked.files:
        if not sender.owns(folder + key):
            yield Reason(f"{field}.key", "lies outside of this sender's prefix of the drop bucket")


def queue_name(stack: str, sender: str) -> str:
    """Name a sender's own queue, from the name of the stack: the queue's ARN identifies the sender for the builder."""
    return f"{stack}{_QUEUE}{sender}"


def sender_of_queue(arn: str) -> str:
    """Return the name of the sender that owns a queue; empty for the shared queue."""
    name = arn.rpartition(":")[2].partition(_QUEUE)[2]
    return name if _NAME.fullmatch(name) else ""

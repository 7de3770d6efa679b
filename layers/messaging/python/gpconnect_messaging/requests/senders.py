"""Who sent a request, and what that sender may ask for.

A request says nothing of its sender that counts, since anybody can write anything into it or into a queue message's
attributes. What counts is where it came: S3 lets only a sender's principals put under its prefix of the drop bucket,
and a sender has a queue of its own (ADR 39).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gpconnect_messaging.requests.models import Request, Withdrawal
from gpconnect_messaging.requests.refusal import Reason

_QUEUE = "-intake-of-"
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class SenderSettingsError(Exception):
    """A sender's parameter is missing or wrong: whoever configures the environment must correct it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A sending system: its folder in the drop bucket, which ends in a slash, and the mailboxes that it may use."""

    name: str
    prefix: str
    mailboxes: tuple[str, ...]
    """At least one; the first one's contacts are notified of a request that names none of them."""

    def owns(self, key: str) -> bool:
        """Say whether a key of the drop bucket, or a folder, lies under this sender's prefix, however it is read."""
        return key.startswith(self.prefix) and not {".", ".."} & set(key.split("/"))

    @classmethod
    def from_json(cls, name: str, prefix: str, text: str) -> "Sender":
        """Read the mailboxes from the sender's parameter. Raises SenderSettingsError."""
        try:
            mailboxes = json.loads(text)["mailboxes"]
        except (ValueError, TypeError, KeyError):
            mailboxes = None
        if not isinstance(mailboxes, list) or not mailboxes or not all(isinstance(each, str) for each in mailboxes):
            raise SenderSettingsError(f"sender {name}: mailboxes: must be a list of mailbox ids")
        return cls(name=name, prefix=prefix, mailboxes=tuple(mailboxes))


def broken_sender_rules(sender: Sender | None, asked: Request | Withdrawal, folder: str) -> Iterator[Reason]:
    """Yield a reason for each thing that the request names and its sender may not use.

    `folder` is where the documents' keys are relative to: empty for a request that came on a queue.
    """
    if sender is None:
        yield Reason(
            "request", "came from no configured sender: it lies under no sender's prefix, or on no sender's queue"
        )
        return
    if asked.mailbox not in sender.mailboxes:
        yield Reason("mailbox", "is not one that this sender may use")
    if isinstance(asked, Withdrawal):
        return
    named = [(f"documents[{place}].key", each.key) for place, each in enumerate(asked.documents)]
    named += [(f"resources[{place}].key", each.key) for place, each in enumerate(asked.resources) if each.key]
    for field, key in named:
        if not sender.owns(folder + key):
            yield Reason(field, "lies outside of this sender's prefix of the drop bucket")


def queue_name(stack: str, sender: str) -> str:
    """Name a sender's own queue, from the name of the stack: the queue's ARN tells the builder who sent what."""
    return f"{stack}{_QUEUE}{sender}"


def sender_of_queue(arn: str) -> str:
    """Give the name of the sender that a queue belongs to; empty for the queue that all share."""
    name = arn.rpartition(":")[2].partition(_QUEUE)[2]
    return name if _NAME.fullmatch(name) else ""

"""The sender of a request, and the mailboxes and files that the sender may use.

The content of a request and the attributes of a queue message can be forged, so only the origin counts: S3 lets only a
sender's principals put under the sender's prefix of the drop bucket, and a sender has a separate queue (ADR 39). The
prefixes are in the deployed settings, the mailboxes in Parameter Store.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpconnect_messaging.cache import KEPT_SECONDS, TtlCache, read_parameter

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient

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
    """At least one. If a request names none of them, the contacts of the first mailbox are notified."""

    def owns(self, key: str) -> bool:
        """Say whether a key or folder of the drop bucket lies under this sender's prefix. Dots never lead out of it."""
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


class SenderDirectory:
    """The configured senders, with mailboxes cached for five minutes.

    Prefixes are compared in memory: a folder can name a person, and AWS would log it in a call.
    """

    def __init__(
        self,
        client: "SSMClient",
        parameters: str,
        prefixes: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`prefixes` are the senders' prefixes of the drop bucket, by name."""
        self._client = client
        self._parameters = parameters
        self._prefixes = prefixes
        self._cache: TtlCache[Sender] = TtlCache(KEPT_SECONDS, clock)

    def find(self, folder: str, queue_of: str = "") -> Sender | None:
        """Find the sender of a request by the folder that it was dropped into, or by the owner of the queue.

        None if no configured sender sent it. Raises SenderSettingsError.
        """
        if queue_of:
            return self._named(queue_of) if queue_of in self._prefixes else None
        names = [name for name, prefix in self._prefixes.items() if folder.startswith(prefix)]
        sender = self._named(names[0]) if names else None
        return sender if sender and sender.owns(folder) else None

    def of_mailbox(self, mailbox: str) -> Sender | None:
        """Find the sender that may use a mailbox. Raises SenderSettingsError."""
        return next((sender for sender in map(self._named, self._prefixes) if mailbox in sender.mailboxes), None)

    def _named(self, name: str) -> Sender:
        return self._cache.get(name, lambda: self._read(name))

    def _read(self, name: str) -> Sender:
        text = read_parameter(self._client, f"{self._parameters}/{name}")
        if text is None:
            raise SenderSettingsError(f"sender {name}: has no parameter")
        return Sender.from_json(name, self._prefixes[name], text)


def queue_name(stack: str, sender: str) -> str:
    """Name a sender's own queue, from the name of the stack: the queue's ARN identifies the sender for the builder."""
    return f"{stack}{_QUEUE}{sender}"


def sender_of_queue(arn: str) -> str:
    """Return the name of the sender that owns a queue; empty for the shared queue."""
    name = arn.rpartition(":")[2].partition(_QUEUE)[2]
    return name if _NAME.fullmatch(name) else ""

"""Finds the sender of a request: prefixes are in the deployed settings, mailboxes in Parameter Store."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gpconnect_messaging.cache import KEPT_SECONDS, TtlCache, read_parameter
from gpconnect_messaging.requests.senders import Sender, SenderSettingsError

if TYPE_CHECKING:
    from mypy_boto3_ssm import SSMClient


class SenderDirectory:
    """The configured senders, with mailboxes cached for five minutes.

    Prefixes are compared here, not looked up: AWS logs calls, and a folder can name a person.
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
        """Find the sender of a request: by the name of the queue's sender, or by the folder that it was dropped into.

        None if it came from no configured sender. Raises SenderSettingsError.
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

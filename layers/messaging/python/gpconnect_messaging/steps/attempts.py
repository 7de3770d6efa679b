"""Builds what the intake queue brings again, and ends what a request keeps failing at before it becomes a dead letter.

Most requests come once. One that comes again failed before, or the function was killed at it. After the last receive
SQS puts a message with the dead letters, where nothing says which request it was. So on the last receive a request
whose own content makes it fail is refused as INVALID: it is kept, a person is notified, and an operator can have it
taken in again once the product can process it. What failed because AWS, PDS or the ledger did not answer goes to the
dead letters and is redriven from there: nothing is wrong with it.

A process that is killed by its memory limit or its time runs no handler. So each attempt after the first is noted
before it begins, and the note is taken back when it ends: a request at which every process since then was killed is
refused on the last receive before it is touched again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from gpconnect_messaging.pds.errors import CredentialsError, PdsError
from gpconnect_messaging.requests.senders import SenderSettingsError
from gpconnect_messaging.safe_errors import is_provoked
from gpconnect_messaging.steps.build import Builder, BuildResult, UnknownRequestError
from gpconnect_messaging.steps.waiting import NotReadyError
from gpconnect_messaging.storage import StorageError

KILLED = "the function was killed, or ran out of time, at every attempt"

_OUTAGES = (
    BotoCoreError, ClientError, StorageError, LedgerBusyError, PdsError, CredentialsError, UnknownRequestError,
    MailboxSettingsError, SenderSettingsError, NotReadyError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Attempts at one request after its first. `most` is how often the queue offers a message."""

    builder: Builder
    ledger: Ledger
    most: int

    def again(
        self, request_id: str, build: Callable[[], BuildResult], receive: int, origin: Origin | None = None
    ) -> BuildResult:
        """Build a request that the queue brings for the `receive`th time (from 2). `origin` is as in `Builder.give_up`.

        Raises what `build` raises; on the last receive only what is no fault of the request.
        """
        last = receive >= self.most
        begun = self.ledger.begin_request(request_id)
        try:
            if last and begun >= self.most - 1:
                return self.builder.give_up(request_id, KILLED, origin)
            try:
                return build()
            except Exception as error:
                if not last or not _is_the_requests_own(error):
                    raise
                return replace(self.builder.give_up(request_id, type(error).__name__, origin), gave_up=error)
        finally:
            self.ledger.end_request(request_id)


def _is_the_requests_own(error: Exception) -> bool:
    return is_provoked(error) or not isinstance(error, _OUTAGES)

"""Repeated attempts at a request: refuse a request that keeps failing before it becomes a dead letter.

A request that the queue delivers again failed before, or the function was killed while building it. After the last
receive SQS moves the queue message to the dead letters, which do not show the request. So on the last receive a request
that fails because of the content is refused as INVALID: it is kept, a person is notified, and an operator can resubmit
it once the product can process it. A request that failed because AWS, PDS or the ledger did not answer becomes a dead
letter and is redriven: nothing is wrong with it.

A process that is killed for memory or time runs no handler. So an attempt after the first is recorded before it begins,
and the record is removed when it ends. A request whose attempts were all killed is refused on the last receive without
another attempt.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.mailboxes.senders import SenderSettingsError
from gpconnect_messaging.mailboxes.settings import MailboxSettingsError
from gpconnect_messaging.pds.errors import CredentialsError, PdsError
from gpconnect_messaging.safe_errors import is_provoked
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.message_pipeline import BuildResult, UnknownRequestError
from gpconnect_messaging.steps.waiting import NotReadyError
from gpconnect_messaging.storage import StorageError

KILLED = "the function was killed, or ran out of time, at every attempt"

_OUTAGES = (
    BotoCoreError, ClientError, StorageError, LedgerBusyError, PdsError, CredentialsError, UnknownRequestError,
    MailboxSettingsError, SenderSettingsError, NotReadyError,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Attempts:
    """Attempts at a request after the first. `most` is how often the queue delivers a message."""

    builder: Builder
    ledger: Ledger
    most: int

    def again(
        self, request_id: str, build: Callable[[], BuildResult], receive: int, origin: Origin | None = None
    ) -> BuildResult:
        """Build a request at the `receive`th delivery (from 2). `origin` is as in `Builder.give_up`.

        Raises the errors of `build`; on the last receive only those that the request did not cause.
        """
        last = receive >= self.most
        begun = self.ledger.begin_request(request_id)
        try:
            if last and begun >= self.most - 1:
                return self.builder.give_up(request_id, KILLED, origin)
            try:
                return build()
            except Exception as error:
                if not last or not _is_caused_by_the_request(error):
                    raise
                return replace(self.builder.give_up(request_id, type(error).__name__, origin), gave_up=error)
        finally:
            self.ledger.end_request(request_id)


def _is_caused_by_the_request(error: Exception) -> bool:
    return is_provoked(error) or not isinstance(error, _OUTAGES)

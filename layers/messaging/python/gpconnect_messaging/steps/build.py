"""Build: turn a request into a stored message with a ledger row and an entry on the send queue.

The order of the writes makes every crash harmless. The builder keeps the request first, claims the version and time
once, stores the message before it creates the ledger row, and queues the message last, with the others of the run. A
repeat derives the same ids, writes the same bytes and finds the earlier row. The sweep queues a message that was stored
and not queued.

A request that must not be sent now is checked in full and gets a ledger row under the request id: held, not required or
superseded. `intake` builds new requests, `release` held ones, and `message_pipeline` has what both do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.requests.models import Request, Withdrawal, parse
from gpconnect_messaging.requests.refusal import Reason
from gpconnect_messaging.steps.intake import Intake
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.release import Release


@dataclass(frozen=True, kw_only=True)
class Builder(Intake, Release):
    """The build step and the adapters that it uses."""

    def give_up(self, request_id: str, why: str, origin: Origin | None = None) -> BuildResult:
        """Refuse a request that cannot be processed: the request stays kept, and a person is notified.

        `why` is a sentence of this product or the name of an error type, and quotes nothing of the request. `origin` is
        where a new request came from; None for a request that the ledger knows.
        """
        reasons = [Reason("request", f"could not be processed: {why}"), *self._messages_built_before(request_id)]
        if row := self.ledger.find(request_id):
            return self._settle(row, self._refused(reasons), self.ledger.find_claim(request_id))
        asked: Request | Withdrawal | None
        try:
            asked = parse(self.evidence.request(request_id))
        except Exception:  # noqa: BLE001 - reading the request may be the fault; then the sender is not known
            asked = None
        order = self.ledger.find_order(request_id)
        return self._refuse(UUID(request_id), asked, reasons, order.origin if order else origin)

    def _messages_built_before(self, request_id: str) -> Iterator[Reason]:
        """Name the messages that were built from a request before it failed: they are stored, and sent."""
        claim = self.ledger.find_claim(request_id)
        for message_id in claim.message_ids if claim else ():
            if self.ledger.find(message_id):
                yield Reason("request", f"message {message_id} was built from it before, and is sent all the same")

"""A replacement that could not be processed voids the versions that it replaced (20014; GPCM-SD-035, GPCM-SD-128)."""

from datetime import datetime

from gpconnect_messaging.itk3.response_codes import REPLACEMENT_NOT_PROCESSED
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.notifications import Notifier


def voids_replaced_document(response: LedgerEvent, record: MessageRecord) -> bool:
    """Return whether a recorded response to a message voids the versions that the message replaced."""
    return (
        response.kind is EventType.RESPONSE
        and response.details["code"] == REPLACEMENT_NOT_PROCESSED
        and response.identity not in {event.identity for event in record.history.suspicious}
    )


def void_replaced_versions(ledger: Ledger, notifier: Notifier, record: MessageRecord, at: datetime) -> None:
    """Void the earlier versions that the same recipient has or may have."""
    versions = ledger.encounter(record.encounter_key).versions[: record.version - 1]
    for earlier in filter(None, (version.message_for(record.recipient) for version in versions)):
        event = ledger_events.voided(at=at, by_message_id=record.message_id)
        change = ledger.record(earlier, event, only_if=lambda history: history.may_have_arrived)
        notifier.notify(change.notifications if change else ())

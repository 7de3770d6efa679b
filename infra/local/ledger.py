"""Read the ledger of a run: the messages and their events."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gpconnect_messaging.ledger.encounter_table import STATE, EncounterTable
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.table import plain as plain_item
from infra.local.emulator import LocalSession


@dataclass(frozen=True)
class Message:
    """A message with its events by time. A refused request is one too, under the request's id."""

    message_id: str
    request_id: str
    status: str
    item: Mapping[str, Any] = field(repr=False)
    events: tuple[LedgerEvent, ...] = ()


def read(session: LocalSession, table: str) -> list[Message]:
    """Return all messages, oldest first. It scans the table, which is small in a local run."""
    client = session.client("dynamodb")
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    items = (plain_item(item) for page in pages for item in page["Items"])
    reader = EncounterTable(client, table)
    return _messages(reader.from_item(item) for item in items if item["sk"] == STATE)


def read_of_request(session: LocalSession, table: str, own_id: str) -> list[Message]:
    """Return the messages of a request, oldest first, or the message of this id; a refused request is one too."""
    encounter = EncounterTable(session.client("dynamodb"), table).encounter_of(own_id)
    messages = _messages([encounter] if encounter else [])
    return [message for message in messages if own_id in {message.request_id, message.message_id}]


def _messages(encounters: Iterable[Encounter]) -> list[Message]:
    records = [record for encounter in encounters for record in encounter.records.values()]
    return [
        Message(
            message_id=record.message_id,
            request_id=record.request_id,
            status=record.status.value,
            item={
                "message_id": record.message_id,
                "request_id": record.request_id,
                "mailbox": record.mailbox,
                "encounter": record.encounter,
                "version": record.version,
                "recipient": record.recipient,
                "status": record.status.value,
                "created_at": record.created_at.isoformat(),
                "mesh_message_ids": list(record.history.mesh_message_ids),
                "possible_copies": record.history.possible_copies,
            },
            events=record.history.events,
        )
        for record in sorted(records, key=lambda record: (record.created_at, record.version))
    ]


def plain(value: Any) -> Any:
    """Return an item's value as JSON types."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset | list | tuple):
        return [plain(item) for item in value]
    return value

"""Read the ledger of a run: the messages and their events.

Shapes (one table, keys `pk` and `sk`): a message at `MESSAGE#<id>` / `MESSAGE`, events at `MESSAGE#<id>` /
`EVENT#…`; a request at `REQUEST#<id>` / `REQUEST`, with the ids of its messages. The rest is private to the product.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from infra.local.emulator import LocalSession

Item = Mapping[str, Any]


@dataclass(frozen=True)
class LedgerEvent:
    """A recorded event of a message."""

    kind: str
    at: datetime
    source: str
    item: Item = field(repr=False)

    @property
    def details(self) -> Mapping[str, Any]:
        """Details of the event, such as a response code."""
        details: Mapping[str, Any] = json.loads(str(self.item.get("details") or "{}"))
        return details


@dataclass(frozen=True)
class Message:
    """A message with its events by time. A refused request is one too, under the request's id."""

    message_id: str
    request_id: str
    status: str
    item: Item = field(repr=False)
    events: tuple[LedgerEvent, ...] = ()


def read(session: LocalSession, table: str) -> list[Message]:
    """Return all messages, oldest first. It scans the table, which is small in a local run."""
    scan = _client(session).get_paginator("scan")
    return _messages(item for page in scan.paginate(TableName=table, ConsistentRead=True) for item in page["Items"])


def read_of_request(session: LocalSession, table: str, request_id: str) -> list[Message]:
    """Return the messages of a request, oldest first; a refused request has a row too."""
    client = _client(session)
    key = {"pk": f"REQUEST#{request_id}", "sk": "REQUEST"}
    claim = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
    pages = (
        client.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": f"MESSAGE#{message_id}"},
        )
        for message_id in (request_id, *claim.get("message_ids", ()))
    )
    return _messages(item for query in pages for page in query for item in page["Items"])


def _client(session: LocalSession) -> Any:
    """Return the resource's client, which reads plain values; the type stubs describe the wire format."""
    return session.resource("dynamodb").meta.client


def _messages(items: Iterable[Item]) -> list[Message]:
    messages: dict[str, Item] = {}
    events: dict[str, list[LedgerEvent]] = defaultdict(list)
    for item in items:
        kind, _, identity = str(item["pk"]).partition("#")
        if kind != "MESSAGE":
            continue
        if item["sk"] == "MESSAGE":
            messages[identity] = item
        elif str(item["sk"]).startswith("EVENT#"):
            at = datetime.fromisoformat(str(item["at"]))
            events[identity].append(LedgerEvent(str(item["kind"]), at, str(item["source"]), item))
    return [
        Message(
            message_id=message_id,
            request_id=str(item["request_id"]),
            status=str(item["status"]),
            item=item,
            events=tuple(sorted(events[message_id], key=lambda event: event.at)),
        )
        for message_id, item in sorted(messages.items(), key=lambda entry: str(entry[1]["created_at"]))
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

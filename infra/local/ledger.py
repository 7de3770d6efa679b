"""Read the ledger of a run: where each message is, and when it got there.

Shapes (one table, keys `pk` and `sk`): a message at `MESSAGE#<id>` / `MESSAGE`, its facts at `MESSAGE#<id>` /
`EVENT#…`; a request at `REQUEST#<id>` / `REQUEST`, with its messages' ids. The rest is the product's own business.
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
    """One recorded event of a message."""

    kind: str
    at: datetime
    source: str
    item: Item = field(repr=False)

    @property
    def details(self) -> Mapping[str, Any]:
        """What the event brought, such as a response's code."""
        details: Mapping[str, Any] = json.loads(str(self.item.get("details") or "{}"))
        return details


@dataclass(frozen=True)
class Message:
    """A message (a refused request is one too, under the request's id), and its facts in order of time."""

    message_id: str
    request_id: str
    status: str
    item: Item = field(repr=False)
    events: tuple[LedgerEvent, ...] = ()


def read(session: LocalSession, table: str) -> list[Message]:
    """Return every message, oldest first. Reads the whole table: a local one is small."""
    scan = _client(session).get_paginator("scan")
    return _messages(item for page in scan.paginate(TableName=table, ConsistentRead=True) for item in page["Items"])


def read_of_request(session: LocalSession, table: str, request_id: str) -> list[Message]:
    """Return what became of a request, oldest first: its own row, where it has one, and its messages."""
    client = _client(session)
    key = {"pk": f"REQUEST#{request_id}", "sk": "REQUEST"}
    claim = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {})
    pages = (
        client.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": f"MESSAGE#{each}"},
        )
        for each in (request_id, *claim.get("message_ids", ()))
    )
    return _messages(item for each in pages for page in each for item in page["Items"])


def _client(session: LocalSession) -> Any:
    """Give the resource's client, which reads plain values; the stubs give it the wire's shape."""
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
    """Return an item as JSON can hold it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset | list | tuple):
        return [plain(item) for item in value]
    return value

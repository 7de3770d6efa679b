"""Records of HTTP requests, and the current request for inner code."""

import itertools
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """Purpose of a request to the MESH API."""

    HANDSHAKE = "handshake"
    SEND = "send"
    CHUNK = "chunk"
    TRACKING = "tracking"
    INBOX = "inbox"
    COUNT = "count"
    DOWNLOAD = "download"
    DOWNLOAD_CHUNK = "download_chunk"
    HEAD = "head"
    ACKNOWLEDGE = "acknowledge"
    LOOKUP = "lookup"
    OTHER = "other"


def kind_of(method: str, path: str) -> Kind:
    """Classify a request by method and path, as in `mesh-api.yaml`."""
    parts = path.strip("/").split("/")
    if parts[0] != "messageexchange" or "admin" in parts:
        return Kind.OTHER
    match (method, *parts[1:]):
        case ("GET", "endpointlookup" | "workflowsearch", *_):
            return Kind.LOOKUP
        case ("POST" | "GET", _):
            return Kind.HANDSHAKE
        case ("POST", _, "outbox"):
            return Kind.SEND
        case ("GET", _, "outbox", "tracking", *_):
            return Kind.TRACKING
        case ("POST", _, "outbox", _, _):
            return Kind.CHUNK
        case ("GET", _, "inbox"):
            return Kind.INBOX
        case ("GET", _, "count"):
            return Kind.COUNT
        case ("GET", _, "inbox", _):
            return Kind.DOWNLOAD
        case ("HEAD", _, "inbox", _):
            return Kind.HEAD
        case ("GET", _, "inbox", _, _):
            return Kind.DOWNLOAD_CHUNK
        case ("PUT", _, "inbox", _, "status", "acknowledged"):
            return Kind.ACKNOWLEDGE
        case _:
            return Kind.OTHER


def mailbox_of(path: str) -> str:
    """Return the mailbox in a request's path, in capitals; empty if there is none."""
    parts = path.strip("/").split("/")
    return parts[1].upper() if len(parts) > 1 and parts[0] == "messageexchange" else ""


@dataclass
class Exchange:
    """A request and the response. `fault` is the applied fault, `status` the response's status (None: no response)."""

    number: int
    received_at: datetime
    method: str
    path: str
    query: str
    headers: list[tuple[str, str]] = field(repr=False)
    kind: Kind
    mailbox: str
    body_bytes: int = 0
    fault: str | None = None
    status: int | None = None
    message_id: str | None = None

    def header(self, name: str) -> str:
        """Return a header's value, by name in any case; empty if it is missing."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key == wanted), "")

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values for the control endpoint."""
        return {
            "number": self.number,
            "received_at": self.received_at.isoformat(),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "kind": self.kind.value,
            "mailbox": self.mailbox,
            "body_bytes": self.body_bytes,
            "fault": self.fault,
            "status": self.status,
            "message_id": self.message_id,
        }


class ExchangeLog:
    """The latest exchanges, oldest first."""

    def __init__(self, keep: int = 50_000) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=keep)
        self._numbers = itertools.count(1)

    def open(self, *, method: str, path: str, query: str, headers: list[tuple[str, str]]) -> Exchange:
        """Start the record of a request."""
        exchange = Exchange(
            number=next(self._numbers),
            received_at=datetime.now(UTC),
            method=method,
            path=path,
            query=query,
            headers=headers,
            kind=kind_of(method, path),
            mailbox=mailbox_of(path),
        )
        self._exchanges.append(exchange)
        return exchange

    def __iter__(self) -> Iterator[Exchange]:
        """Iterate over the kept exchanges, oldest first."""
        return iter(tuple(self._exchanges))

    def clear(self) -> None:
        """Forget the exchanges; numbers continue."""
        self._exchanges.clear()


exchange_in_hand: ContextVar[Exchange | None] = ContextVar("exchange_in_hand", default=None)

"""The control endpoint under `/control`, for tests and the local run. Loopback only.

| request | response or effect |
|---|---|
| `GET /control` | the current settings |
| `GET /control/messages` | all stored messages: ids, parties as routed, workflow, headers, status |
| `GET /control/messages/{id}/content` | a message's body as uploaded, chunks joined |
| `GET /control/requests` | all requests: line, headers, kind, fault, status; `DELETE` forgets them |
| `PUT /control/behaviour` | change settings of `configuration.Behaviour` |
| `PUT /control/faults` | start a `faults.FaultPlan`; `GET` shows it, `DELETE` stops every fault |
| `POST /control/faults/next` | queue a `faults.QueuedFault` |
| `POST /control/uncollected` | `{"mailbox", "message_id"}`, both optional: report waiting messages as uncollected |
| `POST /control/reset` | empty every mailbox; forget requests, tokens and faults |

Both lists take query parameters as filters, such as `?from=Y90001OT001`.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, Protocol
from urllib.parse import parse_qs

from infra.local.mesh.configuration import Behaviour
from infra.local.mesh.exchanges import ExchangeLog
from infra.local.mesh.faults import (
    Application,
    FaultPlan,
    FaultSettingsError,
    FaultSwitch,
    QueuedFault,
    Receive,
    Scope,
    Send,
)
from infra.local.mesh.tokens import TokenRegister

PREFIX = "/control"
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class StoredMessages(Protocol):
    """The store, as the control endpoint uses it."""

    behaviour: Behaviour

    def list_messages(self) -> list[dict[str, Any]]:
        """Return all messages since the last reset, oldest first."""

    def content_of(self, message_id: str) -> bytes | None:
        """Return a message's body as uploaded; None for an unknown message."""

    def expire_waiting(self, *, mailbox: str | None = None, message_id: str | None = None) -> int:
        """Report the waiting messages of a mailbox (or of all) as uncollected; return the number of reports."""

    async def reset(self) -> None:
        """Empty every mailbox."""


class _UnusableRequestError(Exception):
    """A control request that cannot be served: the status, and a text for the caller."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Control:
    """Serves `/control`, and passes other paths to the application."""

    def __init__(
        self,
        application: Application,
        *,
        store: StoredMessages,
        switch: FaultSwitch,
        exchanges: ExchangeLog,
        tokens: TokenRegister,
    ) -> None:
        self._application = application
        self._store = store
        self._switch = switch
        self._exchanges = exchanges
        self._tokens = tokens
        self._routes: dict[tuple[str, str], Callable[[dict[str, str], Any], Any]] = {
            ("GET", ""): lambda _query, _body: self._state(),
            ("GET", "messages"): self._messages,
            ("GET", "requests"): self._requests,
            ("DELETE", "requests"): lambda _query, _body: self._exchanges.clear(),
            ("PUT", "behaviour"): lambda _query, body: self._set_behaviour(body),
            ("GET", "faults"): lambda _query, _body: self._faults(),
            ("PUT", "faults"): lambda _query, body: self._switch.set_plan(FaultPlan.from_json(body)),
            ("DELETE", "faults"): lambda _query, _body: self._switch.clear(),
            ("POST", "faults/next"): lambda _query, body: self._switch.queued.append(QueuedFault.from_json(body)),
            ("POST", "uncollected"): lambda _query, body: self._uncollected(body),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI connection."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == PREFIX or path.startswith(PREFIX + "/")):
            await self._application(scope, receive, send)
            return
        try:
            _require_loopback(scope)
            content = await self._serve(scope, receive, path.removeprefix(PREFIX).strip("/"))
        except _UnusableRequestError as error:
            await _respond(send, error.status, {"error": str(error)})
        except FaultSettingsError as error:
            await _respond(send, 422, {"error": str(error)})
        else:
            await _respond(send, 200, content)

    async def _serve(self, scope: Scope, receive: Receive, name: str) -> Any:
        method = scope["method"]
        body = await _json_body(receive)
        if (method, name) == ("POST", "reset"):
            await self._store.reset()
            self._exchanges.clear()
            self._tokens.forget()
            self._switch.clear()
            return None
        parts = name.split("/")
        if method == "GET" and len(parts) == 3 and (parts[0], parts[2]) == ("messages", "content"):
            stored = self._store.content_of(parts[1])
            if stored is None:
                raise _UnusableRequestError(404, "no such message")
            return stored
        route = self._routes.get((method, name))
        if route is None:
            raise _UnusableRequestError(404, "no such control; see infra/local/mesh/control.py")
        query = {key: values[-1] for key, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        return route(query, body)

    def _state(self) -> dict[str, Any]:
        return {"behaviour": dataclasses.asdict(self._store.behaviour), "faults": self._faults()}

    def _faults(self) -> dict[str, Any]:
        return {
            "plan": self._switch.plan.as_json(),
            "queued": [dataclasses.asdict(queued) for queued in self._switch.queued],
        }

    def _messages(self, query: dict[str, str], _body: Any) -> list[dict[str, Any]]:
        return [
            message
            for message in self._store.list_messages()
            if all(message.get(key) == value for key, value in query.items())
        ]

    def _requests(self, query: dict[str, str], _body: Any) -> list[dict[str, Any]]:
        records = (exchange.as_json() for exchange in self._exchanges)
        return [record for record in records if all(str(record.get(key)) == value for key, value in query.items())]

    def _set_behaviour(self, body: Any) -> dict[str, Any]:
        known = {field.name for field in dataclasses.fields(Behaviour)}
        if not isinstance(body, dict) or set(body) - known:
            raise _UnusableRequestError(422, f"known settings: {', '.join(sorted(known))}")
        self._store.behaviour = dataclasses.replace(self._store.behaviour, **body)
        return dataclasses.asdict(self._store.behaviour)

    def _uncollected(self, body: Any) -> dict[str, int]:
        chosen = body if isinstance(body, dict) else {}
        reports = self._store.expire_waiting(mailbox=chosen.get("mailbox"), message_id=chosen.get("message_id"))
        return {"reports": reports}


def _require_loopback(scope: Scope) -> None:
    client = scope.get("client")
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    host = headers.get(b"host", b"").decode("latin-1").rsplit(":", 1)[0]
    # The Host check keeps out web pages whose own name resolves to this address (DNS rebinding).
    if client is None or not ip_address(client[0]).is_loopback or host not in _LOCAL_NAMES:
        raise _UnusableRequestError(403, "the control endpoint serves this machine only")


async def _json_body(receive: Receive) -> Any:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    text = b"".join(parts)
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise _UnusableRequestError(422, "the body is not JSON") from error


async def _respond(send: Send, status: int, content: Any) -> None:
    raw = isinstance(content, bytes)
    body: bytes = content if raw else json.dumps(content).encode()
    media_type = b"application/octet-stream" if raw else b"application/json"
    headers = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""Faults on demand: failures of networks, gateways and busy services, at random with a seed, or for the next requests.

The middleware is plain ASGI around the sandbox, so a fault can occur before or after MESH takes a message. A request
with a fault still uses up the token.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from infra.local.mesh.exchanges import ExchangeLog, Kind, exchange_in_hand
from infra.local.mesh.tokens import TokenRegister

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Cut = Callable[[Scope], None]


class Fault(StrEnum):
    """Kinds of fault. "Processed" means that MESH executed the request, whatever the client saw."""

    REFUSE = "refuse"  # 417 with MESH's error body; not processed
    BUSY = "busy"  # 429 with Retry-After; not processed
    ERROR = "error"  # 500, 502, 503 or 504 with an empty or JSON body; not processed
    HTML = "html"  # a gateway's 503 page; not processed
    STALL = "stall"  # read, held for stall_seconds, then processed with the usual response
    CUT_BEFORE = "cut_before"  # read, connection cut, not processed
    CUT_AFTER = "cut_after"  # processed, connection cut before the response
    TRUNCATE = "truncate"  # processed, connection cut in the middle of the response's body
    GARBLE = "garble"  # processed, response with the right status and an HTML body


class FaultSettingsError(ValueError):
    """The fault settings are not usable; the text names the setting."""


ALL_KINDS = frozenset(Kind) - {Kind.OTHER}
_UPLOADS = frozenset({Kind.SEND, Kind.CHUNK})
_SERVER_ERRORS = (500, 502, 503, 504)


@dataclass(frozen=True)
class FaultPlan:
    """Random faults: the share of requests of some kinds that get one of some faults.

    `mailbox` limits them to a mailbox's requests, so that a sender's differ from a practice's.
    """

    rate: float = 0.0
    seed: int = 0
    faults: tuple[Fault, ...] = tuple(Fault)
    kinds: frozenset[Kind] = ALL_KINDS
    mailbox: str | None = None
    retry_after_seconds: int = 1
    stall_seconds: float = 5.0

    @classmethod
    def from_json(cls, settings: Any) -> "FaultPlan":
        """Read an object with the names of the fields, all optional. Raises FaultSettingsError."""
        if not isinstance(settings, dict) or set(settings) - set(cls.__dataclass_fields__):
            message = f"known fault settings: {', '.join(cls.__dataclass_fields__)}"
            raise FaultSettingsError(message)
        values = dict(settings)
        try:
            if "faults" in values:
                values["faults"] = tuple(Fault(name) for name in values["faults"])
            if "kinds" in values:
                values["kinds"] = frozenset(Kind(name) for name in values["kinds"])
            plan = cls(**values)
            if not 0 <= plan.rate <= 1 or plan.stall_seconds < 0 or not plan.faults:
                message = "rate must lie between 0 and 1, stall_seconds must not be negative, faults must not be empty"
                raise FaultSettingsError(message)
        except (TypeError, ValueError) as error:
            raise FaultSettingsError(str(error)) from error
        return plan

    def as_json(self) -> dict[str, Any]:
        """Return the plan as `from_json` reads it."""
        return {
            "rate": self.rate,
            "seed": self.seed,
            "faults": [fault.value for fault in self.faults],
            "kinds": sorted(kind.value for kind in self.kinds),
            "mailbox": self.mailbox,
            "retry_after_seconds": self.retry_after_seconds,
            "stall_seconds": self.stall_seconds,
        }


@dataclass
class QueuedFault:
    """A fault for the next `count` requests of a kind, after `skip` of them.

    It may be limited to a mailbox, and to requests with a file name (`Mex-FileName`, of a single upload).
    """

    fault: Fault
    kind: Kind
    mailbox: str | None = None
    file_name: str | None = None
    count: int = 1
    skip: int = 0
    status: int | None = None
    retry_after_seconds: int | None = None
    stall_seconds: float | None = None

    @classmethod
    def from_json(cls, settings: Any) -> "QueuedFault":
        """Read an object with the names of the fields; `fault` and `kind` are required. Raises FaultSettingsError."""
        if not isinstance(settings, dict) or set(settings) - set(cls.__dataclass_fields__):
            message = f"known settings of a queued fault: {', '.join(cls.__dataclass_fields__)}"
            raise FaultSettingsError(message)
        try:
            values = {**settings, "fault": Fault(settings["fault"]), "kind": Kind(settings["kind"])}
            return cls(**values)
        except (KeyError, TypeError, ValueError) as error:
            raise FaultSettingsError(str(error)) from error


@dataclass(frozen=True)
class Strike:
    """A fault for a request, with all settings."""

    fault: Fault
    status: int
    retry_after_seconds: int
    stall_seconds: float


class FaultSwitch:
    """Chooses the faults of requests: queued ones first, then random ones."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.queued: list[QueuedFault] = []
        self.set_plan(plan or FaultPlan())

    def set_plan(self, plan: FaultPlan) -> None:
        """Start a plan and restart the random numbers."""
        self.plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 - repeatable faults, not secrets

    def clear(self) -> None:
        """Stop every fault."""
        self.queued.clear()
        self.set_plan(FaultPlan())

    def choose(self, kind: Kind, mailbox: str = "", file_name: str = "") -> Strike | None:
        """Return the fault for a request of this kind, mailbox and file, if any."""
        for queued in self.queued:
            if queued.kind is not kind or queued.mailbox not in (None, mailbox):
                continue
            if queued.file_name not in (None, file_name):
                continue
            if queued.skip > 0:
                queued.skip -= 1
                continue
            queued.count -= 1
            if queued.count <= 0:
                self.queued.remove(queued)
            return self._strike(queued)
        plan = self.plan
        if plan.rate == 0 or kind not in plan.kinds or plan.mailbox not in (None, mailbox):
            return None
        # MESH responds with 417 to uploads only.
        faults = [fault for fault in plan.faults if fault is not Fault.REFUSE or kind in _UPLOADS]
        # The number of draws is constant, so that a request's fault does not depend on other requests' faults.
        chance, which, status = self._random.random(), self._random.random(), self._random.random()
        if chance >= plan.rate or not faults:
            return None
        return Strike(
            fault=faults[int(which * len(faults))],
            status=_SERVER_ERRORS[int(status * len(_SERVER_ERRORS))],
            retry_after_seconds=plan.retry_after_seconds,
            stall_seconds=plan.stall_seconds,
        )

    def _strike(self, queued: QueuedFault) -> Strike:
        plan = self.plan
        return Strike(
            fault=queued.fault,
            status=queued.status or 503,
            retry_after_seconds=(
                plan.retry_after_seconds if queued.retry_after_seconds is None else queued.retry_after_seconds
            ),
            stall_seconds=plan.stall_seconds if queued.stall_seconds is None else queued.stall_seconds,
        )


class FaultMiddleware:
    """Records requests and applies faults.

    `cut` closes a scope's connection at once, `close` after all written data is sent.
    """

    def __init__(
        self,
        application: Application,
        *,
        switch: FaultSwitch,
        exchanges: ExchangeLog,
        tokens: TokenRegister,
        cut: Cut,
        close: Cut,
    ) -> None:
        self._application = application
        self._switch = switch
        self._exchanges = exchanges
        self._tokens = tokens
        self._cut = cut
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI connection."""
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        exchange = self._exchanges.open(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"].decode("latin-1"),
            headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        )

        async def counted_receive() -> Message:
            message = await receive()
            exchange.body_bytes += len(message.get("body", b""))
            return message

        async def recording_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
            await send(message)

        exchange_in_hand.set(exchange)
        strike = self._switch.choose(exchange.kind, exchange.mailbox, exchange.header("mex-filename"))
        if strike is None:
            await self._application(scope, counted_receive, recording_send)
            return
        exchange.fault = strike.fault.value
        await self._apply(strike, scope, counted_receive, recording_send)

    async def _apply(self, strike: Strike, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole_body(receive)
        if body is None:
            return
        match strike.fault:
            case Fault.STALL:
                await asyncio.sleep(strike.stall_seconds)
                await self._application(scope, _replay(body, receive), send)
            case Fault.CUT_AFTER | Fault.TRUNCATE | Fault.GARBLE:
                response = await self._response_of(scope, body)
                await self._spoil(strike.fault, response, scope, receive, send)
            case Fault.CUT_BEFORE:
                self._spend_token(scope)
                await self._cut_off(scope, receive)
            case _:
                self._spend_token(scope)
                await _refuse(strike, send)

    async def _response_of(self, scope: Scope, body: bytes) -> list[Message]:
        response: list[Message] = []

        async def keep(message: Message) -> None:
            response.append(message)

        async def gone() -> Message:
            return {"type": "http.disconnect"}

        await self._application(scope, _replay(body, gone), keep)
        return response

    async def _spoil(self, fault: Fault, response: list[Message], scope: Scope, receive: Receive, send: Send) -> None:
        start = response[0]
        content = b"".join(message.get("body", b"") for message in response[1:])
        if fault is Fault.GARBLE:
            await _respond(send, start["status"], _PAGE, (b"content-type", b"text/html"))
            return
        if fault is Fault.TRUNCATE and len(content) > 1:
            await send(start)
            await send({"type": "http.response.body", "body": content[: len(content) // 2], "more_body": True})
            self._close(scope)
            await _disconnected(receive)
            return
        await self._cut_off(scope, receive)

    async def _cut_off(self, scope: Scope, receive: Receive) -> None:
        self._cut(scope)
        await _disconnected(receive)

    def _spend_token(self, scope: Scope) -> None:
        token = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if token:
            self._tokens.first_use(token.decode("latin-1"), datetime.now(UTC))


_PAGE = b"<html><head><title>Service unavailable</title></head><body><h1>Service unavailable</h1></body></html>"


async def _refuse(strike: Strike, send: Send) -> None:
    match strike.fault:
        case Fault.REFUSE:
            error = {"detail": [{"event": "SEND", "code": "12", "msg": "Refused by a fault of the local run"}]}
            await _respond(send, 417, json.dumps(error).encode(), (b"content-type", b"application/vnd.mesh.v2+json"))
        case Fault.BUSY:
            await _respond(send, 429, b"", (b"retry-after", str(strike.retry_after_seconds).encode()))
        case Fault.HTML:
            await _respond(send, 503, _PAGE, (b"content-type", b"text/html; charset=utf-8"))
        case _:
            body = b"" if strike.status != 500 else b'{"message": "An internal error of the local run"}'
            await _respond(send, strike.status, body, (b"content-type", b"application/json"))


async def _respond(send: Send, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _whole_body(receive: Receive) -> bytes | None:
    """Read the request's body; None if the client went away first."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, after: Receive) -> Receive:
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return await after()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive

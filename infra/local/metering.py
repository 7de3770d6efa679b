"""The emulator's application with counters of the functions' AWS usage. Runs in the emulator's environment.

A line of the file that `CALLS` names is a call of a function (`call`), with bytes and DynamoDB's units, or a run of a
function (`run`). Sent or stored content is not written.
"""

import functools
import json
import os
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.services import dynamodb, lambda_svc

from infra.local.capacity import read, written
from infra.local.gateway import app as answering

Event = MutableMapping[str, Any]
Send = Callable[[Event], Awaitable[None]]
Receive = Callable[[], Awaitable[Event]]

CALLS = Path(os.environ["CALLS"])
_BY_A_ROLE = b"Credential=ASIA"
"""Prefix of temporary credentials, which belong to roles; here only functions have roles."""
_writing = threading.Lock()
_call: ContextVar[dict[str, Any] | None] = ContextVar("call", default=None)
"""The record of the call that is being served."""


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """Serve a request like the gateway, and count it if a function made it."""
    headers = dict(scope.get("headers") or ())
    if scope["type"] != "http" or _BY_A_ROLE not in headers.get(b"authorization", b""):
        await answering(scope, receive, send)
        return
    body = bytearray()
    received = 0

    async def counting_receive() -> Event:
        event = await receive()
        body.extend(event.get("body", b""))
        return event

    async def counting_send(event: Event) -> None:
        nonlocal received
        received += len(event.get("body", b""))
        await send(event)

    call: dict[str, Any] = {"by": None, "write": 0.0, "read": 0.0}
    token = _call.set(call)
    try:
        await answering(scope, counting_receive, counting_send)
    finally:
        _call.reset(token)
    # Without `by` the caller gave up before the emulator authenticated it. It calls again, and that call counts.
    if call["by"] is not None:
        _note({"call": _action(scope, headers, bytes(body[:4096])), "sent": len(body), "received": received, **call})


def _action(scope: Event, headers: dict[bytes, bytes], begin: bytes) -> str:
    """Return a call's name: service and action."""
    if target := headers.get(b"x-amz-target", b"").decode():
        service, _, action = target.partition(".")
        return f"{service.partition('_')[0].lower().removeprefix('amazon')}:{action}"
    if actions := parse_qs(begin.decode("ascii", "replace")).get("Action"):
        return f"query:{actions[0]}"
    is_object = "/" in scope["path"].strip("/")
    return f"s3:{scope['method']}" if is_object else f"s3:LIST {scope['method']}"


def _note(line: dict[str, Any]) -> None:
    with _writing, CALLS.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def _add(kind: str, units: float) -> None:
    call = _call.get()
    if call is not None:
        call[kind] += units


def _table(name: str) -> Any:
    return dynamodb._tables[name.rsplit("/", 1)[-1]]  # noqa: SLF001 - there is no public interface


def _item(table: str, key: dict[str, Any]) -> Any:
    return _table(table)["items"].get(key["pk"]["S"], {}).get(key["sk"]["S"])


def _indexes(table: str) -> dict[str, tuple[str, str]]:
    return {
        index["IndexName"]: tuple(key["AttributeName"] for key in index["KeySchema"])
        for index in _table(table)["GlobalSecondaryIndexes"]
    }


def _meter_write(name: str, targets: Callable[[dict[str, Any]], list[tuple[str, dict[str, Any]]]]) -> None:
    original = getattr(dynamodb, name)

    @functools.wraps(original)
    def metered(data: dict[str, Any]) -> Any:
        keys = targets(data)
        before = [dict(_item(*key) or {}) or None for key in keys]
        response = original(data)
        for key, old in zip(keys, before, strict=True):
            new = _item(*key)
            for _, _, units in written(old, new, _indexes(key[0]), transaction="transact" in name):
                _add("write", units)
        return response

    setattr(dynamodb, name, metered)


def _meter_read(name: str) -> None:
    original = getattr(dynamodb, name)

    @functools.wraps(original)
    def metered(data: dict[str, Any]) -> Any:
        response = original(data)
        content = json.loads(response[2] or "{}")
        items = content.get("Items") or [item for item in [content.get("Item")] if item]
        _add("read", read(items, consistent=bool(data.get("ConsistentRead"))))
        return response

    setattr(dynamodb, name, metered)


def _changes(data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (change["TableName"], change.get("Item") or change["Key"])
        for entry in data["TransactItems"]
        for change in entry.values()
    ]


def _meter_runs() -> None:
    original = lambda_svc._execute_function_provided_warm  # noqa: SLF001 - as above

    @functools.wraps(original)
    def metered(function: dict[str, Any], event: Any, request_id: str) -> Any:
        config = function.get("config") or function
        _note({"run": config["FunctionName"], "task": event.get("task") if isinstance(event, dict) else None})
        return original(function, event, request_id)

    lambda_svc._execute_function_provided_warm = metered  # noqa: SLF001


def _meter_callers() -> None:
    original = iam_evaluator.evaluate

    @functools.wraps(original)
    def metered(context: Any, *arguments: Any) -> Any:
        call = _call.get()
        if call is not None:
            # A session of a function's role is named after the function.
            call["by"] = context.principal_arn.rsplit("/", 1)[-1]
        return original(context, *arguments)

    iam_evaluator.evaluate = metered


_meter_callers()
_meter_write("_put_item", lambda data: [(data["TableName"], data["Item"])])
_meter_write("_update_item", lambda data: [(data["TableName"], data["Key"])])
_meter_write("_transact_write_items", _changes)
_meter_read("_get_item")
_meter_read("_query")
_meter_runs()

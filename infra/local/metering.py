"""The emulator's application, counting what the functions ask of AWS as AWS bills it; in the emulator's environment.

Each line of the file that `CALLS` names is one call of a function (`call`), with its bytes and DynamoDB's units, or one
run of a function (`run`). Nothing of what was sent or stored is written down.
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
"""How temporary credentials begin: those of a role, and here only functions have roles."""
_writing = threading.Lock()
_call: ContextVar[dict[str, Any] | None] = ContextVar("call", default=None)
"""What is found out of the call that is being answered."""


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """Answer as the gateway does, and count the call if a function made it."""
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
    # Whoever gave up before the emulator asked who calls (on a busy machine) calls again, and that is counted.
    if call["by"] is not None:
        _note({"call": _action(scope, headers, bytes(body[:4096])), "sent": len(body), "received": received, **call})


def _action(scope: Event, headers: dict[bytes, bytes], begin: bytes) -> str:
    """Name a call by service and action."""
    if target := headers.get(b"x-amz-target", b"").decode():
        service, _, action = target.partition(".")
        return f"{service.partition('_')[0].lower().removeprefix('amazon')}:{action}"
    if actions := parse_qs(begin.decode("ascii", "replace")).get("Action"):
        return f"query:{actions[0]}"
    of_object = "/" in scope["path"].strip("/")
    return f"s3:{scope['method']}" if of_object else f"s3:LIST {scope['method']}"


def _note(line: dict[str, Any]) -> None:
    with _writing, CALLS.open("a") as lines:
        lines.write(json.dumps(line) + "\n")


def _add(kind: str, units: float) -> None:
    call = _call.get()
    if call is not None:
        call[kind] += units


def _table(name: str) -> Any:
    return dynamodb._tables[name.rsplit("/", 1)[-1]]  # noqa: SLF001 - there is no public place for it


def _item(table: str, key: dict[str, Any]) -> Any:
    return _table(table)["items"].get(key["pk"]["S"], {}).get(key["sk"]["S"])


def _indexes(table: str) -> dict[str, tuple[str, str]]:
    return {
        index["IndexName"]: tuple(each["AttributeName"] for each in index["KeySchema"])
        for index in _table(table)["GlobalSecondaryIndexes"]
    }


def _meter_write(name: str, targets: Callable[[dict[str, Any]], list[tuple[str, dict[str, Any]]]]) -> None:
    original = getattr(dynamodb, name)

    @functools.wraps(original)
    def metered(data: dict[str, Any]) -> Any:
        places = targets(data)
        before = [dict(_item(*place) or {}) or None for place in places]
        answer = original(data)
        for place, old in zip(places, before, strict=True):
            new = _item(*place)
            for _, _, units in written(old, new, _indexes(place[0]), transaction="transact" in name):
                _add("write", units)
        return answer

    setattr(dynamodb, name, metered)


def _meter_read(name: str) -> None:
    original = getattr(dynamodb, name)

    @functools.wraps(original)
    def metered(data: dict[str, Any]) -> Any:
        answer = original(data)
        content = json.loads(answer[2] or "{}")
        items = content.get("Items") or [each for each in [content.get("Item")] if each]
        _add("read", read(items, consistent=bool(data.get("ConsistentRead"))))
        return answer

    setattr(dynamodb, name, metered)


def _changes(data: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (change["TableName"], change.get("Item") or change["Key"])
        for each in data["TransactItems"]
        for change in each.values()
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
    def metered(asked: Any, *arguments: Any) -> Any:
        call = _call.get()
        if call is not None:
            # A session of a function's role is named after the function.
            call["by"] = asked.principal_arn.rsplit("/", 1)[-1]
        return original(asked, *arguments)

    iam_evaluator.evaluate = metered


_meter_callers()
_meter_write("_put_item", lambda data: [(data["TableName"], data["Item"])])
_meter_write("_update_item", lambda data: [(data["TableName"], data["Key"])])
_meter_write("_transact_write_items", _changes)
_meter_read("_get_item")
_meter_read("_query")
_meter_runs()

"""The emulator's application with what it lacks. Runs in the emulator's environment; nothing installed is changed.

- Every refusal for lack of permission is written down, in the file that `DENIALS` names: a function may report one in
  its own words, or not at all.
- S3's events carry the object's version, as EventBridge documents for a versioned bucket; the emulator leaves it out.
"""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ministack.app import app as emulated
from ministack.services import eventbridge, s3

from infra.local.denials import Denial, note

Event = MutableMapping[str, Any]
Send = Callable[[Event], Awaitable[None]]
Receive = Callable[[], Awaitable[Event]]

DENIALS = Path(os.environ["DENIALS"])


async def app(scope: Event, receive: Receive, send: Send) -> None:
    """Answer as the emulator does."""
    status = 0

    async def noting(event: Event) -> None:
        nonlocal status
        if event["type"] == "http.response.start":
            status = event["status"]
        elif event["type"] == "http.response.body":
            denial = Denial.in_answer(status, event.get("body", b""))
            if denial is not None:
                note(denial, DENIALS)
        await send(event)

    await emulated(scope, receive, noting if scope["type"] == "http" else send)


_version: ContextVar[str | None] = ContextVar("version", default=None)
_fire, _dispatch = s3._fire_s3_event, eventbridge._dispatch_event  # noqa: SLF001 - there is no public place for it


def _fire_with_version(*arguments: Any, version_id: str | None = None, **named: Any) -> None:
    token = _version.set(version_id)
    try:
        _fire(*arguments, version_id=version_id, **named)
    finally:
        _version.reset(token)


def _dispatch_with_version(event: dict[str, Any], *arguments: Any, **named: Any) -> Any:
    version = _version.get()
    if version is not None and event.get("Source") == "aws.s3":
        detail = json.loads(event["Detail"])
        detail["object"]["version-id"] = version
        event = event | {"Detail": json.dumps(detail)}
    return _dispatch(event, *arguments, **named)


s3._fire_s3_event, eventbridge._dispatch_event = _fire_with_version, _dispatch_with_version  # noqa: SLF001

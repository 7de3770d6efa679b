"""Requests and messages for tests: the samples in `events/`, changed where a test needs it. Test-range people only."""

import copy
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.supplied import read_supplied
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import Request, parse_request
from gpconnect_messaging.routing.recipients import recipients
from gpconnect_messaging.specification import Version
from gpconnect_messaging.usecases import USE_CASES
from tests.identifiers import IDENTIFIERS

Case = TypeVar("Case")
ROOT = Path(__file__).parents[1]
REQUESTS = ROOT / "events" / "requests"
SPEC = ROOT.parent / "shared" / "spec"
CREATED_AT = datetime(2026, 11, 20, 21, 30, tzinfo=UTC)
MAILBOXES = {
    Version.V2_0: MailboxSettings(mailbox="Y90001OT001", ods_code="Y90001", hold_window_seconds=0),
    Version.V1_5: MailboxSettings(
        mailbox="Y90002OT001", ods_code="Y90002", specification=Version.V1_5, hold_window_seconds=0
    ),
}


def some_of(cases: Sequence[Case], every: int = 5) -> Sequence[Case]:
    """All cases, or one of so many where a run is to be quick (`make check`) and there are many."""
    return cases[::every] if os.environ.get("EXAMPLES") == "few" and len(cases) > 50 else cases


def spec_file(path: str) -> Path:
    """A file of the published specifications, or skip the test where they are not at hand."""
    file = SPEC / path
    if not file.exists():
        pytest.skip(f"the published specifications are not here: {path}")
    return file


@cache
def _sample(name: str) -> str:
    return (REQUESTS / name / "request.json").read_text(encoding="utf-8")


def request_data(name: str = "consultation-report-2.0", **changes: Any) -> dict[str, Any]:
    """A sample request as data; a change's name is a path with `__` between the steps, None removes the field."""
    data: dict[str, Any] = copy.deepcopy(json.loads(_sample(name)))
    for path, value in changes.items():
        *parents, last = path.split("__")
        parent = data
        for step in parents:
            parent = parent[step]
        if value is None:
            parent.pop(last, None)
        else:
            parent[last] = value
    return data


def a_request(name: str = "consultation-report-2.0", **changes: Any) -> Request:
    """A sample request, changed and parsed; without a change exactly as the file has it."""
    return parse_request(
        (json.dumps(request_data(name, **changes), ensure_ascii=False) if changes else _sample(name)).encode()
    )


def a_message(specification: Version = Version.V2_0, *, version: int = 1, **changes: Any) -> Message:
    """A message of the sample request for a specification version."""
    return Message(
        request=a_request(f"consultation-report-{specification}", **changes),
        mailbox=MAILBOXES[specification],
        identifiers=IDENTIFIERS,
        version=version,
        created_at=CREATED_AT,
    )


def messages_of(name: str, *, version: int = 1, **changes: Any) -> list[Message]:
    """The messages of a sample request, one per recipient, with the ready resources from the sample's folder."""
    request = a_request(name, **changes)
    (mailbox,) = (known for known in MAILBOXES.values() if known.mailbox == request.mailbox)
    allowed = USE_CASES[request.use_case].resource_types
    supplied = tuple(
        read_supplied(
            index,
            resource.content_type,
            resource.content.encode() if resource.content else (REQUESTS / name / str(resource.key)).read_bytes(),
            allowed,
        )
        for index, resource in enumerate(request.resources)
        if not resource.confidential
    )
    return [
        Message(
            request=request,
            mailbox=mailbox,
            identifiers=IDENTIFIERS,
            version=version,
            created_at=CREATED_AT,
            recipient=recipient,
            supplied=supplied,
        )
        for recipient in recipients(request)
    ]


def written(message: Message, name: str) -> bytes:
    """A sample's message as bytes, with the documents from the sample's folder."""
    documents = [(REQUESTS / name / document.key).read_bytes() for document in message.request.documents_in_order]
    composed = compose(message, [len(document) for document in documents])
    return b"".join(composed.stream(lambda index: [documents[index]]))

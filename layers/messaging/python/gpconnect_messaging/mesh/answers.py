"""Reads MESH's answers into `models`: JSON of version 2 or 1, or the page of a proxy.

Nothing here raises for a malformed body: an absent value is None, and `client` decides what that means.
"""

import contextlib
import email.utils
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from gpconnect_messaging.mesh.models import ChunkRange, EndpointLookup, InboxPage, Mailbox, MessageHeaders, Tracking

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
# An error's texts end up in logs, and a server can echo an address or a subject there: only MESH's known words are
# accepted.
_EVENTS = frozenset(("ACKNOWLEDGE", "COLLECT", "RECEIVE", "SEND", "TRANSFER"))
_CODE = re.compile(r"[0-9]{1,4}|EPL-[0-9]{1,4}")
_WORDED_CODES = frozenset(
    (
        "Invalid checksum",
        "Invalid file format",
        "InvalidHeaderChunks",
        "Message already accepted",
        "UnsupportedContentEncoding",
    )
)
_REFUSED_ID = re.compile(r"[0-9]{14,20}_[0-9A-F]{4,12}|[0-9A-F]{32}")
_FIELDS = frozenset(
    (
        "accept",
        "chunk_number",
        "content-encoding",
        "content-type",
        "continue_from",
        "mailbox_id",
        "max_results",
        "message_id",
        "messageid",
        "mex-chunk-range",
        "mex-clientversion",
        "mex-content-checksum",
        "mex-filename",
        "mex-localid",
        "mex-osname",
        "mex-osversion",
        "mex-subject",
        "mex-to",
        "mex-workflowid",
        "ods_code",
        "workflow_filter",
        "workflow_id",
    )
)
_LONGEST_WAIT = 86_400.0


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `body`, or None without one."""
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(body)
        if isinstance(value, dict):
            return value
    return None


def accepted_message_id(body: bytes) -> str | None:
    """Return the id in an accepting answer, in either version's spelling, or None without one.

    An answer that also has an error's fields accepts nothing.
    """
    answer = json_object(body) or {}
    if _has_error(answer):
        return None
    return _message_id(answer.get("message_id") or answer.get("messageID"))


def speaks_of_an_error(body: bytes) -> bool:
    """Whether an answer has the fields of an error, whatever the status."""
    return _has_error(json_object(body) or {})


def _has_error(answer: Mapping[str, Any]) -> bool:
    return any(answer.get(name) for name in ("errorCode", "errorEvent", "detail"))


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refusing answer: MESH's event and code, the faulty fields, and an id that is no sign of success."""

    event: str | None = None
    code: str | None = None
    message_id: str | None = None
    fields: tuple[str, ...] = ()


def refusal(body: bytes) -> Refusal:
    """Read an error body without the free text, which can repeat the request."""
    answer = json_object(body) or {}
    detail = answer.get("detail")
    problems = [item for item in detail if isinstance(item, dict)] if isinstance(detail, list) else []
    if isinstance(detail, dict):
        problems = [detail]
    first = problems[0] if problems else {}
    faulty = {name.lower() for item in problems for name in _strings(item.get("loc"))} & _FIELDS
    refused_id = answer.get("message_id") or answer.get("messageID")
    return Refusal(
        event=_event(first.get("event") or first.get("errorEvent") or answer.get("errorEvent")),
        code=_code(first.get("code") or first.get("errorCode") or answer.get("errorCode")),
        message_id=refused_id if isinstance(refused_id, str) and _REFUSED_ID.fullmatch(refused_id) else None,
        fields=tuple(sorted(faulty)),
    )


def inbox_page(body: bytes) -> InboxPage | None:
    """Read one page of the inbox; None if `messages` is not a list of ids."""
    answer = json_object(body) or {}
    listed = answer.get("messages")
    if not isinstance(listed, list):
        return None
    message_ids = tuple(identifier for item in listed if (identifier := _message_id(item)))
    if len(message_ids) != len(listed):
        return None
    links = answer.get("links")
    following = links.get("next") if isinstance(links, dict) else None
    count = answer.get("approx_inbox_count")
    return InboxPage(
        message_ids=message_ids,
        continue_from=_continue_from(following) if isinstance(following, str) else None,
        approximate_count=count if isinstance(count, int) else None,
    )


def count(body: bytes) -> int | None:
    """Read the number of messages in the inbox."""
    value = (json_object(body) or {}).get("count")
    return value if isinstance(value, int) else None


def tracking(body: bytes) -> Tracking | None:
    """Read a tracking answer of either version; None where it names no message."""
    answer = json_object(body) or {}

    def either(*names: str) -> str:
        return next((value for name in names if isinstance(value := answer.get(name), str) and value), "")

    message_id = _message_id(either("message_id", "messageId", "dtsId"))
    if message_id is None:
        return None
    return Tracking(
        message_id=message_id,
        status=either("status").lower(),
        status_success=_success(answer.get("status_success", answer.get("statusSuccess"))),
        status_event=either("status_event", "statusEvent"),
        status_code=either("status_code", "statusCode"),
        status_description=either("status_description", "statusDescription"),
        status_timestamp=timestamp(either("status_timestamp", "statusTimestamp")),
        workflow_id=either("workflow_id", "workflowId"),
        local_id=either("local_id", "localId"),
        recipient=either("recipient"),
        recipient_ods_code=either("recipient_ods_code", "meshRecipientOdsCode"),
        recipient_name=either("recipient_name", "recipientName"),
        uploaded_at=timestamp(either("upload_timestamp", "uploadTimestamp")),
        expires_at=timestamp(either("expiry_time", "expiryTime")),
        linked_message_id=_message_id(either("linkedMsgId")),
    )


def endpoint_lookup(body: bytes) -> EndpointLookup | None:
    """Read a lookup of either version; None where `results` is not a list of mailboxes."""
    results = (json_object(body) or {}).get("results")
    if not isinstance(results, list):
        return None
    mailboxes = []
    for item in results:
        mailbox_id = (item.get("mailbox_id") or item.get("address")) if isinstance(item, dict) else None
        if not isinstance(mailbox_id, str):
            return None
        name = item.get("mailbox_name") or item.get("description")
        mailboxes.append(Mailbox(mailbox_id=mailbox_id, name=name if isinstance(name, str) else ""))
    return EndpointLookup(mailboxes=tuple(mailboxes))


def message_headers(headers: Mapping[str, str], message_id: str) -> MessageHeaders:
    """Read the headers of the message that was asked for by `message_id`; `headers` must find names in any case."""

    def text(name: str) -> str:
        return headers.get(name, "").strip()

    length = text("Content-Length")
    return MessageHeaders(
        message_id=message_id,
        message_type=text("Mex-MessageType").upper(),
        workflow_id=text("Mex-WorkflowID"),
        sender=text("Mex-From"),
        recipient=text("Mex-To"),
        local_id=text("Mex-LocalID"),
        subject=text("Mex-Subject"),
        file_name=text("Mex-FileName"),
        content_type=text("Mex-Content-Type") or text("Content-Type"),
        content_encoding=text("Content-Encoding").lower(),
        content_length=int(length) if length.isascii() and length.isdigit() else None,
        checksum=text("Mex-Content-Checksum"),
        chunk_range=_chunk_range(text("Mex-Chunk-Range")),
        linked_message_id=_message_id(text("Mex-LinkedMsgID")),
        status_event=text("Mex-StatusEvent"),
        status_code=text("Mex-StatusCode"),
        status_description=text("Mex-StatusDescription"),
        status_success=_success(text("Mex-StatusSuccess")),
        status_timestamp=timestamp(text("Mex-StatusTimestamp")),
    )


def timestamp(text: str) -> datetime | None:
    """Read `yyyyMMddHHmmss` or ISO 8601; MESH's times without a zone are UTC."""
    for parse in (_compact, datetime.fromisoformat):
        with contextlib.suppress(ValueError, OverflowError):
            at = parse(text)
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return None


def _compact(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def http_date(text: str | None) -> datetime | None:
    """Read the `Date` header."""
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        at = email.utils.parsedate_to_datetime(text or "")
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None


def retry_after(text: str | None, now: datetime) -> float | None:
    """Read `Retry-After`, seconds or a date, as seconds from now, 0 to a day. None where it is absent or nonsense."""
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit():
        return min(float(text), _LONGEST_WAIT)
    at = http_date(text)
    return None if at is None else min(max((at - now).total_seconds(), 0.0), _LONGEST_WAIT)


def _message_id(value: object) -> str | None:
    return value if isinstance(value, str) and _MESSAGE_ID.fullmatch(value) else None


def _event(value: object) -> str | None:
    return value if isinstance(value, str) and value in _EVENTS else None


def _code(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value if value in _WORDED_CODES or _CODE.fullmatch(value) else None


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _continue_from(link: str) -> str | None:
    # Only the continuation is taken from the link, never the host or path: the token must go to the configured MESH
    # only. The value is base64, so a plus sign stays a plus sign.
    for part in urlsplit(link).query.split("&"):
        name, _, value = part.partition("=")
        if name == "continue_from" and value:
            return unquote(value)
    return None


def _chunk_range(text: str) -> ChunkRange | None:
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*:\s*([0-9]{1,6})\s*", text)
    return ChunkRange(number=int(match[1]), total=int(match[2])) if match else None


def _success(value: object) -> bool | None:
    if isinstance(value, bool):
        return value
    return {"SUCCESS": True, "ERROR": False}.get(value.upper()) if isinstance(value, str) else None

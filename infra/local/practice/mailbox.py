"""The practice's own small MESH client: collect, acknowledge and respond.

Source: the MESH API description (v2). Errors differ by the practice's next action: MailboxRefusedError stops it,
MailboxUnavailableError makes it retry later, MessageGoneError makes it skip the message.
"""

import hmac
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

_ACCEPT = "application/vnd.mesh.v2+json"
_OUR_FAULT = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN, httpx.codes.TEMPORARY_REDIRECT})


class MailboxRefusedError(Exception):
    """MESH refuses the mailbox's credentials or requests: stop, and correct them."""


class MailboxUnavailableError(Exception):
    """MESH gave no usable response: retry later."""


class MessageGoneError(Exception):
    """The message is no longer in the mailbox: skip it."""


@dataclass(frozen=True)
class Collected:
    """A collected message: the MESH headers (lower case) and the decompressed body."""

    message_id: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)


class Mailbox:
    """A MESH mailbox, used from one thread."""

    def __init__(self, *, url: str, mailbox: str, password: str, shared_key: str, timeout_seconds: float = 30) -> None:
        self.id = mailbox
        self._password = password
        self._shared_key = shared_key
        self._url = f"{url.rstrip('/')}/messageexchange/{mailbox}"
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)

    def __enter__(self) -> Self:
        """Enter the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._client.close()

    def handshake(self) -> None:
        """Send MESH's handshake. Raises MailboxRefusedError, MailboxUnavailableError."""
        self._request(
            "POST",
            "",
            headers={
                "Mex-ClientVersion": "synthetic-practice",
                "Mex-OSName": platform.system(),
                "Mex-OSVersion": platform.release(),
                "Mex-OSArchitecture": platform.machine(),
            },
        )

    def waiting(self) -> list[str]:
        """Return the ids of waiting messages, up to a page. Raises MailboxRefusedError, MailboxUnavailableError."""
        response = self._request("GET", "/inbox")
        try:
            return [str(message_id) for message_id in response.json()["messages"]]
        except (ValueError, KeyError, TypeError) as error:
            message = "the response with the inbox cannot be read"
            raise MailboxUnavailableError(message) from error

    def collect(self, message_id: str) -> Collected:
        """Download a message with all chunks. Raises MessageGoneError, MailboxRefusedError, MailboxUnavailableError."""
        response = self._request("GET", f"/inbox/{message_id}")
        headers, parts, number = dict(response.headers), [response.content], 1
        if not headers.get("mex-messageid"):
            message = "a download came without MESH headers"
            raise MailboxUnavailableError(message)
        while response.status_code == httpx.codes.PARTIAL_CONTENT:
            number += 1
            response = self._request("GET", f"/inbox/{message_id}/{number}")
            parts.append(response.content)
        return Collected(message_id, headers, b"".join(parts))

    def acknowledge(self, message_id: str) -> None:
        """Remove a message from the mailbox. Raises MessageGoneError, MailboxRefusedError, MailboxUnavailableError."""
        self._request("PUT", f"/inbox/{message_id}/status/acknowledged")

    def send(
        self, content: bytes, *, to: str, workflow_id: str, local_id: str, content_type: str, content_encoding: str = ""
    ) -> str:
        """Upload a message and return the MESH id. Raises MailboxRefusedError, MailboxUnavailableError."""
        headers = {
            "Mex-From": self.id,
            "Mex-To": to,
            "Mex-WorkflowID": workflow_id,
            "Mex-LocalID": local_id,
            "Mex-FileName": f"{local_id}.dat",
            "Mex-Chunk-Range": "1:1",
            "Content-Type": content_type,
        }
        if content_encoding:
            headers["Content-Encoding"] = content_encoding
        response = self._request("POST", "/outbox", headers=headers, content=content)
        try:
            return str(response.json()["message_id"])
        except (ValueError, KeyError, TypeError) as error:
            message = "the response to an upload cannot be read"
            raise MailboxUnavailableError(message) from error

    def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> httpx.Response:
        all_headers = {"Accept": _ACCEPT, "Authorization": self._token(), **(headers or {})}
        try:
            response = self._client.request(method, self._url + path, headers=all_headers, content=content)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            message = f"{method} failed ({type(error).__name__})"
            raise MailboxUnavailableError(message) from error
        if response.status_code in _OUR_FAULT:
            message = f"{method} failed with status {response.status_code}"
            raise MailboxRefusedError(message)
        if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
            message = f"{method} found nothing (status {response.status_code})"
            raise MessageGoneError(message)
        if not response.is_success:
            message = f"{method} failed with status {response.status_code}"
            raise MailboxUnavailableError(message)
        return response

    def _token(self) -> str:
        nonce, stamp = str(uuid4()), datetime.now(UTC).strftime("%Y%m%d%H%M")
        signed = f"{self.id}:{nonce}:0:{self._password}:{stamp}"
        digest = hmac.new(self._shared_key.encode(), signed.encode(), sha256).hexdigest()
        return f"NHSMESH {self.id}:{nonce}:0:{stamp}:{digest}"

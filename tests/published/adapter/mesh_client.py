"""Our client under the names of the official one, so that its published tests can be run against ours.

Only what those tests use, and nothing that ours does not do: all behaviour that counts is `gpconnect_messaging.mesh`'s.
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, Self

import httpx
from requests import HTTPError, Response

from gpconnect_messaging import __version__ as __version__
from gpconnect_messaging import mesh
from gpconnect_messaging.mesh.chunking import Chunking


class MeshError(Exception):
    """The official client's error for a refused message."""


@contextmanager
def _as_http_errors() -> Iterator[None]:
    """The official client lets through what its HTTP library raises."""
    try:
        yield
    except mesh.MeshError as error:
        response = Response()
        response.status_code = error.status or 0
        raise HTTPError(response=response) from None


@dataclass(frozen=True)
class Endpoint:
    """The official client's description of a MESH."""

    url: str
    verify: Any = None
    cert: Any = None
    check_hostname: bool = True
    hostname_checks_common_name: bool = True


class CombineStreams(io.BytesIO):
    """Streams one after another."""

    def __init__(self, streams: Iterable[IO[bytes]]) -> None:
        super().__init__(b"".join(stream.read() for stream in streams))


class Message(io.BytesIO):
    """A received message: its content to read, its headers as attributes."""

    def __init__(self, client: "MeshClient", received: mesh.ReceivedMessage) -> None:
        super().__init__(received.body)
        self._client = client
        self._received = received
        for name, value in asdict(received).items():
            if name not in ("body", "sender", "recipient", "file_name"):
                setattr(self, name, value)
        self.sender, self.recipient, self.filename = received.sender, received.recipient, received.file_name

    def id(self) -> str:
        return self._received.message_id

    def mex_header(self, key: str) -> str | None:
        chunks = self._received.chunk_range
        known = {
            "from": self._received.sender,
            "chunk-range": f"{chunks.number}:{chunks.total}" if chunks else None,
            "total-chunks": str(chunks.total) if chunks else None,
        }
        return known[key]

    def acknowledge(self) -> None:
        self._client.acknowledge_message(self.id())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if error is None:
            self.acknowledge()
        self.close()


class MeshClient:
    """The official client's methods, each one line of ours."""

    def __init__(
        self,
        url: Endpoint | str,
        mailbox: str,
        password: str,
        *,
        shared_key: bytes | None = None,
        max_chunk_size: int = 20_000_000,
    ) -> None:
        key = shared_key.decode() if shared_key else os.environ["MESH_CLIENT_SHARED_KEY"]
        credentials = mesh.MailboxCredentials(mailbox=mailbox, password=password, shared_key=key)
        self._client = mesh.MeshClient(url if isinstance(url, str) else url.url, credentials)
        self._max_chunk_size = max_chunk_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def handshake(self) -> None:
        with _as_http_errors():
            self._client.handshake()

    def count_messages(self) -> int:
        return self._client.count()

    def list_messages(self, max_results: int = 500, workflow_filter: str | None = None) -> list[str]:
        if max_results < 10:
            raise ValueError("if set max_results should be >= 10")
        return list(self._client.inbox_page(page_size=max_results, workflow_filter=workflow_filter).message_ids)

    def iterate_message_ids(self, batch_size: int = 500) -> Iterator[str]:
        return self._client.inbox(page_size=batch_size)

    def iterate_all_messages(self) -> Iterator[Message]:
        return map(self.retrieve_message, self.iterate_message_ids())

    def retrieve_message(self, message_id: str) -> Message:
        return Message(self, self._client.download(message_id))

    def acknowledge_message(self, message_id: str) -> None:
        self._client.acknowledge(message_id)

    def track_message(self, message_id: str) -> dict[str, Any]:
        with _as_http_errors():
            return asdict(self._client.tracking(message_id))

    def lookup_endpoint(self, ods_code: str, workflow_id: str) -> dict[str, Any]:
        found = self._client.endpoint_lookup(ods_code, workflow_id).mailboxes
        return {"results": [{"mailbox_id": each.mailbox_id, "mailbox_name": each.name} for each in found]}

    def send_message(
        self, recipient: str, data: Any, *, workflow_id: str = "", max_chunk_size: int | None = None, **given: Any
    ) -> str:
        body = data["Body"].read() if isinstance(data, dict) else data
        outgoing = mesh.OutboundMessage(
            to=recipient,
            workflow_id=workflow_id,
            subject=given.get("subject", ""),
            local_id=given.get("local_id", ""),
            file_name=given.get("filename", ""),
            content_type=given.get("content_type", "application/octet-stream"),
        )
        size = max_chunk_size or self._max_chunk_size
        message_id = None
        for part in Chunking(largest_whole=size, chunk_bytes=size).parts(len(body)):
            blocks = [body[part.start : part.start + part.length]]
            try:
                sent = self._client.send_part(outgoing, part, blocks, message_id=message_id, smallest_chunk=0)
            except (mesh.MeshError, ValueError) as error:
                raise MeshError(str(error)) from None
            message_id = sent.message_id
        return message_id or ""

    def ping(self) -> None:
        """Ours has no ping: it is not in the API description."""
        httpx.get(f"{self._client._url}/messageexchange/_ping").raise_for_status()

"""The MESH API, version 2, for one mailbox. Source: MESH API description (NHSDigital/mesh-api-specification).

Every method makes one attempt with a new token (`inbox` and `download`: one per page or chunk) and raises an error that
is named for what the caller must do (`errors`). Nothing is retried here: only the caller knows whether there is time,
and whether the ledger allows it. Nothing is logged here.

The outcome of an upload:

| event                                                                | raised                 |
|----------------------------------------------------------------------|------------------------|
| no connection, no free connection in the pool, proxy refused         | NotSent                |
| connection lost or silent before any of the body was handed over     | NotSent                |
| connection lost, silent or malformed after that                      | Uncertain              |
| TLS alert about our certificate, at any time                         | Authentication         |
| 202 (or 200) with a message id                                       | nothing: `SendReceipt` |
| 202 (or 200) whose body is lost, unreadable, or an error             | Uncertain              |
| 401, 403, 407                                                        | Authentication         |
| 408 with part of the body still here; else                           | RetryLater; Uncertain  |
| 425, 429                                                             | RetryLater             |
| 503 with Retry-After: MESH says that it stored nothing               | RetryLater             |
| any other 5xx, a 503 without Retry-After, any other 2xx              | Uncertain              |
| any other 4xx (417 with a message id too), 3xx                       | Refused                |

A streamed body has an end mark, so a connection that fails before it is NotSent, too. A chunk before the last completes
nothing and can be sent again, so there Uncertain becomes RetryLater. A chunk's 404 or 410 is NotFound: begin the
message anew. A chunk's 423 is Uncertain: MESH has the whole message already, and tracking knows it.

A read or an acknowledgement can be repeated, so every passing failure there is NotSent or RetryLater.
"""

import io
import logging
import platform
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Protocol, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from gpconnect_messaging import __version__, compression
from gpconnect_messaging.mesh import answers, headers
from gpconnect_messaging.mesh.authorization import authorization
from gpconnect_messaging.mesh.checksum import Checksum
from gpconnect_messaging.mesh.chunking import SMALLEST_CHUNK, Part
from gpconnect_messaging.mesh.credentials import MailboxCredentials
from gpconnect_messaging.mesh.errors import (
    ERROR_CODES,
    Authentication,
    DamagedContent,
    MeshError,
    NotFound,
    NotSent,
    Refused,
    RetryLater,
    Uncertain,
    WrongChecksum,
    WrongClock,
)
from gpconnect_messaging.mesh.models import (
    ChunkRange,
    EndpointLookup,
    InboxPage,
    MessageHeaders,
    OutboundMessage,
    ReceivedMessage,
    SendReceipt,
    Tracking,
)

ACCEPT = "application/vnd.mesh.v2+json"
CLIENT_VERSION = f"gpconnect-messaging=={__version__}"
# Seconds. MESH answers an upload after it has stored it, so the read may take a while; a connection may not.
TIMEOUT = httpx.Timeout(60, connect=10, pool=10)
# Most that MESH takes in one request, after compression; more needs chunks.
LARGEST_REQUEST = 100_000_000
# Most that `download` holds in memory. Acknowledgements are a few kilobytes.
LARGEST_DOWNLOAD = 32 * 1024 * 1024
# A page of 5,000 ids is about 150 kB. MESH gives no larger answer.
_LARGEST_ANSWER = 4 * 1024 * 1024
_MOST_CHUNKS = 10_000

_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_DIRECTORY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]{0,299}")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NO_CONNECTION = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_WAIT = (408, 425, 429)
_FINALISED = 423
# Seconds. MESH refuses tokens two hours off; a smaller difference has another cause.
_CLOCKS_DIFFER = 3600
# OpenSSL's names of alerts about our certificate, without the varying prefixes.
_CERTIFICATE_ALERTS = (
    "ALERT_ACCESS_DENIED",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_UNKNOWN_CA",
    "ALERT_UNSUPPORTED_CERTIFICATE",
)
_Value = TypeVar("_Value")


class Sink(Protocol):
    """The target of a download: a binary file, or anything else that takes blocks in order."""

    def write(self, block: bytes, /) -> object:
        """Take the next block."""


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class _Body:
    """A request's body that records how much of it was read. `length` is None for a body with an end mark."""

    def __init__(self, blocks: Iterable[bytes], length: int | None) -> None:
        self._blocks = blocks
        self.length = length
        self.started = False
        self.finished = length == 0
        self.given_up: Exception | None = None

    @property
    def may_have_arrived(self) -> bool:
        """Whether MESH may have received enough to process the request."""
        return self.finished or (self.started and self.length is not None)

    def __iter__(self) -> Iterator[bytes]:
        self.started = True
        try:
            yield from self._blocks
        except Exception as error:
            self.given_up = error
            raise
        self.finished = True


def _now() -> datetime:
    return datetime.now(UTC)


class MeshClient:
    """One mailbox's view of MESH. Safe to share between threads; not across a fork (connections are not).

    `url` is MESH's root, such as `https://msg.intspineservices.nhs.uk`. `http` gives connections, TLS and timeouts, and
    stays open; without it the client makes one from the credentials, and `close` or a `with` block closes it.
    `compression_level` is ISA-L's, 0 to 3; None sends content uncompressed. Raises ValueError for an address that is
    neither https nor this machine's own, and for unusable certificates.
    """

    def __init__(
        self,
        url: str,
        credentials: MailboxCredentials,
        *,
        http: httpx.Client | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        compression_level: int | None = compression.LEVEL,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and (http or parts.hostname in _LOOPBACK)):
            raise ValueError("MESH is spoken to over https")
        # The transport's debug lines repeat every header of an answer, Mex-To and Mex-Subject included.
        for name in ("httpx", "httpcore"):
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.level, logging.WARNING))
        self._url = url.rstrip("/")
        self._credentials = credentials
        self._owns_http = http is None
        self._http = http or httpx.Client(verify=credentials.tls_context(), timeout=timeout)
        self._compression_level = compression_level
        self._clock = clock
        # Parsed once: every message goes there, and parsing a URL takes longer than making a token.
        self._outbox = httpx.URL(self._url + self._mailbox_path("outbox"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, if the client made them."""
        if self._owns_http:
            self._http.close()

    @property
    def mailbox(self) -> str:
        """The mailbox id."""
        return self._credentials.mailbox

    def handshake(self) -> None:
        """Tell MESH that the mailbox is in use, wanted every 24 hours.

        Raises NotSent, RetryLater, Authentication, Refused.
        """
        system = headers.checked(
            {
                "Mex-ClientVersion": CLIENT_VERSION,
                "Mex-OSName": platform.system() or "unknown",
                "Mex-OSVersion": platform.release() or "unknown",
                "Mex-OSArchitecture": platform.machine() or "unknown",
            }
        )
        self._ask("handshake", "POST", self._mailbox_path(), extra_headers=system)

    def send(self, outgoing: OutboundMessage, content: bytes, *, gzipped: bool = False) -> SendReceipt:
        """Send one message in one request: the first and only upload of the content.

        `content` is the whole message, `gzipped` if it is one gzip stream already. Otherwise it is compressed here,
        unless the client was made with `compression_level=None`.
        Raises NotSent, RetryLater, Uncertain, Refused, Authentication as the module's table says. Raises ValueError
        before anything is sent, for a header that MESH could not take and for content that needs chunks.
        """
        meta = self._first_chunk_headers(outgoing, ChunkRange(number=1, total=1))
        level = self._compression_level
        # Passed whole: cutting into blocks would copy it once more, a tenth to a quarter of the time.
        whole = content if gzipped or level is None else compression.compressed(content, level=level)
        if len(whole) > LARGEST_REQUEST:
            raise ValueError(f"{len(whole)} bytes after compression are more than MESH takes in one request")
        body = _Body((whole,), len(whole))
        answer = self._upload("send", self._outbox, meta, body, gzip=gzipped or level is not None)
        return SendReceipt(message_id=self._accepted("send", answer, body))

    def send_part(
        self,
        outgoing: OutboundMessage,
        part: Part,
        blocks: Iterable[bytes],
        *,
        message_id: str | None = None,
        smallest_chunk: int = SMALLEST_CHUNK,
    ) -> SendReceipt:
        """Send one part of a message, compressed while streaming and never held whole.

        `blocks` give the part's content, at most 256 KiB at a time. An error of theirs leaves the request unfinished,
        so that MESH stores nothing, and propagates unchanged. `message_id` is the answer to the first part, and
        required for every other; the parts of a message go one after another. Raises NotSent, RetryLater, Uncertain,
        Refused, Authentication, NotFound as the module's table says, and ValueError for a header that MESH cannot take.
        """
        chunk = ChunkRange(number=part.number, total=part.total)
        if message_id is None:
            path, meta = self._mailbox_path("outbox"), self._first_chunk_headers(outgoing, chunk)
        else:
            path = self._mailbox_path("outbox", _message_id(message_id), str(part.number))
            meta = headers.checked(
                {"Mex-Chunk-Range": f"{chunk.number}:{chunk.total}", "Content-Type": outgoing.content_type}
            )
        stream = compression.gzipped(
            blocks, part.length, level=self._compression_level, at_least=0 if part.is_last else smallest_chunk
        )
        body = _Body(stream, None)
        operation = "send" if part.total == 1 else f"send of chunk {part.number}"
        failure: MeshError
        try:
            answer = self._upload(operation, path, meta, body)
            return SendReceipt(message_id=self._accepted(operation, answer, body, of_message=message_id))
        except Uncertain as error:
            # A chunk before the last completes no message, so it can simply be repeated.
            if part.is_last or error.status == _FINALISED:
                failure = Uncertain(operation, error.problem, status=error.status, message_id=message_id)
            else:
                failure = RetryLater(operation, error.problem, status=error.status)
        raise failure

    def check(self, outgoing: OutboundMessage) -> None:
        """Raise the ValueError that `send` would raise for a header that MESH could not take, without a call."""
        self._first_chunk_headers(outgoing, ChunkRange(number=1, total=1))

    def inbox_page(
        self, *, page_size: int = 500, workflow_filter: str | None = None, continue_from: str | None = None
    ) -> InboxPage:
        """Fetch one page of the ids of waiting messages, oldest first.

        `page_size` is 10 to 5,000. `workflow_filter` is MESH's: `ID`, `!ID`, `ID*`, `*PART*`, … `continue_from` comes
        from the page before. Raises NotSent, RetryLater, Authentication, Refused.
        """
        query: dict[str, str] = {"max_results": str(page_size)}
        if workflow_filter:
            query["workflow_filter"] = workflow_filter
        if continue_from:
            query["continue_from"] = continue_from
        answer = self._ask("inbox", "GET", self._mailbox_path("inbox"), query=query)
        return self._understood("inbox", answer, answers.inbox_page(answer.body))

    def inbox(self, *, page_size: int = 500, workflow_filter: str | None = None) -> Iterator[str]:
        """Yield the ids of all waiting messages once, fetching pages as needed.

        Raises the errors of `inbox_page` when a page is fetched; the ids before it stay valid.
        """
        seen: set[str] = set()
        links: set[str] = set()
        continue_from: str | None = None
        while True:
            page = self.inbox_page(page_size=page_size, workflow_filter=workflow_filter, continue_from=continue_from)
            for message_id in page.message_ids:
                if message_id not in seen:
                    seen.add(message_id)
                    yield message_id
            continue_from = page.continue_from
            # A link that comes round again would be followed for ever.
            if continue_from is None or continue_from in links:
                return
            links.add(continue_from)

    def count(self) -> int:
        """Return how many messages wait. Raises NotSent, RetryLater, Authentication, Refused."""
        answer = self._ask("count", "GET", self._mailbox_path("count"))
        return self._understood("count", answer, answers.count(answer.body))

    def head(self, message_id: str) -> MessageHeaders:
        """Fetch a message's headers, without the content.

        Raises NotSent, RetryLater, Authentication, NotFound, Refused.
        """
        answer = self._ask("head", "HEAD", self._inbox_path(message_id), may_be_gone=True)
        return answers.message_headers(answer.headers, message_id)

    def download(
        self, message_id: str, *, maximum_bytes: int = LARGEST_DOWNLOAD, as_served: bool = False
    ) -> ReceivedMessage:
        """Fetch a message with the whole content in memory; otherwise as `download_into`."""
        sink = io.BytesIO()
        head = self.download_into(message_id, sink, maximum_bytes=maximum_bytes, as_served=as_served)
        values = {field.name: getattr(head, field.name) for field in fields(head)}
        return ReceivedMessage(**values, body=sink.getvalue())

    def download_into(
        self, message_id: str, sink: Sink, *, maximum_bytes: int = LARGEST_DOWNLOAD, as_served: bool = False
    ) -> MessageHeaders:
        """Write a message's content to `sink`, decompressed, with chunks joined, and return the headers.

        Raises DamagedContent if a part does not match the headers or the whole is longer than `maximum_bytes`; the
        sink then holds a useless beginning. If only the checksum is wrong, it raises WrongChecksum, and the sink holds
        all. `as_served` writes the bytes unchanged and checks only the length, so that a damaged message can be kept.
        The headers are the first chunk's.
        Raises NotSent, RetryLater, Authentication, NotFound, Refused as well.
        """
        collector = _Collector(sink, maximum_bytes, as_served=as_served)
        for number in range(1, _MOST_CHUNKS + 1):
            if self._fetch_chunk(message_id, number, collector):
                return collector.finished()
        raise DamagedContent("download", f"more than {_MOST_CHUNKS} chunks")

    def acknowledge(self, message_id: str) -> None:
        """Remove a message from the inbox for good; only after it is stored. May be repeated.

        Raises NotSent, RetryLater, Authentication, NotFound, Refused.
        """
        self._ask("acknowledge", "PUT", f"{self._inbox_path(message_id)}/status/acknowledged", may_be_gone=True)

    def tracking(self, message_id: str) -> Tracking:
        """Fetch the state of a sent message, by the id that `send` returned; MESH asks not to call it often.

        Raises NotSent, RetryLater, Authentication, NotFound (MESH knows no such message of this mailbox), Refused.
        """
        query = {"messageID": _message_id(message_id)}
        answer = self._ask("tracking", "GET", self._mailbox_path("outbox", "tracking"), query=query, may_be_gone=True)
        return self._understood("tracking", answer, answers.tracking(answer.body))

    def endpoint_lookup(self, ods_code: str, workflow_id: str) -> EndpointLookup:
        """Ask which mailboxes of an organisation take a workflow.

        Raises NotSent, RetryLater, Authentication, Refused.
        """
        path = f"/messageexchange/endpointlookup/{_directory_name(ods_code)}/{_directory_name(workflow_id)}"
        answer = self._ask("endpoint lookup", "GET", path)
        return self._understood("endpoint lookup", answer, answers.endpoint_lookup(answer.body))

    def workflow_search(self, workflow_id: str) -> EndpointLookup:
        """Ask which mailboxes take a workflow at all. Raises NotSent, RetryLater, Authentication, Refused."""
        path = f"/messageexchange/workflowsearch/{_directory_name(workflow_id)}"
        answer = self._ask("workflow search", "GET", path)
        return self._understood("workflow search", answer, answers.endpoint_lookup(answer.body))

    def _mailbox_path(self, *parts: str) -> str:
        return "/".join(("/messageexchange", self.mailbox, *parts))

    def _inbox_path(self, message_id: str) -> str:
        return self._mailbox_path("inbox", _message_id(message_id))

    def _first_chunk_headers(self, outgoing: OutboundMessage, chunk: ChunkRange) -> dict[str, str]:
        return headers.checked(
            {
                "Mex-From": self.mailbox,
                "Mex-To": outgoing.to,
                "Mex-WorkflowID": outgoing.workflow_id,
                "Mex-Subject": outgoing.subject,
                "Mex-LocalID": outgoing.local_id,
                "Mex-FileName": outgoing.file_name,
                "Mex-Chunk-Range": f"{chunk.number}:{chunk.total}",
                "Mex-Content-Checksum": outgoing.checksum,
                "Content-Type": outgoing.content_type,
            }
        )

    @contextmanager
    def _open(
        self,
        method: str,
        path: str | httpx.URL,
        extra_headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        content: _Body | None = None,
    ) -> Iterator[httpx.Response]:
        credentials = self._credentials
        token = authorization(credentials.mailbox, credentials.password, credentials.shared_key, at=self._clock())
        # Built here: merging the httpx client's headers and cookies would take longer than the token and all our
        # checks.
        request = httpx.Request(
            method,
            self._url + path if isinstance(path, str) else path,
            headers={
                "Accept": ACCEPT,
                "Accept-Encoding": "identity",
                "User-Agent": CLIENT_VERSION,
                "Authorization": token,
                **(extra_headers or {}),
            },
            params=query,
            content=content,
            extensions={"timeout": self._http.timeout.as_dict()},
        )
        # A redirect would carry the token and the patient's details to another host.
        response = self._http.send(request, stream=True, follow_redirects=False, auth=None)
        try:
            yield response
        finally:
            response.close()

    def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        extra_headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        may_be_gone: bool = False,
    ) -> _Answer:
        # Errors are raised outside the except blocks: an httpx exception holds the request, and would stay as the
        # context.
        failure: MeshError
        try:
            with self._open(method, path, extra_headers, query) as response:
                answer = _answer(response)
        except httpx.HTTPError as error:
            failure = _interrupted(operation, error)
        else:
            if answer.status in (200, 202, 204):
                return answer
            failure = self._read_failure(operation, answer, may_be_gone=may_be_gone)
        raise failure

    def _fetch_chunk(self, message_id: str, number: int, collector: "_Collector") -> bool:
        """Fetch one chunk into the collector; return whether it was the last."""
        path = self._inbox_path(message_id) + (f"/{number}" if number > 1 else "")
        failure: MeshError
        try:
            with self._open("GET", path, {"Accept-Encoding": "gzip"}) as response:
                if response.status_code in (200, 206) and _is_message(response):
                    last = response.status_code == 200
                    collector.take(response, answers.message_headers(response.headers, message_id), number, last=last)
                    return last
                answer = _answer(response)
        except httpx.HTTPError as error:
            failure = _interrupted("download", error)
        else:
            failure = self._read_failure("download", answer, may_be_gone=True)
        raise failure

    def _upload(
        self, operation: str, path: str | httpx.URL, meta: Mapping[str, str], body: _Body, *, gzip: bool = True
    ) -> _Answer:
        framing = {"Content-Encoding": "gzip"} if gzip else {}
        if body.length is not None:
            framing["Content-Length"] = str(body.length)
        failure: Exception
        try:
            with self._open("POST", path, {**meta, **framing}, content=body) as response:
                return _answer(response)
        except Exception as error:
            if body.given_up is not None:
                failure = body.given_up
            elif isinstance(error, httpx.HTTPError | OSError):
                failure = _upload_failure(operation, error, body)
            else:
                raise
        raise failure

    def _accepted(self, operation: str, answer: _Answer, body: _Body, *, of_message: str | None = None) -> str:
        """Return the message id of an accepted upload, or raise by the module's table.

        A chunk's answer need not repeat the id `of_message`.
        """
        status = answer.status
        if status in (200, 202):
            if of_message is not None and not answers.speaks_of_an_error(answer.body):
                return of_message
            if message_id := answers.accepted_message_id(answer.body):
                return message_id
            raise Uncertain(operation, f"answered {status} without a usable message id", status=status)
        wait = answers.retry_after(answer.headers.get("Retry-After"), self._clock())
        if status in (425, 429) or (status == 408 and not body.finished) or (status == 503 and wait is not None):
            raise RetryLater(operation, f"answered {status}", status=status, retry_after=wait)
        if status < 300 or status == 408 or status >= 500:
            raise Uncertain(operation, f"answered {status}; the message may have been stored", status=status)
        if of_message is not None and status == _FINALISED:
            raise Uncertain(operation, f"answered {status}: MESH has the whole message", status=status)
        if of_message is not None and status in (404, 410):
            raise NotFound(operation, f"MESH has no such message begun (answered {status})", status=status)
        raise self._refusal(operation, answer)

    def _read_failure(self, operation: str, answer: _Answer, *, may_be_gone: bool) -> MeshError:
        status = answer.status
        if status in _WAIT or status >= 500 or status < 300:
            wait = answers.retry_after(answer.headers.get("Retry-After"), self._clock())
            return RetryLater(operation, f"answered {status}", status=status, retry_after=wait)
        if may_be_gone and status in (404, 410):
            return NotFound(operation, f"no such message (answered {status})", status=status)
        return self._refusal(operation, answer)

    def _refusal(self, operation: str, answer: _Answer) -> MeshError:
        status = answer.status
        if status in (401, 403, 407):
            skew = self._clock_skew(answer)
            problem = f"not authorized (answered {status})"
            if skew is not None and abs(skew) >= _CLOCKS_DIFFER:
                problem += f"; our clock is {abs(skew) / 3600:.1f} hours {'ahead' if skew > 0 else 'behind'}"
                return WrongClock(operation, problem, status=status, clock_skew=skew)
            return Authentication(operation, problem, status=status, clock_skew=skew)
        refusal = answers.refusal(answer.body)
        problem = " ".join(part for part in (f"answered {status}", refusal.event, refusal.code) if part)
        if refusal.code in ERROR_CODES:
            problem += f": {ERROR_CODES[refusal.code]}"
        if refusal.fields:
            problem += f" (at fault: {', '.join(refusal.fields)})"
        return Refused(
            operation,
            problem,
            status=status,
            event=refusal.event,
            code=refusal.code,
            message_id=refusal.message_id,
            fields=refusal.fields,
        )

    def _clock_skew(self, answer: _Answer) -> float | None:
        theirs = answers.http_date(answer.headers.get("Date"))
        return None if theirs is None else (self._clock() - theirs).total_seconds()

    @staticmethod
    def _understood(operation: str, answer: _Answer, value: _Value | None) -> _Value:
        if value is None:
            raise RetryLater(
                operation, f"answered {answer.status} with a body that makes no sense", status=answer.status
            )
        return value


class _Collector:
    """Joins the chunks of one download, checking them against the headers and the whole against the limits."""

    def __init__(self, sink: Sink, maximum_bytes: int, *, as_served: bool) -> None:
        self._sink = sink
        self._maximum = maximum_bytes
        self._as_served = as_served
        self._written = 0
        self._first: MessageHeaders | None = None
        self._checksum = Checksum("")

    def take(self, response: httpx.Response, head: MessageHeaders, number: int, *, last: bool) -> None:
        """Write one chunk. Raises DamagedContent, and httpx's errors where the connection fails."""
        if self._first is None:
            self._first = head
            self._checksum = Checksum(head.checksum)
        if not self._as_served:
            self._check_sequence(head, number, last=last)
        raw = _Counted(response.iter_raw())
        damage = ""
        try:
            for block in self._decoded(raw, head):
                self._written += len(block)
                if self._written > self._maximum:
                    damage = f"longer than {self._maximum} bytes"
                    break
                self._checksum.update(block)
                self._sink.write(block)
        except compression.Damaged as problem:
            damage = str(problem)
        if not damage and not self._as_served and head.content_length not in (None, raw.count):
            damage = f"{raw.count} bytes came where {head.content_length} were announced"
        if damage:
            raise DamagedContent("download", f"chunk {number}: {damage}")

    def finished(self) -> MessageHeaders:
        """Return the first chunk's headers. Raises DamagedContent; WrongChecksum if the whole does not match."""
        if self._first is None:
            raise DamagedContent("download", "nothing came")
        if not self._as_served and self._checksum.contradicts:
            raise WrongChecksum("download", "the checksum does not agree")
        return self._first

    def _decoded(self, raw: "_Counted", head: MessageHeaders) -> Iterator[bytes]:
        if self._as_served or head.content_encoding in ("", "identity"):
            return iter(raw)
        if head.content_encoding not in ("gzip", "x-gzip"):
            raise compression.Damaged("its content encoding is not gzip")
        # A report has no content, whatever the headers say about the encoding.
        return iter(()) if head.is_report and head.content_length == 0 else compression.inflated(raw)

    def _check_sequence(self, head: MessageHeaders, number: int, *, last: bool) -> None:
        chunk, first = head.chunk_range, self._first
        if chunk is None or head.is_report or chunk.total == 0:
            return
        total = first.chunk_range.total if first and first.chunk_range else chunk.total
        if chunk.number != number or chunk.total != total or last != (number == total):
            raise DamagedContent(
                "download", f"chunk {chunk.number} of {chunk.total} came where {number} of {total} was due"
            )


class _Counted:
    """An iterator's bytes, counted as they pass."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.count += len(block)
            yield block


def _answer(response: httpx.Response) -> _Answer:
    """Read a short answer. The body of an error may be lost, damaged or endless: the status is enough."""
    body = bytearray()
    try:
        for block in response.iter_raw():
            body += block
            if len(body) > _LARGEST_ANSWER:
                body.clear()
                break
    except httpx.HTTPError:
        if response.status_code < 300:
            raise
        body.clear()
    text = bytes(body)
    # Asked for no encoding, some servers use it all the same.
    if response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip"):
        plain = bytearray()
        with suppress(compression.Damaged):
            for block in compression.inflated([text]):
                plain += block
                if len(plain) > _LARGEST_ANSWER:
                    plain.clear()
                    break
        text = bytes(plain)
    return _Answer(response.status_code, response.headers, text)


def _is_message(response: httpx.Response) -> bool:
    """Whether an answer has a message's headers: a gateway's page with the right status has none."""
    return any(name.startswith("mex-") for name in response.headers)


def _interrupted(operation: str, error: httpx.HTTPError) -> MeshError:
    failed = type(error).__name__
    if _certificate_refused(error):
        return Authentication(operation, "MESH does not accept our client certificate")
    if isinstance(error, _NO_CONNECTION):
        return NotSent(operation, f"no connection ({failed})")
    return RetryLater(operation, f"the answer was lost ({failed})")


def _upload_failure(operation: str, error: Exception, body: _Body) -> MeshError:
    failed = type(error).__name__
    if _certificate_refused(error):
        return Authentication(operation, "MESH does not accept our client certificate")
    if isinstance(error, _NO_CONNECTION):
        return NotSent(operation, f"no connection ({failed})")
    if not body.may_have_arrived:
        # The headers announce a body, and MESH does not process an incomplete request.
        return NotSent(operation, f"the connection failed before the content left ({failed})")
    return Uncertain(operation, f"the answer was lost ({failed}); the message may have been stored")


def _certificate_refused(error: BaseException) -> bool:
    """Whether the TLS layer reports that the server refused our certificate.

    With TLS 1.3 that shows only on the first read, after the request was written; a server that has refused the
    certificate has processed nothing of it.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError) and (cause.reason or "").upper().endswith(_CERTIFICATE_ALERTS):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _message_id(value: str) -> str:
    if not _MESSAGE_ID.fullmatch(value):
        raise ValueError("not a MESH message id")
    return value


def _directory_name(value: str) -> str:
    if not _DIRECTORY_NAME.fullmatch(value):
        raise ValueError("not an ODS code or workflow id")
    return quote(value, safe="")

"""Adapters over the S3 buckets: the drop, the outbox and the evidence.

Outbox and evidence keys contain only ids. Senders choose the keys in the drop, so those appear in no log or error text.
"""

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from gpconnect_messaging.compression import Damaged, compressed, compressor, inflated
from gpconnect_messaging.drop_keys import REQUEST_FILE, is_request
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.scan_results import SCAN_TAG, VALIDATION_OBJECT
from gpconnect_messaging.stated_times import read_stated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PART = 8 * 1024 * 1024
_CHUNK = 192 * 1024
FIRST_PART = 2048
"""The length of a stored message's first part. The longest headers that MESH takes fit."""
_GZIP = 16 + zlib.MAX_WBITS
# Without gzip's header and trailer (18 bytes), deflate's (5), and the line's end.
_FIRST_LINE = FIRST_PART - 24
_SHORT = 1024 * 1024
"""The longest file of the drop that is read when it is found, and then kept in memory."""
_LONGEST_KEY = 1024
# The shortest part that S3 takes.
_RECEIVED_PART = 5 * 1024 * 1024
# The last is S3's answer to an impossible version id.
_MISSING = {"404", "NoSuchKey", "NoSuchVersion", "InvalidArgument"}


class NotThereError(Exception):
    """The object does not exist (any more)."""


class StorageError(Exception):
    """S3 refused or failed, with S3's error code: try again, or correct the function's permissions.

    Replaces botocore's error, whose text repeats the key, which can name a patient.
    """


class DamagedMessageError(Exception):
    """A stored message differs from the one that the ledger recorded: it must not be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The receipt of a request; the row in the ledger has the mailbox."""

    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DropFile:
    """A version of a file in the drop bucket; `size` is in bytes.

    `at` is S3's LastModified (UTC, whole seconds). `content` is there where a short file was read.
    """

    key: str
    version: str
    size: int
    at: datetime
    content: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object version of the drop bucket as S3 lists it. The sender chose the key, which can name a person."""

    key: str = field(repr=False)
    at: datetime
    """S3's LastModified (UTC): for a multipart upload, the time when it began."""
    version: str
    """Empty where S3 lists current objects, without versions."""
    current: bool = True
    """Whether the version was neither replaced nor removed."""
    in_parts: bool = False
    """Whether it was a multipart upload."""

    @property
    def folders(self) -> list[str]:
        """The folders of the object with trailing slashes, from the innermost to the bucket's root (empty)."""
        names = self.key.split("/")[:-1]
        return ["".join(f"{name}/" for name in names[:depth]) for depth in range(len(names), -1, -1)]


class DropBucket:
    """Reads and lists dropped objects."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.name = self._bucket = bucket

    def read(self, key: str, version: str, limit: int) -> bytes:
        """Read a whole file of at most `limit` bytes. Raises NotThereError; ValueError for a longer one."""
        body = self._get(key, version)["Body"]
        content: bytes = body.read(limit + 1)
        if len(content) > limit:
            body.close()
            raise ValueError("longer than the limit")
        return content

    def find(self, key: str, version: str | None = None) -> DropFile:
        """Return a file's version (the latest, or `version`), with the content if it is short. Raises NotThereError."""
        found = self._get(key, version)
        body, size = found["Body"], found["ContentLength"]
        content = body.read() if size <= _SHORT else body.close()
        return DropFile(key, found.get("VersionId", ""), size, whole_second(found["LastModified"]), content)

    def chunks(self, file: DropFile) -> Iterable[bytes]:
        """Stream a file. Raises NotThereError."""
        if file.content is not None:
            return [file.content]
        body: Iterable[bytes] = self._get(file.key, file.version)["Body"].iter_chunks(_CHUNK)
        return body

    def scan(self, key: str, version: str | None = None) -> tuple[str, str | None]:
        """Return a version (the latest, or `version`) and the result of the malware scan.

        The result is None where there is none yet. Raises NotThereError, StorageError.
        """
        _require_possible(key)
        scanned, tags = self._tagging(key, version)
        if not scanned:
            raise StorageError("S3 returns no version of an object: the drop bucket has no versioning")
        return scanned, tags.get(SCAN_TAG)

    def current_pages(self, after: str = "") -> Iterator[tuple[list[ListedObject], str, str]]:
        """List the current objects in pages, without versions, as `pages` does; the last value is empty."""
        start = {"StartAfter": after} if after else {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **start):  # type: ignore[arg-type]
            if contents := page.get("Contents", ()):
                listed = [_listed(item) for item in contents if item["Key"] != VALIDATION_OBJECT]
                yield listed, contents[-1]["Key"], ""

    def pages(self, after: str = "", after_version: str = "") -> Iterator[tuple[list[ListedObject], str, str]]:
        """List all versions in pages, also replaced and removed ones, with the end of the page; start after an end.

        An end is a key and, where the page ends within the key's versions, a version.
        """
        start = {"KeyMarker": after, "VersionIdMarker": after_version}
        markers = {name: value for name, value in start.items() if value}
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, **markers):  # type: ignore[arg-type]
            versions = page.get("Versions", [])
            after = page.get("NextKeyMarker") or (versions[-1]["Key"] if versions else after)
            listed = [_listed(item) for item in versions if item["Key"] != VALIDATION_OBJECT]
            yield listed, after, page.get("NextVersionIdMarker", "")

    def requests_in(self, folder: str) -> list[ListedObject]:
        """List the versions of a folder's request, also replaced and removed ones, that S3 returns in one page."""
        for prefix in (folder, f"{folder}{REQUEST_FILE}"):
            page = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
            listed = [_listed(item) for item in page.get("Versions", ())]
            requests = [item for item in listed if is_request(item.key)]
            if requests or not page.get("IsTruncated"):
                return requests
        return []

    def current_version(self, key: str) -> str | None:
        """Return the current version; None where the object was removed or never existed."""
        return next((item["VersionId"] for item in self._versions_of(key) if item["IsLatest"]), None)

    def newest_version(self, key: str) -> DropFile | None:
        """Return the newest version that holds content, even if it was removed; None where there is none."""
        return next(self.versions(key), None)

    def versions(self, key: str) -> Iterator[DropFile]:
        """List the versions of a file that hold content, newest first."""
        for item in self._versions_of(key):
            yield DropFile(key, item["VersionId"], item["Size"], whole_second(item["LastModified"]))

    def _versions_of(self, key: str) -> Iterator[Any]:
        # S3 lists a key before longer keys that begin with it, and the newest version of a key first.
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
            for version in page.get("Versions", ()):
                if version["Key"] != key:
                    return
                yield version

    def _tagging(self, key: str, version: str | None) -> tuple[str, dict[str, str]]:
        which = {"VersionId": version} if version else {}
        try:
            tagging = self._client.get_object_tagging(Bucket=self._bucket, Key=key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None
        return tagging.get("VersionId", ""), {tag["Key"]: tag["Value"] for tag in tagging["TagSet"]}

    def _get(self, key: str, version: str | None) -> Any:
        _require_possible(key)
        which = {"VersionId": version} if version else {}
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A stored message: the envelope, and the message as one gzip stream, verified; None for a long one."""

    envelope: Envelope
    gzipped: bytes | None = field(repr=False)


class Outbox:
    """Holds built messages, with their envelopes, as one object each (ADR 55).

    The object begins with the envelope: one gzip member of always `FIRST_PART` bytes. The message follows as another
    member, which MESH gets as it is; a message of more than `longest_gzipped` bytes follows uncompressed, so that its
    parts can be read.
    """

    def __init__(self, client: "S3Client", bucket: str, longest_gzipped: int = _PART) -> None:
        self._client = client
        self._bucket = bucket
        self._longest_gzipped = longest_gzipped

    def put(self, message_id: str, envelope: Envelope, content: Iterable[bytes]) -> str:
        """Store a message, given as a stream, with the envelope; return the message's SHA-256 in hex."""
        from boto3.s3.transfer import TransferConfig  # only the builder uploads: the others start without it

        stream = _HashedStream(content)
        begin = stream.read(self._longest_gzipped + 1)
        is_short = len(begin) <= self._longest_gzipped
        stream.put_back(_first_part(envelope, gzip=is_short) + (compressed(begin) if is_short else begin))
        self._client.upload_fileobj(
            stream,  # type: ignore[arg-type]
            self._bucket,
            message_key(message_id),
            ExtraArgs={"ContentType": "application/gzip" if is_short else "application/octet-stream"},
            # One part at a time, in this thread: memory stays at one part whatever the message's size.
            Config=TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False),
        )
        return stream.hash.hexdigest()

    def envelope(self, message_id: str) -> Envelope:
        """Read a message's envelope. Raises NotThereError, DamagedMessageError."""
        return _read_first_part(self._get(message_id, f"bytes=0-{FIRST_PART - 1}").read())[0]

    def holds(self, message_id: str) -> bool:
        """Return whether a message is still stored. Raises StorageError."""
        return _is_there(self._client, self._bucket, message_key(message_id))

    def open(self, message_id: str, sha256: str) -> StoredMessage:
        """Read the envelope, and the message if it is gzip'd. `read` streams a long one, and the caller verifies it.

        Raises NotThereError; DamagedMessageError where the hash is not `sha256`.
        """
        body = self._get(message_id)
        envelope, is_gzipped = _read_first_part(body.read(FIRST_PART))
        if not is_gzipped:
            body.close()
            return StoredMessage(envelope, None)
        gzipped = body.read()
        _verified(inflated([gzipped]), sha256)
        return StoredMessage(envelope, gzipped)

    def whole(self, message_id: str, sha256: str) -> bytes:
        """Read a message, uncompressed. Raises NotThereError; DamagedMessageError where the hash is not `sha256`."""
        if (gzipped := self.open(message_id, sha256).gzipped) is not None:
            return b"".join(inflated([gzipped]))
        return _verified(self._get(message_id, f"bytes={FIRST_PART}-").iter_chunks(_CHUNK), sha256)

    def read(self, message_id: str, start: int, length: int) -> Iterator[bytes]:
        """Stream a part of a long message, in blocks. Raises NotThereError, StorageError."""
        if length == 0:
            return
        start += FIRST_PART
        body = self._get(message_id, f"bytes={start}-{start + length - 1}")
        try:
            yield from body.iter_chunks(_CHUNK)
        except (BotoCoreError, HTTPClientError) as error:
            raise StorageError(f"reading a message failed: {type(error).__name__}") from None
        finally:
            body.close()

    def _get(self, message_id: str, span: str | None = None) -> Any:
        which = {"Range": span} if span else {}
        try:
            return self._client.get_object(Bucket=self._bucket, Key=message_key(message_id), **which)["Body"]  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None
        except BotoCoreError as error:
            raise StorageError(f"S3 could not be reached: {type(error).__name__}") from None


def _first_part(envelope: Envelope, *, gzip: bool) -> bytes:
    """Write an envelope as a gzip member of `FIRST_PART` bytes: a line of JSON, padded and not compressed."""
    line = json.dumps({"version": 1, "gzip": gzip, "envelope": asdict(envelope)}).encode().ljust(_FIRST_LINE) + b"\n"
    if len(line) > _FIRST_LINE + 1:
        raise ValueError("the envelope is longer than MESH's headers can be")
    return zlib.compress(line, 0, _GZIP)


def _read_first_part(first: bytes) -> tuple[Envelope, bool]:
    """Return the envelope, and whether the message is gzip'd. Raises DamagedMessageError."""
    with suppress(ValueError, TypeError):
        match json.loads(b"".join(inflated([first]))):
            case {"version": 1, "gzip": bool(is_gzipped), "envelope": dict(envelope)}:
                return Envelope(**envelope), is_gzipped
    raise DamagedMessageError("the stored envelope is not the one that was written")


def _verified(blocks: Iterable[bytes], sha256: str) -> bytes:
    """Join a message's blocks. Raises DamagedMessageError."""
    with suppress(Damaged):
        content = b"".join(blocks)
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    raise DamagedMessageError("the stored message is not the one that was built")


def whole_second(at: datetime) -> datetime:
    """Drop the fraction of a second, which S3's times of objects do not have."""
    return at.replace(microsecond=0)


def _listed(item: Any) -> ListedObject:
    # S3 appends the number of parts to the ETag of a multipart upload, whose time is when the upload began.
    in_parts = "-" in item.get("ETag", "-")
    version, current = item.get("VersionId", ""), item.get("IsLatest", True)
    return ListedObject(item["Key"], item["LastModified"], version, current, in_parts)


_ARRIVED = "arrived"
"""Metadata of a kept request: when it first came."""


class Evidence:
    """Keeps the requests and the received messages unchanged."""

    def __init__(
        self, client: "S3Client", bucket: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._now = now

    def keep_request(self, request_id: str, raw: bytes, arrived: datetime) -> datetime:
        """Keep a request as it came, once; return the arrival (UTC) that was recorded when it was first kept.

        A redriven dead letter has a new arrival on the queue, and would seem newer than requests that came after it.
        """
        key = request_key(request_id)
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=compressed(raw), ContentType="application/gzip",
                Metadata={_ARRIVED: arrived.isoformat()}, IfNoneMatch="*",
            )  # fmt: skip
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            first = self._client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get(_ARRIVED)
            return read_stated(first) or arrived
        return arrived

    def keep_comparison(self, request_id: str, text: str) -> str:
        """Keep the differences between PDS and a request (personal data); return the key. A repeat overwrites."""
        return self._keep(f"comparisons/{request_id}.json", text.encode())

    def receipt(self, request_id: str) -> None:
        """Write the receipt of a request: an empty object, named by hour (UTC) and request id.

        The receipt is written before the request is read. The daily balance counts receipts, so that it does not
        depend on the ledger alone.
        """
        key = f"receipts/{self._now():%Y-%m-%d/%H}/{request_id}"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=b"")

    def receipt_pages(self, day: date, after: str = "") -> Iterator[tuple[list[Receipt], str]]:
        """List the receipts of a day (UTC) in pages, with the position after the page; start after a position."""
        start = {"StartAfter": after} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=f"receipts/{day}/",
            **start,  # type: ignore[arg-type]
        )
        for page in pages:
            if contents := page.get("Contents", ()):
                yield (
                    [Receipt(request_id=item["Key"].rpartition("/")[2], at=item["LastModified"]) for item in contents],
                    contents[-1]["Key"],
                )

    def arrived(self, request_id: str, since: datetime) -> datetime | None:
        """Return when (UTC) a request arrived: as it was kept, or else by the receipts from `since` on; None: never."""
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=request_key(request_id))
        except ClientError as error:
            if isinstance(meaning := _meaning(error), NotThereError):
                return self.receipt_of(request_id, since)
            raise meaning from None
        return read_stated(head["Metadata"].get(_ARRIVED)) or head["LastModified"]

    def receipt_of(self, request_id: str, since: datetime) -> datetime | None:
        """Return the time (UTC) of the first receipt of a request from the hour of `since` on; None: never."""
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= self._now():
            page = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=f"receipts/{hour:%Y-%m-%d/%H}/{request_id}", MaxKeys=1
            )
            for receipt in page.get("Contents", ()):
                return receipt["LastModified"]
            hour += timedelta(hours=1)
        return None

    def keep_balance(self, day: date, content: bytes) -> str:
        """Keep a day's balance; return the key. A later one replaces it as a new version of the object."""
        return self._keep(f"balances/{day}.json", content)

    def keep_open(self, day: date, content: bytes) -> str:
        """Keep the messages that a part of a day's balance leaves open; return the key, made from the content."""
        return self._keep(f"balances/{day}/open/{_digest(content)}.jsonl.gz", content, "application/gzip")

    def keep_wrong(self, day: date, content: bytes) -> str:
        """Keep the balance of a part that has errors; return the key, made from the content."""
        return self._keep(f"balances/{day}/wrong/{_digest(content)}.json", content)

    def read_balance(self, key: str) -> bytes:
        """Read a balance, or another file of a balance."""
        return self._read_whole(key)

    def keep_reckoning(self, day: date, content: bytes) -> str:
        """Keep the entries of an unfinished balance; return the key, made from the content.

        So two runs at the same time do not overwrite one another's files.
        """
        return self._keep(f"reckonings/{day}/{_digest(content)}", content, "application/octet-stream")

    def read_reckoning(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Read a file of `keep_reckoning`, whole or a range of bytes."""
        if end is None:
            return self._read_whole(key)
        response = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end - 1}")
        content: bytes = response["Body"].read()
        return content

    def _read_whole(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def request(self, request_id: str) -> bytes:
        """Read a request as it came. Raises NotThereError."""
        try:
            return zlib.decompress(self._read_whole(request_key(request_id)), _GZIP)
        except ClientError as error:
            raise _meaning(error) from None

    def holds_request(self, request_id: str) -> bool:
        """Return whether a request is still kept. Raises StorageError."""
        return _is_there(self._client, self._bucket, request_key(request_id))

    def keep_warning(self, withdrawal_id: str, text: str) -> str:
        """Keep the warning of a withdrawal, which names the patient; return the key, made from the content.

        So a builder that saw fewer of the sent messages does not overwrite the warning that the ledger names.
        """
        key = f"warnings/{withdrawal_id}/{_digest(text.encode())}.txt"
        return self._keep(key, text.encode(), "text/plain; charset=utf-8")

    def receive(self, mailbox: str, mesh_message_id: str) -> "KeptMessage":
        """Begin to store a MESH message as it is downloaded."""
        return KeptMessage(self._client, self._bucket, received_key(mailbox, mesh_message_id))

    def _keep(self, key: str, content: bytes, content_type: str = "application/json") -> str:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)
        return key


class KeptMessage:
    """A MESH message being written to the evidence bucket, with at most one part in memory.

    The object has two gzip members: the body, and a last line of JSON with the headers. It is readable only after
    `keep`; S3 removes an upload that was never completed after a day. S3's errors are raised unchanged: the keys are
    ids.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._upload = ""
        self._parts: list[str] = []
        self._gzip = compressor()
        self._held = bytearray()
        self._body: bytearray | None = bytearray()

    @property
    def whole(self) -> bytes | None:
        """The body, if it is short enough to be in memory; None for a longer one."""
        return None if self._body is None else bytes(self._body)

    def write(self, block: bytes) -> None:
        """Write the next block."""
        if self._body is not None:
            self._body += block
            if len(self._body) >= _RECEIVED_PART:
                self._body = None
        self._held += self._gzip.compress(block)
        if len(self._held) >= _RECEIVED_PART:
            self._put_part()

    def keep(self, headers: Any) -> str:
        """Finish: store the body and the headers under the returned key. A repeat writes the same content."""
        described = {name: value for name, value in asdict(headers).items() if name != "body"}
        self._held += self._gzip.flush() + compressed(b"\n" + json.dumps(described, default=str).encode())
        if not self._parts:
            self._client.put_object(
                Bucket=self._bucket, Key=self._key, Body=bytes(self._held), ContentType="application/gzip"
            )
            return self._key
        self._put_part()
        self._client.complete_multipart_upload(
            Bucket=self._bucket,
            Key=self._key,
            UploadId=self._upload,
            MultipartUpload={
                "Parts": [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._parts, 1)]
            },
        )
        return self._key

    def _put_part(self) -> None:
        if not self._upload:
            self._upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=self._key)["UploadId"]
        body, self._held = bytes(self._held), bytearray()
        part = self._client.upload_part(
            Bucket=self._bucket, Key=self._key, UploadId=self._upload, PartNumber=len(self._parts) + 1, Body=body
        )
        self._parts.append(part["ETag"])


class _HashedStream:
    """A readable file over chunks that hashes them."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        pieces, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.hash.update(chunk)
            pieces.append(chunk)
            length += len(chunk)
        whole = b"".join(pieces)
        content, self._rest = (whole, b"") if size < 0 else (whole[:size], whole[size:])
        return content

    def put_back(self, content: bytes) -> None:
        """Have `read` return this content first; it is not hashed."""
        self._rest = content + self._rest


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


def _is_there(client: "S3Client", bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        meaning = _meaning(error)
        if isinstance(meaning, NotThereError):
            return False
        raise meaning from None
    return True


def _require_possible(key: str) -> None:
    """Raise NotThereError for an impossible key: S3 would answer with an error that looks like a fault of this code."""
    written = key.encode(errors="ignore")
    if written.decode() != key or not 0 < len(written) <= _LONGEST_KEY:
        raise NotThereError("no such object")


def message_key(message_id: str) -> str:
    """Return the key of a message in the outbox."""
    return f"messages/{message_id}"


def request_key(request_id: str) -> str:
    """Return the key of a kept request in the evidence bucket."""
    return f"requests/{request_id}.json.gz"


def received_key(mailbox: str, mesh_message_id: str) -> str:
    """Return the key of a received message in the evidence bucket."""
    return f"received/{mailbox}/{mesh_message_id}"


def _meaning(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code in _MISSING:
        return NotThereError("no such object")
    return StorageError(f"{error.operation_name}: {code}")

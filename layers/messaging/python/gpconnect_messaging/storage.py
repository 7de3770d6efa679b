"""The buckets: what was dropped, what goes out, and the evidence of what came in. Adapters over S3.

Keys of ours are made of ids alone. Keys in the drop bucket are the sender's, and appear in no log or exception text.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.reconciliation import Receipt
from gpconnect_messaging.requests.drop_keys import RECEIVED, REQUEST_FILE, is_request
from gpconnect_messaging.scan_results import SCAN_TAG, VALIDATION_OBJECT
from gpconnect_messaging.stated_times import read_stated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PART = 8 * 1024 * 1024
_CHUNK = 192 * 1024
_LONGEST_KEY = 1024
# The shortest part that S3 takes.
_RECEIVED_PART = 5 * 1024 * 1024
# The last is S3's answer to a version id that no object can have.
_MISSING = {"404", "NoSuchKey", "NoSuchVersion", "InvalidArgument"}
_MOST_TAGS = 10
RECEIVED_AS = "gpcm:received-as"
"""The tag that says for which request a version was received; see `_mark`."""
ASKED_AT_ONCE = 8
"""For the tags of how many objects S3 is asked at the same time."""


class NotThereError(Exception):
    """The object does not exist (any more)."""


class StorageError(Exception):
    """S3 did not do what was asked, by its own code: try again, or correct the function's permissions.

    It takes the place of botocore's error, whose text repeats the key, which can name a patient.
    """


class DeniedError(StorageError):
    """A policy denies access to an object, maybe to this one alone."""


class DamagedMessageError(Exception):
    """A stored message is not, byte for byte, the one that the ledger recorded: it must not be sent."""


@dataclass(frozen=True, slots=True)
class DropFile:
    """One version of one file in the drop bucket, and its length in bytes.

    `at` is S3's LastModified (UTC, whole seconds).
    """

    key: str
    version: str
    size: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Receiver:
    """The request that received an object, and the key of its encounter; both empty where no request did."""

    request_id: str = ""
    encounter_key: str = ""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object of the drop bucket as S3 lists it. Its key is the sender's word and can name a person."""

    key: str = field(repr=False)
    at: datetime
    """S3's LastModified (UTC): of an upload in parts, when it began."""
    version: str = ""
    """Which version it is, where it is not the newest."""
    in_parts: bool = False
    """Whether it was uploaded in parts."""

    @property
    def folders(self) -> list[str]:
        """The folders that it lies in, each with its slash, from its own to the bucket's root, which is empty."""
        names = self.key.split("/")[:-1]
        return ["".join(f"{name}/" for name in names[:depth]) for depth in range(len(names), -1, -1)]


class DropBucket:
    """Reads what senders dropped, and tags what was received."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self.name = self._bucket = bucket

    def read(self, key: str, version: str, limit: int) -> bytes:
        """Read a small file whole, of at most `limit` bytes. Raises NotThereError; ValueError for a longer one."""
        body = self._get(key, version)["Body"]
        content: bytes = body.read(limit + 1)
        if len(content) > limit:
            body.close()
            raise ValueError("longer than the limit")
        return content

    def stat(self, key: str, version: str | None = None) -> DropFile:
        """Find a file's version (the latest, or the one asked for) and length. Raises NotThereError."""
        _require_possible(key)
        which = {"VersionId": version} if version else {}
        try:
            found = self._client.head_object(Bucket=self._bucket, Key=key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None
        return DropFile(key, found.get("VersionId", ""), found["ContentLength"], whole_second(found["LastModified"]))

    def chunks(self, file: DropFile) -> Iterator[bytes]:
        """Stream a file. Raises NotThereError."""
        yield from self._get(file.key, file.version)["Body"].iter_chunks(_CHUNK)

    def mark_received(self, key: str, version: str, receiver: Receiver = Receiver()) -> Receiver | None:
        """Tag a version as received for a request, beside its other tags: a rule then expires it from the list.

        Return who received it first: this request or an earlier one. None where no tag was written: what was removed
        meanwhile, or has no room for two more tags, stays as it is. Raises StorageError.
        """
        try:
            tags = self._tagging(key, version)[1]
            if (earlier := self._receiver(key, version, tags)) is not None:
                return earlier
            marked = {**tags, **dict([RECEIVED]), RECEIVED_AS: self._mark(key, version, receiver)}
            if not version or len(marked) > _MOST_TAGS:
                return None
            tag_set = [{"Key": name, "Value": value} for name, value in marked.items()]
            self._client.put_object_tagging(
                Bucket=self._bucket, Key=key, VersionId=version,
                Tagging={"TagSet": tag_set},  # type: ignore[typeddict-item]
            )  # fmt: skip
        except NotThereError:
            return None
        except ClientError as error:
            meaning = _meaning(error)
            if not isinstance(meaning, NotThereError):
                raise meaning from None
            return None
        return receiver

    def scan(self, key: str, version: str | None = None) -> tuple[str, str | None]:
        """Say of which version (the latest, or the one asked for) the malware scan says what.

        None where it says nothing yet. Raises NotThereError, StorageError.
        """
        _require_possible(key)
        scanned, tags = self._tagging(key, version)
        if not scanned:
            raise StorageError("S3 names no version of an object: the drop bucket has none")
        return scanned, tags.get(SCAN_TAG)

    def is_received(self, key: str) -> bool:
        """Say whether an object's newest version was received. Raises NotThereError, StorageError."""
        version, tags = self._tagging(key, None)
        return self._receiver(key, version, tags) is not None

    def not_received(self, listed: Sequence[ListedObject]) -> list[ListedObject]:
        """Give the objects that senders dropped and whose newest version was not received. Raises StorageError.

        What was removed since it was listed is not among them; what a policy hides is, so that it hides nothing else.
        """
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            waiting = list(pool.map(self._waits, listed))
        return [item for item, waits in zip(listed, waiting, strict=True) if waits]

    def _waits(self, listed: ListedObject) -> bool:
        if listed.key == VALIDATION_OBJECT:
            return False
        try:
            return not self.is_received(listed.key)
        except NotThereError:
            return False
        except DeniedError:
            return True

    def pages(self, after: str = "") -> Iterator[list[ListedObject]]:
        """List the objects, without what was removed or replaced, in pages; go on after a key."""
        start = {"StartAfter": after} if after else {}
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, **start):  # type: ignore[arg-type]
            if found := page.get("Contents"):
                yield [_listed(each) for each in found]

    def pages_of_replaced(
        self, after: str = "", after_version: str = ""
    ) -> Iterator[tuple[list[ListedObject], str, str]]:
        """List the versions on which another one or a removal lies, in pages, each with its end; go on after an end.

        An end is a key and, where the page ends among the key's versions, one of these.
        """
        start = {"KeyMarker": after, "VersionIdMarker": after_version}
        given = {name: value for name, value in start.items() if value}
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, **given):  # type: ignore[arg-type]
            versions = page.get("Versions", [])
            after = page.get("NextKeyMarker") or (versions[-1]["Key"] if versions else after)
            replaced = [replace(_listed(each), version=each["VersionId"]) for each in versions if not each["IsLatest"]]
            yield replaced, after, page.get("NextVersionIdMarker", "")

    def requests_in(self, folder: str) -> list[ListedObject]:
        """List the versions of a folder's request, replaced and removed ones too, as far as S3 gives them at once."""
        for prefix in (folder, f"{folder}{REQUEST_FILE}"):
            found = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, Delimiter="/")
            listed = [replace(_listed(each), version=each["VersionId"]) for each in found.get("Versions", ())]
            requests = [each for each in listed if is_request(each.key)]
            if requests or not found.get("IsTruncated"):
                return requests
        return []

    def current_version(self, key: str) -> str | None:
        """Find the version on which neither another one nor a removal lies; None where there is none."""
        return next((found["VersionId"] for found in self._versions_of(key) if found["IsLatest"]), None)

    def newest_version(self, key: str) -> str | None:
        """Find the newest version that holds content, under whatever removal lies on it; None where there is none."""
        return next((found["VersionId"] for found in self._versions_of(key)), None)

    def versions(self, key: str) -> Iterator[DropFile]:
        """List the versions of a file that hold content, the newest first."""
        for found in self._versions_of(key):
            yield DropFile(key, found["VersionId"], found["Size"], whole_second(found["LastModified"]))

    def _versions_of(self, key: str) -> Iterator[Any]:
        # S3 lists a key before the longer ones that begin with it, and of one key the newest version first.
        found = self._client.list_object_versions(Bucket=self._bucket, Prefix=key)
        return (version for version in found.get("Versions", ()) if version["Key"] == key)

    def receiver(self, key: str, version: str) -> Receiver | None:
        """Say for which request a version was received; None where it was received for none. Raises NotThereError."""
        return self._receiver(key, version, self._tagging(key, version)[1])

    def received_version(self, key: str, request_id: str) -> str | None:
        """Find the version under a removal that was received for this very request; None where there is none.

        What was received for another may be somebody else's, and what a sender removed stays removed.
        """
        version = self.newest_version(key)
        receiver = self.receiver(key, version) if version else None
        return version if receiver and receiver.request_id == request_id else None

    def _receiver(self, key: str, version: str, tags: Mapping[str, str]) -> Receiver | None:
        """Say who received a version; None where nobody did: S3 copies tags with their object."""
        receiver = Receiver(*tags.get(RECEIVED_AS, "").partition(":")[0].split("/")[:2])
        ours = RECEIVED in tags.items() and tags.get(RECEIVED_AS) == self._mark(key, version, receiver)
        return receiver if ours else None

    def _mark(self, key: str, version: str, receiver: Receiver) -> str:
        """Give the value of the tag: who received it, and a digest that binds that to this version of this object."""
        who = "/".join(filter(None, (receiver.request_id, receiver.encounter_key)))
        return f"{who}:{_digest(json.dumps([self._bucket, key, version, who]).encode())}"

    def _tagging(self, key: str, version: str | None) -> tuple[str, dict[str, str]]:
        which = {"VersionId": version} if version else {}
        try:
            found = self._client.get_object_tagging(Bucket=self._bucket, Key=key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None
        return found.get("VersionId", ""), {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

    def _get(self, key: str, version: str, span: str | None = None) -> Any:
        _require_possible(key)
        which = {"VersionId": version} if version else {}
        which |= {"Range": span} if span else {}
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **which)  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None


class Outbox:
    """Holds built messages and their envelopes."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, message_id: str, envelope: Envelope, content: Iterable[bytes]) -> str:
        """Store a message as a stream, and its envelope; return the message's SHA-256 in hex."""
        self._client.put_object(
            Bucket=self._bucket, Key=_envelope_key(message_id), Body=envelope.to_json(), ContentType="application/json"
        )
        from boto3.s3.transfer import TransferConfig  # only the builder uploads: the others start without it

        stream = _HashedStream(content)
        self._client.upload_fileobj(
            stream,  # type: ignore[arg-type]
            self._bucket,
            _message_key(message_id),
            ExtraArgs={"ContentType": "application/fhir+xml"},
            # One part at a time, in this thread: memory stays at one part whatever the message's size.
            Config=TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False),
        )
        return stream.hash.hexdigest()

    def envelope(self, message_id: str) -> Envelope:
        """Read a message's envelope. Raises NotThereError."""
        return Envelope.from_json(self._get(_envelope_key(message_id)).read())

    def holds(self, message_id: str) -> bool:
        """Say whether a message is still stored. Raises StorageError."""
        return _is_there(self._client, self._bucket, _message_key(message_id))

    def copy_message(self, message_id: str, sha256: str, target: IO[bytes]) -> None:
        """Copy a message into a file and rewind it.

        Raises NotThereError; DamagedMessageError where its hash is not `sha256`.
        """
        digest = hashlib.sha256()
        for chunk in self._get(_message_key(message_id)).iter_chunks(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        if digest.hexdigest() != sha256:
            raise DamagedMessageError("the stored message is not the one that was built")
        target.seek(0)

    def read(self, message_id: str, start: int, length: int) -> Iterator[bytes]:
        """Stream a part of a message, in blocks. Raises NotThereError, StorageError."""
        if length == 0:
            return
        body = self._get(_message_key(message_id), f"bytes={start}-{start + length - 1}")
        try:
            yield from body.iter_chunks(_CHUNK)
        except (BotoCoreError, HTTPClientError) as error:
            raise StorageError(f"reading a message broke off: {type(error).__name__}") from None
        finally:
            body.close()

    def _get(self, key: str, span: str | None = None) -> Any:
        which = {"Range": span} if span else {}
        try:
            return self._client.get_object(Bucket=self._bucket, Key=key, **which)["Body"]  # type: ignore[arg-type]
        except ClientError as error:
            raise _meaning(error) from None
        except BotoCoreError as error:
            raise StorageError(f"S3 could not be reached: {type(error).__name__}") from None


def whole_second(at: datetime) -> datetime:
    """Leave out what S3's times of objects leave out."""
    return at.replace(microsecond=0)


def _listed(found: Any) -> ListedObject:
    # S3 writes the number of parts behind the digest of an upload in parts: only of these is the time not the put's.
    return ListedObject(found["Key"], found["LastModified"], in_parts="-" in found.get("ETag", "-"))


_ARRIVED = "arrived"
"""Metadata of a kept request: when it first came."""


class Evidence:
    """Keeps, unchanged, what was asked of us and what was sent to us."""

    def __init__(
        self, client: "S3Client", bucket: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._now = now

    def keep_request(self, request_id: str, raw: bytes, arrived: datetime) -> datetime:
        """Keep a request as it came, once; return when it arrived (UTC), as was said when it was first kept.

        A request that comes back from the dead letters arrives anew, by its queue's word, and would pass for newer than
        what came after it.
        """
        key = f"requests/{request_id}.json"
        try:
            self._client.put_object(
                Bucket=self._bucket, Key=key, Body=raw, ContentType="application/json",
                Metadata={_ARRIVED: arrived.isoformat()}, IfNoneMatch="*",
            )  # fmt: skip
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            first = self._client.head_object(Bucket=self._bucket, Key=key)["Metadata"].get(_ARRIVED)
            return read_stated(first) or arrived
        return arrived

    def keep_comparison(self, request_id: str, text: str) -> str:
        """Keep what PDS has otherwise than a request, which is personal data; return its key. A repeat writes anew."""
        return self._keep(f"comparisons/{request_id}.json", text.encode())

    def receipt(self, request_id: str) -> None:
        """Note that a request was received: an empty object, named by hour (UTC) and request id.

        It is written before the request is read, so that it says nothing of what the request says. The daily balance
        counts receipts, so that it does not take the ledger's word for what there was.
        """
        key = f"receipts/{self._now():%Y-%m-%d/%H}/{request_id}"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=b"")

    def receipt_pages(self, day: date, after: str = "") -> Iterator[tuple[list[Receipt], str]]:
        """List what was received on a day (UTC), in pages, each with the position after it; go on after a position."""
        start = {"StartAfter": after} if after else {}
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=f"receipts/{day}/",
            **start,  # type: ignore[arg-type]
        )
        for page in pages:
            if found := page.get("Contents", ()):
                yield (
                    [Receipt(request_id=each["Key"].rpartition("/")[2], at=each["LastModified"]) for each in found],
                    found[-1]["Key"],
                )

    def arrived(self, request_id: str, since: datetime) -> datetime | None:
        """Say when (UTC) a request arrived: as it is kept, or else by its receipts since then; None: not at all."""
        try:
            kept = self._client.head_object(Bucket=self._bucket, Key=f"requests/{request_id}.json")
        except ClientError as error:
            if isinstance(meaning := _meaning(error), NotThereError):
                return self.receipt_of(request_id, since)
            raise meaning from None
        return read_stated(kept["Metadata"].get(_ARRIVED)) or kept["LastModified"]

    def receipt_of(self, request_id: str, since: datetime) -> datetime | None:
        """Say when (UTC) a request was first received since then, to within an hour that it waited; None: never."""
        hour = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour <= self._now():
            found = self._client.list_objects_v2(
                Bucket=self._bucket, Prefix=f"receipts/{hour:%Y-%m-%d/%H}/{request_id}", MaxKeys=1
            )
            for receipt in found.get("Contents", ()):
                return receipt["LastModified"]
            hour += timedelta(hours=1)
        return None

    def keep_balance(self, day: date, content: bytes) -> str:
        """Keep a day's balance; return its key. A later one takes its place, as a new version of the object."""
        return self._keep(f"balances/{day}.json", content)

    def keep_open(self, day: date, content: bytes) -> str:
        """Keep the messages that a part of a day's balance leaves open; return the key, which the content gives."""
        return self._keep(f"balances/{day}/open/{_digest(content)}.jsonl.gz", content, "application/gzip")

    def keep_wrong(self, day: date, content: bytes) -> str:
        """Keep the balance of a part in which something is wrong; return the key, which the content gives."""
        return self._keep(f"balances/{day}/wrong/{_digest(content)}.json", content)

    def read_balance(self, key: str) -> bytes:
        """Read a balance, or another file of one, that was kept under a key."""
        return self._read_whole(key)

    def keep_reckoning(self, day: date, content: bytes) -> str:
        """Keep what a day's balance is made from until it is made; return the key, which the content gives.

        Of two runs that work at the same time neither writes over what the other has recorded.
        """
        return self._keep(f"reckonings/{day}/{_digest(content)}", content, "application/octet-stream")

    def read_reckoning(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        """Read what `keep_reckoning` kept, all of it or from a position to before another."""
        if end is None:
            return self._read_whole(key)
        found = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={start}-{end - 1}")
        content: bytes = found["Body"].read()
        return content

    def _read_whole(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def request(self, request_id: str) -> bytes:
        """Read a request as it came. Raises NotThereError."""
        try:
            found: bytes = self._client.get_object(Bucket=self._bucket, Key=f"requests/{request_id}.json")[
                "Body"
            ].read()
        except ClientError as error:
            raise _meaning(error) from None
        return found

    def holds_request(self, request_id: str) -> bool:
        """Say whether a request is still kept. Raises StorageError."""
        return _is_there(self._client, self._bucket, f"requests/{request_id}.json")

    def keep_warning(self, withdrawal_id: str, text: str) -> str:
        """Keep the warning of a withdrawal, which names the patient; return its key. A repeat writes it again."""
        return self._keep(f"warnings/{withdrawal_id}.txt", text.encode(), "text/plain; charset=utf-8")

    def receive(self, mailbox: str, mesh_message_id: str) -> "KeptMessage":
        """Begin to keep a MESH message as it comes."""
        return KeptMessage(self._client, self._bucket, f"received/{mailbox}/{mesh_message_id}")

    def _keep(self, key: str, content: bytes, content_type: str = "application/json") -> str:
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=content_type)
        return key


class KeptMessage:
    """A MESH message on its way into the evidence store: takes blocks, holds no more than one part of them.

    Nothing is there to read until `keep`; what was begun and never kept, S3 removes after a day. S3's own errors come
    out as they are: its keys here are ids.
    """

    def __init__(self, client: "S3Client", bucket: str, key: str) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._upload = ""
        self._parts: list[str] = []
        self._held = bytearray()

    @property
    def whole(self) -> bytes | None:
        """The body where it is short enough to have been held; None for a longer one."""
        return None if self._parts else bytes(self._held)

    def write(self, block: bytes) -> None:
        """Take the next block."""
        self._held += block
        if len(self._held) >= _RECEIVED_PART:
            self._put_part()

    def keep(self, headers: Any) -> str:
        """Finish: the body under the returned key, the headers beside it. A repeat writes the same again."""
        described = {name: value for name, value in asdict(headers).items() if name != "body"}
        self._client.put_object(
            Bucket=self._bucket,
            Key=f"{self._key}.json",
            Body=json.dumps(described, default=str).encode(),
            ContentType="application/json",
        )
        if not self._parts:
            self._client.put_object(Bucket=self._bucket, Key=self._key, Body=bytes(self._held))
            return self._key
        if self._held:
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
    """Chunks as a file to read from, hashed on their way."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Return exactly `size` bytes while there are as many."""
        pieces, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self.hash.update(chunk)
            pieces.append(chunk)
            length += len(chunk)
        whole = b"".join(pieces)
        taken, self._rest = (whole, b"") if size < 0 else (whole[:size], whole[size:])
        return taken


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
    """Raise NotThereError for a key that no object can have: S3 would answer with an error that reads as our fault."""
    written = key.encode(errors="ignore")
    if written.decode() != key or not 0 < len(written) <= _LONGEST_KEY:
        raise NotThereError("no such object")


def _message_key(message_id: str) -> str:
    return f"messages/{message_id}.xml"


def _envelope_key(message_id: str) -> str:
    return f"messages/{message_id}.json"


def _meaning(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code in _MISSING:
        return NotThereError("no such object")
    kind = DeniedError if code == "AccessDenied" else StorageError
    return kind(f"{error.operation_name}: {code}")

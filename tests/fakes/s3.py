"""S3 as far as the product uses it: buckets with versioning, in memory."""

# ruff: noqa: N803
# (The argument names are boto3's.)

import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.response import StreamingBody

from gpconnect_messaging.scan_results import SCAN_TAG, ScanResult
from tests.fakes.clock import Clock
from tests.fakes.faults import aws_error

Item = dict[str, Any]


class Bucket:
    """An S3 client with one bucket, whatever it is called; every version of an object is kept."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.written: dict[str, datetime] = {}
        self.objects: dict[str, bytes] = {}
        self.metadata: dict[str, Item] = {}
        self.parts: dict[str, dict[int, bytes]] = defaultdict(dict)
        self.largest_body = 0
        self._versions: dict[str, list[bytes]] = defaultdict(list)
        self._put_at: dict[str, list[datetime]] = defaultdict(list)
        self.under_hold: set[str] = set()
        self.per_page = 1
        """How many objects a page of a list has."""
        self.tags: dict[tuple[str, str], dict[str, str]] = {}
        """What GuardDuty writes."""
        self.read: list[tuple[str, str]] = []
        """Keys and versions whose content was read, in order."""

    def put_object(
        self, *, Key: str, Body: bytes, Metadata: Item | None = None, IfNoneMatch: str | None = None, **_: Any
    ) -> Item:
        if not 0 < len(Key.encode()) <= 1_024:
            raise aws_error("PutObject", "KeyTooLongError")
        if IfNoneMatch == "*" and Key in self.objects:
            raise aws_error("PutObject", "PreconditionFailed")
        self.largest_body = max(self.largest_body, len(Body))
        self.metadata[Key] = Metadata or {}
        return self._store(Key, bytes(Body))

    def get_object(self, *, Key: str, Range: str | None = None, VersionId: str | None = None, **_: Any) -> Item:
        content = self._content("GetObject", Key, VersionId)
        self.read.append((Key, VersionId or str(len(self._versions[Key]))))
        head = self._head(Key, VersionId, content)
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            if int(first) >= len(content):
                raise aws_error("GetObject", "InvalidRange")
            part = content[int(first) : int(last) + 1 if last else None]
            head["ContentRange"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            content = part
        return {**head, "Body": StreamingBody(io.BytesIO(content), len(content)), "ContentLength": len(content)}

    def head_object(self, *, Key: str, VersionId: str | None = None, **_: Any) -> Item:
        return self._head(Key, VersionId, self._content("HeadObject", Key, VersionId))

    def _head(self, Key: str, VersionId: str | None, content: bytes) -> Item:
        version = VersionId or str(len(self._versions[Key]))
        # A test can keep an object by itself.
        at = self._last_modified(Key, int(version)) if self._put_at[Key] else self.clock()
        return {
            "ContentLength": len(content), "VersionId": version, "LastModified": _second(at),
            "Metadata": self.metadata.get(Key, {}),
        }  # fmt: skip

    def upload_fileobj(self, file: Any, bucket: str, key: str, **_: Any) -> None:
        self.put_object(Key=key, Body=file.read())

    def get_paginator(self, operation: str) -> "ObjectPages":
        assert operation in ("list_objects_v2", "list_object_versions")
        return ObjectPages(self, operation)

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> Item:
        return {"Contents": [self.current(key) for key in sorted(self.objects) if key.startswith(Prefix)]}

    def list_object_versions(
        self, *, Prefix: str = "", Delimiter: str = "", KeyMarker: str = "", VersionIdMarker: str = "",
        MaxKeys: int = 1_000, **_: Any,
    ) -> Item:  # fmt: skip
        found = [
            entry
            for key in sorted(self._versions)
            if key.startswith(Prefix) and (not Delimiter or Delimiter not in key[len(Prefix) :])
            for entry in self.listed(key)
            if (key, -int(entry["VersionId"])) > (KeyMarker, -int(VersionIdMarker or 0))
        ]
        page: Item = {"Versions": found[:MaxKeys], "IsTruncated": len(found) > MaxKeys}
        if page["IsTruncated"]:
            last = page["Versions"][-1]
            page |= {"NextKeyMarker": last["Key"], "NextVersionIdMarker": last["VersionId"]}
        return page

    def listed(self, key: str) -> list[Item]:
        """List the versions of a key, the newest first; of a key that was removed none is the latest."""
        newest = len(self._versions[key])
        # Only a multipart upload has the time when it began.
        parts = "-2" if self.written[key] != self._put_at[key][-1] else ""
        return [
            {
                "Key": key, "VersionId": str(number), "IsLatest": number == newest and key in self.objects,
                "LastModified": _second(self._last_modified(key, number)),
                "Size": len(self._versions[key][number - 1]),
                "ETag": f'"digest{parts if number == newest else ""}"',
            }
            for number in range(newest, 0, -1)
        ]  # fmt: skip

    def _last_modified(self, key: str, number: int) -> datetime:
        return self.written[key] if number == len(self._versions[key]) else self._put_at[key][number - 1]

    def current(self, key: str) -> Item:
        """List an object, without a version."""
        return {name: value for name, value in self.listed(key)[0].items() if name not in ("VersionId", "IsLatest")}

    def get_object_tagging(self, *, Key: str, VersionId: str | None = None, **_: Any) -> Item:
        self._content("GetObjectTagging", Key, VersionId)
        version = VersionId or str(len(self._versions[Key]))
        tags = self.tags.get((Key, version), {})
        return {"VersionId": version, "TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def delete_object(self, *, Key: str, **_: Any) -> Item:
        """Put a delete marker: the versions stay."""
        self.objects.pop(Key, None)
        return {}

    def expire(self, key: str) -> None:
        """Remove an object with all versions, as a lifecycle rule does."""
        self.objects.pop(key, None)
        self._versions.pop(key, None)

    def dated(self, key: str, at: datetime, *, in_parts: bool = True) -> None:
        """Date the newest version by when the multipart upload began, or by when it was put."""
        self.written[key] = at
        if not in_parts:
            self._put_at[key][-1] = at

    def put_object_legal_hold(self, *, Key: str, LegalHold: Mapping[str, str], **_: Any) -> Item:
        assert Key in self._versions, "S3 has no object of this key"
        (self.under_hold.add if LegalHold["Status"] == "ON" else self.under_hold.remove)(Key)
        return {}

    def create_multipart_upload(self, *, Key: str, **_: Any) -> Item:
        return {"UploadId": f"upload-of-{Key}"}

    def upload_part(self, *, UploadId: str, PartNumber: int, Body: bytes, **_: Any) -> Item:
        self.largest_body = max(self.largest_body, len(Body))
        self.parts[UploadId][PartNumber] = bytes(Body)
        return {"ETag": str(PartNumber)}

    def complete_multipart_upload(self, *, Key: str, UploadId: str, **_: Any) -> Item:
        parts = self.parts.pop(UploadId)
        if any(len(parts[number]) < 5 * 1024 * 1024 for number in sorted(parts)[:-1]):
            raise aws_error("CompleteMultipartUpload", "EntityTooSmall")
        return self._store(Key, b"".join(parts[number] for number in sorted(parts)))

    def _store(self, key: str, content: bytes) -> Item:
        self.objects[key] = content
        self._versions[key].append(content)
        self.written[key] = self.clock()
        self._put_at[key].append(self.written[key])
        return {"VersionId": str(len(self._versions[key]))}

    def _content(self, operation: str, key: str, version: str | None) -> bytes:
        if version is None:
            if key not in self.objects:
                raise aws_error(operation, "NoSuchKey")
            return self.objects[key]
        if not version.isdecimal():
            raise aws_error(operation, "InvalidArgument")
        if not 0 < int(version) <= len(self._versions.get(key, ())):
            raise aws_error(operation, "NoSuchVersion")
        return self._versions[key][int(version) - 1]


@dataclass
class ObjectPages:
    """The paginator of a bucket's lists."""

    bucket: Bucket
    operation: str

    def paginate(self, **how: Any) -> Iterator[Item]:
        """List objects or versions."""
        many = self.bucket.per_page
        if self.operation == "list_objects_v2":
            prefix, after = how.get("Prefix", ""), how.get("StartAfter", "")
            keys = [key for key in sorted(self.bucket.objects) if key.startswith(prefix) and key > after]
            for first in range(0, len(keys), many):
                yield {"Contents": [self.bucket.current(key) for key in keys[first : first + many]]}
            return
        while True:
            page = self.bucket.list_object_versions(MaxKeys=many, **how)
            yield page
            if not page["IsTruncated"]:
                return
            how |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


class ScannedBucket(Bucket):
    """A bucket with the drop's policy: only clean objects can be read."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.dropped_next: dict[str, bytes] = {}
        """The content to drop under a key as soon as the scan result was read."""

    def get_object(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        self._require_clean("GetObject", Key, VersionId)
        return super().get_object(Key=Key, VersionId=VersionId, **how)

    def head_object(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        self._require_clean("HeadObject", Key, VersionId)
        self.read.append((Key, VersionId or str(len(self._versions[Key]))))
        return super().head_object(Key=Key, VersionId=VersionId, **how)

    def get_object_tagging(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        answer = super().get_object_tagging(Key=Key, VersionId=VersionId, **how)
        if Key in self.dropped_next:
            self.clock.advance(timedelta(seconds=1))
            self.put_object(Key=Key, Body=self.dropped_next.pop(Key))
        return answer

    def _require_clean(self, operation: str, key: str, version: str | None) -> None:
        self._content(operation, key, version)
        version = version or str(len(self._versions[key]))
        if self.tags.get((key, version), {}).get(SCAN_TAG) != ScanResult.CLEAN:
            raise aws_error(operation, "AccessDenied")


def _second(at: datetime) -> datetime:
    """S3 gives whole seconds."""
    return at.replace(microsecond=0)


class S3:
    """An S3 client with several buckets, by name."""

    def __init__(self, **buckets: Bucket) -> None:
        self.buckets = buckets

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*arguments: Any, Bucket: str, **named: Any) -> Any:
            if Bucket not in self.buckets:
                raise aws_error(operation, "NoSuchBucket")
            return getattr(self.buckets[Bucket], operation)(*arguments, **named)

        return call

    def upload_fileobj(self, file: Any, bucket: str, key: str, **_: Any) -> None:
        """Upload a stream."""
        self.buckets[bucket].upload_fileobj(file, bucket, key)

    def get_paginator(self, operation: str) -> "PagesOfBuckets":
        """List objects or versions."""
        return PagesOfBuckets(self, operation)


@dataclass
class PagesOfBuckets:
    """The paginator of the lists of several buckets."""

    s3: S3
    operation: str

    def paginate(self, *, Bucket: str, **how: Any) -> Iterator[Item]:
        """List a bucket."""
        return self.s3.buckets[Bucket].get_paginator(self.operation).paginate(**how)

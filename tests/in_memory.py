"""DynamoDB, S3, SNS and Secrets Manager as far as the steps use them, in memory and safe under threads.

Written against boto3's calls, so that the product's own adapters run on them unchanged. What is not understood is
refused, loudly.
"""

# ruff: noqa: N803
# (The argument names are boto3's.)

import io
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

from gpconnect_messaging.scan_results import SCAN_TAG, ScanResult
from tests.dynamodb_expressions import condition, updated
from tests.ledger_table import INDEXES

_plain = TypeDeserializer().deserialize
_typed = TypeSerializer().serialize

Item = dict[str, Any]


@dataclass
class Clock:
    """A time that passes only when told to."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> datetime:
        # Two facts of one moment would have no order.
        with self._lock:
            self.time += timedelta(microseconds=1)
            return self.time

    def advance(self, wait: timedelta) -> None:
        with self._lock:
            self.time += wait


class Table:
    """A DynamoDB client with one table, keyed by pk and sk, and the ledger's indexes.

    The same tests as on the real engines say that it answers as they do (tests/integration/test_ledger_store.py).
    """

    def __init__(self) -> None:
        self._items: dict[tuple[str, str], Item] = {}
        self._parts: dict[tuple[str, str], dict[tuple[str, str], None]] = defaultdict(dict)
        self._lock = threading.RLock()

    @property
    def items(self) -> dict[tuple[str, str], Item]:
        """Every item by key, in plain values: for tests to look behind the store."""
        with self._lock:
            return {key: _all(_plain, item) for key, item in self._items.items()}

    def item_keys(self) -> list[tuple[str, str]]:
        """The keys of all items."""
        with self._lock:
            return list(self._items)

    def item(self, pk: str, sk: str) -> Item:
        """One item in plain values."""
        return _all(_plain, self._items[pk, sk])

    def get_item(self, *, Key: Item, **_: Any) -> Item:
        found = self._items.get(_key(Key))
        return {"Item": dict(found)} if found else {}

    def batch_get_item(self, *, RequestItems: Item) -> Item:
        ((table, how),) = RequestItems.items()
        keys = [_key(entry) for entry in how["Keys"]]
        if not 1 <= len(keys) <= 100 or len(set(keys)) < len(keys):
            raise _failed("BatchGetItem", "ValidationException")
        with self._lock:
            found = [dict(self._items[key]) for key in keys if key in self._items]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def put_item(self, *, Item: Item, **how: Any) -> Item:
        return self._alone("PutItem", {"Put": {"Item": Item, **how}})

    def delete_item(self, *, Key: Item, **how: Any) -> Item:
        return self._alone("DeleteItem", {"Delete": {"Key": Key, **how}})

    def update_item(self, *, Key: Item, **how: Any) -> Item:
        with self._lock:
            before = self._items.get(_key(Key), {})
            self._alone("UpdateItem", {"Update": {"Key": Key, **how}})
            after = self._items[_key(Key)]
        match how.get("ReturnValues", "NONE"):
            case "NONE":
                return {}
            case "ALL_NEW":
                return {"Attributes": dict(after)}
            case "UPDATED_NEW":
                return {"Attributes": {name: value for name, value in after.items() if before.get(name) != value}}
            case other:
                raise NotImplementedError(other)

    def transact_write_items(self, *, TransactItems: list[Item], **_: Any) -> Item:
        with self._lock:
            keys = [_key(_target(entry)) for entry in TransactItems]
            if not 1 <= len(keys) <= 100 or len(set(keys)) < len(keys):
                raise _failed("TransactWriteItems", "ValidationException")
            holds = [self._holds(key, entry) for key, entry in zip(keys, TransactItems, strict=True)]
            if not all(holds):
                reasons = [{"Code": "None" if held else "ConditionalCheckFailed"} for held in holds]
                raise _failed("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
            for key, entry in zip(keys, TransactItems, strict=True):
                self._do(key, entry)
        return {}

    def query(
        self,
        *,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Item,
        IndexName: str | None = None,
        ScanIndexForward: bool = True,
        ExclusiveStartKey: Item | None = None,
        Limit: int | None = None,
        FilterExpression: str | None = None,
        ConsistentRead: bool = False,
        ExpressionAttributeNames: Mapping[str, str] | None = None,
        **how: Any,
    ) -> Item:
        if IndexName and ConsistentRead:
            raise _failed("Query", "ValidationException")
        expressions = f"{KeyConditionExpression} {FilterExpression} {how.get('ProjectionExpression')}"
        if any(name not in expressions for name in (*(ExpressionAttributeNames or ()), *ExpressionAttributeValues)):
            raise _failed("Query", "ValidationException")
        partition, sort = INDEXES[IndexName] if IndexName else ("pk", "sk")
        names, values = ExpressionAttributeNames or {}, _all(_plain, ExpressionAttributeValues)
        holds = condition(KeyConditionExpression, names, values)
        kept = condition(FilterExpression, names, values)
        wanted = [value for value in values.values() if (partition, value) in self._parts]
        with self._lock:
            found = [(item[sort]["S"], key) for value in wanted for key in self._parts[partition, value]
                     if sort in (item := self._items[key])
                     and holds({partition: value, sort: item[sort]["S"]})]  # fmt: skip
            found.sort(reverse=not ScanIndexForward)
            if ExclusiveStartKey:
                # As DynamoDB does: from where the key would be, even if the item is gone.
                start = (ExclusiveStartKey[sort]["S"], _key(ExclusiveStartKey))
                found = [entry for entry in found if (entry > start if ScanIndexForward else entry < start)]
            page = [self._items[key] for _, key in found[:Limit]]
        items = [dict(item) for item in page if FilterExpression is None or kept(_all(_plain, item))]
        answer: Item = {"Count": len(items)} | ({} if how.get("Select") == "COUNT" else {"Items": items})
        if Limit and len(found) > Limit:
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in {"pk", "sk", partition, sort}}
        return answer

    def get_paginator(self, operation: str) -> "_Pages":
        assert operation == "query"
        return _Pages(self)

    def _alone(self, operation: str, change: Item) -> Item:
        with self._lock:
            key = _key(_target(change))
            if not self._holds(key, change):
                raise _failed(operation, "ConditionalCheckFailedException")
            self._do(key, change)
        return {}

    def _holds(self, key: tuple[str, str], change: Item) -> bool:
        ((_, how),) = change.items()
        if "ConditionExpression" not in how:
            return True
        names, values = how.get("ExpressionAttributeNames", {}), how.get("ExpressionAttributeValues", {})
        holds = condition(how["ConditionExpression"], names, _all(_plain, values))
        return holds(_all(_plain, self._items.get(key, {})))

    def _do(self, key: tuple[str, str], change: Item) -> None:
        ((verb, how),) = change.items()
        before = self._items.pop(key, None)
        for attribute in _PARTITIONS:
            if before and attribute in before:
                self._parts[attribute, before[attribute]["S"]].pop(key)
        after: Item | None = None
        match verb:
            case "Put":
                after = dict(how["Item"])
            case "Update":
                names, values = how.get("ExpressionAttributeNames", {}), how.get("ExpressionAttributeValues", {})
                plain = _all(_plain, before or how["Key"])
                after = _all(_typed, updated(how["UpdateExpression"], names, _all(_plain, values), plain))
            case "ConditionCheck":
                after = before
            case "Delete":
                pass
            case _:
                raise NotImplementedError(verb)
        if after is not None:
            self._items[key] = after
            for attribute in _PARTITIONS:
                if attribute in after:
                    self._parts[attribute, after[attribute]["S"]][key] = None


class TableInTransactions(Table):
    """A table on which transactions of others hold an item of the next writes, `conflicts` times."""

    def __init__(self, conflicts: int = 0) -> None:
        super().__init__()
        self.conflicts = conflicts

    def _alone(self, operation: str, change: Item) -> Item:
        if self.conflicts:
            self.conflicts -= 1
            raise _failed(operation, "TransactionConflictException")
        return super()._alone(operation, change)

    def transact_write_items(self, *, TransactItems: list[Item], **how: Any) -> Item:
        if self.conflicts:
            self.conflicts -= 1
            reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in TransactItems[1:])]
            raise _failed("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
        return super().transact_write_items(TransactItems=TransactItems, **how)


@dataclass
class _Pages:
    """The paginator of a table's query."""

    table: Table

    def paginate(self, **query: Any) -> Iterator[Item]:
        answer = self.table.query(**query)
        yield answer
        while "LastEvaluatedKey" in answer:
            answer = self.table.query(**query | {"ExclusiveStartKey": answer["LastEvaluatedKey"]})
            yield answer


_PARTITIONS = ("pk", *(partition for partition, _ in INDEXES.values()))


def _target(change: Item) -> Item:
    ((_, how),) = change.items()
    target: Item = how.get("Item") or how["Key"]
    return target


class Bucket:
    """An S3 client whose buckets are one; every version of an object is kept."""

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
        self.tags: dict[tuple[str, str], dict[str, str]] = {}

    def put_object(
        self, *, Key: str, Body: bytes, Metadata: Item | None = None, IfNoneMatch: str | None = None, **_: Any
    ) -> Item:
        if IfNoneMatch == "*" and Key in self.objects:
            raise _failed("PutObject", "PreconditionFailed")
        self.largest_body = max(self.largest_body, len(Body))
        self.metadata[Key] = Metadata or {}
        return self._store(Key, bytes(Body))

    def get_object(self, *, Key: str, Range: str | None = None, VersionId: str | None = None, **_: Any) -> Item:
        content = self._content("GetObject", Key, VersionId)
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1 if last else None]
        return {"Body": StreamingBody(io.BytesIO(content), len(content))}

    def head_object(self, *, Key: str, VersionId: str | None = None, **_: Any) -> Item:
        content = self._content("HeadObject", Key, VersionId)
        version = VersionId or str(len(self._versions[Key]))
        puts = self._put_at[Key]  # none of what a test keeps by itself
        at = (puts[int(version) - 1] if puts else self.clock()).replace(microsecond=0)  # HTTP dates: whole seconds
        return {
            "ContentLength": len(content), "VersionId": version, "LastModified": at,
            "Metadata": self.metadata.get(Key, {}),
        }  # fmt: skip

    def upload_fileobj(self, file: Any, bucket: str, key: str, **_: Any) -> None:
        self.put_object(Key=key, Body=file.read())

    def get_paginator(self, operation: str) -> "ObjectPages":
        assert operation in ("list_objects_v2", "list_object_versions")
        return ObjectPages(self, operation)

    def list_objects_v2(self, *, Prefix: str, **_: Any) -> Item:
        return {"Contents": [self.listed(key)[0] for key in sorted(self.objects) if key.startswith(Prefix)]}

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
                "LastModified": self.written[key] if number == newest else self._put_at[key][number - 1],
                "Size": len(self._versions[key][number - 1]),
                "ETag": f'"digest{parts if number == newest else ""}"',
            }
            for number in range(newest, 0, -1)
        ]  # fmt: skip

    def get_object_tagging(self, *, Key: str, VersionId: str | None = None, **_: Any) -> Item:
        self._content("GetObjectTagging", Key, VersionId)
        version = VersionId or str(len(self._versions[Key]))
        tags = self.tags.get((Key, version), {})
        return {"VersionId": version, "TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]}

    def put_object_tagging(self, *, Key: str, VersionId: str, Tagging: Item, **_: Any) -> Item:
        self._content("PutObjectTagging", Key, VersionId)
        self.tags[Key, VersionId] = {tag["Key"]: tag["Value"] for tag in Tagging["TagSet"]}
        return {}

    def delete_object(self, *, Key: str, **_: Any) -> Item:
        """Put a delete marker: the versions stay."""
        self.objects.pop(Key, None)
        return {}

    def dated(self, key: str, at: datetime, *, in_parts: bool = True) -> None:
        """Date the newest version by when the multipart upload began, or by when it was put."""
        self.written[key] = at
        if not in_parts:
            self._put_at[key][-1] = at

    def put_object_legal_hold(self, *, Key: str, LegalHold: Mapping[str, str], **_: Any) -> Item:
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
        return self._store(Key, b"".join(parts[number] for number in sorted(parts)))

    def _store(self, key: str, content: bytes) -> Item:
        self.objects[key] = content
        self._versions[key].append(content)
        self.written[key] = self.clock()
        self._put_at[key].append(self.written[key])
        return {"VersionId": str(len(self._versions[key]))}

    def _content(self, operation: str, key: str, version: str | None) -> bytes:
        if key not in (self._versions if version else self.objects):
            raise _failed(operation, "NoSuchKey")
        return self._versions[key][int(version) - 1] if version else self.objects[key]


@dataclass
class ObjectPages:
    """The paginator of a bucket's lists: one object a page, or `per_page`."""

    bucket: Bucket
    operation: str
    per_page: int = 1
    shows: Callable[[str], bool] = lambda _key: True
    """Which keys are in it."""

    def paginate(self, **how: Any) -> Iterator[Item]:
        if self.operation == "list_objects_v2":
            prefix, after = how.get("Prefix", ""), how.get("StartAfter", "")
            keys = [
                key for key in sorted(self.bucket.objects) if key.startswith(prefix) and key > after and self.shows(key)
            ]
            for first in range(0, len(keys), self.per_page):
                yield {"Contents": [self.bucket.listed(key)[0] for key in keys[first : first + self.per_page]]}
            return
        while True:
            page = self.bucket.list_object_versions(MaxKeys=self.per_page, **how)
            yield {**page, "Versions": [entry for entry in page["Versions"] if self.shows(entry["Key"])]}
            if not page["IsTruncated"]:
                return
            how |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


class ScannedBucket(Bucket):
    """A bucket with the drop's policy: only clean objects can be read, and only scanned ones tagged."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__(clock)
        self.read: list[tuple[str, str]] = []
        self.dropped_next: dict[str, bytes] = {}
        """The content to drop under a key as soon as the scan result was read."""

    def get_object(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        self._require_clean("GetObject", Key, VersionId)
        return super().get_object(Key=Key, VersionId=VersionId, **how)

    def head_object(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        self._require_clean("HeadObject", Key, VersionId)
        return super().head_object(Key=Key, VersionId=VersionId, **how)

    def get_object_tagging(self, *, Key: str, VersionId: str | None = None, **how: Any) -> Item:
        answer = super().get_object_tagging(Key=Key, VersionId=VersionId, **how)
        if Key in self.dropped_next:
            self.clock.advance(timedelta(seconds=1))
            self.put_object(Key=Key, Body=self.dropped_next.pop(Key))
        return answer

    def put_object_tagging(self, *, Key: str, VersionId: str, **how: Any) -> Item:
        if SCAN_TAG not in self.tags.get((Key, VersionId), {}):
            raise _failed("PutObjectTagging", "AccessDenied")
        return super().put_object_tagging(Key=Key, VersionId=VersionId, **how)

    def _require_clean(self, operation: str, key: str, version: str | None) -> None:
        self._content(operation, key, version)
        version = version or str(len(self._versions[key]))
        self.read.append((key, version))
        if self.tags.get((key, version), {}).get(SCAN_TAG) != ScanResult.CLEAN:
            raise _failed(operation, "AccessDenied")


@dataclass
class Topic:
    """An SNS client that keeps what was published."""

    told: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)

    def publish(self, *, Subject: str, Message: str, MessageAttributes: Item | None = None, **_: Any) -> Item:
        self.told.append(f"{Subject}\n{Message}")
        self.attributes.append({name: value["StringValue"] for name, value in (MessageAttributes or {}).items()})
        return {}


@dataclass
class Secrets:
    """A Secrets Manager client; `read` counts the calls."""

    values: dict[str, dict[str, Any]]
    read: int = 0

    def get_secret_value(self, *, SecretId: str) -> Item:
        self.read += 1
        return {"SecretString": json.dumps(self.values[SecretId])}


@dataclass
class Queue:
    """A send queue: the waiting ids, without repeats."""

    waiting: dict[str, None] = field(default_factory=dict)

    def put(self, message_id: str, mailbox: str) -> None:
        self.waiting[message_id] = None

    def take(self) -> list[str]:
        taken, self.waiting = list(self.waiting), {}
        return taken


@dataclass
class Intake:
    """An intake queue: the ids of held and of resubmitted requests, without repeats."""

    waiting: dict[str, None] = field(default_factory=dict)
    ordered: dict[str, None] = field(default_factory=dict)

    def release(self, request_id: str, mailbox: str) -> None:
        self.waiting[request_id] = None

    def resubmit(self, request_id: str, mailbox: str) -> None:
        self.ordered[request_id] = None

    def take_ordered(self) -> list[str]:
        taken, self.ordered = list(self.ordered), {}
        return taken

    def take(self) -> list[str]:
        taken, self.waiting = list(self.waiting), {}
        return taken


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _all(convert: Callable[[Any], Any], item: Item) -> Item:
    return {name: convert(value) for name, value in item.items()}


def _failed(operation: str, code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, operation)  # type: ignore[typeddict-item]

"""DynamoDB, S3, SNS and Secrets Manager as far as the steps use them, in memory and safe under threads.

Written against boto3's calls, so that the product's own adapters run on them unchanged. Conditions and updates are
understood where the adapters write them, and refused, loudly, where they do not.
"""

# ruff: noqa: N803
# (The argument names are boto3's.)

import io
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from botocore.response import StreamingBody

_plain = TypeDeserializer().deserialize
_typed = TypeSerializer().serialize

Item = dict[str, Any]

_SORTED_BY = {"by_encounter": "created_at", "by_status": "changed_at", "by_due": "due_at", "by_time": "at"}


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
    """A DynamoDB client with one table, keyed by pk and sk."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self._keys: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._lock = threading.RLock()

    def get_item(self, *, Key: Item, **_: Any) -> Item:
        found = self.items.get(_key(Key))
        return {"Item": _all(_typed, found)} if found else {}

    def put_item(self, *, Item: Item, **how: Any) -> Item:
        with self._lock:
            item = _all(_plain, Item)
            if not self._holds(_key(Item), how):
                raise _failed("PutItem", "ConditionalCheckFailedException")
            self._keep(item)
        return {}

    def update_item(self, *, Key: Item, UpdateExpression: str, **how: Any) -> Item:
        with self._lock:
            if not self._holds(_key(Key), how):
                raise _failed("UpdateItem", "ConditionalCheckFailedException")
            item = dict(self.items.get(_key(Key), _all(_plain, Key)))
            values = _all(_plain, how.get("ExpressionAttributeValues", {}))
            words = re.split(r"\b(SET|ADD|REMOVE)\b", UpdateExpression)[1:]
            for verb, clauses in zip(words[::2], words[1::2], strict=True):
                for clause in clauses.split(","):
                    match verb, clause.replace("=", " ").split():
                        case "SET", [name, value]:
                            item[name] = values[value]
                        case "ADD", [name, value]:
                            item[name] = item.get(name, 0) + values[value]
                        case "REMOVE", [name]:
                            item.pop(name, None)
                        case _:
                            raise NotImplementedError(UpdateExpression)
            self._keep(item)
            return {"Attributes": _all(_typed, item)}

    def transact_write_items(self, *, TransactItems: list[Item]) -> Item:
        with self._lock:
            acts = [act for each in TransactItems for act in each.items()]
            holds = [self._holds(_key(how["Item"] if act == "Put" else how["Key"]), how) for act, how in acts]
            if not all(holds):
                reasons = [{"Code": "None" if held else "ConditionalCheckFailed"} for held in holds]
                raise _failed("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
            for act, how in acts:
                if act == "Put":
                    self._keep(_all(_plain, how["Item"]))
                elif act == "Update":
                    self.update_item(**how)
                elif self.items.pop(key := _key(how["Key"]), None):
                    self._keys[key[0]].remove(key)
        return {}

    def get_paginator(self, operation: str) -> "Table":
        assert operation == "query"
        return self

    def paginate(self, *, KeyConditionExpression: str, ExpressionAttributeValues: Item, **how: Any) -> Iterator[Item]:
        values = _all(_plain, ExpressionAttributeValues)
        condition = re.sub(r"(\S+) BETWEEN (\S+) AND (\S+)", r"\1 >= \2 AND \1 <= \3", KeyConditionExpression)
        for alias, name in how.get("ExpressionAttributeNames", {}).items():
            condition = condition.replace(alias, name)
        tests = [_comparison(text, values) for text in condition.split(" AND ")]
        with self._lock:
            candidates = self._keys[values[":pk"]] if ":pk" in values else list(self.items)
            found = [item for key in candidates if all(test(item := self.items[key]) for test in tests)]
        if "IndexName" in how:
            found.sort(key=lambda item: str(item[_SORTED_BY[how["IndexName"]]]))
        yield {"Items": [_all(_typed, item) for item in found]}

    def _keep(self, item: Item) -> None:
        key = item["pk"], item["sk"]
        if key not in self.items:
            self._keys[key[0]].append(key)
        self.items[key] = item

    def _holds(self, key: tuple[str, str], how: Mapping[str, Any]) -> bool:
        condition = how.get("ConditionExpression")
        if not condition:
            return True
        for alias, name in how.get("ExpressionAttributeNames", {}).items():
            condition = condition.replace(alias, name)
        values = _all(_plain, how.get("ExpressionAttributeValues", {}))
        item = self.items.get(key, {})
        return any(
            all(_comparison(text, values)(item) for text in each.split(" AND ")) for each in condition.split(" OR ")
        )


class Bucket:
    """An S3 client whose buckets are one."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.written: dict[str, datetime] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = defaultdict(dict)
        self.largest_body = 0
        self.under_hold: set[str] = set()

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> Item:
        self.largest_body = max(self.largest_body, len(Body))
        self.objects[Key] = bytes(Body)
        self.written[Key] = self.clock()
        return {}

    def get_object(self, *, Key: str, Range: str | None = None, **_: Any) -> Item:
        if Key not in self.objects:
            raise _failed("GetObject", "NoSuchKey")
        content = self.objects[Key]
        if Range:
            first, last = Range.removeprefix("bytes=").split("-")
            content = content[int(first) : int(last) + 1]
        return {"Body": StreamingBody(io.BytesIO(content), len(content))}

    def get_paginator(self, operation: str) -> "Bucket":
        assert operation in ("list_objects_v2", "list_object_versions")
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Iterator[Item]:
        for key in sorted(self.objects):
            if key.startswith(Prefix):
                found = {"Key": key, "LastModified": self.written[key]}
                yield {"Contents": [found], "Versions": [{**found, "VersionId": "1"}]}

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
        self.objects[Key] = b"".join(parts[number] for number in sorted(parts))
        return {}


@dataclass
class Topic:
    """An SNS client that keeps what was published."""

    told: list[str] = field(default_factory=list)
    attributes: list[dict[str, str]] = field(default_factory=list)

    def publish(self, *, Subject: str, Message: str, MessageAttributes: Item, **_: Any) -> Item:
        self.told.append(f"{Subject}\n{Message}")
        self.attributes.append({name: value["StringValue"] for name, value in MessageAttributes.items()})
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
    """A send queue: the ids that wait, each once."""

    waiting: dict[str, None] = field(default_factory=dict)

    def put(self, message_id: str, mailbox: str) -> None:
        self.waiting[message_id] = None

    def take(self) -> list[str]:
        taken, self.waiting = list(self.waiting), {}
        return taken


@dataclass
class Intake:
    """An intake queue: the ids of held requests that wait, each once."""

    waiting: dict[str, None] = field(default_factory=dict)

    def release(self, request_id: str, mailbox: str) -> None:
        self.waiting[request_id] = None

    def take(self) -> list[str]:
        taken, self.waiting = list(self.waiting), {}
        return taken


def _comparison(text: str, values: Item) -> Callable[[Item], bool]:
    text = text.strip()
    if function := re.fullmatch(r"attribute_(not_)?exists\((\w+)\)", text):
        return lambda item: (function[2] in item) is not bool(function[1])
    name, operator, value = text.split()
    wanted = values[value]
    match operator:
        case "=":
            return lambda item: item.get(name) == wanted
        case "<=":
            return lambda item: name in item and item[name] <= wanted
        case ">":
            return lambda item: name in item and item[name] > wanted
        case ">=":
            return lambda item: name in item and item[name] >= wanted
    raise NotImplementedError(text)


def _key(item: Item) -> tuple[str, str]:
    return _plain(item["pk"]), _plain(item["sk"])


def _all(convert: Callable[[Any], Any], item: Item) -> Item:
    return {name: convert(value) for name, value in item.items()}


def _failed(operation: str, code: str, **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}, **more}, operation)  # type: ignore[typeddict-item]

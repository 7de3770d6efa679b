"""DynamoDB as far as the product uses it, in memory and safe under threads.

What is not understood is refused, loudly.
"""

# ruff: noqa: N803
# (The argument names are boto3's.)

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from infra.local.capacity import size
from tests.fakes.dynamodb_expressions import attributes_named, condition, updated
from tests.fakes.faults import aws_error
from tests.fakes.ledger_table import INDEXES, SHOWN

_plain = TypeDeserializer().deserialize
_typed = TypeSerializer().serialize

Item = dict[str, Any]
ItemKey = tuple[str, str]

_PAGE_BYTES = 1024 * 1024
"""A page of a query ends with the item that reaches this size ("Query operations in DynamoDB")."""


@dataclass(frozen=True)
class Range:
    """What a query asks of the table or of an index, in order: `values` are those of the partition.

    `start` is the sort value and the key after which the page begins. `bounds` are the least and the greatest sort
    value that can hold, as far as that is easily known.
    """

    partition: str
    sort: str
    values: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool]
    forward: bool
    start: tuple[str, ItemKey] | None
    bounds: tuple[str | None, str | None]


class Table:
    """A DynamoDB client with one table, keyed by pk and sk, and the ledger's indexes.

    The same tests as on the real engines say that it answers as they do (tests/integration/test_ledger_store.py).
    """

    def __init__(self) -> None:
        self._items: dict[ItemKey, Item] = {}
        self._parts: dict[ItemKey, dict[ItemKey, None]] = defaultdict(dict)
        self._lock = threading.RLock()

    @property
    def items(self) -> dict[ItemKey, Item]:
        """Every item by key, in plain values: for tests to look behind the store."""
        with self._lock:
            return {key: _all(_plain, item) for key, item in self._items.items()}

    def item_keys(self) -> list[ItemKey]:
        """The keys of all items."""
        with self._lock:
            return list(self._items)

    def item(self, pk: str, sk: str) -> Item:
        """One item in plain values."""
        return _all(_plain, self._items[pk, sk])

    def get_item(self, *, Key: Item, **_: Any) -> Item:
        found = self._read(_key(Key))
        return {"Item": dict(found)} if found else {}

    def batch_get_item(self, *, RequestItems: Item) -> Item:
        ((table, how),) = RequestItems.items()
        keys = [_key(entry) for entry in how["Keys"]]
        if not 1 <= len(keys) <= 100 or len(set(keys)) < len(keys):
            raise aws_error("BatchGetItem", "ValidationException")
        with self._lock:
            found = [dict(item) for key in keys if (item := self._read(key))]
        return {"Responses": {table: found}, "UnprocessedKeys": {}}

    def put_item(self, *, Item: Item, **how: Any) -> Item:
        return self._alone("PutItem", {"Put": {"Item": Item, **how}})

    def delete_item(self, *, Key: Item, **how: Any) -> Item:
        return self._alone("DeleteItem", {"Delete": {"Key": Key, **how}})

    def update_item(self, *, Key: Item, **how: Any) -> Item:
        with self._lock:
            before = self._read(_key(Key)) or {}
            self._alone("UpdateItem", {"Update": {"Key": Key, **how}})
            after = self._read(_key(Key)) or {}
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
                raise aws_error("TransactWriteItems", "ValidationException")
            holds = [self._holds(key, entry) for key, entry in zip(keys, TransactItems, strict=True)]
            if not all(holds):
                reasons = [{"Code": "None" if held else "ConditionalCheckFailed"} for held in holds]
                raise aws_error("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
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
            raise aws_error("Query", "ValidationException")
        expressions = f"{KeyConditionExpression} {FilterExpression} {how.get('ProjectionExpression')}"
        if any(name not in expressions for name in (*(ExpressionAttributeNames or ()), *ExpressionAttributeValues)):
            raise aws_error("Query", "ValidationException")
        partition, sort = INDEXES[IndexName] if IndexName else ("pk", "sk")
        names, values = ExpressionAttributeNames or {}, _all(_plain, ExpressionAttributeValues)
        holds = condition(KeyConditionExpression, names, values)
        kept = condition(FilterExpression, names, values)
        asked = Range(
            partition, sort, tuple(value for value in values.values() if isinstance(value, str)), holds,
            ScanIndexForward, (ExclusiveStartKey[sort]["S"], _key(ExclusiveStartKey)) if ExclusiveStartKey else None,
            _bounds(KeyConditionExpression, values),
        )  # fmt: skip
        shown = {"pk", "sk", partition, sort, *SHOWN[IndexName]} if IndexName else None
        page: list[Item] = []
        length, more = 0, False
        with self._lock:
            for item in self._sorted(asked):
                if more := length >= _PAGE_BYTES or len(page) == Limit:
                    break
                page.append({name: item[name] for name in item if name in shown} if shown else item)
                length += size(page[-1])
        items = [dict(item) for item in page if FilterExpression is None or kept(_all(_plain, item))]
        answer: Item = {"Count": len(items)} | ({} if how.get("Select") == "COUNT" else {"Items": items})
        if more:
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in {"pk", "sk", partition, sort}}
        return answer

    def _read(self, key: ItemKey) -> Item | None:
        return self._items.get(key)

    def _sorted(self, asked: Range) -> Iterator[Item]:
        """Yield the items of a range, from where the page begins."""
        found = [(item[asked.sort]["S"], key) for value in asked.values
                 if (asked.partition, value) in self._parts
                 for key in self._parts[asked.partition, value]
                 if asked.sort in (item := self._items[key])
                 and asked.holds({asked.partition: value, asked.sort: item[asked.sort]["S"]})]  # fmt: skip
        found.sort(reverse=not asked.forward)
        if start := asked.start:
            # As DynamoDB does: from where the key would be, even if the item is gone.
            found = [entry for entry in found if (entry > start if asked.forward else entry < start)]
        return (self._items[key] for _, key in found)

    def get_paginator(self, operation: str) -> "_Pages":
        assert operation == "query"
        return _Pages(self)

    def _alone(self, operation: str, change: Item) -> Item:
        with self._lock:
            key = _key(_target(change))
            if not self._holds(key, change):
                ((_, how),) = change.items()
                shown = how.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and key in self._items
                more: Item = {"Item": dict(self._items[key])} if shown else {}
                raise aws_error(operation, "ConditionalCheckFailedException", **more)
            self._do(key, change)
        return {}

    def _holds(self, key: ItemKey, change: Item) -> bool:
        ((_, how),) = change.items()
        if "ConditionExpression" not in how:
            return True
        names, values = how.get("ExpressionAttributeNames", {}), how.get("ExpressionAttributeValues", {})
        text = how["ConditionExpression"]
        holds = condition(text, names, _all(_plain, values))
        return holds(_named(self._read(key) or {}, text, names))

    def _do(self, key: ItemKey, change: Item) -> None:
        ((verb, how),) = change.items()
        before = self._read(key)
        after: Item | None = None
        match verb:
            case "Put":
                after = dict(how["Item"])
            case "Update":
                names, values = how.get("ExpressionAttributeNames", {}), how.get("ExpressionAttributeValues", {})
                text, old = how["UpdateExpression"], before or how["Key"]
                changed = _named(old, text, names)
                new = _all(_typed, updated(text, names, _all(_plain, values), changed))
                after = {name: value for name, value in old.items() if name not in changed} | new
            case "ConditionCheck":
                after = before
            case "Delete":
                pass
            case _:
                raise NotImplementedError(verb)
        self._store(key, before, after)

    def _store(self, key: ItemKey, before: Item | None, after: Item | None) -> None:
        """Replace an item; None: it is not there."""
        self._items.pop(key, None)
        for attribute in _PARTITIONS:
            if before and attribute in before:
                self._parts[attribute, before[attribute]["S"]].pop(key)
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
            raise aws_error(operation, "TransactionConflictException")
        return super()._alone(operation, change)

    def transact_write_items(self, *, TransactItems: list[Item], **how: Any) -> Item:
        if self.conflicts:
            self.conflicts -= 1
            reasons = [{"Code": "TransactionConflict"}, *({"Code": "None"} for _ in TransactItems[1:])]
            raise aws_error("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
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


def _key(item: Item) -> ItemKey:
    return item["pk"]["S"], item["sk"]["S"]


def _named(item: Item, text: str, names: Mapping[str, str]) -> Item:
    """The attributes of an item that an expression names, in plain values."""
    return {name: _plain(item[name]) for name in attributes_named(text, names) if name in item}


def _bounds(text: str, values: Item) -> tuple[str | None, str | None]:
    """The least and the greatest value that a key condition can want of the sort key; None: not known."""
    of_text: Iterable[str] = [value for value in values.values() if isinstance(value, str)]
    within = "BETWEEN" in text
    return (min(of_text) if within or ">" in text else None, max(of_text) if within or "<" in text else None)


def _all(convert: Callable[[Any], Any], item: Item) -> Item:
    return {name: convert(value) for name, value in item.items()}

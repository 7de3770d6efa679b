"""DynamoDB as far as the product uses it, in memory and safe under threads.

What is not understood is refused, loudly.
"""

# ruff: noqa: N803
# (The argument names are boto3's.)

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from tests.fakes.dynamodb_expressions import condition, updated
from tests.fakes.faults import aws_error
from tests.fakes.ledger_table import INDEXES, SHOWN

_plain = TypeDeserializer().deserialize
_typed = TypeSerializer().serialize

Item = dict[str, Any]


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
            raise aws_error("BatchGetItem", "ValidationException")
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
        if IndexName:
            shown = {"pk", "sk", partition, sort, *SHOWN[IndexName]}
            page = [{name: value for name, value in item.items() if name in shown} for item in page]
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
                ((_, how),) = change.items()
                shown = how.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD" and key in self._items
                more: Item = {"Item": dict(self._items[key])} if shown else {}
                raise aws_error(operation, "ConditionalCheckFailedException", **more)
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


def _key(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _all(convert: Callable[[Any], Any], item: Item) -> Item:
    return {name: convert(value) for name, value in item.items()}

"""The ledger's DynamoDB table: how the stores that share it read and write items.

| index | keys | which items |
|---|---|---|
| `by_work` | `work_shard`, `work_at` | encounters with open messages, or with notifications to deliver or escalate |
| `by_attention` | `attention_shard`, `attention_at` | encounters with failed messages, or with open notifications |
| `by_time` | `time_shard`, `at` | requests by arrival, and the actions of people |

An encounter whose messages are delivered is in neither of the first two, and another subject of notifications is
listed as an encounter is. Every key of an index is divided into shards, so that no single key takes all writes (a key
takes 1,000 write units a second).
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions, tries
from gpconnect_messaging.threads import in_threads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = 16
"""Enough for 1,000 messages a second (docs/scale.md). Never lower it: nothing would look in the other shards."""
TIME_SHARDS = 4
"""Enough for 1,000 requests a second. Every list by time queries them all for every day."""
_LOOKED_AT_WITHIN = timedelta(days=1_000)
_BATCH = 100
_CONDITION_FAILED, _CONFLICT = "ConditionalCheckFailed", "TransactionConflict"

Item = dict[str, Any]
Key = tuple[str, str]


class LedgerBusyError(Exception):
    """Other writers kept changing the same items. Nothing was written: repeat the whole step."""


class UnreadError(LedgerBusyError):
    """DynamoDB left some of the requested items unread: try again."""


class LedgerTable:
    """The table. All methods may raise botocore's ClientError for faults of DynamoDB itself."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept_for: timedelta | None = None,
    ) -> None:
        """`kept_for` is how long items are kept after the last change (audit retention class); None: for ever."""
        self._client = client
        self._table = table
        self._now = now
        self._kept_for = kept_for
        self.unreadable: set[str] = set()
        """Keys of the encounters that were left out, because this release cannot read them."""

    def _get(self, pk: str, sk: str) -> Item | None:
        answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return plain(answer["Item"]) if "Item" in answer else None

    def _batch(self, keys: Iterable[Key]) -> Iterator[Item]:
        """Read many items by their keys, unordered; missing ones are left out. Raises UnreadError."""
        wanted = list(dict.fromkeys(keys))
        parts = [wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH)]
        for items in in_threads(self._batch_part, parts):
            yield from items

    def _batch_part(self, keys: Sequence[Key]) -> list[Item]:
        wanted: Any = {self._table: {"Keys": [item({"pk": pk, "sk": sk}) for pk, sk in keys], "ConsistentRead": True}}
        found: list[Item] = []
        for _ in tries():
            answer: Any = self._client.batch_get_item(RequestItems=wanted)
            found += map(plain, answer["Responses"].get(self._table, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return found
        raise UnreadError("DynamoDB left items unread on every try")

    def _query(self, **query: Any) -> Iterator[Item]:
        for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
            yield from map(plain, page["Items"])

    def _partition(self, pk: str, beginning: str = "") -> Iterator[Item]:
        """Yield the items of a partition whose sort keys begin so."""
        condition = "pk = :pk AND begins_with(sk, :beginning)" if beginning else "pk = :pk"
        values = {":pk": pk} | ({":beginning": beginning} if beginning else {})
        return self._query(
            KeyConditionExpression=condition, ExpressionAttributeValues=item(values), ConsistentRead=True
        )

    def _sharded(
        self, index: str, condition: str, shards: Sequence[str], values: Item, most: int | None = None
    ) -> Iterator[Item]:
        """Yield the items of an index in these shards, all shards at once; `:shard` stands for the shard.

        `most` is how many of a shard are read at most, the first ones.
        """

        def of_shard(shard: str) -> list[Item]:
            parameters = item({":shard": shard, **values})
            found = self._query(IndexName=index, KeyConditionExpression=condition, ExpressionAttributeValues=parameters)
            return list(islice(found, most))

        for items in in_threads(of_shard, shards):
            yield from items

    def _expiry(self, since: datetime) -> Item:
        """Return the TTL attribute: DynamoDB may delete the item after this time."""
        return {"expires_at": int((since + self._kept_for).timestamp())} if self._kept_for else {}

    def _put(self, values: Item, condition: str | None = None) -> Item:
        put: Item = {"TableName": self._table, "Item": item(values)}
        return {"Put": put | ({"ConditionExpression": condition} if condition else {})}

    def _put_if(self, values: Item, attribute: str, expected: int | None) -> Item:
        """Return the put of an item on condition that `attribute` is as expected; None: that there is no item."""
        return {"Put": {"TableName": self._table, "Item": item(values), **_condition(attribute, expected)}}

    def _put_item(self, values: Item, attribute: str = "", expected: int | None = None) -> bool:
        """Put an item; False, with nothing written, where `attribute` is not as expected (None: there is an item)."""
        options = _condition(attribute, expected) if attribute else {}
        return _held(lambda: self._client.put_item(TableName=self._table, Item=item(values), **options))

    def _write(self, puts: Sequence[Item]) -> bool:
        """Write all or nothing; False where a condition failed.

        Raises LedgerBusyError where other transactions held an item on every try.
        """
        for _ in tries():
            try:
                self._client.transact_write_items(TransactItems=puts)  # type: ignore[arg-type]
            except ClientError as error:
                codes = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                code = error.response["Error"]["Code"]
                if code == "TransactionCanceledException" and _CONDITION_FAILED in codes:
                    return False
                # Nothing was written, and the conditions were not evaluated: False would mean "a repeat".
                if code != "TransactionInProgressException" and not (
                    code == "TransactionCanceledException" and _CONFLICT in codes
                ):
                    raise
            else:
                return True
        raise LedgerBusyError("other transactions held an item on every try")

    def _update(self, pk: str, sk: str, expression: str, condition: str | None, values: Item) -> bool:
        """Update an item; False where the condition does not hold."""
        options: Item = {"ConditionExpression": condition} if condition else {}
        if values:
            options["ExpressionAttributeValues"] = item(values)
        return _held(
            lambda: self._client.update_item(
                TableName=self._table, Key=item({"pk": pk, "sk": sk}), UpdateExpression=expression, **options
            )
        )


def _condition(attribute: str, expected: int | None) -> Item:
    if expected is None:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": "#attribute = :expected",
        "ExpressionAttributeNames": {"#attribute": attribute},
        "ExpressionAttributeValues": item({":expected": expected}),
    }


def _held(write: Callable[[], Any]) -> bool:
    """Write to one item; False where the condition does not hold."""
    try:
        past_transactions(write)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return False
        raise
    return True


def shard(key: str, shards: int = SHARDS) -> int:
    """Return the shard of a key."""
    return zlib.crc32(key.encode()) % shards


def shards(kind: str, number: int = SHARDS) -> list[str]:
    """List the shards of a kind of key."""
    return [f"{kind}#{part}" for part in range(number)]


def in_time(key: str, at: datetime) -> Item:
    """Return the attributes by which an item is found by time."""
    return {"time_shard": f"{at.astimezone(UTC).date()}#{shard(key, TIME_SHARDS)}", "at": text(at)}


def content_key(s3_object: str) -> Key:
    """Return the ledger's key of the last content received under a key of the drop; see `precedence.object_of`."""
    return f"OBJECT#{s3_object}", "CONTENT"


def look_again(encounter_key: str, at: datetime) -> Item:
    """Return the item by which the archiver looks at an encounter again, with the requests of this time."""
    pk = f"AGAIN#{encounter_key}"
    expires_at = int((at + _LOOKED_AT_WITHIN).timestamp())
    return {"pk": pk, "sk": "AGAIN", "encounter_key": encounter_key, "expires_at": expires_at, **in_time(pk, at)}


def days(start: datetime, end: datetime) -> Iterator[date]:
    """Yield the days (UTC) from the one of `end` back to the one of `start`."""
    day = end.astimezone(UTC).date()
    while day >= start.astimezone(UTC).date():
        yield day
        day -= timedelta(days=1)


def text(time_: datetime) -> str:
    """Write a time in fixed width, so that text sorts by time."""
    # Not by strftime: some C libraries write a year before 1000 with fewer digits.
    return f"{time_.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def time(written: str) -> datetime:
    """Read a time that `text` wrote."""
    return datetime.fromisoformat(written)


def item(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert Python values to DynamoDB values, as boto3 does. Raises TypeError for a type that the ledger lacks."""
    return {name: _to_dynamo(value) for name, value in values.items()}


def plain(values: Any) -> Item:
    """Convert DynamoDB values to Python values, as boto3 does."""
    return {name: _from_dynamo(value) for name, value in values.items()}


def _to_dynamo(value: Any) -> Item:
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int() | Decimal():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": item(value)}
        case list() | tuple():
            return {"L": list(map(_to_dynamo, value))}
    raise TypeError(f"the ledger has no {type(value).__name__}")


def _from_dynamo(value: Any) -> Any:
    [(kind, content)] = value.items()
    return _READERS[kind](content)


_READERS: dict[str, Callable[[Any], Any]] = {
    "S": str,
    "BOOL": bool,
    "N": Decimal,
    "B": bytes,
    "NULL": lambda _: None,
    "M": plain,
    "L": lambda values: list(map(_from_dynamo, values)),
}

"""The ledger's DynamoDB table: how the stores that share it read and write items.

Items that are found by time have `time_shard` and `at`. A time shard is a day and one of TIME_SHARDS shards, so that no
single key of the index takes all writes (a key takes 1,000 a second).
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions, tries
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.stored_names import NotificationType

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHARDS = 32
TIME_SHARDS = 4
"""Enough for 280 messages a second (docs/scale.md). Every list by time queries them all for every day."""
NOTICE_LEASE = timedelta(minutes=1)
"""Lease held while a notification is being delivered or escalated."""
OPEN_NOTICE = "OPEN NOTICE"
"""The status under which the index lists open notifications."""
_CONDITION_FAILED, _CONFLICT = "ConditionalCheckFailed", "TransactionConflict"

Item = dict[str, Any]


class LedgerBusyError(Exception):
    """Other writers kept changing the same items. Nothing was written: repeat the whole step."""


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

    def _tries(self) -> Iterator[int]:
        return tries()

    def _get(self, pk: str, sk: str) -> Item | None:
        answer = self._client.get_item(TableName=self._table, Key=item({"pk": pk, "sk": sk}), ConsistentRead=True)
        return plain(answer["Item"]) if "Item" in answer else None

    def _query(self, **query: Any) -> Iterator[Item]:
        for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
            yield from map(plain, page["Items"])

    def _partition(self, pk: str) -> Iterator[Item]:
        return self._query(
            KeyConditionExpression="pk = :pk", ExpressionAttributeValues=item({":pk": pk}), ConsistentRead=True
        )

    def _query_index(self, index: str, attribute: str, value: str) -> Iterator[Item]:
        return self._query(
            IndexName=index,
            KeyConditionExpression=f"{attribute} = :value",
            ExpressionAttributeValues=item({":value": value}),
        )

    def _standing(self, status: str, since: datetime | None = None) -> Iterator[Item]:
        """Yield the items of a status, longest-standing first in a shard; with `since`, those changed since then."""
        values: Item = {":since": text(since)} if since else {}
        for number in range(SHARDS):
            yield from self._query(
                IndexName="by_status",
                KeyConditionExpression=f"status_shard = :shard{' AND changed_at >= :since' if since else ''}",
                ExpressionAttributeValues=item({":shard": f"{status}#{number}", **values}),
            )

    def _due(self, kind: str, now: datetime) -> Iterator[Item]:
        for number in range(SHARDS):
            yield from self._query(
                IndexName="by_due",
                KeyConditionExpression="due_shard = :shard AND due_at <= :now",
                ExpressionAttributeValues=item({":shard": f"{kind}#{number}", ":now": text(now)}),
            )

    def _expiry(self, since: datetime) -> Item:
        """Return the TTL attribute: DynamoDB may delete the item after this time."""
        return {"expires_at": int((since + self._kept_for).timestamp())} if self._kept_for else {}

    def _put_notification(self, notification: Notification, *, held: bool = False) -> Item:
        """Return the put of a new notification: due now, and open. It does not expire if the message is `held`."""
        number = shard(notification.subject_key)
        pk, sk = notification_place(notification)
        return self._put(
            {
                "pk": pk,
                "sk": sk,
                "kind": notification.kind.value,
                "raised_at": text(notification.raised_at),
                "facts": dict(notification.details),
                **({"occasion": notification.occasion} if notification.occasion else {}),
                "due_shard": f"notice#{number}",
                "due_at": text(notification.raised_at),
                "status_shard": f"{OPEN_NOTICE}#{number}",
                "changed_at": text(notification.raised_at),
                **({} if held else self._expiry(notification.raised_at)),
            },
            "attribute_not_exists(pk)",
        )

    def _put(self, values: Item, condition: str | None = None) -> Item:
        put: Item = {"TableName": self._table, "Item": item(values)}
        return {"Put": put | ({"ConditionExpression": condition} if condition else {})}

    def _put_if(self, values: Item, attribute: str, expected: int | None) -> Item:
        if expected is None:
            return self._put(values, "attribute_not_exists(pk)")
        put = self._put(values, "#attribute = :expected")
        put["Put"] |= {
            "ExpressionAttributeNames": {"#attribute": attribute},
            "ExpressionAttributeValues": item({":expected": expected}),
        }
        return put

    def _write(self, puts: Sequence[Item]) -> bool:
        """Write all or nothing; False where a condition failed.

        Raises LedgerBusyError where other transactions held an item on every try.
        """
        for _ in self._tries():
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
        try:
            past_transactions(
                lambda: self._client.update_item(
                    TableName=self._table, Key=item({"pk": pk, "sk": sk}), UpdateExpression=expression, **options
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True


def notification_place(notification: Notification) -> tuple[str, str]:
    """Return the key of a notification's item."""
    occasion = f"#{notification.occasion}" if notification.occasion else ""
    return notification.subject_key, f"NOTICE#{notification.kind.value}{occasion}"


def as_notification(values: Item) -> Notification:
    """Read a notification's item."""
    return Notification(
        subject_key=values["pk"],
        kind=NotificationType(values["kind"]),
        raised_at=time(values["raised_at"]),
        details=values["facts"],
        occasion=values.get("occasion", ""),
    )


def beginning(own_id: str) -> str:
    """Return the partition key under which a message is found by at least the first eight characters of the id."""
    return f"ID#{own_id[:8]}"


def shard(key: str, shards: int = SHARDS) -> int:
    """Return the shard of a key."""
    return zlib.crc32(key.encode()) % shards


def in_time(key: str, at: datetime) -> Item:
    """Return the attributes by which an item is found by time."""
    return {"time_shard": f"{at.astimezone(UTC).date()}#{shard(key, TIME_SHARDS)}", "at": text(at)}


def time_shards(day: date) -> list[str]:
    """List the keys of the time index for a day (UTC)."""
    return [f"{day}#{number}" for number in range(TIME_SHARDS)]


def text(time_: datetime) -> str:
    """Write a time in fixed width, so that text sorts by time."""
    # Not by strftime: some C libraries write a year before 1000 with fewer digits.
    return f"{time_.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def time(written: str) -> datetime:
    """Read a time that `text` wrote; earlier releases wrote some years with fewer than four digits."""
    year, _, rest = written.partition("-")
    return datetime.fromisoformat(f"{year:0>4}-{rest}")


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
    "NULL": lambda _: None,
    "M": plain,
    "L": lambda values: list(map(_from_dynamo, values)),
}

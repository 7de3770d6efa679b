"""The application's rate, shared by all running functions: every request to PDS first reserves a moment.

One small item in the ledger's table holds the first free moment. Reserving moves it on by one interval (a fifth of a
second at five requests a second) in one conditional update, so two functions never get the same moment, and all
reserved moments are an interval apart. A moment beyond the caller's longest wait is not reserved: `reserve` raises
RetryLater, and the queue or the hold window brings the request again.
"""

import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.pds.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_KEY = {"pk": {"S": "BUDGET#PDS"}, "sk": {"S": "BUDGET"}}
_TRIES = 8


class Budget(Protocol):
    """The rate limit that the client asks before every request."""

    def reserve(self, longest: float) -> float:
        """Reserve the next free moment; return the seconds until then. Raises RetryLater beyond `longest` seconds."""

    def pause(self, seconds: float) -> None:
        """Block all requests for so many seconds, as PDS asked."""


class SharedBudget:
    """The budget of one application in a DynamoDB table with the keys pk and sk."""

    def __init__(
        self, client: "DynamoDBClient", table: str, per_second: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._table = table
        self._interval = max(1, -(-1000 // per_second))  # milliseconds, rounded up: never more than the rate
        self._clock = clock

    def reserve(self, longest: float) -> float:
        """Reserve the next free moment; return the seconds until then. Raises RetryLater beyond `longest` seconds."""
        for _ in range(_TRIES):
            now = self._now()
            if self._take_now(now):
                return 0.0
            moment = self._take_next(now, now + int(longest * 1000))
            if moment is not None:
                return max(moment - self._now(), 0) / 1000
            if self._first_free() > now + int(longest * 1000):
                break
            # Between the two updates the first free moment passed, or another function took it: try again.
        raise RetryLater("lookup", "our share of PDS is used up for as long as we would wait", retry_after=longest)

    def pause(self, seconds: float) -> None:
        """Block all requests for so many seconds, as PDS asked. A longer pause stays."""
        until = self._now() + int(seconds * 1000)
        self._update("SET next_at = :until", "attribute_not_exists(next_at) OR next_at <= :until", {":until": until})

    def _take_now(self, now: int) -> bool:
        """Take the present moment, if no later one was reserved."""
        taken = self._update(
            "SET next_at = :after",
            "attribute_not_exists(next_at) OR next_at <= :now",
            {":after": now + self._interval, ":now": now},
        )
        return taken is not None

    def _take_next(self, now: int, latest: int) -> int | None:
        """Take the first free moment, which lies ahead but no later than `latest`."""
        moved_to = self._update(
            "ADD next_at :interval",
            "next_at > :now AND next_at <= :latest",
            {":interval": self._interval, ":now": now, ":latest": latest},
        )
        return None if moved_to is None else moved_to - self._interval

    def _first_free(self) -> int:
        answer = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True)
        return _number(answer.get("Item", {}))

    def _update(self, expression: str, condition: str, values: dict[str, int]) -> int | None:
        """Move the first free moment; return the new one, None if the condition does not hold."""
        try:
            answer = past_transactions(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key=_KEY,
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeValues={name: {"N": str(value)} for name, value in values.items()},
                    ReturnValues="UPDATED_NEW",
                )
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return None
            raise
        return _number(answer["Attributes"])

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _number(attributes: Any) -> int:
    return int(Decimal(attributes.get("next_at", {"N": "0"})["N"]))

"""The application's rate, shared by all running functions: every request to PDS first reserves a moment.

A small item in the ledger's table holds the first free moment. Reserving moves it on by one interval (a fifth of a
second at five requests a second) in one conditional update, so two functions never get the same moment, and all
reserved moments are an interval apart. A moment beyond the caller's longest wait is not reserved: `reserve` raises
RetryLater, and the queue or the hold window brings the request again.

DynamoDB takes about 1,000 updates a second of one item. So a higher rate has several items, the lanes: every lane has
an equal part of the rate, its moments lie between those of the others, and a caller takes any lane.
"""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.pds.errors import RetryLater

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OF_A_LANE = 100
"""Requests a second. A reservation takes one or two updates."""


class SharedBudget:
    """The budget of one application in a DynamoDB table with the keys pk and sk."""

    def __init__(
        self, client: "DynamoDBClient", table: str, per_second: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._table = table
        self._lanes = -(-per_second // _OF_A_LANE)
        self._interval = -(-1000 * self._lanes // per_second)  # milliseconds, rounded up: never more than the rate
        self._clock = clock
        self._busy = False

    def reserve(self, longest: float) -> float:
        """Reserve the next free moment; return the seconds until then. Raises RetryLater beyond `longest` seconds."""
        lane, now = random.randrange(self._lanes), self._now()  # noqa: S311 - spreads the load, hides nothing
        at_once = (
            "SET next_at = :after",
            "attribute_not_exists(next_at) OR next_at <= :now",
            {":after": self._in_lane(lane, now) + self._interval, ":now": now},
        )
        in_turn = (
            "ADD next_at :interval",
            "next_at > :now AND next_at <= :latest",
            {":interval": self._interval, ":now": now, ":latest": now + int(longest * 1000)},
        )
        # An update in vain costs as much as another, so the last one's way goes first. The first free moment only moves
        # on: after `at_once`, `in_turn` fails only where the moment is too late.
        for change in (in_turn, at_once, in_turn) if self._busy else (at_once, in_turn):
            free = self._update(lane, *change)
            if free is not None:
                self._busy = change is in_turn
                return max(free - self._interval - self._now(), 0) / 1000
        self._busy = False
        raise RetryLater("lookup", "our share of PDS is used up for as long as we would wait", retry_after=longest)

    def pause(self, seconds: float) -> None:
        """Block all requests for so many seconds, as PDS asked. A longer pause stays."""
        for lane in range(self._lanes):
            until = {":until": self._in_lane(lane, self._now() + int(seconds * 1000))}
            self._update(lane, "SET next_at = :until", "attribute_not_exists(next_at) OR next_at < :until", until)

    def _in_lane(self, lane: int, moment: int) -> int:
        """Return the lane's first moment from then on: a lane that is alone has them all."""
        offset = lane * self._interval // self._lanes
        return moment if self._lanes == 1 else moment + (offset - moment) % self._interval

    def _update(self, lane: int, expression: str, condition: str, values: dict[str, int]) -> int | None:
        """Move the first free moment; return the new one, None if the condition does not hold."""
        try:
            answer = past_transactions(
                lambda: self._client.update_item(
                    TableName=self._table,
                    Key={"pk": {"S": f"BUDGET#PDS#{lane}" if lane else "BUDGET#PDS"}, "sk": {"S": "BUDGET"}},
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
        return int(Decimal(answer["Attributes"]["next_at"]["N"]))

    def _now(self) -> int:
        return int(self._clock() * 1000)

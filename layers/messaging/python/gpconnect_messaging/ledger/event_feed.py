"""Following the ledger: all that stands in it once, and from then on only what happened since.

For whoever shows many messages again and again, and must not read them again each time. What happens is found through
`by_time`: every change of a message writes a fact, in the same transaction.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.lifecycle import Status
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.search import Search, as_summary
from gpconnect_messaging.ledger.table import SHARDS, item, text, time, time_shards

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """Something that happened to a message. `key` tells it apart from everything else that did."""

    key: str
    message_id: str
    at: datetime


class EventFeed(Search):
    """Reads everything, and then what changed."""

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Give each open row, and each settled one that changed since, in no order.

        A row that changes while this reads can be missed or come twice: ask for what happened since it began.
        """
        shards = [(status, number) for status in Status for number in range(SHARDS)]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            # By parts, so that not everything is in memory at once before the first is given.
            for start in range(0, len(shards), _AT_ONCE):
                part = shards[start : start + _AT_ONCE]
                for rows in threads.map(lambda each: self._rows_in(each[0], each[1], settled_since), part):
                    yield from rows

    def happened(self, since: datetime) -> Iterator[RecordedEvent]:
        """Give what happened to messages since, in no order."""
        day, today = since.astimezone(UTC).date(), self._now().astimezone(UTC).date()
        shards = []
        while day <= today:
            shards += time_shards(day)
            day += timedelta(days=1)
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for some in threads.map(lambda each: self._happened_in(each, since), shards):
                yield from some

    def _rows_in(self, status: Status, number: int, settled_since: datetime) -> list[Summary]:
        values = {":shard": f"{status.value}#{number}"}
        condition = "status_shard = :shard"
        if status.settled:
            condition += " AND changed_at >= :since"
            values[":since"] = text(settled_since)
        found = self._query(
            IndexName="by_status", KeyConditionExpression=condition, ExpressionAttributeValues=item(values)
        )
        return [as_summary(each) for each in found]

    def _happened_in(self, time_shard: str, since: datetime) -> list[RecordedEvent]:
        found = self._query(
            IndexName="by_time",
            KeyConditionExpression="time_shard = :shard AND #at >= :since",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=item({":shard": time_shard, ":since": text(since)}),
        )
        return [
            RecordedEvent(f"{each['pk']}/{each['sk']}", each["message_id"], time(each["at"]))
            for each in found
            if str(each["pk"]).startswith("MESSAGE#")
        ]

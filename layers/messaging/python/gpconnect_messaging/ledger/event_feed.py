"""Follows the ledger: reads all rows once, and from then on only new events.

For a display of many messages that must not read all of them at every refresh. Events are found through `by_time`:
every change of a message writes an event in the same transaction.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.search import Search, as_summary
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import SHARDS, item, text, time, time_shards

_THREADS = 8


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of a message, by a unique `key`."""

    key: str
    message_id: str
    at: datetime


class EventFeed(Search):
    """Reads all rows, and then new events."""

    def standing(self, settled_since: datetime) -> Iterator[Summary]:
        """Yield all open rows, and the settled ones that changed since `settled_since`, unordered.

        A row that changes during the read can be missed or repeated: read the events since the start afterwards.
        """
        shards = [(status, number) for status in Status for number in range(SHARDS)]
        with ThreadPoolExecutor(_THREADS) as threads:
            # In parts, so that not all rows are in memory before the first is yielded.
            for start in range(0, len(shards), _THREADS):
                part = shards[start : start + _THREADS]
                for rows in threads.map(lambda shard: self._rows_in(shard[0], shard[1], settled_since), part):
                    yield from rows

    def happened(self, since: datetime) -> Iterator[RecordedEvent]:
        """Yield the events of messages since a time, unordered."""
        day, today = since.astimezone(UTC).date(), self._now().astimezone(UTC).date()
        shards = []
        while day <= today:
            shards += time_shards(day)
            day += timedelta(days=1)
        with ThreadPoolExecutor(_THREADS) as threads:
            for events in threads.map(lambda shard: self._events_in(shard, since), shards):
                yield from events

    def _rows_in(self, status: Status, number: int, settled_since: datetime) -> list[Summary]:
        values = {":shard": f"{status.value}#{number}"}
        condition = "status_shard = :shard"
        if status.settled:
            condition += " AND changed_at >= :since"
            values[":since"] = text(settled_since)
        items = self._query(
            IndexName="by_status", KeyConditionExpression=condition, ExpressionAttributeValues=item(values)
        )
        return [as_summary(values) for values in items]

    def _events_in(self, time_shard: str, since: datetime) -> list[RecordedEvent]:
        items = self._query(
            IndexName="by_time",
            KeyConditionExpression="time_shard = :shard AND #at >= :since",
            ExpressionAttributeNames={"#at": "at"},
            ExpressionAttributeValues=item({":shard": time_shard, ":since": text(since)}),
        )
        return [
            RecordedEvent(f"{values['pk']}/{values['sk']}", values["message_id"], time(values["at"]))
            for values in items
            if str(values["pk"]).startswith("MESSAGE#")
        ]

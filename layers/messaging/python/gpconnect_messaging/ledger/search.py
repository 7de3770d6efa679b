"""Finds messages: in pages, newest first, through indexes and never by a scan.

| criterion | index |
|---|---|
| a status | `by_status`, all shards at once, only as far as the page goes |
| a time, or nothing | `by_time`, day by day backwards, first events only |
| an encounter | `by_encounter` |
| an id, or its first eight characters | `MESSAGE#`, `REQUEST#`, `MESH#`, and `ID#` by the beginning of a message id |

A page reads little more than it shows. A filter by mailbox also reads the rows that it drops, so a quiet mailbox costs
more to list, the busier the others are.

Counts are queried from `by_status`, and no counter is stored. A counter item would join every transaction that records
an event: unrelated messages would then lose races against one another, and every change of status would cost two more
writes. Open rows are few, since every open status has a deadline. Settled rows are counted from a given time on, for
they accumulate: a hundred thousand of them are about 70 MB to read, in parallel well under a second on AWS. A caller
that shows counts repeatedly caches them for some seconds (`Counted.at`).
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import partial
from itertools import groupby
from typing import Any

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.identifiers import is_uuid
from gpconnect_messaging.ledger.records import Summary
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.ledger.table import (
    SHARDS,
    Item,
    LedgerTable,
    beginning,
    item,
    plain,
    text,
    time,
    time_shards,
)

LOOKS_BACK = timedelta(days=3)
"""How far a list goes back by default: over a weekend. A day takes a query a shard, even when empty."""

_THREADS = 16
_BATCH = 100
_BEGINNING = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
_FIRST_EVENTS = (
    EventType.BUILT,
    EventType.HELD,
    EventType.NOT_REQUIRED,
    EventType.WITHDRAWAL,
    EventType.REQUEST_REFUSED,
)
"""The events that create a row; a refusal can also come later, for a request that was held."""


class CursorError(ValueError):
    """The cursor is not one that a page ended with: start at the first page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first, and the cursor of the next page; None at the end."""

    rows: tuple[Summary, ...]
    cursor: str | None = None
    """A time and a message id: fit for a URL, and without personal data."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows a status has: all open ones, and those that became settled since `settled_since`."""

    by_status: Mapping[Status, int]
    settled_since: datetime
    at: datetime


class Search(LedgerTable):
    """Finds messages. Its methods may raise botocore's ClientError for faults of DynamoDB itself."""

    def by_status(
        self,
        status: Status,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        mailbox: str | None = None,
    ) -> Page:
        """List the rows of a status, newest change first, optionally those that changed in a time. Raises CursorError.

        A row that changes between two pages moves to the position of the change.
        """
        after = _read_cursor(cursor)
        shards = [f"{status.value}#{number}" for number in range(SHARDS)]
        items = self._newest("by_status", ("status_shard", "changed_at"), shards, limit, after, since, until, mailbox)
        return _page(map(as_summary, items), limit, after, lambda row: row.changed_at)

    def by_time(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        mailbox: str | None = None,
    ) -> Page:
        """List all rows by arrival, newest first; three days back by default. Raises CursorError."""
        after = _read_cursor(cursor)
        end = min(filter(None, (until, after and after[0], self._now())))
        start = since or self._now() - LOOKS_BACK
        events = (
            event
            for day in _days(end, start)
            for event in self._newest(
                "by_time", ("time_shard", "at"), time_shards(day), limit, after,
                max(start, datetime.combine(day, clock_time(), UTC)), until, mailbox, first_events=True,
            )
        )  # fmt: skip
        rows: list[Summary] = []
        last: tuple[datetime, str] | None = None
        for batch in _batches(events, limit + 1):
            for event, row in self._rows_of(batch):
                position = (time(event["at"]), row.message_id)
                if after is not None and position >= after:
                    continue
                if len(rows) == limit:
                    return Page(tuple(rows), last and _cursor(*last))
                rows.append(row)
                last = position
        return Page(tuple(rows))

    def of_encounter(self, encounter_key: str) -> list[Summary]:
        """Find the rows of an encounter, newest first."""
        items = self._query_index("by_encounter", "encounter_key", encounter_key)
        return sorted(map(as_summary, items), key=lambda row: (row.version, row.created_at), reverse=True)

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Read rows by their ids, in that order; missing rows are left out."""
        items = self._batch([(f"MESSAGE#{own_id}", "MESSAGE") for own_id in dict.fromkeys(message_ids)])
        rows = {row.message_id: row for row in map(as_summary, items)}
        return [rows[own_id] for own_id in dict.fromkeys(message_ids) if own_id in rows]

    def named(self, reference: str) -> list[Summary]:
        """Find rows by any id that an operator may have.

        `reference` is the id of a message or a request, at least the first eight characters of a message id, or the
        MESH id of an upload or a response. Empty where it is unknown; several rows where a request became several
        messages, or the first characters fit several.
        """
        name = reference.strip()
        own = name.lower()
        if is_uuid(own):
            if found := self.summaries([own]):
                return found
            claim = self._get(f"REQUEST#{own}", "REQUEST")
            return self.summaries(list(claim.get("message_ids", ()))) if claim else []
        if _BEGINNING.fullmatch(own):
            matches = self._query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :own)",
                ExpressionAttributeValues=item({":pk": beginning(own), ":own": own}),
            )
            if ids := [str(match["sk"]) for match in matches]:
                return self.summaries(ids)
        ids = []
        for pointer in self._partition(f"MESH#{name}"):
            if pointer["sk"] == "MESH":
                ids.append(pointer["message_id"])
            elif received := self._get(f"RECEIVED#{pointer['mailbox']}#{name}", "RECEIVED"):
                ids.append(received["outcome"])
        return self.summaries(ids)

    def counts(self, settled_since: datetime) -> Counted:
        """Count rows by status; settled ones only where they changed since `settled_since`."""
        at = self._now()
        with ThreadPoolExecutor(_THREADS) as threads:
            shards = [(status, number) for status in Status for number in range(SHARDS)]
            counted = threads.map(lambda shard: self._count(shard[0], shard[1], settled_since), shards)
            totals = dict.fromkeys(Status, 0)
            for (status, _), count in zip(shards, counted, strict=True):
                totals[status] += count
        return Counted(totals, settled_since, at)

    def longest(self, status: Status, limit: int) -> list[Summary]:
        """List the rows that have been in a status longest, longest first."""

        def first_items(number: int) -> list[Item]:
            answer: Any = self._client.query(
                TableName=self._table,
                IndexName="by_status",
                Limit=limit,
                KeyConditionExpression="status_shard = :shard",
                ExpressionAttributeValues=item({":shard": f"{status.value}#{number}"}),
            )
            return [plain(values) for values in answer["Items"]]

        with ThreadPoolExecutor(_THREADS) as threads:
            items = [values for shard_items in threads.map(first_items, range(SHARDS)) for values in shard_items]
        items.sort(key=lambda values: str(values["changed_at"]))
        return [as_summary(values) for values in items[:limit]]

    def oldest(self, status: Status) -> datetime | None:
        """Return since when the longest-standing row of a status has it; None without rows."""
        rows = self.longest(status, 1)
        return rows[0].changed_at if rows else None

    def _count(self, status: Status, number: int, settled_since: datetime) -> int:
        values: Item = {":shard": f"{status.value}#{number}"}
        condition = "status_shard = :shard"
        if status.settled:
            condition += " AND changed_at >= :since"
            values[":since"] = text(settled_since)
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="by_status",
            Select="COUNT",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=item(values),
        )
        return sum(page["Count"] for page in pages)

    def _newest(
        self,
        index: str,
        keys: tuple[str, str],
        shards: Sequence[str],
        limit: int,
        after: tuple[datetime, str] | None,
        since: datetime | None,
        until: datetime | None,
        mailbox: str | None,
        *,
        first_events: bool = False,
    ) -> Iterator[Item]:
        """Yield items of an index, newest first over all shards: first pages at once, further pages on demand."""
        partition, sort = keys
        latest = min(filter(None, (until, after and after[0])), default=None)
        values: Item = {}
        condition = "#partition = :shard"
        if since and latest:
            condition += " AND #sort BETWEEN :since AND :latest"
        elif since:
            condition += " AND #sort >= :since"
        elif latest:
            condition += " AND #sort <= :latest"
        values |= {":since": text(since)} if since else {}
        values |= {":latest": text(latest)} if latest else {}
        names = {"#partition": partition} | ({"#sort": sort} if since or latest or first_events else {})
        filters = []
        if first_events:
            kinds = {f":kind{number}": kind.value for number, kind in enumerate(_FIRST_EVENTS)}
            values |= kinds
            names["#kind"] = "kind"
            filters.append(f"#kind IN ({', '.join(kinds)})")
        if mailbox is not None:
            values[":mailbox"] = mailbox
            filters.append("mailbox = :mailbox")
        if since and latest and since > latest:
            return
        query = {
            "TableName": self._table,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ScanIndexForward": False,
            **({"FilterExpression": " AND ".join(filters)} if filters else {}),
            # Only the key attributes of an event: the details would be read and thrown away.
            **({"ProjectionExpression": "pk, #sort, #kind, message_id"} if first_events else {}),
        }
        # Read more of a shard than an equal share of the page: shards differ in size.
        share = max(4, 2 * limit // len(shards)) * (6 if first_events else 1)

        def first_page(shard: str) -> tuple[list[Item], Callable[[], Iterator[Item]]]:
            shard_values = {"ExpressionAttributeValues": item(values | {":shard": shard})}
            return self._first_page(query | shard_values | {"Limit": share})

        with ThreadPoolExecutor(_THREADS) as threads:
            first_pages = list(threads.map(first_page, shards))
        streams = [_in_order(page, rest, sort) for page, rest in first_pages]
        yield from heapq.merge(*streams, key=lambda values: (values[sort], values["message_id"]), reverse=True)

    def _first_page(self, query: Mapping[str, Any]) -> tuple[list[Item], Callable[[], Iterator[Item]]]:
        """Read the first page of a query, and return it with a function that reads the others."""
        answer: Any = self._client.query(**query)
        items = [plain(values) for values in answer["Items"]]

        def rest() -> Iterator[Item]:
            key = answer.get("LastEvaluatedKey")
            while key:
                following: Any = self._client.query(**{**query, "ExclusiveStartKey": key})
                yield from map(plain, following["Items"])
                key = following.get("LastEvaluatedKey")

        return items, rest

    def _rows_of(self, events: Sequence[Item]) -> Iterator[tuple[Item, Summary]]:
        """Read the rows that these events create; a refusal after a hold creates none."""
        refused = [event for event in events if event["kind"] == EventType.REQUEST_REFUSED.value]
        held = {event["pk"] for event in self._batch([(event["pk"], "EVENT#held") for event in refused])}
        rows = {row.message_id: row for row in self.summaries([str(event["message_id"]) for event in events])}
        for event in events:
            row = rows.get(str(event["message_id"]))
            if row and not (event["kind"] == EventType.REQUEST_REFUSED.value and event["pk"] in held):
                yield event, row

    def _batch(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Read many items by their keys, unordered."""
        parts = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        return [values for part in parts for values in self._batch_part(part)]

    def _batch_part(self, keys: Sequence[tuple[str, str]]) -> Iterator[Item]:
        wanted: Any = {self._table: {"Keys": [item({"pk": pk, "sk": sk}) for pk, sk in keys], "ConsistentRead": True}}
        for _ in self._tries():
            answer: Any = self._client.batch_get_item(RequestItems=wanted)
            yield from map(plain, answer["Responses"].get(self._table, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
        raise SearchBusyError("DynamoDB left rows unread on every try")


class SearchBusyError(Exception):
    """DynamoDB left some of the requested rows unread: try again."""


def _in_order(page: Iterable[Item], rest: Callable[[], Iterator[Item]], sort: str) -> Iterator[Item]:
    """Order a shard's items of the same time by message id: the index does not, and cursors need a total order."""
    for _, same_time in groupby(_chained(page, rest), key=lambda values: values[sort]):
        yield from sorted(same_time, key=lambda values: str(values["message_id"]), reverse=True)


def _chained(page: Iterable[Item], rest: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    yield from page
    yield from rest()


def _page(
    summaries: Iterator[Summary], limit: int, after: tuple[datetime, str] | None, at: Callable[[Summary], datetime]
) -> Page:
    rows: list[Summary] = []
    for row in summaries:
        if after is not None and (at(row), row.message_id) >= after:
            continue
        if len(rows) == limit:
            return Page(tuple(rows), _cursor(at(rows[-1]), rows[-1].message_id))
        rows.append(row)
    return Page(tuple(rows))


def _cursor(at: datetime, message_id: str) -> str:
    return f"{text(at)}~{message_id}"


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    at, _, message_id = cursor.partition("~")
    try:
        return time(at), message_id
    except ValueError:
        raise CursorError("the cursor is not one that a page ended with") from None


def _days(end: datetime, start: datetime) -> Iterator[date]:
    day, first = end.astimezone(UTC).date(), start.astimezone(UTC).date()
    while day >= first:
        yield day
        day -= timedelta(days=1)


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    yield from iter(partial(_take, items, size), [])


def _take(items: Iterator[Item], size: int) -> list[Item]:
    return [values for _, values in zip(range(size), items, strict=False)]


def as_summary(values: Item) -> Summary:
    """Read a message's row."""
    return Summary(
        message_id=values["message_id"],
        request_id=values["request_id"],
        mailbox=values["mailbox"],
        encounter=values["encounter"],
        version=int(values["version"]),
        recipient=values.get("recipient", REGISTERED_PRACTICE),
        status=Status(values["status"]),
        created_at=time(values["created_at"]),
        changed_at=time(values["changed_at"]),
        due_at=time(values["due_at"]) if "due_at" in values else None,
        mesh_message_ids=tuple(values.get("mesh_message_ids", ())),
        became=tuple(values.get("became", ())),
        legal_hold="legal_hold" in values,
    )

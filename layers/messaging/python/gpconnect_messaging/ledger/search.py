"""Finding messages: page by page, newest first, over indexes alone and never by a scan.

| asked for | read |
|---|---|
| a status | `by_status`, all shards at once, each only as far as the page goes |
| a time, or nothing | `by_time`, day by day backwards, the facts that rows begin with |
| an encounter | `by_encounter` |
| an id, or its first eight characters | `MESSAGE#`, `REQUEST#`, `MESH#`, and `ID#` by the beginning of a message id |

A page reads what it shows and little more. A filter by mailbox reads past what it leaves out, so that a mailbox that
has little costs the more, the more the others have.

Counts are taken from `by_status` when they are asked for, and no counter is kept: an item that counts would join every
transaction that records a fact, so that messages which have nothing to do with each other would lose races against
each other, and a message's writes would rise by two for each change of its status. Open statuses are few, since each
has its deadline. Settled ones are counted since a moment, for they are as many as there ever were: a hundred thousand
of them are about 70 MB to read, in parallel well under a second on AWS. Whoever shows counts again and again keeps them
for some seconds (`Counted.at`).
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

from gpconnect_messaging.ledger.lifecycle import EventType, Status
from gpconnect_messaging.ledger.records import Summary
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
from gpconnect_messaging.requests.identity import REGISTERED_PRACTICE

LOOKS_BACK = timedelta(days=3)
"""How far a list goes back where nobody says how far: over a weekend. Each day is sixteen queries, however empty."""

_AT_ONCE = 16
_BATCH = 100
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_BEGINNING = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}")
_FIRST_FACTS = (
    EventType.BUILT,
    EventType.HELD,
    EventType.NOT_REQUIRED,
    EventType.WITHDRAWAL,
    EventType.REQUEST_REFUSED,
)
"""What a row begins with; only a refusal can come later too, for a request that was held."""


class CursorError(ValueError):
    """That is not where a page ended: begin at the first page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first, and where the next page begins; None at the end."""

    rows: tuple[Summary, ...]
    cursor: str | None = None
    """A time and a message id: fit for a URL, and of no person."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows each status has: open ones in all, settled ones that came to it since a moment."""

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
        """List what stands in a status, newest change first, optionally what came to it in a time. Raises CursorError.

        A row that changes while somebody turns pages goes to where it then belongs.
        """
        after = _read(cursor)
        shards = [f"{status.value}#{number}" for number in range(SHARDS)]
        found = self._newest("by_status", ("status_shard", "changed_at"), shards, limit, after, since, until, mailbox)
        return _page((as_summary(each) for each in found), limit, after, lambda row: row.changed_at)

    def by_time(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        mailbox: str | None = None,
    ) -> Page:
        """List what came in, newest first, whatever became of it; by itself three days back. Raises CursorError."""
        after = _read(cursor)
        end = min(filter(None, (until, after and after[0], self._now())))
        start = since or self._now() - LOOKS_BACK
        events = (
            each
            for day in _days(end, start)
            for each in self._newest(
                "by_time", ("time_shard", "at"), time_shards(day), limit, after,
                max(start, datetime.combine(day, clock_time(), UTC)), until, mailbox, beginnings=True,
            )
        )  # fmt: skip
        rows: list[Summary] = []
        last: tuple[datetime, str] | None = None
        for facts_of_some in _batches(events, limit + 1):
            for event, row in self._rows_of(facts_of_some):
                place = (time(event["at"]), row.message_id)
                if after is not None and place >= after:
                    continue
                if len(rows) == limit:
                    return Page(tuple(rows), last and _written(*last))
                rows.append(row)
                last = place
        return Page(tuple(rows))

    def of_encounter(self, encounter_key: str) -> list[Summary]:
        """Find the rows of an encounter, newest first."""
        found = self._query_index("by_encounter", "encounter_key", encounter_key)
        return sorted(map(as_summary, found), key=lambda row: (row.version, row.created_at), reverse=True)

    def summaries(self, message_ids: Sequence[str]) -> list[Summary]:
        """Read rows by their ids, in that order; one that is not there is left out."""
        found = self._batch([(f"MESSAGE#{each}", "MESSAGE") for each in dict.fromkeys(message_ids)])
        rows = {str(each["message_id"]): as_summary(each) for each in found}
        return [rows[each] for each in dict.fromkeys(message_ids) if each in rows]

    def named(self, reference: str) -> list[Summary]:
        """Find what somebody means by an id.

        A message's or a request's, whole; a message's first eight characters or more; or MESH's id of a message that
        went out or of an answer that came in. None where it is nobody's; several where a request became several
        messages, or the beginning fits several.
        """
        name = reference.strip()
        own = name.lower()
        if _UUID.fullmatch(own):
            if found := self.summaries([own]):
                return found
            claim = self._get(f"REQUEST#{own}", "REQUEST")
            return self.summaries(list(claim.get("message_ids", ()))) if claim else []
        if _BEGINNING.fullmatch(own):
            known = self._query(
                KeyConditionExpression="pk = :pk AND begins_with(sk, :own)",
                ExpressionAttributeValues=item({":pk": beginning(own), ":own": own}),
            )
            if ids := [str(each["sk"]) for each in known]:
                return self.summaries(ids)
        ids = []
        for pointer in self._partition(f"MESH#{name}"):
            if pointer["sk"] == "MESH":
                ids.append(pointer["message_id"])
            elif came := self._get(f"RECEIVED#{pointer['mailbox']}#{name}", "RECEIVED"):
                ids.append(came["outcome"])
        return self.summaries(ids)

    def counts(self, settled_since: datetime) -> Counted:
        """Count the rows of each status; settled ones only where they came to it since a moment."""
        at = self._now()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            shards = [(status, number) for status in Status for number in range(SHARDS)]
            counted = threads.map(lambda each: self._count(each[0], each[1], settled_since), shards)
            totals = dict.fromkeys(Status, 0)
            for (status, _), count in zip(shards, counted, strict=True):
                totals[status] += count
        return Counted(totals, settled_since, at)

    def longest(self, status: Status, limit: int) -> list[Summary]:
        """List the rows that have stood in a status longest, longest first."""

        def first(number: int) -> list[Item]:
            answer: Any = self._client.query(
                TableName=self._table,
                IndexName="by_status",
                Limit=limit,
                KeyConditionExpression="status_shard = :shard",
                ExpressionAttributeValues=item({":shard": f"{status.value}#{number}"}),
            )
            return [plain(each) for each in answer["Items"]]

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            found = [each for some in threads.map(first, range(SHARDS)) for each in some]
        found.sort(key=lambda each: str(each["changed_at"]))
        return [as_summary(each) for each in found[:limit]]

    def oldest(self, status: Status) -> datetime | None:
        """Tell since when the longest-standing row of a status has it; None where there is none."""
        found = self.longest(status, 1)
        return found[0].changed_at if found else None

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
        return sum(each["Count"] for each in pages)

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
        beginnings: bool = False,
    ) -> Iterator[Item]:
        """Give an index's items, newest first over all shards: the first of each are read at once, more when wanted."""
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
        names = {"#partition": partition} | ({"#sort": sort} if since or latest or beginnings else {})
        filters = []
        if beginnings:
            kinds = {f":kind{number}": kind.value for number, kind in enumerate(_FIRST_FACTS)}
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
            # Of a fact no more than its place: what it says would only be read to be thrown away.
            **({"ProjectionExpression": "pk, #sort, #kind, message_id"} if beginnings else {}),
        }
        # A share of the page from each shard, and some more: their shares are not alike.
        share = max(4, 2 * limit // len(shards)) * (6 if beginnings else 1)

        def first(shard: str) -> tuple[list[Item], Callable[[], Iterator[Item]]]:
            asked = query | {"ExpressionAttributeValues": item(values | {":shard": shard}), "Limit": share}
            return self._some(asked)

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            begun = list(threads.map(first, shards))
        streams = [_in_order(some, more, sort) for some, more in begun]
        yield from heapq.merge(*streams, key=lambda each: (each[sort], each["message_id"]), reverse=True)

    def _some(self, query: Mapping[str, Any]) -> tuple[list[Item], Callable[[], Iterator[Item]]]:
        """Read a page of a query, and give what reads the others."""
        answer: Any = self._client.query(**query)
        found = [plain(each) for each in answer["Items"]]

        def more() -> Iterator[Item]:
            key = answer.get("LastEvaluatedKey")
            while key:
                following: Any = self._client.query(**{**query, "ExclusiveStartKey": key})
                yield from map(plain, following["Items"])
                key = following.get("LastEvaluatedKey")

        return found, more

    def _rows_of(self, events: Sequence[Item]) -> Iterator[tuple[Item, Summary]]:
        """Read the rows that begin with these facts; a refusal after a hold begins none."""
        refused = [each for each in events if each["kind"] == EventType.REQUEST_REFUSED.value]
        held = {each["pk"] for each in self._batch([(each["pk"], "EVENT#held") for each in refused])}
        rows = {row.message_id: row for row in self.summaries([str(each["message_id"]) for each in events])}
        for event in events:
            row = rows.get(str(event["message_id"]))
            if row and not (event["kind"] == EventType.REQUEST_REFUSED.value and event["pk"] in held):
                yield event, row

    def _batch(self, keys: Sequence[tuple[str, str]]) -> list[Item]:
        """Read many items by their keys, in no order."""
        parts = [keys[start : start + _BATCH] for start in range(0, len(keys), _BATCH)]
        return [each for part in parts for each in self._batch_of_some(part)]

    def _batch_of_some(self, keys: Sequence[tuple[str, str]]) -> Iterator[Item]:
        wanted: Any = {self._table: {"Keys": [item({"pk": pk, "sk": sk}) for pk, sk in keys], "ConsistentRead": True}}
        for _ in self._tries():
            answer: Any = self._client.batch_get_item(RequestItems=wanted)
            yield from map(plain, answer["Responses"].get(self._table, ()))
            wanted = answer.get("UnprocessedKeys")
            if not wanted:
                return
        raise SearchBusyError("DynamoDB left rows unread on every try")


class SearchBusyError(Exception):
    """DynamoDB did not give all rows that were asked for: try again."""


def _in_order(some: Iterable[Item], more: Callable[[], Iterator[Item]], sort: str) -> Iterator[Item]:
    """Give a shard's items; the index leaves open which of two of the same moment comes first, and cursors must not."""
    for _, of_a_moment in groupby(_then(some, more), key=lambda each: each[sort]):
        yield from sorted(of_a_moment, key=lambda each: str(each["message_id"]), reverse=True)


def _then(some: Iterable[Item], more: Callable[[], Iterator[Item]]) -> Iterator[Item]:
    yield from some
    yield from more()


def _page(
    found: Iterator[Summary], limit: int, after: tuple[datetime, str] | None, at: Callable[[Summary], datetime]
) -> Page:
    rows: list[Summary] = []
    for row in found:
        if after is not None and (at(row), row.message_id) >= after:
            continue
        if len(rows) == limit:
            return Page(tuple(rows), _written(at(rows[-1]), rows[-1].message_id))
        rows.append(row)
    return Page(tuple(rows))


def _written(at: datetime, message_id: str) -> str:
    return f"{text(at)}~{message_id}"


def _read(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    at, _, message_id = cursor.partition("~")
    try:
        return time(at), message_id
    except ValueError:
        raise CursorError("that is not where a page ended") from None


def _days(end: datetime, start: datetime) -> Iterator[date]:
    day, first = end.astimezone(UTC).date(), start.astimezone(UTC).date()
    while day >= first:
        yield day
        day -= timedelta(days=1)


def _batches(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    yield from iter(partial(_take, items, size), [])


def _take(items: Iterator[Item], size: int) -> list[Item]:
    return [each for _, each in zip(range(size), items, strict=False)]


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

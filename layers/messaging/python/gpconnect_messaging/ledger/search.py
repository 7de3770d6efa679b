"""Finds messages: in pages, newest first, through indexes and never by a scan.

| criterion | found |
|---|---|
| an open or failed status | `by_work`, `by_attention`: they show the statuses; only the page's encounters are read |
| another status, a time, or nothing | `by_time`, day by day backwards, and the encounters of the requests |
| an encounter, or an id | by key |

Open and failed messages are few, since every open status has a deadline; all of their index entries are read for a
count. Settled messages are counted only where no more than `MOST_COUNTED` requests came since the given time: beyond
that the number of requests says as much. Two reads find a message by any id; an archived one takes three more at most.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from gpconnect_messaging.identifiers import is_uuid
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.encounter_table import EncounterTable, arrived_at
from gpconnect_messaging.ledger.encounters import is_failed
from gpconnect_messaging.ledger.records import MessageRecord, Summary
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import Item, text, time

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LOOKS_BACK = timedelta(days=3)
"""How far a list goes back by default: over a weekend. A day takes a query a shard, even when empty."""
MOST_COUNTED = 2_000

_Position = tuple[datetime, str]
"""The time by which a list is ordered, and a message id."""
_Found = tuple[datetime, MessageRecord]
"""A message, and the time by which the list is ordered."""


class CursorError(ValueError):
    """The cursor is not one that a page ended with: start at the first page."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, newest first, and the cursor of the next page; None at the end."""

    rows: tuple[Summary, ...]
    cursor: str | None = None
    """A time and a message id: fit for a URL, and without personal data."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many messages have a status: all open ones, and those that became settled since `settled_since`.

    `oldest` says since when the longest-standing one of an open status has it. `requests` came since `settled_since`;
    where they are more than `MOST_COUNTED`, only open and failed messages are counted (`complete`).
    """

    by_status: Mapping[Status, int]
    settled_since: datetime
    at: datetime
    oldest: Mapping[Status, datetime] = field(default_factory=dict)
    requests: int = 0
    complete: bool = True


class Search(EncounterTable):
    """Finds messages. Its methods may raise UnreadError, and botocore's ClientError for faults of DynamoDB itself."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Without `timeouts` no message says when it is due."""
        super().__init__(client, table, now)
        self._patience = timeouts

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
        """List the messages of a status, optionally those in a time. Raises CursorError.

        Open and failed ones are listed by when they came to have the status, others by arrival. Archived ones are those
        since a time.
        """
        if status.settled and not is_failed(status):
            return self._page_by_time(limit, cursor, since, until, mailbox, status)
        after = _read_cursor(cursor)
        archived = self.listed_in_archive(status, since, until or self._now()) if since and is_failed(status) else ()
        entries = sorted(
            (
                entry
                for entry in {*self.listed_in(status), *archived}
                if mailbox in (None, entry.mailbox)
                and (since is None or entry.since >= since)
                and (until is None or entry.since <= until)
                and (after is None or entry.since <= after[0])
            ),
            key=lambda entry: (entry.since, entry.key),
            reverse=True,
        )
        found = (
            (at, record)
            for batch in _batches(entries, limit + 1, lambda entry: entry.since)
            for at, record in _newest_first(
                (record.status_since, record) for record in self.records_of([entry.key for entry in batch])
            )
            if record.status is status and any(record.changed_at == entry.since for entry in batch)
        )
        return self._page(found, limit, after)

    def by_time(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        mailbox: str | None = None,
    ) -> Page:
        """List all messages by arrival, newest first; three days back by default. Raises CursorError."""
        return self._page_by_time(limit, cursor, since, until, mailbox, None)

    def of_encounter(self, encounter_key: str) -> list[Summary]:
        """Find the messages of an encounter, newest first."""
        rows = map(self._summary, self.encounter(encounter_key).records.values())
        return sorted(rows, key=lambda row: (row.version, row.created_at), reverse=True)

    def of_encounters(self, keys: Iterable[str]) -> Iterator[tuple[str, list[Summary]]]:
        """Yield the messages of many encounters, by key."""
        for encounter in self.encounters(keys):
            yield encounter.key, list(map(self._summary, encounter.records.values()))

    def summaries(self, own_ids: Sequence[str]) -> list[Summary]:
        """Read messages by their ids, in that order; missing ones are left out."""
        wanted = list(dict.fromkeys(own_ids))
        records = {
            own_id: record for encounter in self.encounters_of(wanted) for own_id, record in encounter.records.items()
        }
        return [self._summary(records[own_id]) for own_id in wanted if own_id in records]

    def named(self, reference: str) -> list[Summary]:
        """Find messages by any id that an operator may have.

        `reference` is the id of a message or a request, or the MESH id of an upload or a response. Empty where it is
        unknown; several messages where a request became several.
        """
        name = reference.strip()
        if is_uuid(own := name.lower()):
            return self._of_id(own)
        rows: list[Summary] = []
        for pointer in self._partition(f"MESH#{name}"):
            if found := pointer.get("message_id") or pointer.get("outcome"):
                rows += self._of_id(found)
        if not rows and (archived := self.in_archive(name)):
            rows = [self._summary(record) for record in archived.of_mesh_message(name)]
        return rows

    def counts(self, settled_since: datetime) -> Counted:
        """Count messages by status; settled ones only where they changed since `settled_since`."""
        at, counted, oldest = self._now(), Counter[Status](), dict[Status, datetime]()
        for entry in self.all_listed():
            if not entry.status.settled:
                oldest[entry.status] = min(entry.since, oldest.get(entry.status, entry.since))
            if not entry.status.settled or entry.since >= settled_since:
                counted[entry.status] += 1
        arrived = list(islice(self.arrivals(settled_since, at), MOST_COUNTED + 1))
        complete = len(arrived) <= MOST_COUNTED
        if complete:
            for record in self.records_of({values["encounter_key"] for values in arrived}):
                if record.status.settled and not is_failed(record.status) and record.status_since >= settled_since:
                    counted[record.status] += 1
        requests = len(arrived) if complete else self._count_arrivals(settled_since, at)
        return Counted({status: counted[status] for status in Status}, settled_since, at, oldest, requests, complete)

    def longest(self, status: Status, limit: int) -> list[Summary]:
        """List the messages that have been in an open status longest, longest first."""
        entries = sorted(self.listed_in(status), key=lambda entry: entry.since)[:limit]
        records = [record for record in self.records_of({entry.key for entry in entries}) if record.status is status]
        return [self._summary(record) for record in sorted(records, key=lambda record: record.status_since)[:limit]]

    def _page_by_time(
        self,
        limit: int,
        cursor: str | None,
        since: datetime | None,
        until: datetime | None,
        mailbox: str | None,
        status: Status | None,
    ) -> Page:
        after = _read_cursor(cursor)
        end = min(filter(None, (until, after and after[0], self._now())))
        arrivals = self.arrivals_of_any_age(since or self._now() - LOOKS_BACK, end, mailbox)
        found = (
            (at, record)
            for batch in _batches(arrivals, limit + 1, arrived_at)
            for at, record in _newest_first(self._requested(batch))
            if status in (None, record.status)
        )
        return self._page(found, limit, after)

    def _requested(self, arrivals: Sequence[Item]) -> Iterator[_Found]:
        """Yield the messages of these requests with the requests' arrival; the pointers name the encounters.

        A held request became a message long after the arrival.
        """
        requests = {str(values["pk"]).removeprefix("REQUEST#") for values in arrivals}
        archived = [values["archived"] for values in arrivals if "archived" in values]
        encounters = self.as_now({values["encounter_key"] for values in arrivals}, archived)
        return (
            (encounter.arrivals[one.request_id], one)
            for encounter in encounters
            for one in encounter.records.values()
            if one.request_id in requests
        )

    def _of_id(self, own_id: str) -> list[Summary]:
        encounter = self.encounter_of(own_id)
        if encounter is None:
            return []
        claim = encounter.claims.get(own_id)
        ids = [own_id] if own_id in encounter.records else claim.message_ids if claim else ()
        return [self._summary(encounter.records[found]) for found in ids if found in encounter.records]

    def _page(self, found: Iterator[_Found], limit: int, after: _Position | None) -> Page:
        rows: list[Summary] = []
        last: _Position | None = None
        for at, record in found:
            if after is not None and (at, record.message_id) >= after:
                continue
            if len(rows) == limit:
                return Page(tuple(rows), last and _cursor(*last))
            rows.append(self._summary(record))
            last = (at, record.message_id)
        return Page(tuple(rows))

    def _summary(self, record: MessageRecord) -> Summary:
        return Summary(
            message_id=record.message_id,
            request_id=record.request_id,
            mailbox=record.mailbox,
            encounter=record.encounter,
            version=record.version,
            recipient=record.recipient,
            status=record.status,
            created_at=record.created_at,
            changed_at=record.status_since,
            due_at=due_at(record.history, self._patience) if self._patience else None,
            mesh_message_ids=record.history.mesh_message_ids,
            became=record.history.became,
            legal_hold=record.legal_hold,
        )

    def _count_arrivals(self, start: datetime, end: datetime) -> int:
        return sum(1 for _ in self.arrivals(start, end))


def _newest_first(found: Iterable[_Found]) -> list[_Found]:
    return sorted(found, key=lambda one: (one[0], one[1].message_id), reverse=True)


def _batches(entries: Iterable[Any], size: int, at: Callable[[Any], Any]) -> Iterator[list[Any]]:
    """Divide entries into batches of about this size; entries of the same time stay together, for a total order."""
    batch: list[Any] = []
    for _, same_time in groupby(entries, at):
        batch += same_time
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _cursor(at: datetime, message_id: str) -> str:
    return f"{text(at)}~{message_id}"


def _read_cursor(cursor: str | None) -> _Position | None:
    if cursor is None:
        return None
    at, _, message_id = cursor.partition("~")
    try:
        return time(at), message_id
    except ValueError:
        raise CursorError("the cursor is not one that a page ended with") from None

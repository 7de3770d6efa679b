"""Reads encounters from the ledger's table: by key, by the id of anything in them, and through the indexes."""

import heapq
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from gpconnect_messaging.derived_ids import encounter_key_of
from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounters import Encounter, is_failed
from gpconnect_messaging.ledger.records import MessageRecord, RaisedNotification, Received
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import TIME_SHARDS, Item, Key, LedgerTable, days, item, plain, shards, text, time
from gpconnect_messaging.threads import in_threads

if TYPE_CHECKING:
    from gpconnect_messaging.ledger.archive import Archive, Archived

STATE = "STATE"
"""The sort key of an encounter's item."""
UNMATCHED = Status("UNMATCHED")
"""The status that `by_attention` shows of a received MESH message that matches no sent message."""
ACTIVE_FOR = timedelta(days=35)
"""How long after arrival anything can happen to a message that is neither open nor failed.

MESH deletes a message after 30 days, so that no response to it or report about it comes later.
"""
YOUNGEST_ARCHIVED = timedelta(days=60)
"""Age of the youngest request that can be in the archive: lists of younger ones do not read it."""
_DAYS_AT_ONCE = 16
"""Days without entries are passed so many at a time."""
_ARCHIVED_AT_ONCE = 1_000
_THREADS = 32


@dataclass(frozen=True, slots=True)
class Stored:
    """An encounter as it was read: the item, the body, and what the parts hold.

    One from the archive has no item, and the records of the MESH messages that were received for it.
    """

    encounter: Encounter
    item: Mapping[str, Any] = field(default_factory=dict)
    body: encounter_format.Json = field(default_factory=dict)
    apart: encounter_format.Json = field(default_factory=lambda: encounter_format.NO_PARTS)
    received: tuple[Received, ...] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A status of an encounter's message in an index."""

    since: datetime
    key: str
    status: Status
    mailbox: str


class EncounterTable(LedgerTable):
    """Reads encounters. All methods may raise botocore's ClientError for faults of DynamoDB itself."""

    _archive: "Archive | None" = None
    _archive_by_id: "Archive | None" = None

    def encounter(self, key: str) -> Encounter:
        """Read an encounter; one without requests has the initial state."""
        return self._load(key).encounter

    def encounters(self, keys: Iterable[str]) -> Iterator[Encounter]:
        """Read many encounters, unordered; unknown ones are left out, and `unreadable` ones."""
        return self._readable(self._batch((pk_of(key), STATE) for key in keys))

    def _readable(self, items: Iterable[Item]) -> Iterator[Encounter]:
        for found in items:
            key = key_of(found["pk"])
            try:
                encounter = self._read(key, found).encounter
            except encounter_format.UnreadableEncounterError:
                self.unreadable.add(key)
                continue
            yield encounter

    def encounter_of(self, own_id: str) -> Encounter | None:
        """Read the encounter of a message or a request; None where the ledger does not have the id."""
        stored = self._load_of(own_id)
        return stored.encounter if stored else None

    def encounters_of(self, own_ids: Iterable[str]) -> Iterator[Encounter]:
        """Read the encounters of many messages and requests, unordered; unknown and `unreadable` ones are left out."""
        wanted = list(own_ids)
        keys = {encounter_key_of(own_id) for own_id in wanted}
        pointers = ((f"REQUEST#{own_id}", "REQUEST") for own_id in wanted)
        items = list(self._batch([*((pk_of(key), STATE) for key in keys), *pointers]))
        yield from self._readable(found for found in items if found["sk"] == STATE)
        yield from self.encounters({found["encounter_key"] for found in items if found["sk"] == "REQUEST"} - keys)

    def known_requests(self, request_ids: Iterable[str]) -> set[str]:
        """Return the requests of these that the ledger has: a version of each, or a record."""
        wanted, known = set(request_ids), set[str]()
        for encounter in self.encounters_of(wanted):
            known |= wanted & {*encounter.claims, *encounter.records}
        return known

    def find(self, own_id: str) -> MessageRecord | None:
        """Read a message, or a request that became no message, with all events; None if it is unknown."""
        stored = self._load_of(own_id)
        return stored.encounter.records.get(own_id) if stored else None

    def _load_of(self, own_id: str) -> Stored | None:
        """Read the encounter that has a message or a request of this id."""
        key = encounter_key_of(own_id)
        items = {found["pk"]: found for found in self._batch([(pk_of(key), STATE), (f"REQUEST#{own_id}", "REQUEST")])}
        if own := items.get(pk_of(key)):
            stored = self._read(key, own)
            if own_id in stored.encounter.records:
                return stored
        if pointer := items.get(f"REQUEST#{own_id}"):
            return self._load(pointer["encounter_key"])
        found = (archived.encounter for name in (key, own_id) if (archived := self.in_archive(name)))
        return next((Stored(one) for one in found if own_id in {*one.records, *one.request_ids}), None)

    def _load(self, key: str) -> Stored:
        if found := self._get(pk_of(key), STATE):
            return self._read(key, found)
        archived = self._archive.find(key) if self._archive and "#" not in key else None
        if archived is None:
            return Stored(Encounter(key=key))
        # The archiver gave the item that expired one revision more. A writer that still remembers it must lose.
        return Stored(replace(archived.encounter, revision=archived.encounter.revision + 1), received=archived.received)

    def with_archive(self, archive: "Archive", *, by_any_id: bool = True) -> Self:
        """Find encounters in the archive, too: by key, and by any other id unless that takes too many requests."""
        self._archive, self._archive_by_id = archive, archive if by_any_id else None
        return self

    def in_archive(self, name: str) -> "Archived | None":
        """Find an encounter in the archive by any id, as it is now: what is live again is newer there."""
        archived = self._archive_by_id.find(name) if self._archive_by_id else None
        if archived and (found := self._get(pk_of(archived.encounter.key), STATE)):
            return replace(archived, encounter=self.from_item(found))
        return archived

    def item_keys(self, encounter: Encounter) -> set[Key]:
        """Return the keys of an encounter's items except the encounter's own and those of people's actions."""
        keys = {(f"REQUEST#{request_id}", "REQUEST") for request_id in encounter.request_ids}
        for record in encounter.records.values():
            keys |= {(f"MESH#{mesh_id}", "SENT") for mesh_id in record.history.mesh_message_ids}
        keys |= received_keys(encounter)
        return keys | {(part["pk"], part["sk"]) for part in self._partition(pk_of(encounter.key), "PART#")}

    def from_item(self, found: Item) -> Encounter:
        """Read the encounter that an item holds."""
        return self._read(key_of(found["pk"]), found).encounter

    def _read(self, key: str, found: Item) -> Stored:
        version = int(found["v"])
        body = encounter_format.unpack(found["body"], version)
        apart = encounter_format.NO_PARTS
        if names := body.get("parts"):
            parts = {part["sk"].removeprefix("PART#"): part for part in self._partition(pk_of(key), "PART#")}
            if missing := set(names) - set(parts):
                raise encounter_format.MissingPartError(f"the encounter {key} lacks {len(missing)} of its parts")
            for part in map(parts.__getitem__, names):
                apart = encounter_format.union(apart, encounter_format.unpack(part["body"], int(part["v"])))
        encounter = encounter_format.decode(key, body, int(found["revision"]), apart)
        return Stored(encounter, found, body, apart)

    def listed(self) -> dict[str, tuple[str, ...]]:
        """Map the encounters with open or failed messages to the statuses and the due time.

        A display that follows changes reads those again for which they differ.
        """
        found: dict[str, tuple[str, ...]] = {}
        for values in self._index_entries():
            # An encounter in both indexes is taken from the first, which shows the due time.
            found.setdefault(key_of(values["pk"]), (*values.get("statuses", ()), values.get("work_at", "")))
        return found

    def arrived(self, since: datetime) -> Iterator[str]:
        """Yield the encounters of the requests that came since a time, newest first."""
        return (str(values["encounter_key"]) for values in self.arrivals(since, self._now()))

    def open_notifications(self) -> Iterator[RaisedNotification]:
        """Yield the notifications that are not acknowledged, unordered."""
        found = self._sharded("by_attention", "attention_shard = :shard", shards("OPEN"), {})
        for encounter in self.encounters({key_of(values["pk"]) for values in found}):
            yield from (raised for raised in encounter.notifications.values() if raised.is_open)

    def records_in(self, status: Status) -> Iterator[MessageRecord]:
        """Yield all messages in a status, unordered; of a settled one that is no failure, those of `ACTIVE_FOR`."""
        if status.settled and not is_failed(status):
            keys: Iterable[str] = {str(key) for key in self.arrived(self._now() - ACTIVE_FOR)}
        else:
            keys = {entry.key for entry in self.listed_in(status)}
        return (record for record in self.records_of(keys) if record.status is status)

    def active(self, start: datetime, end: datetime) -> Iterator[Encounter]:
        """Yield the encounters to which something can have happened between two times, archived ones last."""
        keys = {values["encounter_key"] for values in self.arrivals(start - ACTIVE_FOR, end)}
        seen = set[str]()
        for encounter in self.encounters(keys | set(self.listed())):
            seen.add(encounter.key)
            yield encounter
        archived = self._archive_by_id.happened(start, end) if self._archive_by_id else iter(())
        while some := list(islice(archived, _ARCHIVED_AT_ONCE)):
            # The first copy is the newest.
            new = {one.key: one for one in reversed(some) if one.key not in seen}
            yield from self.as_now(new, new.values())
            seen |= new.keys()

    def as_now(self, keys: Iterable[str], archived: Iterable[Encounter]) -> Iterator[Encounter]:
        """Read encounters, some of which are in the archive: what is in the ledger is newer, and the last revision."""
        newest = {one.key: one for one in sorted(archived, key=lambda one: one.revision)}
        yield from (newest | {one.key: one for one in self.encounters({*keys, *newest})}).values()

    def actions(self, start: datetime, end: datetime) -> Iterator[Item]:
        """Yield the actions of people between two times."""
        keys = [(v["pk"], v["sk"]) for v in self._in_time(start, end, None) if str(v["pk"]).startswith("ACTIONS#")]
        return self._batch(keys)

    def records_of(self, keys: Iterable[str]) -> Iterator[MessageRecord]:
        """Yield the messages of encounters, unordered."""
        gone = set(keys)
        for encounter in self.encounters(tuple(gone)):
            gone.discard(encounter.key)
            yield from encounter.records.values()
        if self._archive_by_id and gone:
            for found in in_threads(self._archive_by_id.find, list(gone), _THREADS):
                yield from found.encounter.records.values() if found else ()

    def listed_in(self, status: Status) -> Iterator[Listed]:
        """Yield what the indexes show of messages in a status."""
        return (entry for entry in self.all_listed() if entry.status is status)

    def listed_in_archive(self, status: Status, start: datetime, end: datetime) -> Iterator[Listed]:
        """Yield the same of failed messages in the archive, which may have another status since."""
        for encounter in self._archive_by_id.happened(start, end) if self._archive_by_id else ():
            yield from (Listed(since, encounter.key, status, encounter.mailbox)
                        for listed, since in encounter.listed if listed is status)  # fmt: skip

    def all_listed(self) -> Iterator[Listed]:
        """Yield the statuses that the indexes show; an encounter in both counts once."""
        seen: set[str] = set()
        for values in self._index_entries():
            if values["pk"] not in seen:
                seen.add(values["pk"])
                for status, since in statuses_of(values):
                    yield Listed(since, key_of(values["pk"]), status, values.get("mailbox", ""))

    def _index_entries(self) -> Iterator[Item]:
        yield from self._sharded("by_work", "work_shard = :shard", shards("WORK"), {})
        attention = [*shards("OPEN"), *shards("FAILED")]
        yield from self._sharded("by_attention", "attention_shard = :shard", attention, {})

    def index_pages(
        self, sources: Sequence[tuple[str, str, str]], position: str, limit: int | None = None
    ) -> Iterator[tuple[list[Item], str]]:
        """Yield pages of index entries, shard by shard, with the position after a page."""
        start, after = json.loads(position) if position else (0, None)
        for number in range(start, len(sources)):
            index, attribute, shard = sources[number]
            query: Item = {
                "IndexName": index,
                "KeyConditionExpression": f"{attribute} = :shard",
                "ExpressionAttributeValues": item({":shard": shard}),
                **({"Limit": limit} if limit else {}),
                **({"ExclusiveStartKey": item(after)} if after else {}),
            }
            after = None
            for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
                last = page.get("LastEvaluatedKey")
                yield list(map(plain, page["Items"])), json.dumps([number, plain(last)] if last else [number + 1, None])

    def arrivals(self, start: datetime, end: datetime, mailbox: str | None = None) -> Iterator[Item]:
        """Yield the pointers of the requests that came between two times, newest first."""
        return (values for values in self._in_time(start, end, mailbox) if str(values["pk"]).startswith("REQUEST#"))

    def arrivals_of_any_age(self, start: datetime, end: datetime, mailbox: str | None) -> Iterator[Item]:
        """Yield what `arrivals` does, and the requests of the archive, with the encounter; some requests come twice."""
        latest = min(end, self._now() - YOUNGEST_ARCHIVED)
        archived = self._archive_by_id.arrived(start, latest) if self._archive_by_id and start <= latest else iter(())
        found = (
            {"pk": f"REQUEST#{request_id}", "at": text(at), "encounter_key": encounter.key, "archived": encounter}
            for at, request_id, encounter in archived
            if mailbox in (None, encounter.mailbox)
        )
        return heapq.merge(self.arrivals(start, end, mailbox), found, key=arrived_at, reverse=True)

    def _in_time(self, start: datetime, end: datetime, mailbox: str | None) -> Iterator[Item]:
        """Yield the entries of `by_time` between two times, newest first: first pages at once, others on demand."""
        left, at_once = days(start, end), 1
        while some := list(islice(left, at_once)):
            queries = [self._day_query(shard, start, end, mailbox)
                       for day in some for shard in shards(str(day), TIME_SHARDS)]  # fmt: skip
            pages = list(in_threads(lambda query: (query, self._client.query(**query)), queries, _THREADS))
            streams = [self._pages(query, page) for query, page in pages]
            yield from heapq.merge(*streams, key=arrived_at, reverse=True)
            at_once = 1 if any(page["Items"] for _, page in pages) else min(2 * at_once, _DAYS_AT_ONCE)

    def _day_query(self, shard: str, start: datetime, end: datetime, mailbox: str | None) -> dict[str, Any]:
        values = {":shard": shard, ":start": text(start), ":end": text(end)}
        values |= {":mailbox": mailbox} if mailbox is not None else {}
        return {
            "TableName": self._table,
            "IndexName": "by_time",
            "KeyConditionExpression": "time_shard = :shard AND #at BETWEEN :start AND :end",
            "ExpressionAttributeNames": {"#at": "at"},
            "ExpressionAttributeValues": item(values),
            "ScanIndexForward": False,
            **({"FilterExpression": "mailbox = :mailbox"} if mailbox is not None else {}),
        }

    def _pages(self, query: Mapping[str, Any], page: Any) -> Iterator[Item]:
        yield from map(plain, page["Items"])
        while key := page.get("LastEvaluatedKey"):
            page = self._client.query(**{**query, "ExclusiveStartKey": key})
            yield from map(plain, page["Items"])


def received_keys(encounter: Encounter) -> set[Key]:
    """Return the keys of the records of MESH messages that were received for an encounter."""
    records = encounter.records.values()
    return {(f"MESH#{mesh_id}", f"RECEIVED#{record.mailbox}") for record in records for mesh_id in record.history.came}


def arrived_at(values: Item) -> str:
    """Return the time of an entry of `by_time`."""
    return str(values["at"])


def pk_of(key: str) -> str:
    """Return the partition key of an encounter, or of another subject, whose key says what it is."""
    return key if "#" in key else f"ENCOUNTER#{key}"


def key_of(pk: str) -> str:
    """Return the key of an encounter or another subject from the partition key."""
    return pk.removeprefix("ENCOUNTER#")


def statuses_of(values: Item) -> list[tuple[Status, datetime]]:
    """Read the statuses that an index shows of an encounter, and since when the messages have them."""
    listed = (str(entry).rpartition(" ") for entry in values.get("statuses", ()))
    return [(Status(status), time(since)) for status, _, since in listed]


def is_unmatched(values: Item, since: datetime) -> bool:
    """Whether an index shows a MESH message that matches nothing and came in the day that begins at a time."""
    return any(status == UNMATCHED and since <= at < since + timedelta(days=1) for status, at in statuses_of(values))


def as_received(values: Item) -> Received:
    """Read the record of a received MESH message."""
    return Received(
        mailbox=values["sk"].removeprefix("RECEIVED#"),
        mesh_message_id=values["pk"].removeprefix("MESH#"),
        at=time(values["at"]),
        evidence_key=values["evidence_key"],
        outcome=values["outcome"],
    )

"""What the daily reconciliation reads of the ledger, how far it has come, and the summary that it leaves there.

Everything is read in pages, from a position to go on from: a day is reckoned in as many runs as it takes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from gpconnect_messaging.ledger.drop_passes import read_findings
from gpconnect_messaging.ledger.lifecycle import NotificationType, Status
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.store import UNMATCHED
from gpconnect_messaging.ledger.table import SHARDS, Item, LedgerTable, in_time, item, plain, text
from gpconnect_messaging.ledger.table import time as read_time
from gpconnect_messaging.reconciliation import IN_MESH, Balance, DropFindings, Row, Unmatched

_STATE = "RECKONING"
_TOUR = ("MESH", "TOUR")
_PAGE_OF_QUESTIONS = 50
_KEY = ("pk", "sk", "status_shard", "changed_at")
_NEEDED = (
    *_KEY, "message_id", "request_id", "mailbox", "status", "created_at", "due_at", "messages", "mesh_message_ids",
    "became", "mesh_message_id",
)  # fmt: skip
"""The attributes that a balance reads of a million rows: to convert the others would take as long again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """How far the reckoning of a day has come. `revision` counts the steps that were recorded.

    First all is collected into `files`, source after source; then part after part is reckoned, each a range of the
    files' slots; then MESH is asked. `total` is where the evidence store has the balance of the parts so far.
    """

    day: date
    began_at: datetime
    revision: int = 0
    source: int = 0
    position: str = ""
    """Where the source goes on; empty at its beginning."""
    files: tuple[str, ...] = ()
    entries: int = 0
    parts: int = 0
    """How many there are; 0 while entries are collected."""
    next_part: int = 0
    total: str = ""
    asked: int = 0
    """About how many messages MESH was asked."""
    asked_enough: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that MESH can have, and the position after it."""

    row: Row
    position: str


class Balances(LedgerTable):
    """The ledger as the reconciliation needs it: by status, each item once."""

    def row_pages(self, since: datetime, position: str) -> Iterator[tuple[list[Row], str]]:
        """Give every open row, and every settled one that changed since a moment; each page with the position after it.

        Open ones are few, for each has its deadline; no index is read to its beginning for the others.
        """
        statuses = [(status.value, since if status.settled else None) for status in Status]
        for items, after in self._by_status(statuses, position):
            yield [_row(each) for each in items], after

    def sent(self, position: str) -> Iterator[Sent]:
        """Give the messages that MESH can have."""
        for items, _ in self._by_status([(status.value, None) for status in IN_MESH], position, _PAGE_OF_QUESTIONS):
            for each in items:
                number = IN_MESH.index(Status(each["status"])) * SHARDS + int(each["status_shard"].split("#")[1])
                yield Sent(_row(each), _position(number, each))

    def unmatched_pages(self, day: date, position: str) -> Iterator[tuple[list[Unmatched], str]]:
        """Give what came in on a day and belongs to no message; each page with the position after it."""
        start = datetime.combine(day, time(), UTC)
        end = text(start + timedelta(days=1))
        for items, after in self._by_status([(UNMATCHED, start)], position):
            yield (
                [
                    Unmatched(mailbox=each["mailbox"], mesh_message_id=each["mesh_message_id"])
                    for each in items
                    if each["changed_at"] < end
                ],
                after,
            )

    def _by_status(
        self, statuses: Sequence[tuple[str, datetime | None]], position: str, limit: int | None = None
    ) -> Iterator[tuple[list[Item], str]]:
        """Give what stands in these statuses, or came into them since a moment, shard after shard, page after page."""
        start, after = json.loads(position) if position else (0, None)
        for number in range(start, len(statuses) * SHARDS):
            status, since = statuses[number // SHARDS]
            values = {":shard": f"{status}#{number % SHARDS}"} | ({":since": text(since)} if since else {})
            query: Item = {
                "IndexName": "by_status",
                "KeyConditionExpression": f"status_shard = :shard{' AND changed_at >= :since' if since else ''}",
                "ExpressionAttributeValues": item(values),
                **({"Limit": limit} if limit else {}),
                **({"ExclusiveStartKey": item(after)} if after else {}),
            }
            after = None
            for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
                last = page.get("LastEvaluatedKey")
                items = [plain({name: each[name] for name in _NEEDED if name in each}) for each in page["Items"]]
                yield items, _position(number, plain(last) if last else None)

    def row(self, message_id: str) -> Row | None:
        """Find one row by its message, past the indexes; None where the ledger does not have it."""
        found = self._get(f"MESSAGE#{message_id}", "MESSAGE")
        return _row(found) if found else None

    def rows_of(self, request_id: str) -> list[Row]:
        """Find the rows of a request past the indexes: its own, and those of the messages that it became."""
        claim = self._get(f"REQUEST#{request_id}", "REQUEST")
        own = self.row(request_id)
        ids = {*(claim.get("message_ids", ()) if claim else ()), *(own.became if own else ())}
        found = [own, *(self.row(message_id) for message_id in sorted(ids))]
        return [row for row in found if row]

    def reckoning(self, day: date) -> Reckoning | None:
        """Tell how far the reckoning of a day has come; None where it was never begun."""
        found = self._get(f"BALANCE#{day}", _STATE)
        return _reckoning(day, found) if found else None

    def record(self, reached: Reckoning, *, tour: str | None = None) -> Reckoning | None:
        """Record how far a reckoning has come, and with it how far the tour of the messages in MESH has.

        None where another run has recorded a step meanwhile.
        """
        puts = [self._put_reckoning(reached)]
        if tour is not None:
            puts.append(self._put({"pk": _TOUR[0], "sk": _TOUR[1], "position": tour}))
        return replace(reached, revision=reached.revision + 1) if self._write(puts) else None

    def tour(self) -> str:
        """Give the position at which MESH is asked on; empty where all were asked about."""
        found = self._get(*_TOUR)
        return str(found["position"]) if found else ""

    def _put_reckoning(self, reached: Reckoning) -> Item:
        values: Item = {
            "pk": f"BALANCE#{reached.day}",
            "sk": _STATE,
            "began_at": text(reached.began_at),
            "revision": reached.revision + 1,
            "source": reached.source,
            "position": reached.position,
            "files": list(reached.files),
            "entries": reached.entries,
            "parts": reached.parts,
            "next_part": reached.next_part,
            "total": reached.total,
            "asked": reached.asked,
            "asked_enough": reached.asked_enough,
            "done": reached.done,
            **self._expiry(reached.began_at),
        }
        return self._put_if(values, "revision", reached.revision or None)

    def evidence_key(self, day: date) -> str | None:
        """Where the evidence store has a day's balance; None where it was not made."""
        found = self._get(f"BALANCE#{day}", "BALANCE")
        return str(found["evidence_key"]) if found else None

    def in_the_drop(self, day: date) -> DropFindings:
        """Give what the listing of the drop found on a day."""
        return read_findings(self._get(f"DROP#{day}", "FOUND"))

    def store(self, balance: Balance, evidence_key: str, reckoning: Reckoning) -> tuple[Notification, ...] | None:
        """Keep a balance's summary, in place of an earlier one of the day, and end its reckoning.

        An imbalance raises a notification, and so does another imbalance of the same day when its balance is made
        again. None where another run has recorded a step meanwhile.
        """
        pk = f"BALANCE#{balance.day}"
        names = ("received", "settled", "open", "arriving", "open_messages", "lost", "incomplete", "without_receipt",
                 "unattended", "vanished", "unknown_to_mesh", "unanswered", "unmatched")  # fmt: skip
        counts = {name: balance.total(name) for name in names}
        summary: Item = {
            "pk": pk,
            "sk": "BALANCE",
            "day": balance.day.isoformat(),
            "wrong": balance.wrong,
            "counts": counts,
            "evidence_key": evidence_key,
            "fingerprint": balance.fingerprint,
            **in_time(pk, balance.made_at),
            **self._expiry(balance.made_at),
        }
        puts = [self._put(summary), self._put_reckoning(replace(reckoning, done=True))]
        details = {name: str(count) for name, count in counts.items() if count}
        before = self._get(pk, "BALANCE") or {}
        notification = Notification(
            subject_key=pk,
            kind=NotificationType.IMBALANCE,
            raised_at=balance.made_at,
            details=details | {"day": balance.day.isoformat(), "evidence_key": evidence_key},
            occasion=balance.fingerprint if before else "",
        )
        new = bool(balance.wrong) and before.get("fingerprint") != balance.fingerprint
        if not self._write([*puts, *([self._put_notification(notification)] if new else [])]):
            return None
        return (notification,) if new else ()


def _reckoning(day: date, values: Item) -> Reckoning:
    return Reckoning(
        day=day,
        began_at=read_time(values["began_at"]),
        revision=int(values["revision"]),
        source=int(values["source"]),
        position=values["position"],
        files=tuple(values["files"]),
        entries=int(values["entries"]),
        parts=int(values["parts"]),
        next_part=int(values["next_part"]),
        total=values["total"],
        asked=int(values["asked"]),
        asked_enough=values["asked_enough"],
        done=values["done"],
    )


def _position(number: int, last: Item | None) -> str:
    """Write the position after an item of a shard, or after the shard."""
    if last is None:
        return json.dumps([number + 1, None])
    return json.dumps([number, {name: last[name] for name in _KEY}])


def _row(values: Item) -> Row:
    return Row(
        message_id=values["message_id"],
        request_id=values["request_id"],
        mailbox=values["mailbox"],
        status=Status(values["status"]),
        created_at=read_time(values["created_at"]),
        changed_at=read_time(values["changed_at"]),
        due_at=read_time(values["due_at"]) if "due_at" in values else None,
        messages=int(values.get("messages", 1)),
        mesh_message_ids=tuple(values.get("mesh_message_ids", ())),
        became=tuple(values.get("became", ())),
    )

"""The ledger for the daily reconciliation: rows in pages, the progress of a day's balance, and the summary.

All reads can continue from a position, so that a day's balance can be computed in several runs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from gpconnect_messaging.ledger.drop_passes import read_findings
from gpconnect_messaging.ledger.reconciliation import IN_MESH, Balance, DropFindings, Row, Unmatched
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.store import UNMATCHED
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from gpconnect_messaging.ledger.table import SHARDS, Item, LedgerTable, in_time, item, plain, text
from gpconnect_messaging.ledger.table import time as read_time

_STATE = "RECKONING"
_TOUR = ("MESH", "TOUR")
_PAGE_OF_QUESTIONS = 50
_KEY = ("pk", "sk", "status_shard", "changed_at")
_NEEDED = (
    *_KEY, "message_id", "request_id", "mailbox", "status", "created_at", "due_at", "messages", "mesh_message_ids",
    "became", "mesh_message_id",
)  # fmt: skip
"""The attributes that a balance needs: converting all attributes of a million rows would take twice as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """The progress of a day's balance. `revision` counts the recorded steps.

    First the entries of all sources are collected into `files`. Then the balance is computed part by part, where a part
    is a range of the files' slots. Then MESH is asked. `total` is the key of the balance so far in the evidence store.
    """

    day: date
    began_at: datetime
    revision: int = 0
    source: int = 0
    position: str = ""
    """The position in the source; empty at the start."""
    files: tuple[str, ...] = ()
    entries: int = 0
    parts: int = 0
    """The number of parts; 0 while entries are collected."""
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
    """The ledger as the reconciliation reads it: by status, without repeats."""

    def row_pages(self, since: datetime, position: str) -> Iterator[tuple[list[Row], str]]:
        """Yield pages of open rows, and of settled rows that changed since a time, with the position after a page.

        Open rows are few, since every open status has a deadline; settled rows are read from `since` on only.
        """
        statuses = [(status.value, since if status.settled else None) for status in Status]
        for items, after in self._by_status(statuses, position):
            yield [_row(values) for values in items], after

    def sent(self, position: str) -> Iterator[Sent]:
        """Yield the messages that MESH can have."""
        for items, _ in self._by_status([(status.value, None) for status in IN_MESH], position, _PAGE_OF_QUESTIONS):
            for values in items:
                number = IN_MESH.index(Status(values["status"])) * SHARDS + int(values["status_shard"].split("#")[1])
                yield Sent(_row(values), _position(number, values))

    def unmatched_pages(self, day: date, position: str) -> Iterator[tuple[list[Unmatched], str]]:
        """Yield pages of the MESH messages of a day that match no sent message, with the position after a page."""
        start = datetime.combine(day, time(), UTC)
        end = text(start + timedelta(days=1))
        for items, after in self._by_status([(UNMATCHED, start)], position):
            yield (
                [
                    Unmatched(mailbox=values["mailbox"], mesh_message_id=values["mesh_message_id"])
                    for values in items
                    if values["changed_at"] < end
                ],
                after,
            )

    def _by_status(
        self, statuses: Sequence[tuple[str, datetime | None]], position: str, limit: int | None = None
    ) -> Iterator[tuple[list[Item], str]]:
        """Yield pages of the items in these statuses, or that changed since a time, shard by shard."""
        start, after = json.loads(position) if position else (0, None)
        for number in range(start, len(statuses) * SHARDS):
            status, since = statuses[number // SHARDS]
            parameters = {":shard": f"{status}#{number % SHARDS}"} | ({":since": text(since)} if since else {})
            query: Item = {
                "IndexName": "by_status",
                "KeyConditionExpression": f"status_shard = :shard{' AND changed_at >= :since' if since else ''}",
                "ExpressionAttributeValues": item(parameters),
                **({"Limit": limit} if limit else {}),
                **({"ExclusiveStartKey": item(after)} if after else {}),
            }
            after = None
            for page in self._client.get_paginator("query").paginate(TableName=self._table, **query):
                last = page.get("LastEvaluatedKey")
                items = [plain({name: values[name] for name in _NEEDED if name in values}) for values in page["Items"]]
                yield items, _position(number, plain(last) if last else None)

    def row(self, message_id: str) -> Row | None:
        """Read a row by message id with a consistent read; None where the ledger does not have it."""
        found = self._get(f"MESSAGE#{message_id}", "MESSAGE")
        return _row(found) if found else None

    def rows_of(self, request_id: str) -> list[Row]:
        """Read the rows of a request and of the messages that it became, with consistent reads."""
        claim = self._get(f"REQUEST#{request_id}", "REQUEST")
        own = self.row(request_id)
        ids = {*(claim.get("message_ids", ()) if claim else ()), *(own.became if own else ())}
        rows = [own, *(self.row(message_id) for message_id in sorted(ids))]
        return [row for row in rows if row]

    def reckoning(self, day: date) -> Reckoning | None:
        """Read the progress of a day's balance; None where it was never started."""
        found = self._get(f"BALANCE#{day}", _STATE)
        return _reckoning(day, found) if found else None

    def record(self, reached: Reckoning, *, tour: str | None = None) -> Reckoning | None:
        """Record the progress of a day's balance, and the position `tour` at which MESH is asked next.

        Returns None where another run has recorded a step meanwhile.
        """
        puts = [self._put_reckoning(reached)]
        if tour is not None:
            puts.append(self._put({"pk": _TOUR[0], "sk": _TOUR[1], "position": tour}))
        return replace(reached, revision=reached.revision + 1) if self._write(puts) else None

    def tour(self) -> str:
        """Read the position at which MESH is asked next; empty at the start."""
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
        """Return the key of a day's balance in the evidence store; None without a balance."""
        found = self._get(f"BALANCE#{day}", "BALANCE")
        return str(found["evidence_key"]) if found else None

    def in_the_drop(self, day: date) -> DropFindings:
        """Read the findings of the day's listings of the drop."""
        return read_findings(self._get(f"DROP#{day}", "FOUND"))

    def store(self, balance: Balance, evidence_key: str, reckoning: Reckoning) -> tuple[Notification, ...] | None:
        """Store the summary of a balance, replacing an earlier one of the day, and mark the balance as done.

        An imbalance raises a notification; a repeated balance raises another one only if the imbalance differs.
        Returns None where another run has recorded a step meanwhile.
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
    """Encode the position after an item of a shard, or after the shard."""
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

"""The ledger for the daily reconciliation: rows in pages, the progress of a day's balance, and the summary.

All reads can continue from a position, so that a day's balance can be computed in several runs.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.drop_passes import read_findings
from gpconnect_messaging.ledger.encounter_table import EncounterTable, is_unmatched, key_of
from gpconnect_messaging.ledger.reconciliation import IN_MESH, Balance, DropFindings, Row, Unmatched
from gpconnect_messaging.ledger.records import MessageRecord, Notification
from gpconnect_messaging.ledger.stored_names import NotificationType
from gpconnect_messaging.ledger.table import TIME_SHARDS, Item, days, shards, text
from gpconnect_messaging.ledger.table import time as read_time

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_STATE = "RECKONING"
_TOUR = ("MESH", "TOUR")
_PAGE_OF_QUESTIONS = 50


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


class Balances(EncounterTable):
    """The ledger as the reconciliation reads it: page by page, from a position on."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        timeouts: Timeouts,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept_for: timedelta | None = None,
    ) -> None:
        super().__init__(client, table, now, kept_for)
        self._patience = timeouts

    def row_pages(self, since: datetime, position: str) -> Iterator[tuple[list[Row], str]]:
        """Yield pages of open rows, and of the rows of requests that came since, with the position after a page."""
        arrived = [shard for day in days(since, self._now()) for shard in shards(str(day), TIME_SHARDS)]
        sources = [("by_work", "work_shard", shard) for shard in shards("WORK")]
        sources += [("by_time", "time_shard", shard) for shard in arrived]
        for items, after in self.index_pages(sources, position):
            keys = {values.get("encounter_key") or key_of(values["pk"]) for values in items
                    if not str(values["pk"]).startswith(("ACTIONS#", "AGAIN#"))}  # fmt: skip
            yield [self._row(record) for record in self.records_of(keys)], after

    def sent(self, position: str) -> Iterator[Sent]:
        """Yield the messages that MESH can have."""
        sources = [("by_work", "work_shard", shard) for shard in shards("WORK")]
        for items, after in self.index_pages(sources, position, _PAGE_OF_QUESTIONS):
            for record in self.records_of({key_of(values["pk"]) for values in items}):
                if record.status in IN_MESH:
                    yield Sent(self._row(record), after)

    def unmatched_pages(self, day: date, position: str) -> Iterator[tuple[list[Unmatched], str]]:
        """Yield pages of the MESH messages of a day that match no sent message, with the position after a page."""
        start = datetime.combine(day, time(), UTC)
        sources = [("by_attention", "attention_shard", shard) for shard in (*shards("OPEN"), *shards("FAILED"))]
        for items, after in self.index_pages(sources, position):
            received = (str(values["pk"]).split("#") for values in items if is_unmatched(values, start))
            yield [Unmatched(mailbox=mailbox, mesh_message_id=name) for _, mailbox, name in received], after

    def rows_of(self, own_ids: Iterable[str]) -> Iterator[Row]:
        """Yield the rows of requests, and of the requests of messages, with consistent reads."""
        wanted = set(own_ids)
        for encounter in self.encounters_of(wanted):
            records = encounter.records
            asked = {
                record.request_id for record in records.values() if wanted & {record.message_id, record.request_id}
            }
            yield from (self._row(record) for record in records.values() if record.request_id in asked)

    def _row(self, record: MessageRecord) -> Row:
        return Row(
            message_id=record.message_id,
            request_id=record.request_id,
            mailbox=record.mailbox,
            status=record.status,
            created_at=record.created_at,
            changed_at=record.status_since,
            due_at=due_at(record.history, self._patience),
            messages=record.messages,
            mesh_message_ids=record.history.mesh_message_ids,
            became=record.history.became,
        )

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

    def imbalance(self, balance: Balance, evidence_key: str) -> Notification | None:
        """Return the notification of an imbalance; None where the day balances, or the imbalance is known."""
        pk = f"BALANCE#{balance.day}"
        before = self._get(pk, "BALANCE")
        if not balance.wrong or (before and before["fingerprint"] == balance.fingerprint):
            return None
        details = {name: str(count) for name, count in _counts(balance).items() if count}
        return Notification(
            subject_key=pk,
            kind=NotificationType.IMBALANCE,
            raised_at=balance.made_at,
            details=details | {"day": balance.day.isoformat(), "evidence_key": evidence_key},
            occasion=balance.fingerprint if before else "",
        )

    def store(self, balance: Balance, evidence_key: str, reckoning: Reckoning) -> bool:
        """Store the summary of a balance, replacing an earlier one of the day, and mark the balance as done.

        False, with nothing written, where another run has recorded a step meanwhile.
        """
        pk = f"BALANCE#{balance.day}"
        summary: Item = {
            "pk": pk,
            "sk": "BALANCE",
            "day": balance.day.isoformat(),
            "wrong": balance.wrong,
            "counts": _counts(balance),
            "evidence_key": evidence_key,
            "fingerprint": balance.fingerprint,
            "at": text(balance.made_at),
            **self._expiry(balance.made_at),
        }
        return self._write([self._put(summary), self._put_reckoning(replace(reckoning, done=True))])


def _counts(balance: Balance) -> dict[str, int]:
    names = ("received", "settled", "open", "arriving", "open_messages", "lost", "incomplete", "without_receipt",
             "unattended", "vanished", "unknown_to_mesh", "unanswered", "unmatched")  # fmt: skip
    return {name: balance.total(name) for name in names}


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

"""What the daily reconciliation reads of the ledger, and the summary that it leaves there."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from gpconnect_messaging.conflicts import past_transactions
from gpconnect_messaging.ledger.drop_passes import read_findings
from gpconnect_messaging.ledger.lifecycle import NoticeKind, Status
from gpconnect_messaging.ledger.records import Notice
from gpconnect_messaging.ledger.store import UNMATCHED
from gpconnect_messaging.ledger.table import Item, LedgerTable, in_time, item, text
from gpconnect_messaging.ledger.table import time as read_time
from gpconnect_messaging.reconciliation import Balance, DropFindings, Row


class Balances(LedgerTable):
    """The ledger as the reconciliation needs it: by status, each item once."""

    def rows(self, since: datetime) -> Iterator[Row]:
        """Give every open row, and every settled one that changed since a moment.

        Open ones are few, for each has its deadline; no index is read to its beginning for the others.
        """
        for status in Status:
            for each in self._standing(status.value, since if status.settled else None):
                yield _row(each)

    def row(self, message_id: str) -> Row | None:
        """Find one row by its message, past the indexes; None where the ledger does not have it."""
        found = self._get(f"MESSAGE#{message_id}", "MESSAGE")
        return _row(found) if found else None

    def unmatched(self, day: date) -> Iterator[tuple[str, str]]:
        """Give mailbox and MESH's id of what came in on a day and belongs to no message."""
        start = datetime.combine(day, time(), UTC)
        for each in self._standing(UNMATCHED, start):
            if each["changed_at"] < text(start + timedelta(days=1)):
                yield each["mailbox"], each["mesh_message_id"]

    def evidence_key(self, day: date) -> str | None:
        """Where the evidence store has a day's balance; None where it was not made."""
        found = self._get(f"BALANCE#{day}", "BALANCE")
        return str(found["evidence_key"]) if found else None

    def in_the_drop(self, day: date) -> DropFindings:
        """Give what the listing of the drop found on a day."""
        return read_findings(self._get(f"DROP#{day}", "FOUND"))

    def store(self, balance: Balance, evidence_key: str) -> tuple[Notice, ...]:
        """Keep a balance's summary, in place of an earlier one of the day; raise a notice of an imbalance, once."""
        pk = f"BALANCE#{balance.day}"
        names = ("received", "settled", "open", "arriving", "open_messages", "lost", "incomplete", "without_receipt",
                 "unattended", "vanished", "unknown_to_mesh", "unmatched")  # fmt: skip
        counts = {name: balance.total(name) for name in names}
        summary: Item = {
            "pk": pk,
            "sk": "BALANCE",
            "day": balance.day.isoformat(),
            "wrong": balance.wrong,
            "counts": counts,
            "evidence_key": evidence_key,
            **in_time(pk, balance.made_at),
            **self._expiry(balance.made_at),
        }
        if balance.wrong:
            facts = {name: str(count) for name, count in counts.items() if count}
            notice = Notice(
                subject_key=pk,
                kind=NoticeKind.IMBALANCE,
                raised_at=balance.made_at,
                facts=facts | {"day": balance.day.isoformat(), "evidence_key": evidence_key},
            )
            if self._write([self._put(summary), self._put_notice(notice)]):
                return (notice,)
        past_transactions(lambda: self._client.put_item(TableName=self._table, Item=item(summary)))
        return ()


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

"""How far the listing of the drop bucket has come, and what it found.

A pass looks at every object that was dropped within its window, once, in as many runs as it takes. Where it goes on is
the key of an object, which the sender chose and which can name a person: it is stored, never logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from gpconnect_messaging.ledger.records import Notice
from gpconnect_messaging.ledger.table import Item, LedgerTable, text, time
from gpconnect_messaging.reconciliation import DropFindings

FIRST_WINDOW = timedelta(days=1)
"""How far back the first pass of an environment looks: what is older may have been dropped under earlier rules."""

_PASS = ("DROP", "PASS")


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPass:
    """A pass over what was dropped from `since` until `until` (UTC); it goes on after the key `after`."""

    since: datetime
    until: datetime
    after: str = field(default="", repr=False)
    done: bool = False
    revision: int = 0


class DropPasses(LedgerTable):
    """The ledger as the listing of the drop needs it; may raise ClientError for faults of DynamoDB itself."""

    def current(self, now: datetime, settled: timedelta) -> DropPass:
        """Give the pass that is under way, or the next one, which begins where the last one ended."""
        last, until = self.last(), now - settled
        if last is None:
            return DropPass(since=until - FIRST_WINDOW, until=until)
        return DropPass(since=last.until, until=until, revision=last.revision) if last.done else last

    def last(self) -> DropPass | None:
        """Give the pass that is under way or was the last; None where there was none."""
        found = self._get(*_PASS)
        return _pass(found) if found else None

    def record(self, reached: DropPass, found: DropFindings, at: datetime) -> bool:
        """Record how far a pass has come, with what it found since; False where another run has recorded meanwhile."""
        values: Item = {
            "pk": _PASS[0],
            "sk": _PASS[1],
            "since": text(reached.since),
            "until": text(reached.until),
            "after": reached.after,
            "done": reached.done,
            "revision": reached.revision + 1,
        }
        puts = [self._put_if(values, "revision", reached.revision or None)]
        if found.notices:
            day = at.astimezone(UTC).date()
            total = self.found(day).plus(found)
            puts.append(
                self._put(
                    {
                        "pk": f"DROP#{day}",
                        "sk": "FOUND",
                        "requests_unannounced": total.requests_unannounced,
                        "documents_without_request": total.documents_without_request,
                        "document_ids": list(total.document_ids),
                        **self._expiry(at),
                    }
                )
            )
        return self._write(puts)

    def found(self, day: date) -> DropFindings:
        """Give what was found on a day (UTC)."""
        return read_findings(self._get(f"DROP#{day}", "FOUND"))

    def has(self, request_id: str) -> bool:
        """Say whether the ledger has anything of a request: a row of its own, or the claim of its message."""
        return any(
            self._get(pk, sk) is not None
            for pk, sk in ((f"MESSAGE#{request_id}", "MESSAGE"), (f"REQUEST#{request_id}", "REQUEST"))
        )

    def raise_notices(self, found: DropFindings, at: datetime) -> Sequence[Notice]:
        """Raise a notice of each kind of finding, once an hour."""
        subject = f"DROP#{at.astimezone(UTC):%Y-%m-%dT%H}"
        raised = [
            Notice(subject_key=subject, kind=kind, raised_at=at, facts={"at_least": str(count)})
            for kind, count in found.notices.items()
        ]
        return [notice for notice in raised if self._write([self._put_notice(notice)])]


def _pass(item: Item) -> DropPass:
    return DropPass(
        since=time(item["since"]),
        until=time(item["until"]),
        after=item["after"],
        done=item["done"],
        revision=int(item["revision"]),
    )


def read_findings(item: Item | None) -> DropFindings:
    """Read what was found on a day from its item."""
    if item is None:
        return DropFindings()
    return DropFindings(
        requests_unannounced=int(item["requests_unannounced"]),
        documents_without_request=int(item["documents_without_request"]),
        document_ids=tuple(item["document_ids"]),
    )

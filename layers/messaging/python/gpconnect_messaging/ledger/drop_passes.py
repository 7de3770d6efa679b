"""The progress of listing the drop bucket, and the findings.

A pass looks at every object that was dropped within a time window, in as many runs as it takes. A run continues after
an object key, which the sender chose and which can name a person: the key is stored, never logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.encounter_table import EncounterTable
from gpconnect_messaging.ledger.reconciliation import DropFindings
from gpconnect_messaging.ledger.records import Notification
from gpconnect_messaging.ledger.table import Item, text, time
from gpconnect_messaging.storage import ListedObject

FIRST_WINDOW = timedelta(days=1)
"""How far back the first pass of an environment looks: older objects may have been dropped under earlier rules."""

SLOWEST_UPLOAD = timedelta(days=2)
"""The longest duration of an upload in parts: S3 ends it on the second midnight (UTC) at the latest."""


_DROP = "DROP"


class Listing(StrEnum):
    """What a pass lists; the value is the sort key of the pass."""

    CURRENT = "PASS"
    """The current objects, without versions."""
    VERSIONS = "VERSIONS"
    """All versions, also those that were replaced or removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropPass:
    """A pass over the objects dropped from `since` until `until` (UTC); it continues after the key `after`.

    `after_version` is the version of that key to continue after, if any. `put_off` says that this pass left documents
    to the next one, which then has `documents_again` and looks at the documents of a day before `since`, too.
    """

    since: datetime
    until: datetime
    listing: Listing = Listing.CURRENT
    after: str = field(default="", repr=False)
    after_version: str = ""
    documents_again: bool = False
    put_off: bool = False
    done: bool = False
    revision: int = 0

    @property
    def reached(self) -> datetime:
        """The time up to which all objects were listed."""
        return self.until if self.done else self.since

    def covers(self, listed: ListedObject) -> bool:
        """Whether an object belongs to this pass. An upload in parts may have ended after an earlier pass."""
        again = FIRST_WINDOW if self.documents_again and not is_request(listed.key) else timedelta()
        return self.since - (SLOWEST_UPLOAD if listed.in_parts else again) <= listed.at < self.until


class DropPasses(EncounterTable):
    """The stored passes and findings; may raise ClientError for faults of DynamoDB itself."""

    def current(self, until: datetime, every: timedelta, listing: Listing = Listing.CURRENT) -> DropPass | None:
        """Return the pass in progress, or the next one, which starts where the last one ended and ends at `until`.

        None where the next pass would cover less time than `every`.
        """
        last = self.last(listing)
        if last is None:
            return DropPass(since=until - FIRST_WINDOW, until=until, listing=listing)
        if not last.done:
            return last
        if until - last.until < every:
            return None
        again, revision = last.put_off, last.revision
        return DropPass(since=last.until, until=until, listing=listing, documents_again=again, revision=revision)

    def last(self, listing: Listing = Listing.CURRENT) -> DropPass | None:
        """Return the pass in progress or the last one; None without a pass."""
        item = self._get(_DROP, listing)
        return _pass(item, listing) if item else None

    def age(self, now: datetime, listing: Listing = Listing.CURRENT) -> timedelta | None:
        """Return how long ago the drop was completely listed; None where it was never listed."""
        last = self.last(listing)
        return now - last.reached if last else None

    def record(self, reached: DropPass, found: DropFindings, at: datetime) -> bool:
        """Record the progress of a pass with the new findings; False where another run has recorded meanwhile."""
        values: Item = {
            "pk": _DROP,
            "sk": reached.listing.value,
            "since": text(reached.since),
            "documents_again": reached.documents_again,
            "until": text(reached.until),
            "after": reached.after,
            "after_version": reached.after_version,
            "put_off": reached.put_off,
            "done": reached.done,
            "revision": reached.revision + 1,
        }
        puts = [self._put_if(values, "revision", reached.revision or None)]
        if found.notifications:
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
        """Read the findings of a day (UTC)."""
        return read_findings(self._get(f"DROP#{day}", "FOUND"))

    def counted(self, object_id: str) -> bool:
        """Whether an unannounced request, or a document without one, was counted before."""
        return self._get(f"DROPPED#{object_id}", "FOUND") is not None

    def count(self, object_ids: Sequence[str], at: datetime) -> None:
        """Record requests and documents, so that no later pass of either listing counts them again."""
        for object_id in object_ids:
            self._put_item({"pk": f"DROPPED#{object_id}", "sk": "FOUND", **self._expiry(at)})


def notifications(found: DropFindings, at: datetime) -> list[Notification]:
    """Return a notification for every kind of finding; the subject is the hour, so that an hour has one of a kind."""
    subject = f"DROP#{at.astimezone(UTC):%Y-%m-%dT%H}"
    return [
        Notification(subject_key=subject, kind=kind, raised_at=at, details={"at_least": str(count)})
        for kind, count in found.notifications.items()
    ]


def _pass(item: Item, listing: Listing) -> DropPass:
    return DropPass(
        listing=listing,
        since=time(item["since"]),
        documents_again=item.get("documents_again", False),
        until=time(item["until"]),
        after=item["after"],
        after_version=item.get("after_version", ""),
        put_off=item.get("put_off", False),
        done=item["done"],
        revision=int(item["revision"]),
    )


def read_findings(item: Item | None) -> DropFindings:
    """Read the findings of a day from the item."""
    if item is None:
        return DropFindings()
    return DropFindings(
        requests_unannounced=int(item["requests_unannounced"]),
        documents_without_request=int(item["documents_without_request"]),
        document_ids=tuple(item["document_ids"]),
    )

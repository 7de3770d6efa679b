"""Moves settled encounters to the archive, month by month; only this sets when an encounter's items expire.

| phase | what a run does | a repeat after a crash |
|---|---|---|
| `write` | reads a month's requests, writes the settled encounters as a segment | writes the same segment again |
| `index` | merges the segments' spans and entries into the indexes | adds nothing |
| `expire` | reads a segment back, compares count and hash, and sets `expires_at` | sets it again |

The progress is an item of the ledger, written on condition of its revision after the work. An encounter expires only
if it is still as the segment has it. One that is open, held or changed since is looked at again with the requests of
the present month: the item `AGAIN#{key}` says so. Every change removes `expires_at`, and makes such an item, too.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gpconnect_messaging.ledger.archive import PARTITIONS, Archive, Archived, month_after, month_start
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.encounter_table import (
    STATE,
    YOUNGEST_ARCHIVED,
    EncounterTable,
    as_received,
    pk_of,
    received_keys,
)
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.records import Received
from gpconnect_messaging.ledger.table import TIME_SHARDS, days, look_again, shards, text
from gpconnect_messaging.threads import in_threads

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

GRACE = timedelta(days=7)
"""How long an archived encounter stays in the ledger."""
_PARTS_STAY = 30 * 86_400
"""Seconds by which parts stay longer than the encounter, which needs them: DynamoDB deletes in any order."""
_LEASE = timedelta(seconds=290)
"""Longer than a run, shorter than the schedule's interval: no two runs write the same segment."""
_SEGMENT = 4_000
"""Encounters of a segment: a few megabytes, and a minute of reading."""
_PAGE = 500
_SEGMENTS_AT_ONCE = 150
"""Segments whose entries fit in memory with a run's partitions (64 MB)."""
_FEWEST_BLOCKS = 16
"""So that a step of the index takes seconds, and the time is checked in between."""
_LOOKS_BACK = 12
"""Months before those to archive in the first run, in which a request can have come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The month that is being archived, and how far: `position` in the list of requests, `next` in other phases."""

    month: str
    phase: str = "write"
    position: str = ""
    segments: int = 0
    next: int = 0
    revision: int = 0


@dataclass(slots=True)
class ArchiveRun:
    """The numbers of encounters that a run wrote to the archive, and that it let expire in the ledger."""

    archived: int = 0
    expiring: int = 0


class Archiver(EncounterTable):
    """Archives encounters. Methods may raise ArchiveDamagedError, UnreadError, and ClientError for faults of AWS."""

    def __init__(
        self,
        client: "DynamoDBClient",
        table: str,
        timeouts: Timeouts,
        archive: Archive,
        after: timedelta,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Requests are archived when the whole month is older than `after`."""
        super().__init__(client, table, now)
        self._patience = timeouts
        self._into = archive
        self._after = max(after, YOUNGEST_ARCHIVED)

    def run(self, time_left: Callable[[], bool]) -> ArchiveRun:
        """Continue where the last run ended, as long as there is time and a month is old enough."""
        run, now = ArchiveRun(), self._now()
        lease = {":until": text(now + _LEASE), ":now": text(now)}
        if not self._update("ARCHIVE", "LEASE", "SET free_at = :until",
                            "attribute_not_exists(pk) OR free_at <= :now", lease):  # fmt: skip
            return run
        progress = self.progress()
        while time_left() and month_start(month_after(progress.month)) + self._after <= now:
            step = {"write": self._archive_requests, "index": self._index, "expire": self._expire}[progress.phase]
            reached = replace(step(progress, run, time_left), revision=progress.revision + 1)
            values = {"pk": "ARCHIVE", "sk": "PROGRESS", **asdict(reached)}
            if not self._put_item(values, "revision", progress.revision or None):
                break
            progress = reached
        return run

    def progress(self) -> Progress:
        """Read how far the archive is."""
        found = self._get("ARCHIVE", "PROGRESS")
        if found is None:
            return Progress(month=month_after(f"{self._now() - self._after:%Y-%m}", -_LOOKS_BACK))
        numbers = {name: int(found[name]) for name in ("segments", "next", "revision")}
        return Progress(month=found["month"], phase=found["phase"], position=found["position"], **numbers)

    def _archive_requests(self, progress: Progress, run: ArchiveRun, time_left: Callable[[], bool]) -> Progress:
        start, end = month_start(progress.month), month_start(month_after(progress.month)) - timedelta.resolution
        of_days = [shard for day in days(start, end) for shard in shards(str(day), TIME_SHARDS)]
        sources = [("by_time", "time_shard", shard) for shard in of_days]
        archived: dict[str, Archived] = {}
        for entries, position in self.index_pages(sources, progress.position, _PAGE):
            keys = {str(values["encounter_key"]) for values in entries if "encounter_key" in values}
            archived |= {one.encounter.key: one for one in self._settled(keys - archived.keys())}
            if len(archived) >= _SEGMENT or not time_left():
                reached = replace(progress, position=position)
                break
        else:
            reached = replace(progress, position="", phase="index")
        if archived:
            by_arrival = sorted(archived.values(), key=lambda one: min(one.encounter.arrivals.values(), default=start))
            self._into.write(progress.month, progress.segments, by_arrival, self._now())
            reached = replace(reached, segments=progress.segments + 1)
            run.archived += len(archived)
        return reached if reached.segments or reached.phase == "write" else Progress(month=month_after(progress.month))

    def _settled(self, keys: Iterable[str]) -> Iterator[Archived]:
        """Yield the encounters in which nothing is open, and no request is too new; look at the others again later."""
        encounters = []
        self.unreadable.clear()
        for encounter in self.encounters(keys):
            if self._is_settled(encounter):
                encounters.append(encounter)
            else:
                self._put_item(look_again(encounter.key, self._now()))
        for key in self.unreadable:
            self._put_item(look_again(key, self._now()))
        came = {key: one for one in encounters for key in received_keys(one)}
        received: dict[str, list[Received]] = {}
        for found in self._batch(came):
            received.setdefault(came[found["pk"], found["sk"]].key, []).append(as_received(found))
        return (Archived(one, tuple(received.get(one.key, ()))) for one in encounters)

    def _is_settled(self, encounter: Encounter) -> bool:
        requested = [record.created_at for record in encounter.records.values()]
        requested += [claim.created_at for claim in encounter.claims.values()]
        new = max(requested, default=self._now()) > self._now() - self._after
        return not new and not encounter.has_open_notifications and encounter.work_at(self._patience) is None

    def _index(self, progress: Progress, _run: ArchiveRun, _time_left: Callable[[], bool]) -> Progress:
        blocks = max(_FEWEST_BLOCKS, -(-progress.segments // _SEGMENTS_AT_ONCE))
        end = min(progress.next + -(-PARTITIONS // blocks), PARTITIONS)
        self._into.index(progress.month, progress.segments, progress.next, end)
        return replace(progress, next=end) if end < PARTITIONS else replace(progress, next=0, phase="expire")

    def _expire(self, progress: Progress, run: ArchiveRun, _time_left: Callable[[], bool]) -> Progress:
        at = int((self._now() + GRACE).timestamp())
        archived = self._into.verified(progress.month, progress.next)
        run.expiring += sum(in_threads(lambda one: self._let_expire(one.encounter, at), list(archived)))
        done = progress.next + 1
        return replace(progress, next=done) if done < progress.segments else Progress(month=month_after(progress.month))

    def _let_expire(self, encounter: Encounter, at: int) -> bool:
        """Let an encounter's items expire if it is as the archive has it, and not held; else look at it again."""
        values = {":at": at, ":seen": encounter.revision, ":taken": encounter.revision + 1}
        # A new revision, so that no writer can go on from what it read before.
        if encounter.legal_hold or not self._update(
            pk_of(encounter.key), STATE, "SET expires_at = :at, revision = :taken",
            "revision = :seen OR (revision = :taken AND attribute_exists(expires_at))", values,
        ):  # fmt: skip
            self._put_item(look_again(encounter.key, self._now()))
            return False
        # What a newer revision keeps was written after the encounter changed again.
        unkept = "attribute_exists(pk) AND (attribute_not_exists(kept_by) OR kept_by <= :seen)"
        for pk, sk in self.item_keys(encounter):
            expires_at = at + _PARTS_STAY if sk.startswith("PART#") else at
            self._update(pk, sk, "SET expires_at = :at", unkept, {":at": expires_at, ":seen": encounter.revision})
        return True

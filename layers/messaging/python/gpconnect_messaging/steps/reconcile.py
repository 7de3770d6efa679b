"""Reconcile: once a day, prove that nothing was lost, or report the losses (`reconciliation` has the rules).

The balance of a day takes as many runs as it needs, in bounded memory:

1. Collect the entries into files, by request (`balance_entries`): the ledger's rows, the messages that the previous
   balance left open, unmatched received messages, and the receipts of the day and of the day before.
2. Balance the requests in parts, and add the parts to a total.
3. Ask MESH about the messages that it should have, at a limited rate and up to a number a day. The next day continues
   where this one ended.

After every step the ledger records the progress. After a crash the next run repeats only unrecorded work. When two runs
overlap, one of them finds a step that the other recorded, and stops. File names are digests of the content, so a
repeated write produces the same file.

The schedule starts a run every few minutes of the night; a run does nothing where the day has a balance. A run for a
named day starts a new balance, unless one is under way.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from gpconnect_messaging.balance_entries import (
    SLOTS,
    Entries,
    EntriesFile,
    Entry,
    ReceivedBefore,
    read_left_open,
    read_slots,
    write_left_open,
)
from gpconnect_messaging.ledger.balances import Balances, Reckoning
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.reconciliation import Balance, LeftOpen, Row, asked_of_mesh, balance
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import MeshError, NotFound
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.storage import Evidence

LOOKS_BACK = 7
"""How many days back to look for a balance that left messages open."""

UNDER_WAY = timedelta(hours=12)
"""How long an unfinished balance is continued; after that the day starts again."""

DUE = time(7, tzinfo=UTC)
"""When the balance of the day before must have been made: the schedule's last run is over."""

_QUESTIONS_A_SECOND = 5
_MOST_FAILURES = 5
"""After so many unanswered questions in a row, MESH is not asked again until the next day."""
_RECORDED_EVERY = 25
"""How many questions pass between two records of the progress."""

_Source = Callable[[str], Iterator[tuple[Sequence[Entry], str]]]
"""Yields pages of entries from a position on, with the position after the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A balance that the next run continues: how many entries were collected, and which part is next."""

    day: date
    entries: int
    part: int
    parts: int
    asked_of_mesh: int


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The reconciliation step and the adapters that it uses. MESH is asked about at most `most_asked` messages a day.

    A file holds about `entries_a_file`, a part about `entries_a_part`: that bounds the memory.
    """

    evidence: Evidence
    balances: Balances
    mesh: MeshConnections
    notifier: Notifier
    timeouts: Timeouts
    longest_wait: timedelta = timedelta(0)
    """How long a request can wait for documents and their scan without a row in the ledger."""
    most_asked: int = 5_000
    entries_a_file: int = 50_000
    entries_a_part: int = 20_000
    pace: RateLimiter = field(default_factory=lambda: RateLimiter(_QUESTIONS_A_SECOND))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, day: date | None = None, time_left: Callable[[], bool] = lambda: True) -> Balance | Unfinished | None:
        """Continue the balance of a day (UTC) while there is time; without a day, of yesterday if it has none yet.

        None where yesterday has a balance, or where another run works on the day.
        """
        now = self.now()
        if day is None:
            day = now.date() - timedelta(days=1)
            if self.balances.evidence_key(day) is not None:
                return None
        known = self.balances.reckoning(day)
        if known is None or known.done or now - known.began_at > UNDER_WAY:
            known = Reckoning(day=day, began_at=now, revision=known.revision if known else 0)
        reached: Reckoning | None = known
        for step in (self._collect, self._reckon, self._ask_mesh):
            if reached is None:
                return None
            reached, finished = step(reached, time_left)
            if reached and not finished:
                return Unfinished(
                    day=day, entries=reached.entries, part=reached.next_part, parts=reached.parts,
                    asked_of_mesh=reached.asked,
                )  # fmt: skip
        return self._finish(reached) if reached else None

    def _collect(self, reached: Reckoning, time_left: Callable[[], bool]) -> tuple[Reckoning | None, bool]:
        """Write the entries into files; return whether all were collected."""
        if reached.parts:
            return reached, True
        sources = self._sources(reached.day)
        file = EntriesFile()
        for number in range(reached.source, len(sources)):
            for entries, position in sources[number](reached.position if number == reached.source else ""):
                file.add(entries)
                if file.count >= self.entries_a_file or not time_left():
                    recorded = self._recorded(replace(reached, source=number, position=position), file)
                    if recorded is None or not time_left():
                        return recorded, False
                    reached, file = recorded, EntriesFile()
        parts = min(SLOTS, -(-(reached.entries + file.count) // self.entries_a_part)) or 1
        return self._recorded(replace(reached, parts=parts), file), True

    def _recorded(self, reached: Reckoning, file: EntriesFile) -> Reckoning | None:
        if file.count:
            key = self.evidence.keep_reckoning(reached.day, file.content())
            reached = replace(reached, files=(*reached.files, key), entries=reached.entries + file.count)
        return self.balances.record(reached)

    def _sources(self, day: date) -> list[_Source]:
        """Return the sources in the order in which they are read: the rows before their receipts.

        So a receipt that came while the rows were read is young, or the row was already read.
        """
        since = datetime.combine(day, time(), UTC)

        def before(position: str) -> Iterator[tuple[Sequence[Entry], str]]:
            for page, after in self.evidence.receipt_pages(day - timedelta(days=1), position):
                yield [ReceivedBefore(receipt.request_id) for receipt in page], after

        return [
            lambda position: self.balances.row_pages(since, position),
            lambda position: self._left_open(day, position),
            lambda position: self.balances.unmatched_pages(day, position),
            lambda position: self.evidence.receipt_pages(day, position),
            before,
        ]

    def _left_open(self, day: date, position: str) -> Iterator[tuple[Sequence[Entry], str]]:
        """Yield the messages that the previous balance left open, file by file."""
        for back in range(1, LOOKS_BACK + 1):
            if key := self.balances.evidence_key(day - timedelta(days=back)):
                files = json.loads(self.evidence.read_balance(key))["open_files"]
                for number in range(int(position or 0), len(files)):
                    yield [*read_left_open(self.evidence.read_balance(files[number]))], str(number + 1)
                return

    def _reckon(self, reached: Reckoning, time_left: Callable[[], bool]) -> tuple[Reckoning | None, bool]:
        """Balance part after part, adding to the total; return whether all parts are done."""
        while reached.next_part < reached.parts:
            if not time_left():
                return reached, False
            part = self._part(reached, reached.next_part)
            recorded = self._add(replace(reached, next_part=reached.next_part + 1), part)
            if recorded is None:
                return None, False
            reached = recorded
        return reached, True

    def _part(self, reached: Reckoning, number: int) -> Balance:
        first, end = (SLOTS * part // reached.parts for part in (number, number + 1))
        entries = Entries()
        for key in reached.files:

            def read(start: int, stop: int, key: str = key) -> bytes:
                return self.evidence.read_reckoning(key, start, stop)

            for entry in read_slots(read, first, end):
                entries.add(entry)
        part = self._balance(reached, entries)
        doubtful = [request_id for counts in part.mailboxes.values() for request_id in counts.doubtful]
        vanished = [message_id for counts in part.mailboxes.values() for message_id in counts.vanished]
        if doubtful or vanished:
            # An index may lag, and does not show what became settled of an earlier day's requests: the table decides.
            for row in self.balances.rows_of({*doubtful, *vanished}):
                entries.add(row)
            part = self._balance(reached, entries)
        left = [
            LeftOpen(message_id=row.message_id, request_id=row.request_id, mailbox=row.mailbox, why=row.why_open)
            for row in sorted(entries.rows.values(), key=lambda row: row.message_id)
            if not row.status.settled
        ]
        wrong = json.dumps(part.as_json()).encode() if part.wrong else b""
        return replace(
            part,
            open_files=(self.evidence.keep_open(reached.day, write_left_open(left)),) if left else (),
            wrong_files=(self.evidence.keep_wrong(reached.day, wrong),) if wrong else (),
        )

    def _balance(self, reached: Reckoning, entries: Entries) -> Balance:
        return balance(
            reached.day, **entries.arguments, now=reached.began_at,
            settling=self.longest_wait + self.timeouts.requeue_after, tracked_after=self.timeouts.resolve_after,
        )  # fmt: skip

    def _add(self, reached: Reckoning, part: Balance, tour: str | None = None) -> Reckoning | None:
        """Add the balance of a part to the total, and record the step."""
        total = self._total(reached).plus(part)
        key = self.evidence.keep_reckoning(reached.day, json.dumps(total.as_json()).encode())
        return self.balances.record(replace(reached, total=key), tour=tour)

    def _total(self, reached: Reckoning) -> Balance:
        if not reached.total:
            return Balance(day=reached.day, made_at=reached.began_at, mailboxes={})
        return Balance.from_json(json.loads(self.evidence.read_reckoning(reached.total)))

    def _ask_mesh(self, reached: Reckoning, time_left: Callable[[], bool]) -> tuple[Reckoning | None, bool]:
        """Ask MESH about the messages that it should have, continuing the tour of all messages."""
        if reached.asked_enough:
            return reached, True
        before = reached.began_at - self.timeouts.resolve_after
        tour = begun = self.balances.tour()
        answers: list[tuple[Row, bool | None]] = []
        asked, failures = 0, 0
        for sent in self.balances.sent(tour):
            enough = reached.asked + asked >= self.most_asked or failures >= _MOST_FAILURES
            if enough or asked >= _RECORDED_EVERY or not time_left():
                recorded = self._asked(reached, answers, asked, tour, enough=enough)
                if recorded is None or enough or not time_left():
                    return recorded, enough
                reached, answers, asked = recorded, [], 0
            if sent.row.mesh_must_know(before):
                answer = self._known_to_mesh(sent.row)
                failures = failures + 1 if answer is None else 0
                asked += answer is not None
                answers.append((sent.row, answer))
            tour = sent.position
        # The tour ended before any question: all messages come before the position where it began, so start over.
        again = bool(begun) and not answers and not reached.asked
        recorded = self._asked(reached, answers, asked, "", enough=not again)
        return self._ask_mesh(recorded, time_left) if recorded and again else (recorded, True)

    def _asked(
        self, reached: Reckoning, answers: list[tuple[Row, bool | None]], asked: int, tour: str, *, enough: bool
    ) -> Reckoning | None:
        reached = replace(reached, asked=reached.asked + asked, asked_enough=enough)
        return self._add(reached, asked_of_mesh(reached.day, reached.began_at, answers), tour)

    def _known_to_mesh(self, row: Row) -> bool | None:
        """Return whether MESH knows any copy of a message; None where MESH does not answer."""
        try:
            return any(self._has(row.mailbox, mesh_message_id) for mesh_message_id in row.mesh_message_ids)
        except (MeshError, CredentialsError):
            return None

    def _has(self, mailbox: str, mesh_message_id: str) -> bool:
        self.pace.wait()
        try:
            self.mesh.authorised(mailbox, lambda client: client.tracking(mesh_message_id))
        except NotFound:
            return False
        return True

    def _finish(self, reached: Reckoning) -> Balance | None:
        result = replace(self._total(reached), in_the_drop=self.balances.in_the_drop(reached.day))
        key = self.evidence.keep_balance(reached.day, json.dumps(result.as_json(), indent=1).encode())
        # Notify first: a balance that is stored is not made again.
        if notification := self.balances.imbalance(result, key):
            self.notifier.raise_and_notify([notification])
        return result if self.balances.store(result, key, reached) else None


@dataclass(frozen=True, kw_only=True)
class BalanceDeadline:
    """Measures whether the balance of the day before is late, for the sweep."""

    balances: Balances
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def late(self) -> timedelta:
        """Return for how long the balance of the day before has been overdue; zero where it is not."""
        now = self.now()
        day, due = now.date() - timedelta(days=1), datetime.combine(now.date(), DUE)
        if self.balances.evidence_key(day) is not None:
            return timedelta()
        return max(now - due, timedelta())

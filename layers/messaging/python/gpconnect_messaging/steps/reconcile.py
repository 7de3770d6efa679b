"""Reconcile: once a day, prove that nothing was lost, or tell what was (`reconciliation` has the reckoning).

A day is reckoned in as many runs as it takes, each in bounded memory:

1. Everything that the balance is made from is collected into files, by request (`balance_entries`): the ledger's rows,
   what the balance before left open, what came in and was not matched, the receipts of the day and of the day before.
2. Part after part, a share of the requests is reckoned, and added to the total.
3. MESH is asked about the messages that it should have, at a rate and up to a number a day; the next day's reckoning
   goes on where this one ended.

After each step the ledger records how far the reckoning has come. A run that dies repeats what it had not recorded; of
two runs at once, one finds that the other has recorded a step, and leaves the day to it. Files are named by their
content, so that what is written again is the same file.

The schedule comes every few minutes of the night; a day whose balance was made is left alone. A day that is named is
reckoned afresh, unless its reckoning is under way.
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
from gpconnect_messaging.ledger.lifecycle import Timeouts
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.mesh.errors import MeshError, NotFound
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.reconciliation import Balance, LeftOpen, Row, asked_of_mesh, balance
from gpconnect_messaging.replay.rate_limiter import RateLimiter
from gpconnect_messaging.storage import Evidence

LOOKS_BACK = 7
"""How many days back the balance is looked for that left messages open."""

UNDER_WAY = timedelta(hours=12)
"""For how long a reckoning that was begun is gone on with; after that the day is reckoned afresh."""

DUE = time(7, tzinfo=UTC)
"""When the balance of the day before must have been made: the schedule's last run is over."""

_QUESTIONS_A_SECOND = 5
_MOST_FAILURES = 5
"""After so many questions without an answer, one after the other, MESH is left alone until the next day."""
_RECORDED_EVERY = 25
"""After how many questions it is recorded how far they have come."""

_Source = Callable[[str], Iterator[tuple[Sequence[Entry], str]]]
"""Gives entries in pages, from a position on, each page with the position after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A reckoning that the next run goes on with: how many entries were collected, and which part is next."""

    day: date
    entries: int
    part: int = 0
    parts: int = 0
    asked_of_mesh: int = 0


@dataclass(frozen=True, kw_only=True)
class Reconciliation:
    """The reconciliation step and what it works with. MESH is asked about `most_asked` messages a day at most.

    A file holds about `entries_a_file`, a part about `entries_a_part`: that bounds the memory.
    """

    evidence: Evidence
    balances: Balances
    mesh: MeshConnections
    notifier: Notifier
    patience: Timeouts
    longest_wait: timedelta = timedelta(0)
    """How long a request waits for its documents and their scan, in order, without a row in the ledger."""
    most_asked: int = 5_000
    entries_a_file: int = 50_000
    entries_a_part: int = 20_000
    pace: RateLimiter = field(default_factory=lambda: RateLimiter(_QUESTIONS_A_SECOND))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, day: date | None = None, time_left: Callable[[], bool] = lambda: True) -> Balance | Unfinished | None:
        """Go on with a day's balance (UTC) while there is time; without a day, yesterday's, unless there is one.

        None where there is one, or another run works on it.
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
        """Write everything into files; say whether all was collected."""
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
        return self._recorded(replace(reached, source=len(sources), position="", parts=parts), file), True

    def _recorded(self, reached: Reckoning, file: EntriesFile) -> Reckoning | None:
        if file.count:
            key = self.evidence.keep_reckoning(reached.day, file.content())
            reached = replace(reached, files=(*reached.files, key), entries=reached.entries + file.count)
        return self.balances.record(reached)

    def _sources(self, day: date) -> list[_Source]:
        """Give the sources in the order in which they are read: rows before the receipts that they belong to.

        So what came while the rows were read has its row already, or is young.
        """
        since = datetime.combine(day, time(), UTC)

        def before(position: str) -> Iterator[tuple[Sequence[Entry], str]]:
            for page, after in self.evidence.receipt_pages(day - timedelta(days=1), position):
                yield [ReceivedBefore(each.request_id) for each in page], after

        return [
            lambda position: self.balances.row_pages(since, position),
            lambda position: self._left_open(day, position),
            lambda position: self.balances.unmatched_pages(day, position),
            lambda position: self.evidence.receipt_pages(day, position),
            before,
        ]

    def _left_open(self, day: date, position: str) -> Iterator[tuple[Sequence[Entry], str]]:
        """Give what the balance before left open, file after file."""
        for back in range(1, LOOKS_BACK + 1):
            if key := self.balances.evidence_key(day - timedelta(days=back)):
                files = json.loads(self.evidence.read_balance(key))["open_files"]
                for number in range(int(position or 0), len(files)):
                    yield [*read_left_open(self.evidence.read_balance(files[number]))], str(number + 1)
                return

    def _reckon(self, reached: Reckoning, time_left: Callable[[], bool]) -> tuple[Reckoning | None, bool]:
        """Reckon part after part, each added to the total; say whether all were."""
        while reached.next_part < reached.parts:
            if not time_left():
                return reached, False
            made = self._part(reached, reached.next_part)
            recorded = self._add(replace(reached, next_part=reached.next_part + 1), made)
            if recorded is None:
                return None, False
            reached = recorded
        return reached, True

    def _part(self, reached: Reckoning, number: int) -> Balance:
        first, end = (SLOTS * each // reached.parts for each in (number, number + 1))
        entries = Entries()
        for key in reached.files:

            def read(start: int, stop: int, key: str = key) -> bytes:
                return self.evidence.read_reckoning(key, start, stop)

            for entry in read_slots(read, first, end):
                entries.add(entry)
        made = self._balance(reached, entries)
        doubtful = [each for its in made.mailboxes.values() for each in its.doubtful]
        vanished = [each for its in made.mailboxes.values() for each in its.vanished]
        if doubtful or vanished:
            # An index may lag, and a row that changed its status while the indexes were read can have been missed: the
            # table itself has the last word.
            for request_id in doubtful:
                for row in self.balances.rows_of(request_id):
                    entries.add(row)
            for message_id in vanished:
                if row_found := self.balances.row(message_id):
                    entries.add(row_found)
            made = self._balance(reached, entries)
        left = [
            LeftOpen(message_id=row.message_id, request_id=row.request_id, mailbox=row.mailbox, why=row.why_open)
            for row in sorted(entries.rows.values(), key=lambda row: row.message_id)
            if not row.status.settled
        ]
        wrong = json.dumps(made.as_json()).encode() if made.wrong else b""
        return replace(
            made,
            open_files=(self.evidence.keep_open(reached.day, write_left_open(left)),) if left else (),
            wrong_files=(self.evidence.keep_wrong(reached.day, wrong),) if wrong else (),
        )

    def _balance(self, reached: Reckoning, entries: Entries) -> Balance:
        return balance(
            reached.day, **entries.arguments, now=reached.began_at, settling=self.longest_wait + self.patience.stale,
            tracked_after=self.patience.uncertain,
        )  # fmt: skip

    def _add(self, reached: Reckoning, made: Balance, tour: str | None = None) -> Reckoning | None:
        """Add a balance to the total, and record the step that made it."""
        total = self._total(reached).plus(made)
        key = self.evidence.keep_reckoning(reached.day, json.dumps(total.as_json()).encode())
        return self.balances.record(replace(reached, total=key), tour=tour)

    def _total(self, reached: Reckoning) -> Balance:
        if not reached.total:
            return Balance(day=reached.day, made_at=reached.began_at, mailboxes={})
        return Balance.from_json(json.loads(self.evidence.read_reckoning(reached.total)))

    def _ask_mesh(self, reached: Reckoning, time_left: Callable[[], bool]) -> tuple[Reckoning | None, bool]:
        """Ask MESH about the messages that it should have, from where the tour of all of them has come."""
        if reached.asked_enough:
            return reached, True
        before = reached.began_at - self.patience.uncertain
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
        # Where the tour ended before anything was asked, all that there is comes before where it was begun.
        again = bool(begun) and not answers and not reached.asked
        recorded = self._asked(reached, answers, asked, "", enough=not again)
        return self._ask_mesh(recorded, time_left) if recorded and again else (recorded, True)

    def _asked(
        self, reached: Reckoning, answers: list[tuple[Row, bool | None]], asked: int, tour: str, *, enough: bool
    ) -> Reckoning | None:
        reached = replace(reached, asked=reached.asked + asked, asked_enough=enough)
        return self._add(reached, asked_of_mesh(reached.day, reached.began_at, answers), tour)

    def _known_to_mesh(self, row: Row) -> bool | None:
        """Say whether MESH knows any copy of a message; None where it does not answer."""
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
        made = replace(self._total(reached), in_the_drop=self.balances.in_the_drop(reached.day))
        key = self.evidence.keep_balance(reached.day, json.dumps(made.as_json(), indent=1).encode())
        notifications = self.balances.store(made, key, reached)
        if notifications is None:
            return None
        self.notifier.tell(notifications)
        return made


@dataclass(frozen=True, kw_only=True)
class BalanceDeadline:
    """Whether the balance of the day before was made in time: asked by the due work, every minute."""

    balances: Balances
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def late(self) -> timedelta:
        """Say for how long the balance of the day before has been due and is not made; none where it is, or not due."""
        now = self.now()
        day, due = now.date() - timedelta(days=1), datetime.combine(now.date(), DUE)
        if self.balances.evidence_key(day) is not None:
            return timedelta()
        return max(now - due, timedelta())

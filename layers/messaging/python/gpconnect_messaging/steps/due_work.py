"""Due work: whatever should have happened by now, and has not. One sweep every minute heals every crash.

| status | what the sweep does when it is due |
|---|---|
| HELD | its hold window is over: put it on the intake queue, to be built |
| RELEASING | no builder finished it: the same again |
| BUILT | no sender took it: queue it again |
| SENDING | the lease ended: the sender died, and the upload is UNCERTAIN |
| UNCERTAIN | the wait is over: queue it to send the same bytes again, a possible duplicate, recorded |
| SENT, ACKNOWLEDGED | an acknowledgement is late: OVERDUE, and a person is told |
| any before SENT | three hours are nearly over (GPCM-SD-CS-075): a person is told, once |

It also tells every notification that a crash left untold. A message that cannot be healed does not hold up the others, and
where there is more due than there is time for, each kind of work has its turn: notifications first, up to a number, then one
message of each status after the other.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import zip_longest
from typing import TypeVar

from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import (
    NOT_LEFT,
    EventType,
    LedgerEvent,
    MessageHistory,
    Status,
    Timeouts,
    due_at,
)
from gpconnect_messaging.ledger.records import MessageRecord, Notification
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue, SendQueue

MOST_TOLD = 200
"""Notifications that one sweep tells: seconds, of which the messages must have some, too."""

_STRIDE = 7919
"""How many messages later each minute's sweep begins: a prime, so that in time it begins everywhere."""
_FAR = timedelta(days=1)
"""Beyond any lease: what is being told just now is not told yet."""
_T = TypeVar("_T")


@dataclass(slots=True)
class SweepResult:
    """What one sweep did."""

    released: int = 0
    """Held requests that were offered to the builder."""
    queued_again: int = 0
    leases_ended: int = 0
    overdue: int = 0
    running_late: int = 0
    notices_told: int = 0
    left: int = 0
    """Still due: time ran out."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The due-work step and what it works with. `at_once` messages are healed together."""

    ledger: Ledger
    send_queue: SendQueue
    intake_queue: IntakeQueue
    notifier: Notifier
    patience: Timeouts
    at_once: int = 8
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def untold(self) -> list[Notification]:
        """List the notifications that nobody was told yet, with those that somebody is telling just now."""
        return self.ledger.due_notifications(self.now() + _FAR)

    def run(
        self, time_left: Callable[[], bool] = lambda: True, untold: Sequence[Notification] | None = None
    ) -> SweepResult:
        """Do the work that is due, message by message while `time_left` says that there is time for one more.

        One that cannot be healed does not hold up the others, nor the notifications; the first error is raised at the end.
        `untold` is what `untold()` lists, where that was asked for already.
        """
        swept, failures = SweepResult(), list[Exception]()
        notifications = self._begun_elsewhere(self.untold() if untold is None else untold)
        try:
            swept.notices_told = self.notifier.tell(notifications[:MOST_TOLD], time_left)
        except Exception as error:  # noqa: BLE001 - the messages must not wait for SNS
            failures.append(error)
        with ThreadPoolExecutor(self.at_once) as pool:
            due = self._in_turn(self.ledger.due_messages(self.now()))
            for done in pool.map(partial(self._try, time_left), due):
                if isinstance(done, Exception):
                    failures.append(done)
                else:
                    for name in done:
                        setattr(swept, name, getattr(swept, name) + 1)
        if failures:
            raise failures[0]
        return swept

    def _in_turn(self, due: Mapping[str, Status]) -> Iterator[str]:
        """Let every status have its turn: thousands of one kind do not hold up the few of another."""
        kinds: defaultdict[Status, list[str]] = defaultdict(list)
        for message_id, status in due.items():
            kinds[status].append(message_id)
        turns = zip_longest(*map(self._begun_elsewhere, kinds.values()))
        return (message_id for turn in turns for message_id in turn if message_id)

    def _begun_elsewhere(self, due: Sequence[_T]) -> Sequence[_T]:
        """Begin elsewhere each minute: nothing is always the last, and sweeps that overlap do not race for one."""
        begin = int(self.now().timestamp()) // 60 * _STRIDE % len(due) if due else 0
        return [*due[begin:], *due[:begin]]

    def _try(self, time_left: Callable[[], bool], message_id: str) -> list[str] | Exception:
        """Heal one message; give the counts of `SweepResult` that this adds to, or why it failed."""
        if not time_left():
            return ["left"]
        try:
            record = self.ledger.find(message_id)
            return self._heal(record) if record else []
        except Exception as error:  # noqa: BLE001 - whatever one message does, the others must not wait for it
            return error

    def _heal(self, record: MessageRecord) -> list[str]:
        now = self.now()
        if not self._is_due(record.history):
            return []  # it moved on between the index and the message
        warn_at = now if record.history.unrecognised else record.history.warn_at
        if warn_at and warn_at <= now and record.status in NOT_LEFT:
            if not self._record(record, lifecycle.running_late(at=now)):
                return []
            again = self.ledger.find(record.message_id)
            return ["running_late", *(self._heal(again) if again else ())]
        match record.status:
            case Status.BUILT | Status.UNCERTAIN | Status.HELD | Status.RELEASING:
                times = len(record.history.of(EventType.QUEUED_AGAIN)) + 1
                event = lifecycle.queued_again(at=now, times=times, why=record.status.value)
                if not self._record(record, event):
                    return []
                if record.status in {Status.HELD, Status.RELEASING}:
                    self.intake_queue.release(record.message_id, record.mailbox)
                    return ["released"]
                self.send_queue.put(record.message_id, record.mailbox)
                return ["queued_again"]
            case Status.SENDING:
                event = lifecycle.upload_uncertain(
                    at=now, attempt=record.history.attempts, why="the sender's lease ended", source="poller"
                )
                return ["leases_ended"] * self._record(record, event)
            case Status.SENT | Status.ACKNOWLEDGED | Status.OVERDUE:
                event = lifecycle.acknowledgement_overdue(
                    at=now, missing=record.history.missing_acknowledgements, order=record.history.order_sent
                )
                return ["overdue"] * self._record(record, event)
            case _:
                return []  # nothing is due in any other status

    def _is_due(self, history: MessageHistory) -> bool:
        due = due_at(history, self.patience)
        return due is not None and due <= self.now()

    def _record(self, record: MessageRecord, event: LedgerEvent) -> bool:
        """Record the fact if the message is as we saw it; False where somebody else was faster."""
        seen = record.history.identities
        change = self.ledger.record(record.message_id, event, only_if=lambda history: history.identities == seen)
        if change is None or not change.recorded:
            return False
        self.notifier.tell(change.notifications)
        return True

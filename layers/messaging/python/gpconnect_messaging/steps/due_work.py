"""Sweep: every minute, do the work that is due. This also repairs every crash.

| status | what the sweep does when it is due |
|---|---|
| HELD | the hold window is over: queue it for the builder |
| RELEASING | no builder finished it: the same |
| BUILT | no sender took it: queue it again |
| SENDING | the lease ended: the sender died, and the upload is UNCERTAIN |
| UNCERTAIN | the wait is over: queue it to send the same bytes again, a possible duplicate, recorded |
| SENT, ACKNOWLEDGED | an acknowledgement is late: OVERDUE, and a person is notified |
| any before SENT | three hours are nearly over (GPCM-SD-CS-075): a person is notified, once |

The sweep also delivers notifications that a crash left undelivered. An error in one message does not stop the others.
Where time is short, the kinds of work take turns: first a number of notifications, then messages, status by status.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice, zip_longest
from typing import TypeVar

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notifications import LEASE, readable, to_tell
from gpconnect_messaging.ledger.records import MessageRecord, Notification
from gpconnect_messaging.ledger.status_rules import NOT_LEFT
from gpconnect_messaging.ledger.store import DueWork, Ledger
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue, SendQueue

MOST_TOLD = 200
"""How many notifications one sweep delivers: the messages need time, too."""

_QUEUED_TOGETHER = 100
"""Of so many messages, those to be queued share calls of SQS: more would wait for longer."""
_STRIDE = 7919
"""By how many messages the start moves every minute: a prime, so that in time it reaches every position."""
_T = TypeVar("_T")


@dataclass(slots=True)
class SweepResult:
    """The counts of one sweep."""

    released: int = 0
    """Held requests that were queued for the builder."""
    queued_again: int = 0
    leases_ended: int = 0
    overdue: int = 0
    running_late: int = 0
    notifications_told: int = 0
    left: int = 0
    """Still due: time ran out."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The due-work step and the adapters that it uses. `at_once` messages are repaired at the same time."""

    ledger: Ledger
    send_queue: SendQueue
    intake_queue: IntakeQueue
    notifier: Notifier
    timeouts: Timeouts
    at_once: int = 8
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def due(self) -> list[DueWork]:
        """List what is due, with the notifications that are just being delivered."""
        return self.ledger.due(self.now() + LEASE)

    def run(self, time_left: Callable[[], bool] = lambda: True, due: Sequence[DueWork] | None = None) -> SweepResult:
        """Do the work that is due, encounter by encounter, while `time_left` allows one more.

        An error in one encounter stops neither the others nor the notifications; the first error is raised at the end.
        `due` is the result of `due()`, if the caller has it already.
        """
        result, failures = SweepResult(), list[Exception]()
        due = self._rotated(self.due() if due is None else due)
        try:
            result.notifications_told = self.notifier.notify(islice(self._untold(due, failures), MOST_TOLD), time_left)
        except Exception as error:  # noqa: BLE001 - the messages must not wait for SNS
            failures.append(error)
        with ThreadPoolExecutor(self.at_once) as pool:
            keys = self._interleaved(due)
            while some := list(islice(keys, _QUEUED_TOGETHER)):
                try:
                    with self.intake_queue.together(), self.send_queue.together():
                        counts = pool.map(partial(self._attempt, time_left, failures), some)
                        for name in chain.from_iterable(counts):
                            setattr(result, name, getattr(result, name) + 1)
                except Exception as error:  # noqa: BLE001 - what was not queued is due again
                    failures.append(error)
        if failures:
            raise failures[0]
        return result

    def _untold(self, due: Iterable[DueWork], failures: list[Exception]) -> Iterator[Notification]:
        for work in due:
            if work.untold_since and (encounter := readable(self.ledger, work.key, failures)):
                yield from to_tell(encounter, self.now())

    def _interleaved(self, due: Iterable[DueWork]) -> Iterator[str]:
        """Alternate between the statuses, so that thousands of messages in one do not delay the few in another."""
        by_status: defaultdict[frozenset[Status], list[str]] = defaultdict(list)
        for work in due:
            if work.at <= self.now():
                by_status[work.statuses].append(work.key)
        return (key for turn in zip_longest(*by_status.values()) for key in turn if key)

    def _rotated(self, due: Sequence[_T]) -> Sequence[_T]:
        """Start at another position every minute: no message is always last, and overlapping sweeps do not collide."""
        begin = int(self.now().timestamp()) // 60 * _STRIDE % len(due) if due else 0
        return [*due[begin:], *due[:begin]]

    def _attempt(self, time_left: Callable[[], bool], failures: list[Exception], key: str) -> list[str]:
        """Repair an encounter's messages; return the counts of `SweepResult` to increase.

        An error is added to `failures`.
        """
        if not time_left():
            return ["left"]
        try:
            encounter = self.ledger.encounter(key)
            if (work_at := encounter.work_at(self.timeouts)) is None or work_at > self.now():
                self.ledger.postpone(encounter)  # the index is behind
                return []
            return [name for record in encounter.records.values() for name in self._repair(record)]
        except Exception as error:  # noqa: BLE001 - one failure must not stop the others
            failures.append(error)
            return []

    def _repair(self, record: MessageRecord) -> list[str]:
        now = self.now()
        if not self._is_due(record.history):
            return []  # the status changed since the index was read
        warn_at = now if record.history.unrecognised else record.history.warn_at
        if warn_at and warn_at <= now and record.status in NOT_LEFT:
            if not self._record(record, ledger_events.running_late(at=now)):
                return []
            again = self.ledger.find(record.message_id)
            return ["running_late", *(self._repair(again) if again else ())]
        match record.status:
            case Status.BUILT | Status.UNCERTAIN | Status.HELD | Status.RELEASING:
                times = len(record.history.of(EventType.QUEUED_AGAIN)) + 1
                event = ledger_events.queued_again(at=now, times=times, why=record.status.value)
                if not self._record(record, event):
                    return []
                if record.status in {Status.HELD, Status.RELEASING}:
                    self.intake_queue.release(record.message_id, record.mailbox)
                    return ["released"]
                self.send_queue.put(record.message_id, record.mailbox)
                return ["queued_again"]
            case Status.SENDING:
                event = ledger_events.upload_uncertain(
                    at=now, attempt=record.history.attempts, why="the sender's lease ended", source="poller"
                )
                return ["leases_ended"] * self._record(record, event)
            case Status.SENT | Status.ACKNOWLEDGED | Status.OVERDUE:
                event = ledger_events.acknowledgement_overdue(
                    at=now, missing=record.history.missing_acknowledgements, order=record.history.order_sent
                )
                return ["overdue"] * self._record(record, event)
            case _:
                return []  # no work is due in any other status

    def _is_due(self, history: MessageHistory) -> bool:
        due = due_at(history, self.timeouts)
        return due is not None and due <= self.now()

    def _record(self, record: MessageRecord, event: LedgerEvent) -> bool:
        """Record the event if the message is unchanged since it was read; False where another writer was faster."""
        seen = record.history.identities
        change = self.ledger.record(record.message_id, event, only_if=lambda history: history.identities == seen)
        if change is None or not change.recorded:
            return False
        self.notifier.notify(change.notifications)
        return True

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

It also tells every notice that a crash left untold. A message that cannot be healed does not hold up the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import NOT_LEFT, Fact, FactKind, History, Patience, Status, due_at
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.notices import Notifier
from gpconnect_messaging.queues import IntakeQueue, SendQueue

_STRIDE = 7919
"""How many messages later each minute's sweep begins: a prime, so that in time it begins everywhere."""


@dataclass(slots=True)
class Swept:
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
    """The due-work step and what it works with."""

    ledger: Ledger
    send_queue: SendQueue
    intake_queue: IntakeQueue
    notifier: Notifier
    patience: Patience
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, time_left: Callable[[], bool] = lambda: True) -> Swept:
        """Do the work that is due, message by message while `time_left` says that there is time for one more.

        One that cannot be healed does not hold up the others, nor the notices; the first error is raised at the end.
        """
        swept, failures = Swept(), list[Exception]()
        for message_id in self._in_turn(self.ledger.due_messages(self.now())):
            if not time_left():
                swept.left += 1
                continue
            try:
                if record := self.ledger.find(message_id):
                    self._heal(record, swept)
            except Exception as error:  # noqa: BLE001 - whatever one message does, the others must not wait for it
                failures.append(error)
        swept.notices_told = self.notifier.tell(self.ledger.due_notices(self.now()))
        if failures:
            raise failures[0]
        return swept

    def _in_turn(self, due: list[str]) -> list[str]:
        """Begin elsewhere each minute: no message is always the last, and sweeps that overlap do not race for one."""
        begin = int(self.now().timestamp()) // 60 * _STRIDE % len(due) if due else 0
        return due[begin:] + due[:begin]

    def _heal(self, record: MessageRecord, swept: Swept) -> None:
        now = self.now()
        if not self._is_due(record.history):
            return  # it moved on between the index and the message
        if (warn_at := record.history.warn_at) and warn_at <= now and record.status in NOT_LEFT:
            if self._record(record, lifecycle.running_late(at=now)) and (again := self.ledger.find(record.message_id)):
                swept.running_late += 1
                self._heal(again, swept)
            return
        match record.status:
            case Status.BUILT | Status.UNCERTAIN | Status.HELD | Status.RELEASING:
                times = len(record.history.of(FactKind.QUEUED_AGAIN)) + 1
                fact = lifecycle.queued_again(at=now, times=times, why=record.status.value)
                if not self._record(record, fact):
                    return
                if record.status in {Status.HELD, Status.RELEASING}:
                    self.intake_queue.release(record.message_id, record.mailbox)
                    swept.released += 1
                else:
                    self.send_queue.put(record.message_id, record.mailbox)
                    swept.queued_again += 1
            case Status.SENDING:
                fact = lifecycle.upload_uncertain(
                    at=now, attempt=record.history.attempts, why="the sender's lease ended", source="poller"
                )
                swept.leases_ended += self._record(record, fact)
            case Status.SENT | Status.ACKNOWLEDGED:
                fact = lifecycle.acknowledgement_overdue(at=now, missing=record.history.missing_acknowledgements)
                swept.overdue += self._record(record, fact)
            case _:
                pass  # nothing is due in any other status

    def _is_due(self, history: History) -> bool:
        due = due_at(history, self.patience)
        return due is not None and due <= self.now()

    def _record(self, record: MessageRecord, fact: Fact) -> bool:
        """Record the fact if the message is as we saw it; False where somebody else was faster."""
        seen = record.history.identities
        change = self.ledger.record(record.message_id, fact, only_if=lambda history: history.identities == seen)
        if change is None or not change.recorded:
            return False
        self.notifier.tell(change.notices)
        return True

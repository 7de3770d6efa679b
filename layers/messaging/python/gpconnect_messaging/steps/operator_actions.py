"""The operator's actions: release a request, confirm that a practice was told, accept a response, skip a version.

An action records one event with the operator's id; the sweep does the work that follows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.steps.voiding import void_replaced_versions, voids_replaced_document


class NotPossibleError(Exception):
    """The row does not exist, or the action is no longer possible: nothing was recorded."""


@dataclass(frozen=True, kw_only=True)
class OperatorActions:
    """The operator's actions with their dependencies."""

    ledger: Ledger
    notifier: Notifier
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def release(self, request_id: str, actor: str) -> Status:
        """Release a held request (GPCM-SD-CS-074). The next sweep after the hold window sends it.

        Raises NotPossibleError where the request is not held (superseded, for example), ActorError.
        """
        row = self.ledger.find(request_id)
        # The differences that the operator can know of; one that is found later needs another decision.
        known = row.history.differences if row else frozenset()
        event = ledger_events.released_by_a_person(at=self.now(), actor=checked_actor(actor), despite=known)
        return self._record(
            request_id,
            event,
            lambda history: status_of(history) is Status.HELD and history.differences == known,
            "is not held, or was found to differ from PDS just now",
        ).status

    def practice_told(self, withdrawal_id: str, actor: str) -> Status:
        """Record that the practice knows of the deleted consultation (GPCM-SD-CS-077).

        Raises NotPossibleError where no practice is to be told, ActorError.
        """
        event = ledger_events.practice_told(at=self.now(), actor=checked_actor(actor))
        return self._record(
            withdrawal_id, event, lambda history: history.practice_to_tell, "has no practice to be told"
        ).status

    def accept_response(self, message_id: str, mesh_message_id: str, actor: str) -> Status:
        """Let a suspicious response count, once a person knows that it is genuine.

        Raises NotPossibleError where the message has no such response, or where MESH could have no copy of the message
        when the response came (safety rule 8); ActorError.
        """
        event = ledger_events.response_accepted(
            at=self.now(), mesh_message_id=mesh_message_id, actor=checked_actor(actor)
        )

        def acceptable(history: MessageHistory) -> bool:
            suspicious = [response for response in history.suspicious if response not in history.answers_nothing]
            return mesh_message_id in {response.details["mesh_message_id"] for response in suspicious}

        record = self._record(
            message_id,
            event,
            acceptable,
            "has no such suspicious response, or MESH could have no copy of the message when it came",
        )
        events = [event for event in record.history.events if event.details.get("mesh_message_id") == mesh_message_id]
        if any(voids_replaced_document(event, record) for event in events):
            void_replaced_versions(self.ledger, self.notifier, record, self.now())
        return record.status

    def skip_earlier_versions(self, message_id: str, actor: str, reason: str) -> Status:
        """Release a message that waits for earlier versions of the encounter; those versions are never sent.

        They become SUPERSEDED, because a version that arrives after a newer one would replace it at the practice.
        `reason` is kept for the audit and holds no personal data. Raises NotPossibleError where the message waits for
        no version, or where one is being sent just now; ActorError, ReasonError.
        """
        actor, reason = checked_actor(actor), checked_reason(reason)
        change = self.ledger.skip_earlier_versions(message_id, at=self.now(), actor=actor, reason=reason)
        if change is None:
            raise NotPossibleError(f"{message_id} waits for no earlier version, or for one that is being sent just now")
        self.notifier.notify(change.notifications)
        return change.record.status

    def _record(
        self, row_id: str, event: LedgerEvent, possible: Callable[[MessageHistory], bool], otherwise: str
    ) -> MessageRecord:
        change = self.ledger.record(row_id, event, only_if=possible)
        if change is None:
            raise NotPossibleError(f"{row_id} {otherwise}")
        self.notifier.notify(change.notifications)
        return change.record

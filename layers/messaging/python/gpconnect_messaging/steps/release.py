"""Release: turn a held request into messages when the hold window is over.

The request is the kept one, with the document versions that were checked when it came. The message version is claimed
only now, so that the versions that are sent are consecutive.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from gpconnect_messaging.decision import Course, decide
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.received_objects import Receiver
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.settings import MailboxSettings
from gpconnect_messaging.requests.models import Request, parse_request
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.steps.lookup import Registration
from gpconnect_messaging.steps.message_pipeline import BuildResult, MessagePipeline, UnknownRequestError
from gpconnect_messaging.steps.named_files import NamingRequest
from gpconnect_messaging.storage import NotThereError
from gpconnect_messaging.usecases.redaction import redacted

CLOCKS_DIFFER = timedelta(minutes=1)
"""How much earlier than the builder's clock says a held request may be released."""


@dataclass(frozen=True, kw_only=True)
class Release(MessagePipeline):
    """Builds held requests whose hold window is over."""

    def release(self, request_id: str) -> BuildResult:
        """Build a held request whose hold window is over; leave a request that is no longer held as it is.

        Raises UnknownRequestError; LedgerBusyError; NotReadyError.
        """
        encounter = self.ledger.encounter_of(request_id)
        if encounter is None or request_id not in encounter.records or request_id not in encounter.origins:
            raise UnknownRequestError("the ledger has no such held request")
        row, origin, claim = (
            encounter.records[request_id], encounter.origins[request_id], encounter.claims.get(request_id)
        )  # fmt: skip
        opens = row.history.release_at
        early = (
            opens is None
            or opens > self.now() + CLOCKS_DIFFER
            or row.history.waits_for_a_person
            or row.history.unrecognised
        )
        if row.status not in {Status.HELD, Status.RELEASING} or early:
            return self._as_recorded(row)
        try:
            request = redacted(parse_request(self.evidence.request(request_id)))
            mailbox = self._mailbox(request)
            if claim and (known := self._known(request, mailbox, claim)):
                return self._released(request_id, known)
            naming = NamingRequest(
                receiver=Receiver(request_id, row.encounter_key),
                folder=origin.folder,
                arrived=row.created_at,
                files_of=row.created_at,
                own_folder=False,
                still_current=lambda: True,
            )
            content = self._content(request, origin.document_versions, naming)
            registration = self._look_up(UUID(request_id), request, mailbox, claim, held=False)
            if claim is None and (still_held := self._still_held(row, request, mailbox, registration)):
                return still_held
            drafts = self._drafts(registration.of(request), mailbox, content)
        except RequestRefusedError as refused:
            return self._settle(row, self._refused(refused.reasons), claim)
        except NotThereError:
            gone = [Reason("request", "is not kept any longer: it waited for too long")]
            return self._settle(row, self._refused(gone), claim)
        claim = claim or self.ledger.start_release(
            request_id,
            drafts.messages[0].encounter,
            drafts.messages[0].created_at,
            recipients=[draft.recipient.key for draft in drafts.messages],
            registration=registration.details,
        )
        if claim is None:
            return self._as_recorded(self._recorded(request_id))
        try:
            return self._store_all(
                request_id, drafts, claim, content, arrived=row.created_at, late_warning_at=row.history.warn_at,
                was_held=True,
            )  # fmt: skip
        except RequestRefusedError as refused:
            return self._settle(row, self._refused(refused.reasons), claim)

    def _still_held(
        self, row: MessageRecord, request: Request, mailbox: MailboxSettings, registration: Registration
    ) -> BuildResult | None:
        """Record why PDS keeps a held request from becoming a message now; None where it can become one."""
        now, history = self.now(), row.history
        event = ledger_events.differs(at=now, fields=registration.differs, comparison=registration.comparison)
        if registration.unanswered:
            times = len(history.of(EventType.LOOKUP_UNANSWERED)) + 1
            event = ledger_events.lookup_unanswered(at=now, times=times, why=str(registration.unanswered))
        elif not history.with_event(event).undecided_differences:
            decision = decide(request, mailbox, practice=registration.ods_code, arrived=row.created_at, now=now)
            if decision.course is not Course.NOT_REQUIRED:
                return None
            event = ledger_events.not_required(at=now, requirement=decision.requirement, why=decision.why)
        return replace(self._settle(row, event), unanswered=registration.unanswered)

    def _released(self, request_id: str, result: BuildResult) -> BuildResult:
        event = ledger_events.released(
            at=self.now(), message_ids=[result.message_id, *(copy.message_id for copy in result.copies)]
        )
        self.ledger.record(request_id, event)
        return result

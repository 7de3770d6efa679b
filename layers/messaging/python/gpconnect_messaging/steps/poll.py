"""Poll a mailbox: handshake, download the messages, store them, record them in the ledger, and acknowledge them last.

MESH deletes a message after the acknowledgement, so the poller first stores the raw message and writes the ledger
(safety rule 1). A message that cannot be read or matched is stored, notified and acknowledged (rule 6): never dropped,
never retried for ever. A message that cannot be stored on any try is quarantined and notified: it stays in MESH, where
a person can fetch it.

Several messages are received at once. That is safe, as two pollers of one mailbox would be, because every effect of
receiving a message can be repeated; the lease on the mailbox only saves the work.
"""

import uuid
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.itk3.responses import Outcome, Response, UnreadableResponse, read_response
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import QUARANTINED, MessageRecord, Received
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.table import LedgerBusyError
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mesh.checksum import Checksum
from gpconnect_messaging.mesh.client import MeshClient
from gpconnect_messaging.mesh.errors import (
    ERROR_CODES,
    Authentication,
    DamagedContent,
    NotFound,
    NotSent,
    Refused,
    RetryLater,
    WrongChecksum,
    known_code,
)
from gpconnect_messaging.mesh.models import MessageHeaders
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.quoting import mailbox_id, own_ods_code
from gpconnect_messaging.safe_errors import is_provoked
from gpconnect_messaging.specification import WORKFLOW_ANSWERED_ON
from gpconnect_messaging.steps.voiding import void_replaced_versions, voids_replaced_document
from gpconnect_messaging.storage import Evidence, KeptMessage, whole_second

LARGEST_RECEIVED = 20_000_000_000
"""The most bytes that MESH carries in all chunks of a message; longer decompressed content is a bomb."""

_WRONG_CHECKSUM, _UNKNOWN_CHECKSUM = "does not agree", "cannot be checked"

# Failures of MESH, of the network and of AWS: the received message is not at fault, unless it provoked them.
_PASSING = (RetryLater, NotSent, LedgerBusyError, ClientError, BotoCoreError)


@dataclass(slots=True)
class PollResult:
    """The counts of one poll of a mailbox."""

    matched: int = 0
    unmatched: int = 0
    seen_before: int = 0
    gone: int = 0
    quarantined: int = 0
    """Quarantined, now or earlier, after too many tries."""
    waiting: int = 0
    """Responses left in MESH until it is known where MESH routed the message: the next poll asks MESH again."""
    left: int = 0
    """Still in the inbox: time ran out."""
    polled_elsewhere: int = 0
    """1 where another poller has the mailbox."""


class _Taken(Enum):
    MATCHED = auto()
    UNMATCHED = auto()
    SEEN_BEFORE = auto()
    GONE = auto()
    QUARANTINED = auto()
    WAITS = auto()


@dataclass(frozen=True, slots=True)
class _BegunBefore:
    """A message that was begun before and not finished: it is received alone, after the others."""

    tried_alone: int


@dataclass(frozen=True, slots=True)
class _Unmatched:
    why: str


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """A message in the evidence store, and the damage found in it ("": none)."""

    headers: MessageHeaders
    kept: KeptMessage
    checksum: str
    damage: str = ""


@dataclass(frozen=True, slots=True)
class _Undecided:
    """A response to a message whose recipient mailbox MESH does not name yet."""

    record: MessageRecord
    asked: list[LedgerEvent]


@dataclass(frozen=True, kw_only=True)
class Poller:
    """The polling step and the adapters that it uses.

    `at_once` messages are received together; every one needs a few megabytes of memory. A message that was begun and
    not finished is tried alone, `most_tries` times.
    """

    evidence: Evidence
    ledger: Ledger
    mesh: MeshConnections
    notifier: Notifier
    identifiers: Identifiers
    lease: timedelta = timedelta(minutes=5)
    at_once: int = 4
    most_tries: int = 5
    largest: int = LARGEST_RECEIVED
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def poll(self, mailbox: str, time_left: Callable[[], bool] = lambda: True) -> PollResult:
        """Empty a mailbox's inbox, while `time_left` allows one more message.

        An error in one message does not stop the others, and is raised at the end. Raises MeshError, also where MESH
        cannot be reached or refuses the credentials, and CredentialsError.
        """
        holder = str(uuid.uuid4())
        if not self.ledger.take_mailbox(mailbox, holder, self.lease):
            return PollResult(polled_elsewhere=1)
        try:
            return _Round(self, self.mesh.authorised(mailbox, _with_handshake), time_left).run()
        finally:
            self.ledger.leave_mailbox(mailbox, holder)

    def _take(self, client: MeshClient, mesh_message_id: str, *, alone: bool) -> _Taken | _BegunBefore:
        """Receive one message, beside others; a message that was begun before is put off until it can be alone.

        A try counts against a message only where it was alone, so that a message that kills the process uses up no try
        of another message.
        """
        known = self.ledger.find_received(client.mailbox, mesh_message_id)
        if known is not None and known.outcome == QUARANTINED:
            return _Taken.QUARANTINED
        if known is None:
            if alone:
                self.ledger.try_received(client.mailbox, mesh_message_id)
            else:
                tries = self.ledger.begin_received(client.mailbox, mesh_message_id)
                if tries.alone >= self.most_tries:
                    return self._quarantine(client.mailbox, mesh_message_id)
                if tries.begun > 1:
                    return _BegunBefore(tries.alone)
            try:
                received = self._take_in(client, mesh_message_id)
            except _PASSING as error:
                if not is_provoked(error):
                    self.ledger.forget_try(client.mailbox, mesh_message_id, alone=alone)
                raise
        else:
            received = _Taken.SEEN_BEFORE  # recorded before, and the acknowledgement was lost
        if received is _Taken.WAITS:
            self.ledger.forget_try(client.mailbox, mesh_message_id, alone=alone)  # nothing is wrong with the message
        elif received is not _Taken.GONE:
            with suppress(NotFound):
                client.acknowledge(mesh_message_id)
        return received

    def _take_in(self, client: MeshClient, mesh_message_id: str) -> _Taken:
        try:
            downloaded = self._download(client, mesh_message_id)
        except NotFound:
            return _Taken.GONE
        key = downloaded.kept.keep(downloaded.headers)
        if downloaded.damage:
            return self._record(client.mailbox, mesh_message_id, key, _Unmatched(downloaded.damage))
        matched = self._understand(client, downloaded.headers, downloaded.kept.whole, downloaded.checksum)
        return self._record(client.mailbox, mesh_message_id, key, matched)

    def _quarantine(self, mailbox: str, mesh_message_id: str) -> _Taken:
        received = Received(
            mailbox=mailbox, mesh_message_id=mesh_message_id, at=self.now(), evidence_key="", outcome=QUARANTINED
        )
        why = f"it could not be received in {self.most_tries} tries; it was not acknowledged and stays in MESH"
        self.notifier.notify(self.ledger.received(received, unmatched_because=why))
        return _Taken.QUARANTINED

    def _download(self, client: MeshClient, mesh_message_id: str) -> _Downloaded:
        """Download a message into the evidence store; a damaged one as it was served.

        A wrong checksum alone is no damage yet: the content decides.
        """
        begin = partial(self.evidence.receive, client.mailbox, mesh_message_id)
        kept = begin()
        try:
            headers = client.download_into(mesh_message_id, kept, maximum_bytes=self.largest)
        except WrongChecksum:
            return _Downloaded(client.head(mesh_message_id), kept, _WRONG_CHECKSUM)
        except DamagedContent as error:
            damage = f"the content is damaged: {error.problem}"
        else:
            unknown = headers.checksum and not Checksum(headers.checksum).is_known
            return _Downloaded(headers, kept, _UNKNOWN_CHECKSUM if unknown else "")
        kept = begin()
        try:
            head = client.download_into(mesh_message_id, kept, maximum_bytes=self.largest, as_served=True)
        except DamagedContent:
            head, kept = client.head(mesh_message_id), begin()
        return _Downloaded(head, kept, "", damage)

    def _record(
        self,
        mailbox: str,
        mesh_message_id: str,
        evidence_key: str,
        matched: "tuple[MessageRecord, list[LedgerEvent]] | _Undecided | _Unmatched",
    ) -> _Taken:
        if isinstance(matched, _Undecided):
            for event in matched.asked:
                self.ledger.record(matched.record.message_id, event)
            return _Taken.WAITS
        received = Received(
            mailbox=mailbox,
            mesh_message_id=mesh_message_id,
            at=self.now(),
            evidence_key=evidence_key,
            outcome="unmatched",
        )
        if isinstance(matched, _Unmatched):
            self.notifier.notify(self.ledger.received(received, unmatched_because=matched.why))
            return _Taken.UNMATCHED
        record, events = matched
        for event in events:
            change = self.ledger.record(record.message_id, event)
            self.notifier.notify(change.notifications if change else ())
            if change and voids_replaced_document(event, change.record):
                void_replaced_versions(self.ledger, self.notifier, record, self.now())
        self.ledger.received(replace(received, outcome=record.message_id))
        return _Taken.MATCHED

    def _understand(
        self, client: MeshClient, message: MessageHeaders, body: bytes | None, checksum: str
    ) -> tuple[MessageRecord, list[LedgerEvent]] | _Undecided | _Unmatched:
        is_wrong = checksum == _WRONG_CHECKSUM
        if is_wrong and (message.is_report or message.workflow_id not in WORKFLOW_ANSWERED_ON):
            return _Unmatched(f"the content is damaged: the checksum {checksum}")
        if message.is_report:
            return self._report(message)
        if message.workflow_id not in WORKFLOW_ANSWERED_ON:
            return _Unmatched("it came on a workflow that carries no acknowledgements")
        if body is None:
            return _Unmatched("it is longer than any acknowledgement")
        try:
            response = read_response(body)
        except UnreadableResponse as error:
            return _Unmatched(str(error))
        record = self._original(client.mailbox, response)
        if record is None:
            why = "could not read the id of our message" if response.original_unreadable else "names no message of ours"
            return _Unmatched(f"it is a response that {why}")
        if record.mailbox != client.mailbox:
            return _Unmatched("it answers a message of another mailbox")
        if is_wrong and record.history.is_answered:
            return _Unmatched(f"it answers a message that waits for no response, and the checksum {checksum}")
        routes = self._routes(client, record, message.workflow_id)
        if MessageHistory((*record.history.events, *routes)).destination_open:
            return _Undecided(record, routes)
        return record, [*routes, *self._responses(message, response, record.history.organisations, checksum)]

    def _routes(self, client: MeshClient, record: MessageRecord, answered_on: str) -> list[LedgerEvent]:
        """Ask MESH where it routed a message, before a response to it is judged.

        The responder has collected the message, so MESH knows the mailbox by now. Where MESH does not name it, the next
        polls ask again, up to `MOST_ROUTING_QUESTIONS` times. After that, and for a copy whose MESH id was lost with
        the answer to the upload, the endpoint lookup names the practice's mailbox.
        """
        asked: list[LedgerEvent] = []
        for mesh_message_id in record.history.unrouted:
            mailbox = _recipient(client, mesh_message_id)
            asked.append(self._route(record.history, mesh_message_id, mailbox))
        history = MessageHistory((*record.history.events, *asked))
        if organisation := history.lost_sight_of_at:
            mailbox = self._listed(record.mailbox, organisation, WORKFLOW_ANSWERED_ON[answered_on])
            asked.append(self._route(history, None, mailbox))
        return asked

    def _route(self, history: MessageHistory, mesh_message_id: str | None, mailbox: str | None) -> LedgerEvent:
        times = history.routing_questions(mesh_message_id) + 1
        return ledger_events.routed(at=self.now(), mesh_message_id=mesh_message_id, mailbox=mailbox, times=times)

    def _listed(self, mailbox: str, organisation: str, workflow_id: str) -> str | None:
        """Return the mailbox that MESH lists for an organisation and workflow; None where it does not list exactly one.

        Raises passing failures.
        """
        try:
            return mailbox_id(self.mesh.endpoint_lookup(mailbox, organisation, workflow_id).only)
        except (Authentication, NotFound, Refused):
            return None

    def _report(self, message: MessageHeaders) -> tuple[MessageRecord, list[LedgerEvent]] | _Unmatched:
        record = self.ledger.find_by_mesh_message_id(message.linked_message_id) if message.linked_message_id else None
        if record is None or not message.linked_message_id:
            return _Unmatched(f"it is a MESH report ({known_code(message.status_code)}) on no message of ours")
        if message.status_success:
            return _Unmatched(
                f"it is a MESH report of success ({known_code(message.status_code)}), which is not expected"
            )
        event = ledger_events.report(
            at=self.now(),
            mesh_message_id=message.message_id,
            linked_mesh_message_id=message.linked_message_id,
            code=known_code(message.status_code),
            description=ERROR_CODES.get(message.status_code, "not a code that we know; see the evidence store"),
        )
        return record, [event]

    def _original(self, mailbox: str, response: Response) -> MessageRecord | None:
        if response.identifier and (record := self.ledger.find(response.identifier)) and record.version:
            return record
        if response.sender_reference:
            # The reference names an encounter. The response can only mean a message that still waits for such a
            # response and was sent before the response was written: a repeated response to an earlier version must not
            # count for a later one.
            levels = {outcome.level for outcome in response.outcomes} or {response.level}
            encounter = self.identifiers.of_encounter(mailbox, response.sender_reference)
            waiting = [
                record
                for record in self.ledger.find_by_encounter(encounter.key)
                if all(record.history.awaits(level) for level in levels)
                and _may_answer(response.timestamp, record.history)
            ]
            if len(waiting) == 1:
                return waiting[0]
        return None

    def _responses(
        self, message: MessageHeaders, response: Response, known: Collection[str], checksum: str
    ) -> list[LedgerEvent]:
        # One outcome per level that the response names; without any, the meaning is unknown.
        outcomes = response.outcomes or (Outcome(level=response.level, verdict=response.verdict, code=None),)
        return [
            ledger_events.response(
                at=self.now(),
                mesh_message_id=message.message_id,
                from_mailbox=message.sender,
                from_organisation=own_ods_code(response.sender_ods_code, known),
                code=outcome.code,
                level=outcome.level,
                verdict=outcome.verdict,
                checksum=checksum,
            )
            for outcome in outcomes
        ]


def _may_answer(written: datetime | None, history: MessageHistory) -> bool:
    """Whether a response written at that second can answer a message that MESH may have."""
    return written is not None and any(whole_second(since) <= written for since in history.copies_since)


def _with_handshake(client: MeshClient) -> MeshClient:
    client.handshake()
    return client


def _recipient(client: MeshClient, mesh_message_id: str) -> str | None:
    """Return the mailbox that MESH routed a message to; None where MESH does not name it. Raises passing failures."""
    try:
        recipient = client.tracking(mesh_message_id).recipient
    except (Authentication, NotFound, Refused):
        return None
    return mailbox_id(recipient)


@dataclass
class _Round:
    """One pass through an inbox."""

    poller: Poller
    client: MeshClient
    time_left: Callable[[], bool]
    polled: PollResult = field(default_factory=PollResult)
    failures: list[Exception] = field(default_factory=list)
    begun_before: list[tuple[int, str]] = field(default_factory=list)
    """Tries alone and message id: the least tried comes first, before one that kills the process."""
    refused: list[tuple[str, bool]] = field(default_factory=list)
    """Messages that MESH refused to hand out: the message id, and whether it was tried alone."""
    served: bool = False
    """Whether MESH handed out another message."""

    def run(self) -> PollResult:
        """Receive the messages of the inbox; raise the first failure at the end."""
        running: dict[Future[_Taken | _BegunBefore], str] = {}
        with ThreadPoolExecutor(self.poller.at_once) as pool:
            for mesh_message_id in self.client.inbox():
                if len(running) >= self.poller.at_once:
                    self._collect(running)
                if self.time_left():
                    begun = pool.submit(self._take, mesh_message_id, alone=False)
                    running[begun] = mesh_message_id
                else:
                    self.polled.left += 1
            while running:
                self._collect(running)
        for _, mesh_message_id in sorted(self.begun_before):
            if self.time_left():
                self._count(partial(self._take, mesh_message_id, alone=True), mesh_message_id, alone=True)
            else:
                self.polled.left += 1
        if len(self.refused) > 1 and not self.served:
            # MESH no longer accepts our credentials: no message is at fault.
            for mesh_message_id, alone in self.refused:
                self.poller.ledger.forget_try(self.client.mailbox, mesh_message_id, alone=alone)
        if self.failures:
            raise self.failures[0]
        return self.polled

    def _take(self, mesh_message_id: str, *, alone: bool) -> _Taken | _BegunBefore:
        return self.poller._take(self.client, mesh_message_id, alone=alone)  # noqa: SLF001 - one module, one step

    def _collect(self, running: "dict[Future[_Taken | _BegunBefore], str]") -> None:
        done, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            self._count(future.result, running.pop(future))

    def _count(self, result: Callable[[], _Taken | _BegunBefore], mesh_message_id: str, *, alone: bool = False) -> None:
        try:
            received = result()
        except Exception as error:  # noqa: BLE001 - one failure must not stop the others
            self.failures.append(error)
            if isinstance(error, Authentication):
                self.refused.append((mesh_message_id, alone))
            return
        self.served = self.served or (isinstance(received, _Taken) and received is not _Taken.QUARANTINED)
        match received:
            case _Taken.MATCHED:
                self.polled.matched += 1
            case _Taken.UNMATCHED:
                self.polled.unmatched += 1
            case _Taken.SEEN_BEFORE:
                self.polled.seen_before += 1
            case _Taken.GONE:
                self.polled.gone += 1
            case _Taken.QUARANTINED:
                self.polled.quarantined += 1
            case _Taken.WAITS:
                self.polled.waiting += 1
            case _BegunBefore(tried_alone):
                self.begun_before.append((tried_alone, mesh_message_id))

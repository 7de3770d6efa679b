"""Poll a mailbox: handshake, fetch what waits, keep it, let it land in the ledger, and acknowledge it last.

MESH forgets a message once it is acknowledged, so that comes after the raw message is stored and the ledger written
(safety rule 1). What cannot be read or matched is kept, told and acknowledged (rule 6): never dropped, never looped on.
What cannot even be kept, try after try, is set aside and told: it stays in MESH, where a person can get at it.

Several messages are taken in at once. That is safe, as two pollers of one mailbox would be, because every effect of
taking a message in can be repeated; the lease on the mailbox only saves the work.
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

from gpconnect_messaging.itk3.responses import Outcome, Response, UnreadableResponse, read_response
from gpconnect_messaging.ledger import lifecycle
from gpconnect_messaging.ledger.lifecycle import LedgerEvent, MessageHistory
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
from gpconnect_messaging.requests.identity import Identifiers
from gpconnect_messaging.safe_errors import is_provoked
from gpconnect_messaging.specification import WORKFLOW_ANSWERED_ON
from gpconnect_messaging.steps.voiding import void_replaced_versions, voids_replaced_document
from gpconnect_messaging.storage import Evidence, KeptMessage, whole_second

LARGEST_RECEIVED = 20_000_000_000
"""What MESH carries in all chunks of a message, in bytes; what is longer decompressed, is a bomb."""

_WRONG_CHECKSUM, _UNKNOWN_CHECKSUM = "does not agree", "cannot be checked"

# Failures of MESH, of the network and of AWS: they say nothing of the message that was being taken in, unless it
# provoked them.
_PASSING = (RetryLater, NotSent, LedgerBusyError, ClientError, BotoCoreError)


@dataclass(slots=True)
class PollResult:
    """What one poll of a mailbox found."""

    matched: int = 0
    unmatched: int = 0
    seen_before: int = 0
    gone: int = 0
    set_aside: int = 0
    """Not taken in, this time or earlier, after too many tries."""
    waiting: int = 0
    """Left in MESH until it is known where their message went: MESH is asked again at the next poll."""
    left: int = 0
    """Still waiting in the inbox: time ran out."""
    polled_elsewhere: int = 0
    """1 where another poller has the mailbox: nothing was done."""


class _Taken(Enum):
    MATCHED = auto()
    UNMATCHED = auto()
    SEEN_BEFORE = auto()
    GONE = auto()
    QUARANTINED = auto()
    WAITS = auto()


@dataclass(frozen=True, slots=True)
class _BegunBefore:
    """It was begun before and not ended: it is taken in alone, after the others."""

    tried_alone: int


@dataclass(frozen=True, slots=True)
class _Unmatched:
    why: str


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """A message in the evidence store, and what is wrong with it: "" where nothing is."""

    headers: MessageHeaders
    kept: KeptMessage
    checksum: str
    damage: str = ""


@dataclass(frozen=True, slots=True)
class _Undecided:
    """A response to a message that went to a mailbox that MESH does not name yet."""

    record: MessageRecord
    asked: list[LedgerEvent]


@dataclass(frozen=True, kw_only=True)
class Poller:
    """The polling step and what it works with.

    `at_once` messages are taken in together, each holding a few megabytes. A message that was begun and not ended is
    tried alone, `most_tries` times.
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
        """Empty a mailbox's inbox, while `time_left` says that there is time for one message more.

        One message that cannot be taken in does not hold up the others; its error is raised when they are done. Raises
        MeshError where MESH cannot be reached or does not accept us, too, and CredentialsError.
        """
        holder = str(uuid.uuid4())
        if not self.ledger.take_mailbox(mailbox, holder, self.lease):
            return PollResult(polled_elsewhere=1)
        try:
            return _Round(self, self.mesh.authorised(mailbox, _shaken), time_left).run()
        finally:
            self.ledger.leave_mailbox(mailbox, holder)

    def _take(self, client: MeshClient, mesh_message_id: str, *, alone: bool) -> _Taken | _BegunBefore:
        """Take one message in; safe beside others. One that was begun before is left for when it can be alone.

        A try counts against a message only where it was alone, so that a message that kills the process costs no other
        one a try.
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
                    return self._set_aside(client.mailbox, mesh_message_id)
                if tries.begun > 1:
                    return _BegunBefore(tries.alone)
            try:
                taken = self._take_in(client, mesh_message_id)
            except _PASSING as error:
                if not is_provoked(error):
                    self.ledger.forget_try(client.mailbox, mesh_message_id, alone=alone)
                raise
        else:
            taken = _Taken.SEEN_BEFORE  # recorded before, and the acknowledgement was lost
        if taken is _Taken.WAITS:
            self.ledger.forget_try(client.mailbox, mesh_message_id, alone=alone)  # nothing is wrong with it
        elif taken is not _Taken.GONE:
            with suppress(NotFound):
                client.acknowledge(mesh_message_id)
        return taken

    def _take_in(self, client: MeshClient, mesh_message_id: str) -> _Taken:
        try:
            downloaded = self._download(client, mesh_message_id)
        except NotFound:
            return _Taken.GONE
        key = downloaded.kept.keep(downloaded.headers)
        if downloaded.damage:
            return self._land(client.mailbox, mesh_message_id, key, _Unmatched(downloaded.damage))
        found = self._understand(client, downloaded.headers, downloaded.kept.whole, downloaded.checksum)
        return self._land(client.mailbox, mesh_message_id, key, found)

    def _set_aside(self, mailbox: str, mesh_message_id: str) -> _Taken:
        received = Received(
            mailbox=mailbox, mesh_message_id=mesh_message_id, at=self.now(), evidence_key="", outcome=QUARANTINED
        )
        why = f"it could not be taken in, {self.most_tries} times; it was not acknowledged and stays in MESH"
        self.notifier.tell(self.ledger.received(received, unmatched_because=why))
        return _Taken.QUARANTINED

    def _download(self, client: MeshClient, mesh_message_id: str) -> _Downloaded:
        """Download a message on its way into the evidence store, as it was served where it is damaged.

        A checksum alone that does not agree is no damage yet: what the content says decides.
        """
        begin = partial(self.evidence.receive, client.mailbox, mesh_message_id)
        kept = begin()
        try:
            headers = client.download_into(mesh_message_id, kept, maximum_bytes=self.largest)
        except WrongChecksum:
            return _Downloaded(client.head(mesh_message_id), kept, _WRONG_CHECKSUM)
        except DamagedContent as error:
            damage = f"its content is damaged: {error.problem}"
        else:
            unknown = headers.checksum and not Checksum(headers.checksum).is_known
            return _Downloaded(headers, kept, _UNKNOWN_CHECKSUM if unknown else "")
        kept = begin()
        try:
            head = client.download_into(mesh_message_id, kept, maximum_bytes=self.largest, as_served=True)
        except DamagedContent:
            head, kept = client.head(mesh_message_id), begin()
        return _Downloaded(head, kept, _UNKNOWN_CHECKSUM, damage)

    def _land(
        self,
        mailbox: str,
        mesh_message_id: str,
        evidence_key: str,
        found: "tuple[MessageRecord, list[LedgerEvent]] | _Undecided | _Unmatched",
    ) -> _Taken:
        if isinstance(found, _Undecided):
            for event in found.asked:
                self.ledger.record(found.record.message_id, event)
            return _Taken.WAITS
        received = Received(
            mailbox=mailbox,
            mesh_message_id=mesh_message_id,
            at=self.now(),
            evidence_key=evidence_key,
            outcome="unmatched",
        )
        if isinstance(found, _Unmatched):
            self.notifier.tell(self.ledger.received(received, unmatched_because=found.why))
            return _Taken.UNMATCHED
        record, events = found
        for event in events:
            change = self.ledger.record(record.message_id, event)
            self.notifier.tell(change.notifications if change else ())
            if change and voids_replaced_document(event, change.record):
                void_replaced_versions(self.ledger, self.notifier, record, self.now())
        self.ledger.received(replace(received, outcome=record.message_id))
        return _Taken.MATCHED

    def _understand(
        self, client: MeshClient, message: MessageHeaders, body: bytes | None, checksum: str
    ) -> tuple[MessageRecord, list[LedgerEvent]] | _Undecided | _Unmatched:
        is_wrong = checksum == _WRONG_CHECKSUM
        if is_wrong and (message.is_report or message.workflow_id not in WORKFLOW_ANSWERED_ON):
            return _Unmatched(f"its content is damaged: the checksum {checksum}")
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
            why = "could not read our message's id" if response.original_unreadable else "names no message of ours"
            return _Unmatched(f"it is a response that {why}")
        if record.mailbox != client.mailbox:
            return _Unmatched("it answers a message of another mailbox")
        if is_wrong and record.history.is_answered:
            return _Unmatched(f"it answers a message that waits for no answer, and its checksum {checksum}")
        routes = self._routes(client, record, message.workflow_id)
        if MessageHistory((*record.history.events, *routes)).destination_open:
            return _Undecided(record, routes)
        return record, [*routes, *self._responses(message, response, record.history.organisations, checksum)]

    def _routes(self, client: MeshClient, record: MessageRecord, answered_on: str) -> list[LedgerEvent]:
        """Ask MESH where it took a message that it routed itself, before any answer to it is judged.

        Whoever answers has collected the message, so that MESH knows by now. Where it does not say, it is asked again
        at the next polls, up to `MOST_ROUTING_QUESTIONS` times; after that, and of a copy whose id was lost with the
        answer to its upload, the endpoint lookup says where the practice collects.
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
        return lifecycle.routed(at=self.now(), mesh_message_id=mesh_message_id, mailbox=mailbox, times=times)

    def _listed(self, mailbox: str, organisation: str, workflow_id: str) -> str | None:
        """Say where MESH lists an organisation for a workflow; None where it names not one mailbox.

        What may pass is raised.
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
        event = lifecycle.report(
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
            # The reference names an encounter. Only a message that has left, and that still waits for such an answer,
            # can be meant, and none that left after the answer was written: a repeated answer to an earlier version
            # must not count for a later one.
            levels = {outcome.level for outcome in response.outcomes} or {response.level}
            encounter = self.identifiers.of_encounter(mailbox, response.sender_reference)
            waiting = [
                record
                for record in self.ledger.find_by_encounter(encounter.key)
                if record.version
                and all(record.history.awaits(level) for level in levels)
                and _may_answer(response.timestamp, record.history)
            ]
            if len(waiting) == 1:
                return waiting[0]
        return None

    def _responses(
        self, message: MessageHeaders, response: Response, known: Collection[str], checksum: str
    ) -> list[LedgerEvent]:
        # One verdict for each level that the response speaks of; none at all is a response of unknown meaning.
        outcomes = response.outcomes or (Outcome(level=response.level, verdict=response.verdict, code=None),)
        return [
            lifecycle.response(
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
    """Whether a response that was written then, to the second, can answer a message that MESH may have."""
    return written is not None and any(whole_second(since) <= written for since in history.copies_since)


def _shaken(client: MeshClient) -> MeshClient:
    client.handshake()
    return client


def _recipient(client: MeshClient, mesh_message_id: str) -> str | None:
    """Say which mailbox MESH took a message to; None where it does not say. What may pass is raised."""
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
    """How often each was tried alone, and its id: what was tried least comes first, before what kills the process."""
    refused: list[tuple[str, bool]] = field(default_factory=list)
    """What MESH did not let us have, by its id, and whether it was tried alone."""
    served: bool = False
    """Whether MESH let us have another message."""

    def run(self) -> PollResult:
        """Go through the inbox, and raise the first failure when all others are done."""
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
            # Then it is our credentials that MESH does not accept any more, and none of the messages is at fault.
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
            taken = result()
        except Exception as error:  # noqa: BLE001 - whatever one message does, the others must not wait for it
            self.failures.append(error)
            if isinstance(error, Authentication):
                self.refused.append((mesh_message_id, alone))
            return
        self.served = self.served or (isinstance(taken, _Taken) and taken is not _Taken.QUARANTINED)
        match taken:
            case _Taken.MATCHED:
                self.polled.matched += 1
            case _Taken.UNMATCHED:
                self.polled.unmatched += 1
            case _Taken.SEEN_BEFORE:
                self.polled.seen_before += 1
            case _Taken.GONE:
                self.polled.gone += 1
            case _Taken.QUARANTINED:
                self.polled.set_aside += 1
            case _Taken.WAITS:
                self.polled.waiting += 1
            case _BegunBefore(tried_alone):
                self.begun_before.append((tried_alone, mesh_message_id))

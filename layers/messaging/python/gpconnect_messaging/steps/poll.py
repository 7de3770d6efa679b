"""Poll a mailbox: list the inbox on a queue; then download, store and record the messages, and acknowledge them last.

MESH deletes a message after the acknowledgement, so the poller first stores the raw message and writes the ledger
(safety rule 1). A message that cannot be read or matched is stored, notified and acknowledged (rule 6): never dropped,
never retried for ever. A message that cannot be stored on any try is quarantined and notified: it stays in MESH, where
a person can fetch it.

The inbox is the record of what is left to do, and the queue only shares the work: a poll lists everything again, and an
entry older than the interval of polls is left to the newer listing. Two collectors may receive one message, because
every effect of receiving it can be repeated (docs/adr/0056).
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, auto
from functools import partial
from itertools import islice
from typing import NoReturn

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
from gpconnect_messaging.mailboxes.directory import CredentialsError
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
from gpconnect_messaging.queues import InboxQueue, Listed
from gpconnect_messaging.quoting import mailbox_id, own_ods_code
from gpconnect_messaging.safe_errors import is_provoked
from gpconnect_messaging.specification import WORKFLOW_ANSWERED_ON
from gpconnect_messaging.steps.voiding import void_replaced_versions, voids_replaced_document
from gpconnect_messaging.storage import Evidence, KeptMessage, whole_second

LARGEST_RECEIVED = 20_000_000_000
"""The most bytes that MESH carries in all chunks of a message; longer decompressed content is a bomb."""

LISTED_AT_ONCE = 100
"""Messages that one call puts on the queue."""

_WRONG_CHECKSUM, _UNKNOWN_CHECKSUM = "does not agree", "cannot be checked"

# Failures of MESH, of the network and of AWS: the received message is not at fault, unless it provoked them.
_PASSING = (RetryLater, NotSent, LedgerBusyError, ClientError, BotoCoreError, CredentialsError)


class Taken(StrEnum):
    """What became of a listed message."""

    MATCHED = auto()
    UNMATCHED = auto()
    SEEN_BEFORE = auto()
    GONE = auto()
    QUARANTINED = auto()
    """Quarantined, now or earlier, after too many tries."""
    WAITING = auto()
    """A response left in MESH until it is known where MESH routed the message: the next poll asks MESH again."""
    LEFT = auto()
    """Left to the next poll: time ran out, or a newer listing has the message."""
    SEPARATED = auto()
    """Put on the queue alone, since a try beside others ended early."""


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

    `at_once` messages are received together; every one needs a few megabytes of memory. A message that failed beside
    others is tried alone, `most_tries` times. `interval` is the time between two polls of a mailbox.
    """

    evidence: Evidence
    ledger: Ledger
    mesh: MeshConnections
    notifier: Notifier
    identifiers: Identifiers
    queue: InboxQueue
    interval: timedelta = timedelta(minutes=5)
    at_once: int = 4
    most_tries: int = 5
    largest: int = LARGEST_RECEIVED
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def poll(self, mailbox: str, time_left: Callable[[], bool] = lambda: True) -> int:
        """Put the messages of a mailbox's inbox on the queue, while `time_left` allows; return how many.

        Raises MeshError, also where MESH cannot be reached or refuses the credentials, CredentialsError, and SQS's
        errors. The next poll lists what is left.
        """
        inbox = self.mesh.authorised(mailbox, _with_handshake).inbox()
        listed = 0
        while time_left() and (portion := tuple(islice(inbox, LISTED_AT_ONCE))):
            self.queue.put(mailbox, portion)
            listed += len(portion)
        return listed

    def collect(self, entry: Listed, time_left: Callable[[], bool] = lambda: True) -> Counter[Taken]:
        """Receive the messages of a queue entry, while `time_left` allows one more.

        Return how many became what. An error in one message does not stop the others, and is raised at the end. A
        message that caused an error beside others goes on the queue alone; where it caused one alone, the entry stays,
        and SQS counts the try. An entry that failed for another reason leaves the queue: the next poll lists the
        messages again.
        """
        if not entry.alone and entry.receives > 1:  # a process was killed while it had these messages
            self.queue.put_alone(entry.mailbox, entry.mesh_message_ids)
            return Counter({Taken.SEPARATED: len(entry.mesh_message_ids)})
        if not entry.alone and entry.at + self.interval <= self.now():
            return Counter({Taken.LEFT: len(entry.mesh_message_ids)})
        try:
            # Alone, a refused download counts as a try: show first that the credentials are not at fault.
            open_mailbox = partial(self.mesh.authorised, act=_with_handshake) if entry.alone else self.mesh.to
            client = open_mailbox(entry.mailbox)
            received = self.ledger.find_all_received(entry.mailbox, entry.mesh_message_ids)
        except Exception:
            self.queue.remove(entry)
            raise

        def take(mesh_message_id: str) -> Taken:
            if not time_left():
                return Taken.LEFT
            give_up = entry.alone and entry.receives > self.most_tries
            return self._take(client, mesh_message_id, received.get(mesh_message_id), give_up=give_up)

        failures: dict[str, Exception] = {}
        taken: Counter[Taken] = Counter()
        with ThreadPoolExecutor(self.at_once) as pool:
            tries = [pool.submit(take, mesh_message_id) for mesh_message_id in entry.mesh_message_ids]
        for mesh_message_id, tried in zip(entry.mesh_message_ids, tries, strict=True):
            try:
                taken[tried.result()] += 1
            except Exception as error:  # noqa: BLE001 - one failure must not stop the others
                failures[mesh_message_id] = error
        if failures:
            self._fail(entry, failures, served=bool(set(taken) - {Taken.QUARANTINED, Taken.LEFT}))
        return taken

    def _fail(self, entry: Listed, failures: Mapping[str, Exception], *, served: bool) -> NoReturn:
        """Keep trying the messages that caused their failures, and raise the first failure."""
        refused = sum(isinstance(error, Authentication) for error in failures.values())
        # MESH serves no message: it no longer accepts our credentials.
        passing = (*_PASSING, Authentication) if refused > 1 and not served else _PASSING
        at_fault = [one for one, error in failures.items() if is_provoked(error) or not isinstance(error, passing)]
        if not (entry.alone and at_fault):
            self.queue.put_alone(entry.mailbox, at_fault)
            self.queue.remove(entry)
        raise next(iter(failures.values()))

    def _take(
        self, client: MeshClient, mesh_message_id: str, known: Received | None, *, give_up: bool = False
    ) -> Taken:
        """Receive one message, beside others; quarantine it instead to `give_up`. `known` records an earlier time."""
        if give_up and known is None:  # another collector may have received it since
            known = self.ledger.find_received(client.mailbox, mesh_message_id)
        if known is not None and known.outcome == QUARANTINED:
            return Taken.QUARANTINED
        if known is not None:
            received = Taken.SEEN_BEFORE  # recorded before, and the acknowledgement was lost
        elif give_up:
            return self._quarantine(client.mailbox, mesh_message_id)
        else:
            received = self._take_in(client, mesh_message_id)
        if received not in (Taken.WAITING, Taken.GONE):
            with suppress(NotFound):
                client.acknowledge(mesh_message_id)
        return received

    def _take_in(self, client: MeshClient, mesh_message_id: str) -> Taken:
        try:
            downloaded = self._download(client, mesh_message_id)
        except NotFound:
            return Taken.GONE
        key = downloaded.kept.keep(downloaded.headers)
        if downloaded.damage:
            return self._record(client.mailbox, mesh_message_id, key, _Unmatched(downloaded.damage))
        matched = self._understand(client, downloaded.headers, downloaded.kept.whole, downloaded.checksum)
        return self._record(client.mailbox, mesh_message_id, key, matched)

    def _quarantine(self, mailbox: str, mesh_message_id: str) -> Taken:
        received = Received(
            mailbox=mailbox, mesh_message_id=mesh_message_id, at=self.now(), evidence_key="", outcome=QUARANTINED
        )
        why = f"it could not be received in {self.most_tries} tries; it was not acknowledged and stays in MESH"
        self.notifier.notify(self.ledger.received(received, unmatched_because=why))
        return Taken.QUARANTINED

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
    ) -> Taken:
        if isinstance(matched, _Undecided):
            for event in matched.asked:
                self.ledger.record(matched.record.message_id, event)
            return Taken.WAITING
        received = Received(
            mailbox=mailbox,
            mesh_message_id=mesh_message_id,
            at=self.now(),
            evidence_key=evidence_key,
            outcome="unmatched",
        )
        if isinstance(matched, _Unmatched):
            self.notifier.notify(self.ledger.received(received, unmatched_because=matched.why))
            return Taken.UNMATCHED
        record, events = matched
        change = self.ledger.record(record.message_id, *events)
        if change is None:
            return self._record(mailbox, mesh_message_id, evidence_key, _Unmatched("its message has left the ledger"))
        self.notifier.notify(change.notifications)
        if any(voids_replaced_document(event, change.record) for event in events):
            void_replaced_versions(self.ledger, self.notifier, record, self.now())
        self.ledger.received(replace(received, outcome=record.message_id))
        return Taken.MATCHED

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

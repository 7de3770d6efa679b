"""A small world for the product's real steps: what they read and write, who sends and answers, and what must hold.

The steps, the ledger's store, the buckets' and the queues' adapters and the notifier are the product's. Under them are
DynamoDB, S3, SQS and SNS in memory and a MESH (see `tests/fakes`). `Truth` notes what was really asked and
answered, from outside: the invariants hold the ledger against that, never against itself.
"""

import json
import re
import threading
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, ClassVar, cast
from unittest.mock import patch

from gpconnect_messaging import assembly
from gpconnect_messaging.conformance import broken_requirements
from gpconnect_messaging.derived_ids import request_again_id
from gpconnect_messaging.itk3.compose import compose
from gpconnect_messaging.itk3.message import Message
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, Verdict
from gpconnect_messaging.ledger import table
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of, statuses_of
from gpconnect_messaging.ledger.encounters import is_failed
from gpconnect_messaging.ledger.notification_rules import OFFERS_BEFORE_TOLD
from gpconnect_messaging.ledger.reconciliation import Balance
from gpconnect_messaging.ledger.records import Claim, MessageRecord, RaisedNotification
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.ledger.table import text
from gpconnect_messaging.mailboxes.settings import Release as ReleasedBy
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.notifications import Delivery
from gpconnect_messaging.queues import InboxQueue, Listed
from gpconnect_messaging.replay.policy import ResendMode
from gpconnect_messaging.replay.resend import Choice
from gpconnect_messaging.steps.operator_actions import NotPossibleError, OperatorActions
from gpconnect_messaging.steps.poll import Poller
from infra.local.practice import responding
from infra.local.practice.answering import Answer as Written
from infra.local.practice.reading import Reading
from tests.crash_injection import Died
from tests.examples import request_data
from tests.fakes.clock import Clock
from tests.fakes.ledger_state import LedgerState
from tests.fakes.mesh import Mesh, Upload
from tests.fakes.product import (
    AT_ONCE,
    HIDDEN,
    MAILBOX,
    PDF,
    TIMEOUTS,
    WORKFLOW,
    NotDoneError,
    Steps,
    Surroundings,
    as_entry,
    deliver_inbox,
)
from tests.fakes.s3 import S3, Bucket
from tests.fakes.sqs import Sqs
from tests.identifiers import IDENTIFIERS
from tests.model.effects import Ending, Process, Watched
from tests.model.truth import Answer, Asked, Truth

PRACTICE, STRANGER = "A20047OT001", "B30099OT001"
START = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
LATE = timedelta(days=31)
"""Longer than any acknowledgement is waited for."""
CHUNKING = Chunking(largest_whole=100_000, chunk_bytes=40_000, smallest_chunk=0)
UNACKNOWLEDGED = timedelta(hours=4)
"""How long a notification may wait for somebody before it is escalated."""
NURSE = "a.nurse"
OPERATOR = "operator-7"
MOST_TRIES = 5
"""How often a message is tried alone before it is quarantined."""
SETTLED = timedelta(minutes=65)
"""After so long the hourly listing of the drop looks at what was put down."""
SILENCES = 3
"""How often MESH may leave open where a message went, or a practice is, before it stays open."""
DOCUMENT_WAIT = timedelta(minutes=10)
"""How long a request waits for its document."""
WINDOW = timedelta(minutes=30)
"""How long a request is held, where the world holds any."""
OF_REQUESTS = {
    Status.INVALID, Status.NOT_REQUIRED, Status.RELEASED, Status.SUPERSEDED, Status.WITHDRAWN, Status.TELL_PRACTICE,
}  # fmt: skip
"""Where the row of a request that is no message, or was stopped, ends."""
ENDED = OF_REQUESTS | {Status.REFUSED, Status.UNDELIVERED, Status.REJECTED, Status.DELIVERED}


@contextmanager
def composed_once() -> Iterator[None]:
    """Let the builder compose and check equal messages once: both are pure, and take nearly all of its time."""
    known: dict[Any, Any] = {}
    examined: dict[int, Any] = {}

    def remembered(message: Message, sizes: Sequence[int]) -> Any:
        author = message.request.practitioner
        key = (message.message_id, message.created_at, tuple(sizes), author and author.name.family)
        if key not in known:
            known[key] = compose(message, sizes)
        return known[key]

    def checked_once(written: Any, *of: Any) -> Any:
        if id(written) not in examined:
            examined[id(written)] = broken_requirements(written, *of)
        return examined[id(written)]

    with patch.object(assembly, "compose", remembered), patch.object(assembly, "broken_requirements", checked_once):
        yield


@contextmanager
def few_shards(number: int = 2) -> Iterator[None]:
    """Let the ledger's indexes have few shards: each is one more read, and no more to see."""
    functions = (table.shard, table.shards)
    with patch.object(table, "SHARDS", number), ExitStack() as stack:
        for function in functions:
            stack.enter_context(patch.object(function, "__defaults__", (number,)))
        yield


class BrokenError(AssertionError):
    """Something that must always hold did not."""


class Queues(Sqs):
    """The intake and the send queue, whose deliveries may be taken in any order."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock, "intake", "send", "inbox")
        self.intake: list[Queued] = []
        self.waiting: list[str] = []
        """Messages on the send queue."""
        self.found_in_drop: set[str] = set()
        """Keys of requests that were announced because the listing found them."""

    def send_message(self, **message: Any) -> dict[str, Any]:
        return self._after(super().send_message(**message), message["QueueUrl"])

    def send_message_batch(self, **messages: Any) -> dict[str, Any]:
        return self._after(super().send_message_batch(**messages), messages["QueueUrl"])

    def _after(self, answer: dict[str, Any], url: str) -> dict[str, Any]:
        for body in self.take(url) if url in {"intake", "send"} else ():
            self._read(url, body)
        self.sent.clear()
        return answer

    def _read(self, url: str, body: str) -> None:
        match url, json.loads(body):
            case "send", {"message_id": message_id}:
                self.waiting.append(message_id)
            case "intake", {"release": request_id}:
                self.intake.append(Release(request_id))
            case "intake", {"source": "aws.s3", "time": at, "detail": {"bucket": bucket, "object": found}}:
                dropped = Dropped(bucket["name"], found["key"], found["version-id"], datetime.fromisoformat(at), "")
                self.intake.append(dropped)
                self.found_in_drop.add(found["key"])
            case "intake", {"again": request_id}:
                self.intake.append(Again(request_id))
            case _:
                raise AssertionError("nobody reads that")


@dataclass(frozen=True)
class Dropped:
    """S3 says that a request was dropped."""

    bucket: str
    key: str
    version: str
    at: datetime
    sequencer: str = ""


@dataclass(frozen=True)
class Release:
    """The sweep says that a held request's time has come."""

    request_id: str


@dataclass(frozen=True)
class Again:
    """An operator wants a kept request to be taken in again, under this id."""

    request_id: str


Queued = Dropped | Release | Again


class World:
    """Everything outside the steps, and the steps."""

    told: ClassVar[int] = 0
    """How many worlds there were: each story has one."""

    def __init__(self, watched: Watched | None = None, *, hold: timedelta = timedelta(0)) -> None:
        World.told += 1
        self.watched = watched or Watched()
        self.hold = hold
        self.release = ReleasedBy.AUTOMATIC
        self.clock = Clock(START)
        self.dropped, self.outgoing, self.bucket = Bucket(self.clock), Bucket(self.clock), Bucket(self.clock)
        self.queue = Queues(self.clock)
        self.mesh = Mesh(before_acknowledging=self._kept_and_recorded)
        s3 = S3(drop=self.dropped, outbox=self.outgoing, evidence=self.bucket)
        self.around = Surroundings(self.clock, s3, self.queue, mesh=self.mesh)
        self.table, self.topic = self.around.dynamodb, self.around.sns
        self.truth = Truth(PRACTICE)
        steps = Steps(self.around)
        self.ledger, self.evidence, self.trail = steps.ledger, steps.evidence, steps.trail
        self.reconciliation = steps.reconciliation
        self._reached: dict[str, tuple[Status, frozenset[str]]] = {}
        """Each message's status, and what people had been told and had decided when it came to it."""
        self._facts_of_all: dict[str, frozenset[str]] = {}
        self._latest: list[MessageRecord] = []
        self.state = LedgerState(self.table)
        """Each message as it was last read, by its key, and the revision of its row."""
        self._tellings_broken_off = 0
        self._puts = 0
        self._late: list[str] = []
        """Keys of documents that are still being uploaded."""
        self._runs_struck = 0
        """How many polls a story ended by itself, and not by what was in the inbox."""
        self._unknowable: set[str] = set()
        """Messages with an answer of the practice that came before MESH had them, and was taken in afterwards."""
        self._audited_as: dict[str, MessageRecord] = {}
        """Each message as it was when its audit trail was last looked at."""
        self._audited: dict[str, frozenset[tuple[datetime, str, str]]] = {}
        self.list_drop(Process("listing", Watched()))  # the environment is not new

    # What the world does

    def drop(
        self,
        encounter: str,
        *,
        valid: bool = True,
        folder: str | None = None,
        updated: datetime | None = None,
        announced: int = 1,
        document_late: bool = False,
        documents: bool = True,
    ) -> str:
        """A sending system drops a request, into a folder of its own unless told otherwise; return its id.

        S3 announces it so many times: 0 is an event that was lost. With `document_late` its document comes by
        `late_documents_come`, if that is told in time; without `documents` its report is to be rendered.
        """
        folder = folder or f"{encounter}/{len(self.truth.requests)}"
        changes: dict[str, Any] = {"encounter": encounter}
        if document_late:
            self._late.append(f"{folder}/report.pdf")
        elif documents:
            self.dropped.put_object(Key=f"{folder}/report.pdf", Body=PDF)
        else:
            changes["documents"] = []
        if any(each.key.startswith(f"{folder}/") for each in self.truth.requests.values()):
            changes["practitioner__name__family"] = f"Nurse {self._puts}"  # or it would be a copy
        if updated:
            changes["consultation__updated"] = updated.isoformat()
        if not valid:
            changes["patient__nhs_number"] = "9658218866"
        asked = request_data("consultation-report-2.0", **changes)
        slow = max(self.clock.time - updated, timedelta()) if updated else timedelta()
        return self._dropped(
            folder, asked, encounter, valid=valid, announced=announced, slow=slow, document_late=document_late
        )

    def late_documents_come(self) -> None:
        """The upload of the documents ends whose requests were there before."""
        for key in self._late:
            self.dropped.put_object(Key=key, Body=PDF)
            folder = key.removesuffix("report.pdf")
            for request_id, asked in self.truth.requests.items():
                if asked.key.startswith(folder) and self.clock.time - asked.at < DOCUMENT_WAIT - timedelta(seconds=2):
                    self.truth.requests[request_id] = replace(asked, document_late=False)
        self._late.clear()

    def copy(self, which: int) -> None:
        """Somebody copies a request in place, as it is now: S3 gives it a new version, and announces it."""
        keys = sorted({each.key for each in self.truth.requests.values() if each.key in self.dropped.objects})
        if not keys:
            return
        key = keys[which % len(keys)]
        last = max((each for each in self.truth.requests.values() if each.key == key), key=lambda each: each.put)
        folder = key.removesuffix("/request.json")
        self._dropped(
            folder, json.loads(self.dropped.objects[key]), last.encounter, valid=last.valid, withdrawal=last.withdrawal,
            slow=last.slow, document_late=not last.withdrawal and f"{folder}/report.pdf" not in self.dropped.objects,
        )  # fmt: skip

    def drop_document(self) -> None:
        """A sending system drops a document, and never a request that names it."""
        self.truth.documents_alone += 1
        self.dropped.put_object(Key=f"alone/{self.truth.documents_alone}/report.pdf", Body=PDF)

    def drop_raw(self, key: str, body: bytes) -> None:
        """A sending system drops whatever it likes as a request."""
        version = self.dropped.put_object(Key=key, Body=body)["VersionId"]
        self._puts += 1
        self.queue.intake.append(Dropped("drop", key, version, self.clock(), f"{self._puts:018X}"))

    def withdraw(self, encounter: str, *, folder: str | None = None, announced: int = 1) -> str:
        """The consultation was deleted; return the withdrawal's id."""
        asked = {"kind": "withdraw", "mailbox": MAILBOX, "encounter": encounter}
        folder = folder or f"{encounter}/{len(self.truth.requests)}"
        return self._dropped(folder, asked, encounter, withdrawal=True, announced=announced)

    def _dropped(
        self,
        folder: str,
        body: Any,
        encounter: str,
        *,
        valid: bool = True,
        withdrawal: bool = False,
        announced: int = 1,
        slow: timedelta = timedelta(),
        document_late: bool = False,
    ) -> str:
        key, at = f"{folder}/request.json", self.clock()
        version = self.dropped.put_object(Key=key, Body=json.dumps(body).encode())["VersionId"]
        self._puts += 1
        # S3's events name the second, and order puts of one object by their sequencer.
        event = Dropped("drop", key, version, at.replace(microsecond=0), f"{self._puts:018X}")
        self.queue.intake += [event] * announced
        request_id = str(IDENTIFIERS.dropped_request_id("drop", key, version))
        self.truth.requests[request_id] = Asked(
            encounter, valid, at, withdrawal, key, self._puts, slow, document_late, json.dumps(body)
        )  # fmt: skip
        return request_id

    def last_event_overtakes(self) -> None:
        """S3's last event comes before all that wait."""
        self.queue.intake.insert(0, self.queue.intake.pop())

    def store(self, *, chunked: bool = False, encounter: str = "stored", version: int = 1) -> str:
        """Store a message as the builder does, at less cost, and leave it off the queue; return its id."""
        message_id = f"00000000-0000-5000-8000-{len(self._facts_of_all):04}{version:08}"
        content = (f"<message id='{message_id}'>" + "x" * (110_000 if chunked else 100)).encode()
        Steps(self.around).stored(message_id, content, encounter=encounter, version=version)
        self.evidence.receipt(message_id)
        self.truth.requests[message_id] = Asked(encounter, valid=True, at=self.clock.time)
        self._facts_of_all[message_id] = frozenset()
        return message_id

    def answer(
        self, message_id: str, code: str, *, sender: str = PRACTICE, malformed: bool = False, stray: bool = False
    ) -> str:
        """An answer comes to our inbox, from the practice or from somebody else; return its MESH id.

        Whoever it comes from, it says that it is the practice's.
        """
        shape = responding.Shape.STANDARD
        written = responding.write(
            Written(code, malformed=malformed), Reading(message_id=message_id),
            responding.Practice(PRACTICE[:6], PRACTICE), shape=shape, now=self.clock.time,
        )  # fmt: skip
        mesh_message_id = self._delivered(written.content, sender)
        if malformed or stray:
            self.truth.strays.add(mesh_message_id)
        else:
            premature = not self.mesh.copies(message_id)
            self.truth.answers[mesh_message_id] = Answer(
                mesh_message_id, code, sender, self.clock.time, message_id=message_id, premature=premature
            )
        return mesh_message_id

    def answer_by_reference(
        self, encounter: str, code: str, *, sender: str = PRACTICE, again: Answer | None = None
    ) -> str:
        """An answer comes that names no message, but the encounter alone; return its MESH id.

        It is written now, or was when it was given for the first time.
        """
        written_at = again.written if again else self.clock.time
        nobodys = "22222222-2222-4222-8222-222222222222"
        written = responding.write(
            Written(code), Reading(message_id=nobodys), responding.Practice(PRACTICE[:6], PRACTICE),
            shape=responding.Shape.STANDARD, now=written_at,
        )  # fmt: skip
        body, replaced = re.subn(
            rb'(url="SenderReference">\s*<valueString value=")[^"]*', rb"\g<1>" + encounter.encode(), written.content
        )
        assert replaced == 1
        mesh_message_id = self._delivered(body, sender)
        self.truth.answers[mesh_message_id] = Answer(
            mesh_message_id, code, sender, written_at, encounter=encounter,
            repeats=(again.message_id or again.repeats) if again else None,
        )  # fmt: skip
        return mesh_message_id

    def answer_again(self, mesh_message_id: str, by_reference: bool) -> None:
        """Whoever gave an answer gives it again, naming the message, or the encounter alone."""
        answer = self.truth.answers[mesh_message_id]
        encounter = answer.encounter
        if answer.message_id and by_reference and (record := self.ledger.find(answer.message_id)):
            encounter = record.encounter
        if encounter and (answer.sender != PRACTICE or encounter in self.collected()):
            self.answer_by_reference(encounter, answer.code, sender=answer.sender, again=answer)
        elif answer.message_id and not answer.premature:
            self.answer(answer.message_id, answer.code, sender=answer.sender)

    def answer_that_takes_all_memory(self) -> str:
        """Something comes that kills each process that downloads it; return its MESH id."""
        mesh_message_id = self._delivered(b"<Bundle/>", STRANGER)
        self.mesh.deadly.add(mesh_message_id)
        self.truth.strays.add(mesh_message_id)
        return mesh_message_id

    def _delivered(self, body: bytes, sender: str) -> str:
        return self.mesh.deliver(MAILBOX, body, sender=sender, workflow_id=f"{WORKFLOW}_ACK", message_type="DATA")

    def collected(self) -> list[str]:
        """The encounters of which the practice has a message."""
        return sorted({record.encounter for record in self.records() if self.mesh.copies(record.message_id)})

    def encounter_of(self, message_id: str) -> str:
        """Give the encounter of a message that the ledger has."""
        return next(record.encounter for record in self.records() if record.message_id == message_id)

    def practice_answers_all_of(self, encounter: str) -> None:
        """The practice acknowledges all that it has of an encounter, and the inbox is polled."""
        for record in self.records():
            if record.encounter == encounter and self.mesh.copies(record.message_id):
                for code in ("20013", "30001"):
                    self.answer(record.message_id, code)
        self.poll(self.process("poller"))

    def perhaps_at_the_practice(self) -> set[str]:
        """The messages that MESH has, or may have for all that anybody knows."""
        return self.truth.perhaps_sent | {name.removesuffix(".xml") for name in self.mesh.handed}

    def unsent(self) -> list[str]:
        """The messages on the send queue that MESH surely does not have."""
        return sorted(set(self.queue.waiting) - self.perhaps_at_the_practice())

    def message_ids(self) -> list[str]:
        """The ids that somebody may have learned: of rows that the ledger has, and of messages that are yet to be."""
        encounters = {asked.encounter for asked in self.truth.requests.values()}
        to_be = [
            IDENTIFIERS.of_encounter(MAILBOX, each).message_id(version) for each in encounters for version in (1, 2)
        ]
        return sorted({*map(str, to_be), *(record.message_id for record in self.records())})

    def newer_release_writes(self, message_id: str) -> None:
        """A newer release records an event of a kind of its own, and an attribute of the row, and is turned back."""
        encounter = self.ledger.encounter_of(message_id)
        assert encounter is not None
        name = f"paused-{len(self.truth.written_by_newer)}"
        event: list[object] = ["paused by a newer release", name, text(self.clock()), "builder", {"until": "Monday"}]

        def write(body: dict[str, Any]) -> None:
            body["messages"][message_id]["events"].append(event)
            body["messages"][message_id]["paused_until"] = "Monday"

        self.state.change_body(pk_of(encounter.key), write)
        self.truth.written_by_newer[pk_of(encounter.key), message_id] = event

    def report(self, upload: Upload, code: str = "14") -> str:
        """MESH reports that an upload of ours was not delivered; return the report's MESH id."""
        self.truth.reports.setdefault(upload.file_name.removesuffix(".xml"), set()).add(upload.id)
        return self.mesh.deliver(
            MAILBOX, b"", message_type="REPORT", workflow_id=WORKFLOW, linked_message_id=upload.id, status_code=code,
            status_event="SEND", status_success=False,
        )  # fmt: skip

    def ghost(self) -> None:
        """A request was received, and all else of it was lost."""
        request_id = str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.clock.time)))
        self.truth.ghosts[request_id] = self.clock.time
        self.evidence.receipt(request_id)

    def open_notifications(self) -> list[str]:
        """The ids of the notifications that nobody has taken on."""
        return [raised.notification.id for raised in self.state.notifications() if raised.is_open]

    # What the steps do

    def process(self, step: str, at: int = 0, ending: Ending = Ending.DIES) -> Process:
        return Process(step, self.watched, at, ending)

    def build(self, process: Process, delivery: Queued) -> None:
        steps = self._steps(process)
        with self._life(process):
            builder = replace(steps.builder, document_wait=DOCUMENT_WAIT)
            match delivery:
                case Release(request_id):
                    builder.release(request_id)
                case Again(request_id):
                    self.truth.requests.setdefault(request_id, self._asked_as(request_id))
                    builder.resubmitted(request_id)
                case Dropped(bucket, key, version, at, sequencer):
                    builder.dropped(bucket, key, version, at, sequencer)

    def _asked_as(self, again: str) -> Asked:
        """What was asked by the request that is taken in again under this id."""
        return next(asked for each, asked in self.truth.requests.items() if str(request_again_id(each)) == again)

    def send(self, process: Process, message_id: str) -> None:
        steps = self._steps(process)
        if process.ending is Ending.PAUSES:
            self.truth.perhaps_sent.add(message_id)
        with self._life(process):
            replace(steps.sender, chunking=CHUNKING).send(message_id)
        if process.struck:
            self.truth.perhaps_sent.add(message_id)

    def poll(self, process: Process) -> None:
        with self._life(process):
            self.poller(process).poll(MAILBOX)
        self._collect(process)

    def _collect(self, process: Process) -> None:
        """Bring the poller all that waits on the inbox queue; after a run that is killed, in another process."""

        def collect(entry: Listed) -> None:
            nonlocal process
            if process.dead or process.failed:
                process = Process(process.step, Watched(), on=process.on)
            with self._life(process):
                self.poller(process).collect(entry)
            self._runs_struck += process.struck or process.failed
            if process.dead or process.failed:
                raise NotDoneError

        deliver_inbox(self.queue, collect)

    def poll_killed(self, mesh_message_ids: Sequence[str]) -> None:
        """A poller is killed by its memory while it has these in hand: it began all of them, and ended none."""
        InboxQueue(cast("Any", self.queue), "inbox").put(MAILBOX, mesh_message_ids)
        *_, delivered = self.queue.queues["inbox"].values()
        delivered.receives, delivered.hidden_until = 1, self.clock.time + HIDDEN
        process = Process("poller", Watched(), on="mesh.download_into")
        with self._life(process):
            self.poller(process).collect(as_entry(delivered.received()))

    def poller(self, process: Process) -> Poller:
        # One at a time, so that a place is always reached in the same order.
        return replace(self._steps(process).poller, at_once=1)

    def sweep(self, process: Process) -> None:
        steps = self._steps(process)
        with self._life(process):
            replace(steps.sweep, at_once=1).run()

    def list_drop(self, process: Process) -> None:
        steps = self._steps(process)
        with self._life(process), patch.object(self.dropped, "per_page", 20):
            steps.list_drop.run()

    def escalate(self, process: Process) -> None:
        steps = self._steps(process)
        with self._life(process):
            replace(steps.escalation, wait=UNACKNOWLEDGED).run(steps.sweep.due())

    def take_on(self, process: Process, notification_id: str) -> None:
        """Somebody takes a notification on, as the poller's task `acknowledge` records it."""
        with self._life(process):
            if self._steps(process).book.acknowledge(notification_id, NURSE, self.clock()):
                self.truth.acknowledged.setdefault(notification_id, self.clock.time)

    def decide(self, process: Process, decision: Callable[[OperatorActions], object]) -> None:
        """An operator decides about a message; what is not possible any more is left."""
        steps = self._steps(process)
        with self._life(process), suppress(NotPossibleError):
            decision(steps.operator_actions)

    def accept(self, process: Process, message_id: str, mesh_message_id: str) -> None:
        """An operator has made sure that an answer is the practice's, wherever it came from."""
        self.truth.genuine.add(mesh_message_id)
        self.decide(
            process, lambda operator_actions: operator_actions.accept_response(message_id, mesh_message_id, OPERATOR)
        )

    def send_again(self, process: Process, message_id: str, way: ResendMode) -> None:
        """An operator sends a message again, or has a request taken in again."""
        tool = self._steps(process).resend
        with self._life(process):
            plan = list(tool.plan(Choice(ids=(message_id,)), way))
            list(tool.carry_out(plan, way, actor=OPERATOR, reason="mended", pace=AT_ONCE))

    def reconcile(self, process: Process) -> None:
        steps = self._steps(process)
        with self._life(process):
            steps.reconciliation.run()

    def _steps(self, process: Process) -> Steps:
        """The steps as this process has them; each call is one of its effects."""
        settings = {
            "mailbox": MAILBOX,
            "ods_code": "Y90001",
            "specification": "2.0",
            "hold_window_seconds": int(self.hold.total_seconds()),
            "release": self.release.value,
            "escalate_after_seconds": int(UNACKNOWLEDGED.total_seconds()),
        }
        self.around.ssm.values[f"mailboxes/{MAILBOX}"] = settings
        return Steps(self.around, process.port)

    @contextmanager
    def _life(self, process: Process) -> Any:
        try:
            yield
        except Died:
            pass
        except BrokenError:
            raise
        except Exception:  # noqa: BLE001 - as the handler does: whatever it was, the queue brings the work again
            process.failed = True
        # A notification is told again where its teller ended, or stood still for long, in the middle of telling it.
        struck = process.struck_at.path if process.struck_at else ""
        within = any(word in struck for word in (" notify", " escalate", "take_escalation"))
        self._tellings_broken_off += process.unnoted or within

    # The queues, as SQS has them: what fails comes again

    def deliver_intake(self, process: Process, place: int = 0, *, again: bool = False) -> None:
        """Bring the builder a request; it stays on the queue where the builder failed, or the queue repeats itself."""
        delivery = self.queue.intake.pop(place)
        self.build(process, delivery)
        if process.failed or process.dead or again:
            self.queue.intake.append(delivery)

    def deliver_send(self, process: Process, place: int = 0, *, again: bool = False) -> None:
        """Bring the sender a message, likewise."""
        message_id = self.queue.waiting.pop(place)
        self.send(process, message_id)
        if process.failed or process.dead or again:
            self.queue.waiting.append(message_id)

    def at_once(self, held_up: Process, first: Callable[[], object], *others: Callable[[], object]) -> bool:
        """Run a step that is held up at its place, the others to their end meanwhile, then the rest of the first.

        Return False where the first ended before its place.
        """
        failures: list[BaseException] = []

        def run() -> None:
            try:
                first()
            except BaseException as error:  # noqa: BLE001 - shown below, in the thread that can fail a test
                failures.append(error)
            finally:
                held_up.reached.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert held_up.reached.wait(timeout=30)
        reached = held_up.struck
        try:
            if reached:
                for other in others:
                    other()
        finally:
            held_up.go_on.set()
            thread.join(timeout=30)
        if failures:
            raise failures[0]
        return reached

    def settle(self) -> None:
        """Let everything go its way, without faults, until nothing moves; then let every deadline pass."""
        self.mesh.moods.clear()
        self.mesh.tracking_silent = self.mesh.directory_silent = 0
        self._come_to_rest()
        if self.truth.documents_alone or self._not_in_ledger():
            for _ in range(2):  # the first may end a pass that was under way
                self.clock.advance(SETTLED)
                self.list_drop(self.process("listing"))
            self._come_to_rest()
        if self._not_in_ledger():  # what was replaced or removed is on the daily list only
            self.clock.advance(timedelta(days=1))
            for _ in range(2):
                self.list_drop(self.process("listing"))
            self._come_to_rest()
        self.clock.advance(LATE)
        for _ in range(OFFERS_BEFORE_TOLD + 1 if self.truth.written_by_newer else 1):
            self.clock.advance(TIMEOUTS.requeue_after)
            self.round()
        self.clock.advance(UNACKNOWLEDGED)
        self.round()
        self.check()
        self._check_settled()

    def _come_to_rest(self) -> None:
        # What waits for a newer release never comes to rest; the rest of its encounter has its time all the same.
        least = 10 if self.truth.written_by_newer else 1
        for number in range(1, 41):
            self.round()
            if number >= least and not self._moving():
                return
        raise BrokenError(f"it does not come to rest: {self._moving()}")

    def round(self) -> None:
        """Six minutes of an undisturbed product."""
        for _ in range(len(self.queue.intake)):
            self.deliver_intake(self.process("builder"))
        for _ in range(len(self.queue.waiting)):
            self.deliver_send(self.process("sender"))
        if self.inbox():
            self.poll(self.process("poller"))
        self.sweep(self.process("sweep"))
        self.escalate(self.process("escalate"))
        self.clock.advance(timedelta(minutes=6))

    def _moving(self) -> list[str]:
        under_way = {Status.HELD, Status.RELEASING, Status.BUILT, Status.SENDING, Status.UNCERTAIN}
        waiting = {each.message_id for each in self.records() if self._waits_for_newer_release(each)}
        return [
            *(f"intake {each}" for each in self.queue.intake),
            *(f"send {each}" for each in self.queue.waiting if each not in waiting),
            *(
                f"{each.message_id} {each.status}"
                for each in self.records()
                if each.status in under_way and each.message_id not in waiting
            ),
            *(f"inbox {each}" for each in self.inbox() if not self._quarantine(each)),
        ]

    def _waits_for_newer_release(self, record: MessageRecord) -> bool:
        """Whether the newer release has plans for it, or for another message or request of its encounter."""
        written = self.truth.rows_written_by_newer
        others = self.ledger.find_by_encounter(record.encounter_key) if written else []
        return any(each.message_id in written for each in others)

    # What must hold

    def records(self) -> list[MessageRecord]:
        """Every message that the ledger has. Raises BrokenError where one cannot be read."""
        try:
            return sorted(self.state.records(), key=lambda record: (record.encounter, record.version))
        except ValueError as error:
            raise BrokenError(f"the ledger cannot be read: {error}") from error

    def notifications_of(self, message_id: str) -> tuple[str, ...]:
        """The kinds of the notifications that were raised of a message."""
        return tuple(self.state.kinds(f"MESSAGE#{message_id}"))

    def untold(self) -> list[str]:
        """The notifications that were raised and nobody was told."""
        return [raised.notification.id for raised in self.state.notifications() if raised.told_at is None]

    def inbox(self) -> list[str]:
        return list(self.mesh.inboxes.get(MAILBOX, {}))

    def check(self) -> None:
        """What holds at every moment. Raises BrokenError."""
        records = self._latest = self.records()
        for record in records:
            self._note_answers(record)
        for record in records:
            self._check_evidence(record)
            self._check_copies(record)
            self._check_audit(record)
            self._check_flip(record)
        self._check_versions(records)
        self._check_notifications()
        self._check_written_by_newer()

    def _note_answers(self, record: MessageRecord) -> None:
        """Note of each answer that was recorded since whether MESH may have had the message by then.

        An answer that names an encounter alone must have been taken for one to a message that MESH has.
        """
        perhaps_there = record.message_id in self.perhaps_at_the_practice()
        for event in record.history.of(EventType.RESPONSE):
            mesh_message_id = event.details["mesh_message_id"]
            if (record.message_id, mesh_message_id) in self.truth.in_time:
                continue
            self.truth.in_time[record.message_id, mesh_message_id] = perhaps_there
            answer = self.truth.answers[mesh_message_id]
            if answer.premature and perhaps_there:
                self._unknowable.add(record.message_id)
            if answer.message_id is None and not self.mesh.copies(record.message_id):
                raise BrokenError("an answer that names an encounter alone was taken for one to what was not sent")
            left = min(record.history.copies_since, default=answer.written).replace(microsecond=0)
            if answer.repeats not in (None, record.message_id) and answer.written < left:
                raise BrokenError("an answer that was written before a message left was taken for one to it")

    def _check_evidence(self, record: MessageRecord) -> None:
        """No status without evidence: each is held against what the world outside really did."""
        answers = self.truth.counting(record)
        verdicts = {(RESPONSE_CODES[code].level, RESPONSE_CODES[code].verdict) for code in answers}
        received = (Level.INFRASTRUCTURE, Verdict.POSITIVE) in verdicts
        accepted = (Level.BUSINESS, Verdict.POSITIVE) in verdicts
        refused = any(verdict is Verdict.NEGATIVE for _, verdict in verdicts)
        copies = self.mesh.copies(record.message_id)
        told = set(self.notifications_of(record.message_id))
        asked = self.truth.requests[record.request_id]
        valid = asked.valid and not asked.withdrawal
        others = [
            each
            for request_id, each in self.truth.requests.items()
            if each.encounter == asked.encounter and request_id != record.request_id
        ]
        evidence = {
            # Of an unannounced put that was replaced nobody knows whether the report beside it is its own.
            Status.INVALID: not asked.valid
            or asked.document_late
            or self.truth.folder_shared(asked)
            or (asked.key in self.queue.found_in_drop and self.truth.replaced(asked)),
            Status.NOT_REQUIRED: any(each.alike(asked) for each in others),
            Status.HELD: valid and self.hold > timedelta(0),
            Status.RELEASING: valid and self.hold > timedelta(0),
            Status.RELEASED: any(each.request_id == record.request_id and each.version for each in self._latest),
            Status.SUPERSEDED: any(each.valid and each.later_than(asked) for each in others)
            or bool({"later request superseded", "nothing withdrawn"} & told),
            Status.WITHDRAWN: asked.withdrawal or any(each.withdrawal for each in others),
            Status.TELL_PRACTICE: asked.withdrawal,
            Status.BUILT: valid,
            Status.SENDING: valid,
            Status.UNCERTAIN: valid,
            Status.SENT: bool(copies),  # whoever answers has it from MESH
            Status.REFUSED: f"{record.message_id}.xml" in self.mesh.refused,
            Status.UNDELIVERED: bool(copies) and record.message_id in self.truth.reports,
            Status.ACKNOWLEDGED: received and bool(copies),
            Status.DELIVERED: received and accepted and bool(copies),
            Status.REJECTED: refused or self._replacement_failed(record),
            Status.OVERDUE: self.clock.time - record.created_at > timedelta(days=1),
        }
        if not evidence[record.status] and record.message_id not in self._unknowable:
            raise BrokenError(f"{record.status} without evidence: {answers}, {len(copies)} copies")
        self._check_index(record)
        known = self._facts_of_all.get(record.message_id, frozenset())
        if lost := {fact for fact in known - record.history.identities if not _is_folded(fact, record)}:
            raise BrokenError(f"facts were lost: {lost}")
        self._facts_of_all[record.message_id] = record.history.identities

    def _check_index(self, record: MessageRecord) -> None:
        """The indexes show an open or failed message with the status that the facts say, and no other."""
        item = self.table.item(pk_of(record.encounter_key), STATE)
        shown = {status for status, _ in statuses_of(item)}
        listed = not record.status.settled or is_failed(record.status)
        if listed and (record.status not in shown or not {"work_shard", "attention_shard"} & set(item)):
            raise BrokenError(f"{record.status}, and no index shows it")
        if not record.status.settled and "work_shard" not in item:
            raise BrokenError(f"{record.status}, and no sweep looks at it")

    def _replacement_failed(self, record: MessageRecord) -> bool:
        if not any(answer.code == "20014" for answer in self.truth.answers.values()):
            return False
        of_its_encounter = self.ledger.find_by_encounter(record.encounter_key)
        later = [each for each in of_its_encounter if each.version > record.version]
        return any("20014" in self.truth.counting(each) for each in later)

    def _check_copies(self, record: MessageRecord) -> None:
        copies = self.mesh.copies(record.message_id)
        if len(copies) > record.history.possible_copies:
            raise BrokenError(f"MESH has {len(copies)} copies, the ledger knows of {record.history.possible_copies}")
        for copy in copies:
            if copy.sha256 != record.history.of(EventType.BUILT)[0].details["sha256"]:
                raise BrokenError("what was sent is not what was built")

    def _check_audit(self, record: MessageRecord) -> None:
        """Everything that the message is has an event that says when and who; none is ever gone or another."""
        if self._audited_as.get(record.message_id) is record:
            return
        self._audited_as[record.message_id] = record
        events = frozenset((each.at, each.actor, each.what) for each in self.trail.of_message(record.message_id))
        if not all(actor for _, actor, _ in events):
            raise BrokenError("something was done, and nobody knows who did it")
        if not {(event.at, event.kind.value) for event in record.history.events} <= {
            (at, what) for at, _, what in events
        }:
            raise BrokenError("a status came about, and the audit trail does not say how")
        known = self._audited.get(record.message_id, frozenset())
        # The event of a chunk gives way to that of the next one.
        if gone := {event for event in known - events if event[2] != "chunk accepted"}:
            raise BrokenError(f"audit events are gone: {gone}")
        self._audited[record.message_id] = events

    def _check_flip(self, record: MessageRecord) -> None:
        """A status that was final becomes another only where a person was told since, or decided so."""
        before, told_then = self._reached.get(record.message_id, (None, frozenset()))
        decided = {event.identity for event in record.history.events if event.source == "operator"}
        told = frozenset({*self.notifications_of(record.message_id), *decided})
        if before is record.status:
            return
        self._reached[record.message_id] = record.status, told
        # Who was told that its facts contradict each other knows that neither of them is certain.
        if before in ENDED and told == told_then and "contradiction" not in told_then:
            raise BrokenError(f"{before} became {record.status}, and no notification says so")

    def _check_versions(self, records: Sequence[MessageRecord]) -> None:
        """Versions are counted from 1 without a gap or a double, in the order in which they were given."""
        given: dict[str, list[int]] = defaultdict(list)
        for claim in self._claims():
            given[self.truth.requests[claim.request_id].encounter].append(claim.version)
        self._check_repeats(records)
        for versions in given.values():
            if sorted(versions) != list(range(1, len(versions) + 1)):
                raise BrokenError(f"versions are not counted: {versions}")
        for encounter in {record.encounter for record in records}:
            messages = [each for each in records if each.encounter == encounter and each.version]
            if len({each.version for each in messages}) < len(messages):
                raise BrokenError("two messages of an encounter have one version")
            if len({each.request_id for each in messages}) < len(messages):
                raise BrokenError("a request has two versions")
            if [each.created_at for each in messages] != sorted(each.created_at for each in messages):
                raise BrokenError("a later version bears an earlier time")
            firsts = [copies[0].id for each in messages if (copies := self.mesh.copies(each.message_id))]
            if firsts != sorted(firsts):
                raise BrokenError("a later version overtook an earlier one")
            self._check_order(encounter, messages)

    def _claims(self) -> list[Claim]:
        return [claim for encounter in self.state.encounters() for claim in encounter.claims.values()]

    def _check_repeats(self, records: Sequence[MessageRecord]) -> None:
        """Of requests with one content under one key at most one has a version, and what others repeat is one of them.

        Not where an operator took a request in again.
        """
        puts = Counter(each.put for each in self.truth.requests.values() if each.key)
        if puts.total() > len(puts):
            return
        claimed = {claim.request_id for claim in self._claims()}
        once = Counter((self.truth.requests[each].key, self.truth.requests[each].content) for each in claimed)
        if any(times > 1 for (key, _), times in once.items() if key):
            raise BrokenError("a copy of a request became a version of its own")
        rows = {record.message_id: record.status for record in records}
        taken = claimed | {each for each in rows if rows[each] not in {Status.INVALID, Status.NOT_REQUIRED}}
        for record in records:
            for event in record.history.of(EventType.NOT_REQUIRED):
                if event.details["repeats"] not in taken:
                    raise BrokenError("a request repeats one that was not taken in")

    def _check_order(self, encounter: str, messages: Sequence[MessageRecord]) -> None:
        """Versions are in the order in which their requests were put down, however their events came.

        Not where an operator took a request in again, nor where S3's list announced a put of an object that was put
        again: that has no number of S3's.
        """
        asked = [each for each in self.truth.requests.values() if each.encounter == encounter]
        puts = Counter(each.put for each in asked)
        of_keys = Counter(each.key for each in asked)
        if puts.total() > len(puts) or any(of_keys[key] > 1 for key in self.queue.found_in_drop):
            return
        made = [self.truth.requests[each.request_id] for each in messages]
        if any(earlier.surely_later_than(later) for earlier, later in pairwise(made)):
            raise BrokenError("a request became a later version than one that was put down after it")

    def _check_notifications(self) -> None:
        """At most one notification per failure: a second telling only where the first broke off before it was noted."""
        told = Counter(_told(each) for each in self.topic.published)
        excess = sum(count - 1 for count in told.values())
        if excess > self._tellings_broken_off:
            raise BrokenError(f"{excess} notifications were told again, {self._tellings_broken_off} tellings broke off")

    def _check_settled(self) -> None:
        """What holds when everything had its time. Nothing is lost; nobody who should know is left untold."""
        records = self.records()
        if lost := self._not_in_ledger():
            raise BrokenError(f"lost: {len(lost)} requests are not in the ledger")
        # A withdrawal that comes while nobody knows whether a message arrived has the practice told of it.
        withdrawals = [event for record in records for event in record.history.of(EventType.WITHDRAWAL)]
        warned = {message_id for event in withdrawals for message_id in event.details["sent"]}
        for record in records:
            waits = self._waits_for_newer_release(record)
            if record.status not in ENDED | {Status.OVERDUE} and not (waits and self._told_of_waiting(record)):
                raise BrokenError(f"a message stays {record.status} for ever")
            copies = self.mesh.copies(record.message_id)
            if record.status not in OF_REQUESTS | {Status.REFUSED} and not copies and not waits:
                raise BrokenError(f"{record.status}, and MESH has no copy")
            told_late = "sent although withdrawn" in self.notifications_of(record.message_id)
            known = told_late or record.message_id in warned or self._given_up_in_doubt(record)
            if record.status in OF_REQUESTS and copies and not known:
                raise BrokenError(f"{record.status}, and MESH has it all the same")
            self._check_answers(record)
        told = {_told(each) for each in self.topic.published}
        for raised in self.state.notifications():
            self._check_notification(raised, told)
        self._check_all_answers(told)
        for stray in self.truth.strays:
            if not self._known_as_unmatched(stray, told):
                raise BrokenError("something came that belongs to no message, and nobody was told")
        of_documents = [
            raised for raised in self.state.notifications()
            if raised.notification.kind is NotificationType.DOCUMENTS_WITHOUT_REQUEST
        ]  # fmt: skip
        if self.truth.documents_alone and not of_documents:
            raise BrokenError("a document came without a request, and nobody was told")
        self._check_balances()

    def _given_up_in_doubt(self, record: MessageRecord) -> bool:
        """Whether an operator gave it up after an upload of which the ledger says that nobody knows whether it left."""
        uncertain = record.history.of(EventType.UPLOAD_UNCERTAIN)
        operator_actions = [event for event in record.history.of(EventType.SUPERSEDED) if event.source == "operator"]
        return any(doubt.at <= decided.at for doubt in uncertain for decided in operator_actions)

    def _not_in_ledger(self) -> set[str]:
        """The requests that were put down, and of which the ledger has nothing."""
        return set(self.truth.requests) - {record.request_id for record in self.records()}

    def _known_as_unmatched(self, mesh_message_id: str, told: set[tuple[str, Delivery]]) -> bool:
        """Whether somebody was told that it belongs to no message, or took that notification on before it was told."""
        name = f"RECEIVED#{MAILBOX}#{mesh_message_id}/unmatched"
        return (name, Delivery.FIRST) in told or name in self.truth.acknowledged

    def _told_of_waiting(self, record: MessageRecord) -> bool:
        return bool({"stuck", "not released"} & set(self.notifications_of(record.message_id)))

    def _check_notification(self, raised: RaisedNotification, told: set[tuple[str, Delivery]]) -> None:
        """Told, and then taken on by somebody or told to a second person, not before its time; nothing is due of it.

        Who finds it in the ledger and takes it on before it was told needs no telling.
        """
        name = raised.notification.id
        if (name, Delivery.FIRST) not in told and raised.is_open:
            raise BrokenError(f"nobody was told: {name}")
        # What waits for a newer release is offered again and again, and may have been told just now.
        just_told = raised.told_at is not None and self.clock.time - raised.told_at < UNACKNOWLEDGED
        if raised.due_at is not None and not just_told:
            raise BrokenError(f"somebody looks at a notification for ever: {name}")
        if raised.is_open and not just_told and raised.escalated_at is None:
            raise BrokenError(f"nobody acknowledged it, and it was not escalated: {name}")
        if name in self.truth.acknowledged and raised.acknowledged_by != NURSE:
            raise BrokenError(f"somebody took it on, and nobody knows: {name}")
        if raised.escalated_at is not None:
            if (name, Delivery.ESCALATION) not in told:
                raise BrokenError(f"called escalated, and nobody was told: {name}")
            if raised.told_at is None or raised.escalated_at < raised.told_at + UNACKNOWLEDGED:
                raise BrokenError(f"escalated before its time: {name}")

    def _check_balances(self) -> None:
        """The balance of every day on which anything was received adds up, when everything had its time."""
        days = {key.split("/")[1] for key in self.bucket.objects if key.startswith("receipts/")}
        for day in sorted(map(date.fromisoformat, days)):
            made = self.reconciliation.run(day)
            assert isinstance(made, Balance)
            lost = [each for its in made.mailboxes.values() for each in its.lost]
            ghosts = {each for each, at in self.truth.ghosts.items() if at.date() == day}
            # What a newer release left due is not seen to by this one: the balance says so, and is right.
            unattended = [each for its in made.mailboxes.values() for each in its.unattended]
            left = [each for each in unattended if each in self.truth.rows_written_by_newer]
            if set(lost) != ghosts or made.wrong != len(ghosts) + len(left):
                raise BrokenError(f"{day} does not balance: {made.as_json()}")

    def _check_answers(self, record: MessageRecord) -> None:
        """Every answer to the message is among its facts; a person knows of those that are held against somebody."""
        recorded = {event.identity for event in record.history.of(EventType.RESPONSE)}
        copies = [copy.id for copy in self.mesh.copies(record.message_id)]
        silences = [self.mesh.silences[each] for each in (*copies, PRACTICE[:6])]
        for answer in self.truth.answers_to(record):
            if f"response-{answer.mesh_message_id}-{answer.code}" not in recorded:
                continue  # see _check_all_answers
            told = f"suspicious response#{answer.mesh_message_id}" in self.notifications_of(record.message_id)
            honest = answer.sender == PRACTICE and not answer.premature
            if honest and told and sum(silences) < SILENCES:
                raise BrokenError("the practice answered what it has, and is suspected")
            if not honest and not told and record.message_id not in self._unknowable:
                raise BrokenError("somebody answered what MESH did not bring them, and nobody was told")

    def _check_all_answers(self, told: set[tuple[str, Delivery]]) -> None:
        """Every answer is recorded with a message, or a person knows that it belongs to none."""
        recorded = {
            event.details["mesh_message_id"]
            for record in self._latest
            for event in record.history.of(EventType.RESPONSE)
        }
        for each in self.truth.answers:
            if self._quarantine(each) and self._runs_struck < MOST_TRIES:
                raise BrokenError("an answer was quarantined that was not tried so often")
            if each not in recorded and not self._known_as_unmatched(each, told):
                raise BrokenError(f"the answer {self.truth.answers[each].code} is lost")

    def _check_written_by_newer(self) -> None:
        for (pk, message_id), written in self.truth.written_by_newer.items():
            message = self.state.body(pk).get("messages", {}).get(message_id, {"events": []})
            if written not in message["events"]:
                raise BrokenError("an event of a newer release is not what it was")
            if message.get("paused_until") != "Monday":
                raise BrokenError("what a newer release wrote of a message is gone")

    def _quarantine(self, mesh_message_id: str) -> bool:
        received = self.ledger.find_received(MAILBOX, mesh_message_id)
        return received is not None and received.outcome == "quarantined"

    def _kept_and_recorded(self, mailbox: str, mesh_message_id: str) -> None:
        """Safety rule 1, at the moment that counts."""
        received = self.ledger.find_received(mailbox, mesh_message_id)
        if received is None or received.evidence_key not in self.bucket.objects:
            raise BrokenError("acknowledged in MESH before it was kept and recorded")


def _told(text: str) -> tuple[str, Delivery]:
    """Which notification was told, by its id, and whether for the first time or the second."""
    subject, _, body = text.partition("\n")
    known = dict(line.split(": ", 1) for line in body.splitlines() if ": " in line)
    return known["This notification"], Delivery.ESCALATION if ", escalated:" in subject else Delivery.FIRST


def _is_folded(identity: str, record: MessageRecord) -> bool:
    """Whether the event of a chunk gave way to that of a later chunk of the same upload."""
    upload, _, number = identity.rpartition("-")
    later = (other.rpartition("-") for other in record.history.identities)
    return identity.startswith("chunk-") and any(name == upload and int(n) > int(number) for name, _, n in later)

"""The practice's system: collect, read, keep and respond, and only then acknowledge in MESH."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import cycle, repeat
from pathlib import Path

from infra.local.practice.answering import Answer, Answering
from infra.local.practice.mailbox import Collected, Mailbox, MailboxUnavailableError, MessageGoneError
from infra.local.practice.reading import Reading, read
from infra.local.practice.responding import Practice, Shape, write

Log = Callable[..., None]
_FAILURES_ALLOWED = 50


@dataclass
class _Open:
    """A collected message with unsent responses, or that MESH still lists."""

    collected: Collected
    reading: Reading
    answers: list[Answer]
    next_at: float = 0.0
    failures: int = 0


class PracticeSystem:
    """Works on a mailbox; `work_once` does the current work."""

    def __init__(
        self,
        mailbox: Mailbox,
        practice: Practice,
        *,
        shapes: Iterator[Shape] | None = None,
        business_delay_seconds: float = 0.3,
        schema: Path | None = None,
        keep: Path | None = None,
        log: Log,
    ) -> None:
        self._mailbox = mailbox
        self._practice = practice
        self._shapes = shapes or repeat(Shape.STANDARD)
        self._business_delay_seconds = business_delay_seconds
        self._schema = schema
        self._keep = keep
        self._log = log
        self._answering = Answering()
        self._open: dict[str, _Open] = {}

    def work_once(self) -> None:
        """Collect waiting messages and send due responses. Raises MailboxRefusedError; other failures are retried."""
        try:
            waiting = self._mailbox.waiting()
        except MailboxUnavailableError as error:
            self._log("unavailable", reason=str(error))
            return
        # A message that MESH no longer lists was acknowledged, even if the response was lost.
        for message_id in set(self._open) - set(waiting):
            del self._open[message_id]
        for message_id in waiting:
            try:
                if message_id not in self._open:
                    self._collect(message_id)
                self._continue(message_id)
            except MessageGoneError:
                self._open.pop(message_id, None)
                self._log("gone", mesh_message_id=message_id)
            except MailboxUnavailableError as error:
                self._log("unavailable", mesh_message_id=message_id, reason=str(error))
                self._note_failure(message_id)

    def _collect(self, message_id: str) -> None:
        collected = self._mailbox.collect(message_id)
        headers = collected.headers
        if headers.get("mex-messagetype") == "REPORT":
            self._log(
                "report",
                mesh_message_id=message_id,
                linked=headers.get("mex-linkedmsgid"),
                status_code=headers.get("mex-statuscode"),
            )
            self._open[message_id] = _Open(collected, Reading(), [])
            return
        if headers.get("mex-workflowid", "").endswith("_ACK"):
            self._log("response_not_expected", mesh_message_id=message_id)
            self._open[message_id] = _Open(collected, Reading(), [])
            return
        reading = read(
            collected.content,
            schema=self._schema,
            mesh_from=headers.get("mex-from", ""),
            checksum=headers.get("mex-content-checksum", ""),
        )
        # A response gets no response, even if it requests one.
        answers = [] if reading.event == "ITK008M" else list(self._answering.decide(reading))
        self._log(
            "received",
            mesh_message_id=message_id,
            message_id=reading.message_id,
            workflow=headers.get("mex-workflowid"),
            bytes=len(collected.content),
            documents=[document.sha256 for document in reading.documents],
            findings=[f"{finding.part}: {finding.text}" for finding in reading.findings],
            answers=[answer.code for answer in answers],
        )
        self._open[message_id] = _Open(collected, reading, answers)
        self._keep_copy(self._open[message_id])

    def _continue(self, message_id: str) -> None:
        item = self._open[message_id]
        while item.answers and item.next_at <= time.monotonic():
            self._send(item, item.answers[0])
            item.answers.pop(0)
            item.next_at = time.monotonic() + self._business_delay_seconds
        if item.answers:
            return
        self._mailbox.acknowledge(message_id)
        del self._open[message_id]

    def _note_failure(self, message_id: str) -> None:
        """Give up responses that MESH keeps refusing: an unregistered sender must not block the mailbox for ever."""
        item = self._open.get(message_id)
        if item is None:
            return
        item.failures += 1
        if item.failures >= _FAILURES_ALLOWED and item.answers:
            self._log("given_up", mesh_message_id=message_id, codes=[answer.code for answer in item.answers])
            item.answers.clear()

    def _send(self, item: _Open, answer: Answer) -> None:
        headers = item.collected.headers
        response = write(answer, item.reading, self._practice, shape=next(self._shapes), now=datetime.now(UTC))
        sent_as = self._mailbox.send(
            response.content,
            to=headers.get("mex-from", ""),
            workflow_id=f"{headers.get('mex-workflowid', '')}_ACK",
            local_id=response.id,
            content_type=response.content_type,
            content_encoding=response.content_encoding,
        )
        self._log(
            "answered",
            mesh_message_id=item.collected.message_id,
            message_id=item.reading.message_id,
            code=answer.code,
            malformed=answer.malformed,
            response=response.id,
            response_mesh_message_id=sent_as,
        )

    def _keep_copy(self, item: _Open) -> None:
        if self._keep is None:
            return
        self._keep.mkdir(parents=True, exist_ok=True)
        name = item.collected.message_id
        (self._keep / f"{name}.xml").write_bytes(item.collected.content)
        record = {
            "mesh_message_id": name,
            "message_id": item.reading.message_id,
            "document_id": item.reading.document_id,
            "headers": dict(item.collected.headers),
            "documents": [asdict(document) for document in item.reading.documents],
            "findings": [asdict(finding) for finding in item.reading.findings],
            "answers": [asdict(answer) for answer in item.answers],
        }
        (self._keep / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")


def shapes_named(name: str) -> Iterator[Shape]:
    """Return the forms of the next responses: always the same, or all in turn for `mixed`."""
    return cycle(Shape) if name == "mixed" else repeat(Shape(name))


def log_line(event: str, **fields: object) -> None:
    """Write a JSON line to standard error. Callers pass ids, codes and counts, never message content."""
    line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "practice": event, **fields}
    print(json.dumps(line), file=sys.stderr, flush=True)

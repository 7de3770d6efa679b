"""The local MESH for tests: started as in the local run, set through the control endpoint."""

import os
import random
import select
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialVault
from gpconnect_messaging.mesh import MailboxCredentials, MeshClient, OutboundMessage
from gpconnect_messaging.mesh.chunking import Chunking
from gpconnect_messaging.steps.send import PostponedError
from infra.local.environments import environment
from infra.local.mesh.configuration import DEFAULT_COMMUNITY, Community
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from infra.local.processes import SupervisorClient
from tests.examples import ROOT
from tests.fakes.product import TO_PRACTICE, WORKFLOW, Product
from tests.fakes.secrets_manager import Secrets

COMMUNITY = Community.read(DEFAULT_COMMUNITY)
SENDER, PRACTICE = "Y90001OT001", "A20047OT001"
SUBJECT = "Consultation report for Garth WRIGHT, NHS Number 9658218865, seen at Riverside"
CHUNKING = Chunking(largest_whole=20_000, chunk_bytes=8_000, smallest_chunk=0)


@dataclass
class Program:
    """A program of the local run, started as a person would start it."""

    process: subprocess.Popen[str]
    log: Path
    url: str

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=10)


@contextmanager
def started(python: Path | str, module: str, *arguments: str, log: Path) -> Iterator[Program]:
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), "-m", module, *arguments],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    try:
        in_time, _, _ = select.select([process.stdout], [], [], 30)
        line = process.stdout.readline() if in_time else ""
        assert line.startswith("ready http://127.0.0.1:"), log.read_text()
        yield Program(process, log, line.split()[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class LocalMesh:
    """A running local MESH."""

    url: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=30))

    def control(self, method: str, name: str, content: Any = None, **query: str) -> Any:
        answer = self.http.request(method, f"{self.url}/control/{name}", json=content, params=query)
        answer.raise_for_status()
        return answer.json()

    def client(self, mailbox: str = SENDER, **settings: Any) -> MeshClient:
        return MeshClient(self.url, credentials(mailbox), **settings)

    def messages(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "messages", **query)
        return found

    def requests(self, **query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", "requests", **query)
        return found

    def next_fault(self, fault: str, kind: str, **settings: Any) -> None:
        self.control("POST", "faults/next", {"fault": fault, "kind": kind, **settings})


def credentials(mailbox: str) -> MailboxCredentials:
    return MailboxCredentials(
        mailbox=mailbox, password=COMMUNITY.mailboxes[mailbox].password, shared_key=COMMUNITY.shared_key
    )


def secrets() -> Secrets:
    """The community's secrets, as Secrets Manager would hold them."""
    own = {f"mailboxes/{mailbox.id}": {"password": mailbox.password} for mailbox in COMMUNITY.mailboxes.values()}
    return Secrets({**own, "mesh": {"shared_key": COMMUNITY.shared_key}})


def connections(url: str, held: Secrets | None = None) -> MeshConnections:
    """The product's connections to a MESH, over the community's secrets."""
    return MeshConnections(url, CredentialVault(held or secrets(), "mailboxes", "mesh"))  # type: ignore[arg-type]


class ProductOnMesh(Product):
    """The product over fakes of AWS, and on a real MESH."""

    longest_gzipped = CHUNKING.largest_whole

    def __init__(self, url: str, held: Secrets | None = None) -> None:
        super().__init__(drop=None, at=datetime.now(UTC))
        self.connections = connections(url, held)
        self.sender = replace(self.sender, chunking=CHUNKING)

    def build(self, size: int, to: str = TO_PRACTICE) -> str:
        """Store a message of some size, as the builder does."""
        message_id, month = str(uuid.uuid4()), timedelta(days=30)
        content = f"<message id='{message_id}'>".encode() + random.Random(message_id).randbytes(size)
        self.stored(message_id, content, to=to, subject=SUBJECT, infrastructure_due=month, business_due=month)
        self.send_queue.put(message_id, SENDER)
        return message_id

    def send(self, message_id: str) -> None:
        """Send, as the queue would have it: what is postponed comes again."""
        try:
            self.sender.send(message_id)
        except PostponedError:
            self.send_queue.put(message_id, SENDER)

    def events(self, message_id: str, *kinds: EventType) -> list[LedgerEvent]:
        """What the ledger has of a message, of these kinds."""
        return self.history(message_id).of(*kinds)

    def history(self, message_id: str) -> MessageHistory:
        """Everything that the ledger has of a message."""
        return self.row(message_id).history


@contextmanager
def local_mesh(folder: Path, *arguments: str) -> Iterator[LocalMesh]:
    """Start a local MESH on a free port, and end it."""
    with SupervisorClient(folder / "scratch", folder) as supervisor:
        python = environment("mesh", supervisor).python
    arguments = ("--port", "0", "--report-delay", "0", *arguments)
    with started(python, "infra.local.mesh", *arguments, log=folder / "mesh.log") as program:
        mesh = LocalMesh(program.url)
        yield mesh
        mesh.http.close()


def answer(practice: MeshClient, message_id: str, *codes: str, organisation: str = "A20047") -> None:
    """Answer a message as the practice or another responder does: one response per code, to the sender."""
    for code in codes:
        response = write(
            Answer(code), Reading(message_id=message_id), Practice(organisation, PRACTICE), shape=Shape.STANDARD,
            now=datetime.now(UTC),
        )  # fmt: skip
        practice.send(OutboundMessage(to=SENDER, workflow_id=f"{WORKFLOW}_ACK", local_id="A20047"), response.content)

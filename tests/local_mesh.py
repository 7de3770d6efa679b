"""The local MESH for tests: started as in the local run, set through the control endpoint."""

import os
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from gpconnect_messaging.mailboxes.connections import MeshConnections
from gpconnect_messaging.mailboxes.directory import CredentialVault
from gpconnect_messaging.mesh import MailboxCredentials, MeshClient, OutboundMessage
from infra.local.environments import environment
from infra.local.mesh.configuration import DEFAULT_COMMUNITY, Community
from infra.local.practice.answering import Answer
from infra.local.practice.reading import Reading
from infra.local.practice.responding import Practice, Shape, write
from infra.local.processes import SupervisorClient
from tests.examples import ROOT
from tests.in_memory import Secrets

COMMUNITY = Community.read(DEFAULT_COMMUNITY)
SENDER, PRACTICE = "Y90001OT001", "A20047OT001"
WORKFLOW = "GPCONNECT_SEND_DOCUMENT"
TO_PRACTICE = "GPPROVIDER_9658218865_19331114_WRIGHT"


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

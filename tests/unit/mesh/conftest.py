"""A MESH client on a pretended transport, and servers on this machine that behave badly in a scripted way."""

import contextlib
import json as json_library
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

import httpx
import pytest

from gpconnect_messaging.mesh import MailboxCredentials, MeshClient, OutboundMessage

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
# An automatic-routing address, a subject and secrets that no error may repeat. The patient is a public test patient.
TO = "GPPROVIDER_9658218865_19331114_WRIGHT"
SUBJECT = "Consultation report for Garth WRIGHT, NHS Number 9658218865, seen at Riverside, ODS Code Y90001"
PASSWORD = "swordfish-of-the-mailbox"
SHARED_KEY = "key-of-the-environment"
BODY = b"<Bundle>Garth WRIGHT 9658218865</Bundle>"
SECRETS = ("9658218865", "WRIGHT", "Garth", PASSWORD, SHARED_KEY, "NHSMESH")

Handler = Callable[[httpx.Request], httpx.Response]


def answer(
    status: int, *, content: bytes = b"", json: object = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Make an answer whose body is not read yet, as a real one's."""
    body = content if json is None else json_library.dumps(json).encode()
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(body))


@dataclass
class Pretended:
    """MESH as a function: remembers the requests, bodies included."""

    handler: Handler
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.requests.append(request)
        return self.handler(request)


@pytest.fixture
def credentials() -> MailboxCredentials:
    return MailboxCredentials(mailbox="Y90001OT001", password=PASSWORD, shared_key=SHARED_KEY)


@pytest.fixture
def outgoing() -> OutboundMessage:
    return OutboundMessage(
        to=TO, workflow_id="GPCONNECT_SEND_DOCUMENT", subject=SUBJECT, local_id="Y90001", file_name="message.xml"
    )


@pytest.fixture
def pretend(credentials: MailboxCredentials) -> Iterator[Callable[[Handler], tuple[MeshClient, Pretended]]]:
    """Give a client whose MESH is the given function."""
    with contextlib.ExitStack() as stack:

        def start(handler: Handler) -> tuple[MeshClient, Pretended]:
            mesh = Pretended(handler)
            http = stack.enter_context(httpx.Client(transport=httpx.MockTransport(mesh)))
            return MeshClient("https://mesh.test", credentials, http=http, clock=lambda: NOON), mesh

        yield start


Script = Callable[[socket.socket, threading.Event], None]


class Serve(Protocol):
    """Starts a server; `patience` is how many seconds its client waits for anything."""

    def __call__(self, script: Script, patience: float = 30) -> MeshClient: ...


@pytest.fixture
def serve(credentials: MailboxCredentials) -> Iterator[Serve]:
    """Give a client whose MESH is a script on a socket; the event is set when the test is over."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:

        def start(script: Script, patience: float = 30) -> MeshClient:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def run() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            script(connection, over)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()

            def stop() -> None:
                over.set()
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                thread.join(timeout=5)

            stack.callback(stop)
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            return stack.enter_context(MeshClient(url, credentials, timeout=httpx.Timeout(patience)))

        yield start

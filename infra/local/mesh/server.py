"""The HTTP server of the local MESH: one process on the loopback address, whose connections can be cut."""

# mypy: disallow-subclassing-any=False
# (The sandbox and the packages are in another environment, so mypy does not know their classes.)

import asyncio
import signal
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from infra.local.mesh.faults import Application, Scope

_ADDRESS = "127.0.0.1"
_open_connections: dict[tuple[str, int], asyncio.Transport] = {}


class CuttableProtocol(H11Protocol):
    """Uvicorn's protocol, which also records the transport by the client's address and port."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Record the connection."""
        super().connection_made(transport)
        _open_connections[transport.get_extra_info("peername")[:2]] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for client, transport in list(_open_connections.items()):
            if transport is self.transport:
                del _open_connections[client]
        super().connection_lost(exc)


def cut(scope: Scope) -> None:
    """Break a request's connection at once."""
    transport = _open_connections.get(tuple(scope["client"]))
    if transport is not None:
        transport.abort()


def close(scope: Scope) -> None:
    """Close a request's connection after all written data is sent."""
    transport = _open_connections.get(tuple(scope["client"]))
    if transport is not None:
        transport.close()


class _AnnouncedServer(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(f"ready http://{_ADDRESS}:{sockets[0].getsockname()[1]}", flush=True)


def serve(application: Application, port: int, *, dated: bool = True) -> None:
    """Serve until SIGTERM or SIGINT; port 0 takes a free one. Prints `ready http://127.0.0.1:PORT` when it listens.

    With `dated` the server adds the `Date` header; otherwise the application adds it.
    """
    # Uvicorn raises the signal again after a clean stop; the handler ignores it, so the process ends with status 0.
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _stopped_already)
    # The protocol is named because only then asyncio disables Nagle's algorithm (40 ms for every response).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((_ADDRESS, port))
    configuration = uvicorn.Config(
        application,
        http=CuttableProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=dated,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=1,
    )
    _AnnouncedServer(configuration).run(sockets=[listener])


def _stopped_already(_signal: int, _frame: Any) -> None:
    """Do nothing: the server has stopped."""

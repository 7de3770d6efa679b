"""Serves the console on this machine until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import uvicorn

from infra.operations.console.application import console
from infra.operations.console.context import console_context
from infra.operations.console.operators import OperatorsAtThisMachine
from infra.operations.environment import OperatorEnvironment, OperatorEnvironmentError

ADDRESS = "127.0.0.1"


def serve(
    environment: OperatorEnvironment, *, port: int, window: timedelta, actor: str, tell: Callable[[str, str], None]
) -> None:
    """Serve the console of a place until Ctrl-C; `port` 0 takes a free one.

    `tell` is given the address and the code that signs in, once it answers. Raises OperatorEnvironmentError.
    """
    with closing(_listening(port)) as listening:
        taken = listening.getsockname()[1]
        hosts = frozenset({f"{ADDRESS}:{taken}", f"localhost:{taken}"})
        operators = OperatorsAtThisMachine(environment.now)
        working = console_context(environment, window)
        application = console(working, operators, hosts=hosts, suggested_actor=actor)
        working.cache.start()
        tell(f"http://{ADDRESS}:{taken}/", operators.code)
        # Addresses hold ids alone; all the same nothing is gained by writing down who looked at what twice.
        settings = uvicorn.Config(
            application, access_log=False, log_level="warning", server_header=False, lifespan="off", ws="none",
            proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            working.cache.stop()


def _listening(port: int) -> socket.socket:
    """Take the port before anything else, so that nobody else answers at the address that is told."""
    listening = socket.socket()
    try:
        listening.bind((ADDRESS, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise OperatorEnvironmentError(
            f"Port {port} of this machine is taken. Name another with --port, or leave it out."
        ) from None
    return listening

"""Serves the console on this machine until it is stopped."""

import socket
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import uvicorn

from gpcm.console.application import console
from gpcm.console.context import console_context
from gpcm.console.operators import OperatorsAtThisMachine
from gpcm.environment import OperatorEnvironment, OperatorEnvironmentError

ADDRESS = "127.0.0.1"


def serve(
    environment: OperatorEnvironment, *, port: int, window: timedelta, actor: str, announce: Callable[[str, str], None]
) -> None:
    """Serve the console of an environment until Ctrl-C. Port 0 takes a free one.

    `announce` receives the address and the sign-in code once the port is open. Raises OperatorEnvironmentError.
    """
    with closing(_listen(port)) as listening:
        actual_port = listening.getsockname()[1]
        hosts = frozenset({f"{ADDRESS}:{actual_port}", f"localhost:{actual_port}"})
        operators = OperatorsAtThisMachine(environment.now)
        context = console_context(environment, window)
        application = console(context, operators, hosts=hosts, suggested_actor=actor)
        context.cache.start()
        announce(f"http://{ADDRESS}:{actual_port}/", operators.code)
        # No access log: the audit trail records the operators' actions already.
        settings = uvicorn.Config(
            application, access_log=False, log_level="warning", server_header=False, lifespan="off", ws="none",
            proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        try:
            uvicorn.Server(settings).run(sockets=[listening])
        except KeyboardInterrupt:
            pass
        finally:
            context.cache.stop()


def _listen(port: int) -> socket.socket:
    """Open the port first, so that no other server can answer at the announced address."""
    listening = socket.socket()
    try:
        listening.bind((ADDRESS, port))
        listening.listen(128)
    except OSError:
        listening.close()
        raise OperatorEnvironmentError(
            f"Port {port} is in use. Name another with --port, or leave the option out."
        ) from None
    return listening

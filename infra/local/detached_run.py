"""The detached run: `make demo KEEP=1` leaves it running, and this module finds and stops it."""

import os
import signal
import time

from infra.local.environments import BUILD
from infra.local.processes import LocalRunError, supervisor_lives
from infra.local.run import State

DETACHED_RUN_FILE = BUILD / "local" / "kept.json"
"""State of the detached run."""

_ENDS_WITHIN_SECONDS = 15


def running() -> State | None:
    """Return the detached run's state, if the supervisor still runs."""
    if not DETACHED_RUN_FILE.is_file():
        return None
    state = State.read(DETACHED_RUN_FILE)
    return state if supervisor_lives(state.folder / "logs" / "supervisor.lock") else None


def stop() -> State | None:
    """Stop the detached run and return its state; None if there is none. Raises LocalRunError if it does not stop."""
    state = running()
    if state is None or state.supervisor_process is None:
        return None
    os.kill(state.supervisor_process, signal.SIGTERM)
    deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
    while running() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    if running() is not None:
        raise LocalRunError(f"The run does not stop; the supervisor is process {state.supervisor_process}.")
    DETACHED_RUN_FILE.unlink(missing_ok=True)
    return state

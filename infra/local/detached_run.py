"""The run that was left running: `make demo KEEP=1`. Whoever wants to use it finds it here."""

import os
import signal
import time

from infra.local.environments import BUILD
from infra.local.processes import LocalRunError, supervisor_lives
from infra.local.run import State

KEPT = BUILD / "local" / "kept.json"
"""State of the run that was left running."""

_ENDS_WITHIN_SECONDS = 15


def kept() -> State | None:
    """Return the kept run's state, if its supervisor still lives."""
    if not KEPT.is_file():
        return None
    state = State.read(KEPT)
    return state if supervisor_lives(state.folder / "logs" / "supervisor.lock") else None


def stop() -> State | None:
    """End the kept run, and return what it was; None where there is none. Raises LocalRunError if it does not end."""
    state = kept()
    if state is None or state.supervisor_process is None:
        return None
    os.kill(state.supervisor_process, signal.SIGTERM)
    deadline = time.monotonic() + _ENDS_WITHIN_SECONDS
    while kept() is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    if kept() is not None:
        raise LocalRunError(f"The run does not end; its supervisor is process {state.supervisor_process}.")
    KEPT.unlink(missing_ok=True)
    return state

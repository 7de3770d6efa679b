"""Do the schedules' work at the demonstration's pace.

On AWS a schedule starts the poller every few minutes. Here the same function is invoked with the same inputs, read from
the created schedules, a second or so apart. `python -m infra.local.schedules STATE` does so for a run that was kept.
"""

import argparse
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.clients import Clients
from infra.local.deployment import Schedule
from infra.local.emulator import Access, LocalSession


class FunctionFailedError(Exception):
    """A function ended with an error of its own; the message is what it reported."""


def invoke(session: Clients, function: str, payload: str) -> Any:
    """Invoke a function and return its answer.

    Raises:
        FunctionFailedError: the function reported an error, or died.

    """
    answer = session.client("lambda").invoke(FunctionName=function, Payload=payload.encode())
    body = answer["Payload"].read()
    value = json.loads(body) if body else None
    if answer.get("FunctionError"):
        detail = value if isinstance(value, dict) else {}
        raise FunctionFailedError(f"{function}: {detail.get('errorType')}: {detail.get('errorMessage')}")
    return value


class ScheduleClock:
    """Invokes every schedule's function, one after the other, then rests; until left."""

    def __init__(self, session: LocalSession, schedules: Sequence[Schedule], *, rest_seconds: float) -> None:
        self.rest_seconds = rest_seconds
        self.rounds = 0
        self.failures: dict[str, str] = {}
        """The last failure of each schedule that failed in the last round."""
        self._session = session
        self._schedules = schedules
        self._left = threading.Event()
        self._thread = threading.Thread(target=self.keep, name="schedules", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if error is None:  # after a fault, or Ctrl-C, nobody waits for what is under way
            self._thread.join(timeout=30)

    def keep(self) -> None:
        """Do rounds until left."""
        while not self._left.is_set():
            failures = {}
            for schedule in self._schedules:
                try:
                    invoke(self._session, schedule.function, schedule.input)
                except (FunctionFailedError, ClientError, BotoCoreError) as failure:
                    failures[schedule.name] = str(failure)
            self.failures = failures
            self.rounds += 1
            self._left.wait(self.rest_seconds)


def main() -> None:
    """Keep the pace of a kept run, until ended."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("state", type=Path, help="state file of the run")
    state = json.loads(arguments.parse_args().state.read_text())
    ScheduleClock(
        LocalSession(Access(**state["access"])),
        [Schedule(**schedule) for schedule in state["deployment"]["schedules"]],
        rest_seconds=state["rest_seconds"],
    ).keep()


if __name__ == "__main__":
    main()

"""Run the schedules at the demonstration's pace.

On AWS a schedule invokes the poller every few minutes. Here the function is invoked a second or so apart, with the
inputs of the deployed schedules. `python -m infra.local.schedules STATE` does so for a detached run.
"""

import argparse
import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from gpcm.functions import FunctionFailedError, invoke
from infra.local.deployment import Schedule
from infra.local.emulator import Access, LocalSession

_LOOKS = 50
"""A wait of at least five seconds for the collectors."""


def await_collected(session: LocalSession, inbox_queue_url: str) -> None:
    """Wait until the poller has collected what it listed, or for a while: on AWS, five minutes pass between polls."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for _ in range(_LOOKS):
        counts = session.client("sqs").get_queue_attributes(QueueUrl=inbox_queue_url, AttributeNames=names)
        if not any(map(int, counts["Attributes"].values())):
            return
        time.sleep(0.1)


class ScheduleClock:
    """Invokes all schedules' functions in turn, then pauses, until the block is left."""

    def __init__(
        self, session: LocalSession, schedules: Sequence[Schedule], inbox_queue_url: str, *, rest_seconds: float
    ) -> None:
        self.rest_seconds = rest_seconds
        self.rounds = 0
        self.failures: dict[str, str] = {}
        """Last errors of the schedules that failed in the last round."""
        self._session = session
        self._schedules = schedules
        self._inbox_queue_url = inbox_queue_url
        self._left = threading.Event()
        self._thread = threading.Thread(target=self.run, name="schedules", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if error is None:  # after an error, or Ctrl-C, unfinished work is not awaited
            self._thread.join(timeout=30)

    def run(self) -> None:
        """Repeat the rounds until the block is left."""
        while not self._left.is_set():
            failures = {}
            for schedule in self._schedules:
                try:
                    invoke(self._session, schedule.function, schedule.input)
                except (FunctionFailedError, ClientError, BotoCoreError) as failure:
                    failures[schedule.name] = str(failure)
            with suppress(ClientError, BotoCoreError):
                await_collected(self._session, self._inbox_queue_url)
            self.failures = failures
            self.rounds += 1
            self._left.wait(self.rest_seconds)


def main() -> None:
    """Run the schedules of a detached run until SIGTERM."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("state", type=Path, help="state file of the run")
    state = json.loads(arguments.parse_args().state.read_text())
    ScheduleClock(
        LocalSession(Access(**state["access"])),
        [Schedule(**schedule) for schedule in state["deployment"]["schedules"]],
        state["deployment"]["outputs"]["InboxQueueUrl"],
        rest_seconds=state["rest_seconds"],
    ).run()


if __name__ == "__main__":
    main()

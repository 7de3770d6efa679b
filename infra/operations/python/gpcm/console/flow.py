"""Checks for conditions that stop requests without an error, in the background so that no page waits for them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock, Thread

from gpcm.doctor import Finding, flow_examined
from gpcm.environment import OperatorEnvironment

ASKED_AGAIN = timedelta(minutes=1)


class FlowWatch:
    """Caches the findings that are not in order. `begin` runs the checks; by default in a thread."""

    def __init__(
        self,
        environment: OperatorEnvironment,
        begin: Callable[[Callable[[], None]], None] = lambda check: Thread(target=check, daemon=True).start(),
    ) -> None:
        self._environment = environment
        self._begin = begin
        self._checked_at: datetime | None = None
        self._unwell: tuple[Finding, ...] = ()
        self._lock = Lock()

    def unwell(self) -> tuple[Finding, ...]:
        """Return the findings of the last check that are not in order, and check again after a minute."""
        with self._lock:
            now = self._environment.now()
            due = self._checked_at is None or self._checked_at + ASKED_AGAIN <= now
            if due:
                self._checked_at = now
        if due:
            self._begin(self._check)
        return self._unwell

    def _check(self) -> None:
        # Reading dead letters would hide them from an operator who redrives them.
        findings = flow_examined(self._environment, look_into_dead_letters=False)
        self._unwell = tuple(finding for finding in findings if not finding.well)

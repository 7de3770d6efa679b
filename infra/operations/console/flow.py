"""What can stop requests without an error, as the doctor sees it: asked now and then, so that no page waits for it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock, Thread

from infra.operations.doctor import Finding, flow_examined
from infra.operations.environment import OperatorEnvironment

ASKED_AGAIN = timedelta(minutes=1)


class FlowWatch:
    """Keeps the findings that are not in order. `begin` runs the asking; the default does so beside the page."""

    def __init__(
        self,
        environment: OperatorEnvironment,
        begin: Callable[[Callable[[], None]], None] = lambda ask: Thread(target=ask, daemon=True).start(),
    ) -> None:
        self._place = environment
        self._begin = begin
        self._asked_at: datetime | None = None
        self._unwell: tuple[Finding, ...] = ()
        self._lock = Lock()

    def unwell(self) -> tuple[Finding, ...]:
        """Give what was not in order when it was last asked, and ask again if that is a minute ago."""
        with self._lock:
            now = self._place.now()
            due = self._asked_at is None or self._asked_at + ASKED_AGAIN <= now
            if due:
                self._asked_at = now
        if due:
            self._begin(self._ask)
        return self._unwell

    def _ask(self) -> None:
        # Looking into dead letters would hide them from whoever redrives them just now.
        found = flow_examined(self._place, look_into_dead_letters=False)
        self._unwell = tuple(finding for finding in found if not finding.well)

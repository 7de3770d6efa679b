"""Let only what was scanned for malware be read, where the drop is scanned (ADR 40).

A verdict is read together with the version that it is about, and that version is what is read then: what is dropped
under the same key meanwhile is another version, with a verdict of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.scan_results import ScanResult
from gpconnect_messaging.steps.waiting import require_ready
from gpconnect_messaging.storage import DropBucket

Scanned = Callable[[str, str | None, str, datetime], str | None]
"""Say which version of a key may be read (None: the latest): of key, version, the field that names it, and since when
the request waits (UTC). Raises NotThereError, NotReadyError, RequestRefusedError."""


def unscanned(_key: str, version: str | None, _field: str, _since: datetime) -> str | None:
    """Let any version be read, where the drop is not scanned."""
    return version


@dataclass(frozen=True, kw_only=True)
class MalwareScan:
    """The scan of a drop; an object that has no verdict after `patience` is refused."""

    drop: DropBucket
    patience: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, key: str, version: str | None, field: str, since: datetime) -> str:
        """Say which version may be read, as `Scanned` describes it."""
        scanned, tag = self.drop.scan(key, version)
        result = self._waited_for(since) if tag is None else _known(tag)
        if result is not ScanResult.CLEAN:
            if tag is not None:  # before its verdict, GuardDuty's tag and ours could undo each other
                self.drop.mark_received(key, scanned)
            raise RequestRefusedError([Reason(field, result.rule, result)])
        return scanned

    def _waited_for(self, since: datetime) -> ScanResult:
        require_ready("an object is not scanned for malware yet", self.now() - since, self.patience)
        return ScanResult.NONE_IN_TIME


def _known(tag: str) -> ScanResult:
    """Read a verdict; what is no word of GuardDuty's was written by somebody else, or is newer than this release."""
    try:
        return ScanResult(tag)
    except ValueError:
        return ScanResult.FAILED

"""Read only objects that were scanned for malware, where the drop is scanned (ADR 40).

The scan result is read together with the version that it belongs to, and that version is then read: an object that is
dropped under the same key meanwhile is another version, with another result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gpconnect_messaging.ledger.received_objects import ReceivedObjects, Receiver
from gpconnect_messaging.requests.refusal import Reason, RequestRefusedError
from gpconnect_messaging.scan_results import ScanResult
from gpconnect_messaging.steps.waiting import require_ready
from gpconnect_messaging.storage import DropBucket

Scanned = Callable[[str, str | None, str, datetime], str | None]
"""Return the version that may be read, for a key, a version (None: the latest), the field that names the file, and the
time since when the request waits (UTC). Raises NotThereError, NotReadyError, RequestRefusedError."""


def unscanned(_key: str, version: str | None, _field: str, _since: datetime) -> str | None:
    """Allow any version, where the drop is not scanned."""
    return version


@dataclass(frozen=True, kw_only=True)
class MalwareScan:
    """The scan of a drop; an object without a result after `patience` is refused."""

    drop: DropBucket
    received: ReceivedObjects
    patience: timedelta
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __call__(self, key: str, version: str | None, field: str, since: datetime) -> str:
        """Return the version that may be read, as described at `Scanned`."""
        scanned, tag = self.drop.scan(key, version)
        result = self._waited_for(since) if tag is None else _known(tag)
        if result is not ScanResult.CLEAN:
            # A person is notified of the request, and need not be of a document without one.
            for file in self.drop.versions(key):  # the scan result has no time, by which a version is recorded
                if file.version == scanned:
                    self.received.mark(file, Receiver())
            raise RequestRefusedError([Reason(field, result.rule, result)])
        return scanned

    def _waited_for(self, since: datetime) -> ScanResult:
        require_ready("an object is not scanned for malware yet", self.now() - since, self.patience)
        return ScanResult.NONE_IN_TIME


def _known(tag: str) -> ScanResult:
    """Read a scan result; an unknown value is newer than this release, or not GuardDuty's."""
    try:
        return ScanResult(tag)
    except ValueError:
        return ScanResult.FAILED

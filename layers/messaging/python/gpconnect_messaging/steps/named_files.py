"""Find the files that a request names, in the version that the request means (ADR 47).

Senders reuse keys. When the request is built, the file under a key can belong to the previous patient, whose request
received it, or to the next patient, whose request is still to come.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import NoReturn

from gpconnect_messaging.ledger.received_objects import KNOWN_FOR, ReceivedObjects, Receiver
from gpconnect_messaging.requests.refusal import RequestRefusedError
from gpconnect_messaging.steps.scanning import Scanned
from gpconnect_messaging.steps.waiting import require_ready
from gpconnect_messaging.storage import DropBucket, DropFile, NotThereError, whole_second

_SETTLING = 0.1
"""The share of `patience` that a request waits although it could be built: a newer file version may still come."""
_NEAREST = 5
"""How many later versions are considered: those nearest in time to the request."""
_MISSING = "names no file in the drop bucket (letter case counts)"
_OTHERS = (
    "names a file that belongs to a request of another encounter: put this request's own file there, and drop the "
    "request again, in a folder of its own"
)
_TOO_OLD = (
    f"names a file that was put more than {KNOWN_FOR.days} days ago, and may be another request's: put it there again, "
    "and drop the request again"
)
_TWO_VERSIONS = (
    "names a file that was replaced when the request was dropped, so it is not certain which content it means: put the "
    "file and the request in a new folder"
)


@dataclass(frozen=True, slots=True)
class NamingRequest:
    """The request that names files.

    `receiver` is recorded for the files. The wait for files starts at `arrived` (UTC). `files_of` (UTC) is the time
    whose versions the request means: when it was dropped, or when an operator resubmitted it.
    """

    receiver: Receiver
    folder: str
    arrived: datetime
    files_of: datetime
    own_folder: bool
    """Whether the request was dropped: the files are in the same folder, and no other encounter shares them."""
    still_current: Callable[[], bool]
    """Ask whether no later request was dropped under the same key."""


@dataclass(frozen=True, kw_only=True)
class FileFinder:
    """Finds named files in the drop; waits for a missing file for `patience`."""

    drop: DropBucket
    received: ReceivedObjects
    scanned: Scanned
    patience: timedelta
    now: Callable[[], datetime]

    def find(self, key: str, version: str | None, field: str, request: NamingRequest) -> DropFile:
        """Find a file by the key in the request, in the version that was chosen before, or choose one now.

        Raises RequestRefusedError; NotReadyError.
        """
        key = request.folder + key
        return self._pinned(key, version, field, request) if version else self._chosen(key, field, request)

    def _chosen(self, key: str, field: str, request: NamingRequest) -> DropFile:
        """Choose a version and record it as received; find one that expired since this request received it, too."""
        try:
            file = self.drop.find(key, self._scanned(key, None, field, request))
            if file.at >= whole_second(request.files_of):
                meant = self._version_meant(key, field, request)
                file = file if meant == file.version else self._pinned(key, meant, field, request)
        except NotThereError:
            if received := self._removed_version(key, request):
                return self._pinned(key, received, field, request)
            self._wait("a file that it names is not in the drop yet", request)
            raise RequestRefusedError.because(f"{field}.key", f"{_MISSING}{self._after_the_wait}") from None
        if request.own_folder and self._too_old(file):
            self._refuse_after_a_wait("a file that it names is old: a new one may come", field, _TOO_OLD, request)
        receiver = self.received.mark(file, request.receiver)
        match self._owner(receiver, request):
            case _Owner.OTHER:
                self._refuse_others(field, request)
            case _Owner.RECEIVED if request.still_current():
                self._wait("an earlier request received a file that it names: a new one may come", request, _SETTLING)
        return file

    def _removed_version(self, key: str, request: NamingRequest) -> str | None:
        """Return the removed version of a file that this request received; None where there is none.

        A version that another request received may be another patient's, and an object that a sender removed stays
        removed.
        """
        newest = self.drop.newest_version(key)
        receiver = self.received.receiver(newest) if newest else None
        is_own = newest and receiver and receiver.request_id == request.receiver.request_id
        return newest.version if newest and is_own else None

    def _too_old(self, file: DropFile) -> bool:
        """Say whether the record of a version's receiver may have expired."""
        return file.at < self.now() - KNOWN_FOR

    def _pinned(self, key: str, version: str, field: str, request: NamingRequest) -> DropFile:
        try:
            return self.drop.find(key, self._scanned(key, version, field, request))
        except NotThereError:
            raise RequestRefusedError.because(f"{field}.key", _MISSING) from None

    def _version_meant(self, key: str, field: str, request: NamingRequest) -> str:
        """Choose among the versions of a file: the newest that existed when the request was dropped.

        A version that was put later belongs to a later request, unless there was none before: `aws s3 sync` can upload
        the request first. An earlier request's version gives way to the later one if no later request was dropped
        meanwhile. S3 gives whole seconds. No version is chosen where another encounter's version is the only
        one, or where these rules leave two whose contents differ. Raises RequestRefusedError; NotReadyError.
        """
        second = whole_second(request.files_of)
        versions = list(self.drop.versions(key))
        if not versions:
            raise NotThereError("the file was removed")
        if len(versions) == 1:
            return versions[0].version
        later = self._owned([version for version in versions if version.at > second][-_NEAREST:], request)
        same = self._owned([version for version in versions if version.at == second], request)
        before_it = [version for version in versions if version.at < second and not self._too_old(version)]
        older = self._owned(before_it[:1], request)
        others = [owned for owned in same if owned[1] is _Owner.OTHER]
        later, same, older = (
            [owned for owned in group if owned[1] is not _Owner.OTHER] for group in (later, same, older)
        )
        before = same + ([] if others else older)  # a version before another encounter's is not this request's either
        if later and before and before[0][1] is _Owner.RECEIVED:
            self._wait("a file that it names was replaced: by it, unless a later one follows", request, _SETTLING)
            [meant, *rivals] = reversed(later) if request.still_current() else [before[0], *later]
        elif before:
            meant = before[0]
            rivals = [owned for owned in before[1:] if same and owned[1] is _Owner.NONE]
        elif later:
            [meant, *rivals] = reversed(later)
        else:
            self._refuse_others(field, request)
        # Whether another encounter's version of that second came before the request or after it is not known.
        if (others and (same or older)) or any(self._differ(meant[0], rival) for rival, _ in rivals):
            self._wait("two versions of a file that it names were put when it was dropped", request)
            raise RequestRefusedError.because(f"{field}.key", _TWO_VERSIONS)
        return meant[0].version

    def _owned(self, versions: Iterable[DropFile], request: NamingRequest) -> "list[tuple[DropFile, _Owner]]":
        return [(version, self._owner(self.received.receiver(version), request)) for version in versions]

    def _owner(self, receiver: Receiver | None, request: NamingRequest) -> "_Owner":
        """Return the owner of a version, by the receiver, also where the receiver was refused."""
        if not receiver or not receiver.request_id or not request.own_folder:
            return _Owner.NONE
        if receiver.request_id == request.receiver.request_id:
            return _Owner.THIS
        if receiver.encounter_key == request.receiver.encounter_key:
            return _Owner.RECEIVED
        return _Owner.OTHER

    def _refuse_others(self, field: str, request: NamingRequest) -> NoReturn:
        self._refuse_after_a_wait("a file that it names belongs to another request", field, _OTHERS, request)

    def _refuse_after_a_wait(self, why: str, field: str, rule: str, request: NamingRequest) -> NoReturn:
        self._wait(why, request)
        raise RequestRefusedError.because(f"{field}.key", rule)

    def _differ(self, one: DropFile, other: DropFile) -> bool:
        return one.size != other.size or self._sha256(one) != self._sha256(other)

    def _sha256(self, file: DropFile) -> bytes:
        digest = hashlib.sha256()
        for chunk in self.drop.chunks(file):
            digest.update(chunk)
        return digest.digest()

    def _scanned(self, key: str, version: str | None, field: str, request: NamingRequest) -> str | None:
        return self.scanned(key, version, field, request.arrived + self.patience)

    def _wait(self, why: str, request: NamingRequest, share: float = 1) -> None:
        require_ready(why, self.now() - request.arrived, share * self.patience)

    @property
    def _after_the_wait(self) -> str:
        seconds = round(self.patience.total_seconds())
        length = f"{seconds} seconds" if seconds % 60 or seconds == 60 else f"{seconds // 60} minutes"
        return f", and none came within {length} of it: put it there, and drop the request again" if seconds else ""


class _Owner(Enum):
    """The request that received a version of a file."""

    NONE = auto()
    THIS = auto()
    """The request that is being built, on an earlier try."""
    RECEIVED = auto()
    """A request of the same encounter, or a refused one."""
    OTHER = auto()
    """A request of another encounter."""

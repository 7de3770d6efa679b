"""Which of two requests for one encounter is the newer: decided by S3, by the stated time, or by arrival. Pure.

| the two requests | the newer is |
|---|---|
| versions of one S3 object, with S3's sequencers | the one with the higher sequencer |
| versions of one S3 object, of which S3 did not announce both | the one that was put in a later second |
| a request, and the deletion of the consultation, stated no earlier | the deletion, whatever arrived later |
| stated (`consultation.updated`) at different times | the one stated later, except in the next row |
| stated up to five minutes earlier, but arrived over a minute later | the one that arrived later: clocks differ |
| stated at the same time | the one that arrived later |

A person is notified of a request that arrived later and still is the older one (design: safety rule 11). Source of
the comparison of sequencers: Amazon S3 User Guide, "Event message structure".
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much the clocks of two workstations may differ: a smaller difference of stated times is ignored."""

SURELY_LATER = timedelta(minutes=1)
"""How much later a request must arrive to have been sent later: one upload's files arrive in any order."""


class Precedence(Enum):
    """A request compared with the newest one of the encounter."""

    NEWER = auto()
    OLDER = auto()
    LATER_BUT_OLDER = auto()
    """It arrived later, and the time that it states is earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTimes:
    """The times of a request (UTC).

    `stated` is when the consultation was last updated according to the request, or else when the request arrived;
    `arrived` is when it was put into the drop or on the queue. `s3_object` identifies the object (see `object_of`), and
    `sequencer` is S3's sequencer of this version. Both are empty for a request from the queue, and the sequencer for an
    object that S3 did not announce. `deletion` says that the consultation was deleted (GPCM-SD-CS-077), and `undated`
    that the request states no time.
    """

    stated: datetime
    arrived: datetime
    s3_object: str = field(default="", repr=False)
    sequencer: str = ""
    deletion: bool = False
    undated: bool = False

    @classmethod
    def at(cls, time: datetime) -> "RequestTimes":
        """Return the times of a request that was stated and arrived at the same time."""
        return cls(stated=time, arrived=time)

    def beside(self, newest: "RequestTimes | None") -> Precedence:
        """Compare this request with the newest one before it."""
        if newest is None:
            return Precedence.NEWER
        if self.s3_object == newest.s3_object and self.sequencer and newest.sequencer:
            return Precedence.OLDER if put_before(self.sequencer, newest.sequencer) else Precedence.NEWER
        put, newest_put = int(self.arrived.timestamp()), int(newest.arrived.timestamp())
        if self.s3_object and self.s3_object == newest.s3_object and put != newest_put:
            return Precedence.OLDER if put < newest_put else Precedence.NEWER
        # Differing clocks must not let a report outlive the deletion of the consultation.
        if newest.deletion and not self.deletion and self.stated <= newest.stated:
            return Precedence.OLDER if self.arrived < newest.arrived else Precedence.LATER_BUT_OLDER
        if self.deletion and not newest.deletion and (self.stated >= newest.stated or self.corrects(newest)):
            return Precedence.NEWER
        if self.stated > newest.stated:
            return Precedence.OLDER if newest.corrects(self) else Precedence.NEWER
        if self.arrived < newest.arrived or (self.arrived == newest.arrived and self.stated < newest.stated):
            return Precedence.OLDER
        if self.stated == newest.stated or self.corrects(newest):
            return Precedence.NEWER
        return Precedence.LATER_BUT_OLDER

    def corrects(self, other: "RequestTimes") -> bool:
        """Whether this request, which states an earlier time than `other`, arrived later: the sender's clock is slow.

        A deletion corrects a report that arrived before it, without SURELY_LATER between them. If the report states no
        time, the deletion corrects it whatever time the deletion states: when a report was exported says nothing about
        the consultation.
        """
        slow = other.stated - self.stated <= CLOCKS_DIFFER
        if self.deletion and not other.deletion:
            return self.arrived >= other.arrived and (slow or other.undated)
        return slow and self.arrived - other.arrived > SURELY_LATER

    def after(self, newest: "RequestTimes | None") -> "RequestTimes":
        """Return the times to store for the encounter's newest request: a slow clock must not move them back."""
        if newest is None or self.stated >= newest.stated:
            return self
        return replace(self, stated=newest.stated, arrived=max(self.arrived, newest.arrived))


def object_of(bucket: str, key: str) -> str:
    """Identify an S3 object by a hash in hex, without the key, which the sender chooses."""
    return hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()


def put_before(sequencer: str, other: str) -> bool:
    """Whether S3 put one version of an object before another, by the sequencers; False where one is not known.

    AWS says to pad the shorter sequencer on the right; hexadecimal digits compare as text.
    """
    length = max(len(sequencer), len(other))
    return bool(sequencer) and sequencer.upper().ljust(length, "0") < other.upper().ljust(length, "0")

"""Which of two requests for one encounter is the newer: decided by S3, by the stated time, or by arrival. Pure.

| the two requests | the newer is |
|---|---|
| versions of one S3 object, with S3's sequencers | the one with the higher sequencer |
| versions of one S3 object, one of which S3 did not announce | the one that was put in a later second |
| a request, and the deletion of its consultation, stated no earlier | the deletion, whatever arrived later |
| stated (`consultation.updated`) at different times | the one stated later, except in the next row |
| stated up to five minutes earlier, but arrived over a minute later | the one that arrived later: clocks differ |
| stated at the same time | the one that arrived later |

A request that arrived later and loses all the same is not dropped in silence: a person is notified (design: safety
rule 11). Source of the comparison of sequencers: Amazon S3 User Guide, "Event message structure".
"""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto

CLOCKS_DIFFER = timedelta(minutes=5)
"""How much two workstations' clocks may differ: what is stated within it is not held against a later arrival."""

SURELY_LATER = timedelta(minutes=1)
"""How much later a request must arrive to have been sent later: one upload's files arrive in any order."""


class Precedence(Enum):
    """How a request stands to the newest one of its encounter."""

    NEWER = auto()
    OLDER = auto()
    LATER_BUT_OLDER = auto()
    """It arrived later, and what it says of itself is older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTimes:
    """When a request was made, as far as it is known (UTC).

    `stated` is when the consultation was last updated, as the request says, or else when it arrived; `arrived` is when
    it was put into the drop or on the queue. `s3_object` tells objects apart (see `object_of`), and `sequencer` is
    S3's, of this version; both are empty of what came by the queue, the latter of what S3 did not announce. `deletion`
    says that the consultation was deleted (GPCM-SD-CS-077). `undated` says that the request states no time of its own.
    """

    stated: datetime
    arrived: datetime
    s3_object: str = field(default="", repr=False)
    sequencer: str = ""
    deletion: bool = False
    undated: bool = False

    @classmethod
    def at(cls, time: datetime) -> "RequestTimes":
        """Stand for a request that was made and arrived at one time."""
        return cls(stated=time, arrived=time)

    def beside(self, newest: "RequestTimes | None") -> Precedence:
        """Say how this request stands to the newest that came before it."""
        if newest is None:
            return Precedence.NEWER
        if self.s3_object == newest.s3_object and self.sequencer and newest.sequencer:
            return Precedence.OLDER if put_before(self.sequencer, newest.sequencer) else Precedence.NEWER
        put, newest_put = int(self.arrived.timestamp()), int(newest.arrived.timestamp())
        if self.s3_object and self.s3_object == newest.s3_object and put != newest_put:
            return Precedence.OLDER if put < newest_put else Precedence.NEWER
        # That clocks differ must not let a report outlive the deletion of its consultation.
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
        """Whether it came after another that states a later time, since its sender's clock was slow.

        A deletion that came after a report corrects it at once, and whatever it states if the report states no time:
        the time of the report's export says nothing about the consultation.
        """
        slow = timedelta() < other.stated - self.stated <= CLOCKS_DIFFER
        if self.deletion and not other.deletion:
            return self.arrived >= other.arrived and (slow or other.undated)
        return slow and self.arrived - other.arrived > SURELY_LATER

    def after(self, newest: "RequestTimes | None") -> "RequestTimes":
        """Stand for this request as its encounter's newest: no later one is older for this one's slow clock."""
        if newest is None or self.stated >= newest.stated:
            return self
        return replace(self, stated=newest.stated, arrived=max(self.arrived, newest.arrived))


def object_of(bucket: str, key: str) -> str:
    """Tell S3 objects apart without their keys, which senders choose: a hash in hex."""
    return hashlib.sha256(f"{bucket}/{key}".encode()).hexdigest()


def put_before(sequencer: str, other: str) -> bool:
    """Whether S3 put one version of an object before another, by their sequencers; False where one is not known.

    They are padded on the right to the longer one's length, as AWS says; hexadecimal digits compare as text.
    """
    length = max(len(sequencer), len(other))
    return bool(sequencer and other) and sequencer.upper().ljust(length, "0") < other.upper().ljust(length, "0")

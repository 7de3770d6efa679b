"""A legal hold on a message: what was asked, sent, answered and warned of is kept until it is lifted, here and in S3.

In S3 it is Object Lock's legal hold on every version, which no retention rule gets past, and nobody without the right
to lift it. An operator places it with credentials of their own: no function may. What comes in about a message after
its hold was placed is held when it is placed again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.holds import Held, HeldItems
from gpconnect_messaging.operators import checked_actor, checked_reason

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """Places and lifts legal holds."""

    items: HeldItems
    trail: AuditTrail
    s3: "S3Client"
    outbox_bucket: str
    evidence_bucket: str

    def apply(self, message_id: str, actor: str, reason: str) -> int:
        """Hold a message; return how many object versions are held.

        Recorded with who and why. Raises UnknownMessageError, ActorError, ReasonError.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        held = self._set(self._places(message_id, self.items.apply(message_id)), "ON")
        self.trail.record(actor, "legal hold placed", message_id=message_id, details={"reason": reason})
        return held

    def lift(self, message_id: str, actor: str, reason: str) -> int:
        """Lift the hold; return how many object versions are free. Recorded, and raises, as placing it is and does.

        What another held message of the encounter needs stays held.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        self.trail.record(actor, "legal hold lifted", message_id=message_id, details={"reason": reason})
        lifted = self.items.lift(message_id)
        shared = {place for each, held in lifted.still_held.items() for place in self._places(each, held)}
        return self._set(self._places(message_id, lifted.freed) - shared, "OFF")

    def _places(self, message_id: str, held: Held) -> set[tuple[str, str]]:
        """Bucket and key of all that S3 may have of a message."""
        return {
            *((self.outbox_bucket, f"messages/{message_id}.{kind}") for kind in ("xml", "json")),
            *((self.evidence_bucket, f"{kind}/{held.request_id}.json") for kind in ("requests", "comparisons")),
            *(
                (self.evidence_bucket, f"received/{held.mailbox}/{each}{end}")
                for each in held.came
                for end in ("", ".json")
            ),
            *((self.evidence_bucket, f"warnings/{each}.txt") for each in held.encounter),
        }

    def _set(self, places: set[tuple[str, str]], status: Literal["ON", "OFF"]) -> int:
        versions = 0
        for bucket, key in sorted(places):
            for version in self._versions(bucket, key):
                self.s3.put_object_legal_hold(
                    Bucket=bucket, Key=key, VersionId=version, LegalHold={"Status": status}
                )  # fmt: skip
                versions += 1
        return versions

    def _versions(self, bucket: str, key: str) -> Iterator[str]:
        """Every version that there still is, whether a newer one or a deletion hides it or not."""
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
            yield from (each["VersionId"] for each in page.get("Versions", ()) if each["Key"] == key)

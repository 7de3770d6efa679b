"""Legal holds: the ledger and S3 keep a message's request, responses and warnings until the hold is lifted.

In S3 a hold is Object Lock's legal hold on every object version, which overrides retention rules. Operators apply and
lift holds with their own credentials: the functions have no permission. Objects that arrive after a hold was applied
are held when it is applied again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.holds import Held, HeldItems
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.storage import message_key, received_key, request_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class LegalHold:
    """Applies and lifts legal holds."""

    items: HeldItems
    trail: AuditTrail
    s3: "S3Client"
    outbox_bucket: str
    evidence_bucket: str

    def apply(self, message_id: str, actor: str, reason: str) -> int:
        """Hold a message; return how many object versions are held.

        The audit trail records the actor and the reason. Raises UnknownMessageError, ActorError, ReasonError.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        held = self._set_status(self._objects(message_id, self.items.apply(message_id)), "ON")
        self.trail.record(actor, "legal hold placed", message_id=message_id, details={"reason": reason})
        return held

    def lift(self, message_id: str, actor: str, reason: str) -> int:
        """Lift the hold; return how many object versions are released. Recorded, and raises errors, as `apply` does.

        Objects that another held message of the encounter needs stay held.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        self.trail.record(actor, "legal hold lifted", message_id=message_id, details={"reason": reason})
        lifted = self.items.lift(message_id)
        shared = {key for other_id, held in lifted.still_held.items() for key in self._objects(other_id, held)}
        return self._set_status(self._objects(message_id, lifted.freed) - shared, "OFF")

    def _objects(self, message_id: str, held: Held) -> set[tuple[str, str]]:
        """Return the buckets and keys of all objects that S3 may have of a message; a folder stands for its objects."""
        return {
            (self.outbox_bucket, message_key(message_id)),
            (self.evidence_bucket, request_key(held.request_id)),
            (self.evidence_bucket, f"comparisons/{held.request_id}.json"),
            *((self.evidence_bucket, received_key(held.mailbox, mesh_id)) for mesh_id in held.came),
            *((self.evidence_bucket, f"warnings/{row_id}/") for row_id in held.encounter),
        }

    def _set_status(self, objects: set[tuple[str, str]], status: Literal["ON", "OFF"]) -> int:
        versions = 0
        for bucket, key in sorted(objects):
            for found, version in self._versions(bucket, key):
                self.s3.put_object_legal_hold(
                    Bucket=bucket, Key=found, VersionId=version, LegalHold={"Status": status}
                )  # fmt: skip
                versions += 1
        return versions

    def _versions(self, bucket: str, key: str) -> Iterator[tuple[str, str]]:
        """Yield key and version of all existing versions, including hidden ones, of an object or of a folder's."""
        for page in self.s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key):
            yield from (
                (version["Key"], version["VersionId"])
                for version in page.get("Versions", ())
                if version["Key"] == key or key.endswith("/")
            )

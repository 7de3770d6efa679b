"""Buckets: drop, outbox, evidence, and the access logs of all three."""

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey

PAYLOAD = ("requests", "received", "warnings", "comparisons")
"""Folders of the evidence bucket that are kept as long as payloads."""
BALANCES = "balances"
ARCHIVE = ("archive", "archive-index")
AUDIT = ("receipts", BALANCES, *ARCHIVE)
"""Folders that are kept as long as the audit trail: they have no clinical content."""
RECKONINGS = "reckonings"
"""Folder of the parts of a balance: ids, statuses and times, needed until the balance is made."""

_SEEN_BY_THE_DAILY_LIST = 2
"""The least number of days that a replaced or removed version of a dropped file stays."""


class Storage(Construct):
    """Three buckets for patients' data under one customer-managed key, and one for their access logs."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self._removal = RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY
        self._retention = configuration.retention
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            # S3 delivers access logs only into buckets under S3's own key.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            removal_policy=self._removal,
            lifecycle_rules=[self._expire(self._retention.access_log_days)],
        )
        acknowledge(
            self.access_logs,
            "NIST+HIPAA:S3DefaultEncryptionKMS",
            because="S3 delivers access logs only into a bucket under S3's own key.",
        )
        acknowledge(
            self,
            "NIST+HIPAA:S3BucketReplicationEnabled",
            because="A replica in another region would take patients' data out of the United Kingdom, and one in the "
            "same region guards against little: versions undo mistakes, S3 itself spans three zones, and senders hold "
            "the originals.",
        )
        self.drop = self._bucket("Drop", [self._drop_rule()])
        self.outbox = self._bucket("Outbox")
        payload, audit = self._retention.payload_days, self._retention.audit_days
        self.evidence = self._bucket(
            "Evidence",
            [
                *(self._expire(payload, folder) for folder in PAYLOAD),
                *(self._expire(audit, folder) for folder in AUDIT),
                self._expire(self._retention.replaced_version_days, RECKONINGS),
            ],
            lock_days=configuration.deployment.evidence_lock_days,
        )
        _announce_new_objects(self.drop)
        self._refuse_other_keys(self.drop)

    def _bucket(
        self, construct_id: str, rules: Sequence[s3.LifecycleRule] | None = None, *, lock_days: int | None = None
    ) -> s3.Bucket:
        return s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self._key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            # Alone it locks nothing. It lets a person put a legal hold on objects for a dispute.
            object_lock_enabled=True,
            object_lock_default_retention=(
                None if lock_days is None else s3.ObjectLockRetention.governance(Duration.days(lock_days))
            ),
            removal_policy=self._removal,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            lifecycle_rules=rules or [self._expire(self._retention.payload_days)],
        )

    def _refuse_other_keys(self, bucket: s3.Bucket) -> None:
        """Refuse objects under another key; objects that name no key get this one, by the bucket's default.

        A request that names a kind of encryption and no key would get S3's own key, or the account's managed one.
        """
        header = "s3:x-amz-server-side-encryption"
        named = f"{header}-aws-kms-key-id"
        for sid, conditions in (
            ("NoOtherKey", {"Null": {named: "false"}, "StringNotEquals": {named: self._key.key_arn}}),
            ("NoEncryptionWithoutOurKey", {"Null": {header: "false", named: "true"}}),
            ("NoKeyOfTheSender", {"Null": {f"{header}-customer-algorithm": "false"}}),
        ):
            bucket.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["s3:PutObject"],
                    resources=[bucket.arn_for_objects("*")],
                    conditions=conditions,
                )
            )

    def _drop_rule(self) -> s3.LifecycleRule:
        """Take files off the hourly list early, and delete them when the time of payloads is over (ADR 60).

        A version that its sender replaces or removes stays for the rest of that time: a held request, one that is built
        again, and a dead letter still mean it, and the daily list must see it.
        """
        payload = self._retention.payload_days
        listed = max(min(self._retention.drop_listed_days, payload // 2), 1)
        return self._expire(listed, replaced_days=max(payload - listed, _SEEN_BY_THE_DAILY_LIST))

    def _expire(self, days: int, folder: str | None = None, *, replaced_days: int | None = None) -> s3.LifecycleRule:
        """Delete objects after some days, unless the environment is under a legal hold."""
        hold, replaced_days = self._retention.legal_hold, replaced_days or self._retention.replaced_version_days
        return s3.LifecycleRule(
            prefix=f"{folder}/" if folder else None,
            expiration=None if hold else Duration.days(days),
            noncurrent_version_expiration=None if hold else Duration.days(replaced_days),
            abort_incomplete_multipart_upload_after=Duration.days(1),
        )

    def grant_read_drop(self, function: MessagingFunction) -> None:
        """Let a function read every version of requests and documents, and see whether one is missing."""
        function.allow(
            "s3:GetObject",
            "s3:GetObjectVersion",
            on=[self.drop.arn_for_objects("*")],
            wildcard_because="Senders choose the keys of dropped files, so no narrower part of this bucket is known.",
        )
        # Without ListBucket S3 responds 403 for a missing document, which looks like a fault of the product and not of
        # the sender. ListBucketVersions finds documents that expired since they were received.
        function.allow("s3:ListBucket", "s3:ListBucketVersions", on=[self.drop.bucket_arn])
        self._key.grant_via("s3", function, "kms:Decrypt")

    def grant_see_scans(self, function: MessagingFunction) -> None:
        """Let a function read the scan verdict among an object's tags, before it reads the object."""
        function.allow(
            "s3:GetObjectTagging",
            "s3:GetObjectVersionTagging",
            on=[self.drop.arn_for_objects("*")],
            wildcard_because="Senders choose the keys of dropped files, so no narrower part of this bucket is known.",
        )

    def grant_list_drop(self, function: MessagingFunction) -> None:
        """Let a function list the drop, without reading files."""
        function.allow("s3:ListBucket", "s3:ListBucketVersions", on=[self.drop.bucket_arn])

    def grant_write_messages(self, function: MessagingFunction) -> None:
        """Let a function store messages."""
        self._write(function, self.outbox, "messages")

    def grant_read_messages(self, function: MessagingFunction) -> None:
        """Let a function read messages."""
        self._read(function, self.outbox, "messages")

    def grant_keep_requests(self, function: MessagingFunction) -> None:
        """Let a function keep original requests and receipts."""
        self._write(function, self.evidence, "requests")
        self._write(function, self.evidence, "receipts")

    def grant_keep_comparisons(self, function: MessagingFunction) -> None:
        """Let a function keep differences between PDS and a request, which only people read."""
        self._write(function, self.evidence, "comparisons")

    def grant_read_requests(self, function: MessagingFunction) -> None:
        """Let a function read kept requests: held ones, and those of deleted consultations."""
        self._read(function, self.evidence, "requests")
        # Without ListBucket S3 responds 403 for an expired request, which looks like a fault of the product.
        function.allow("s3:ListBucket", on=[self.evidence.bucket_arn])

    def grant_keep_warnings(self, function: MessagingFunction) -> None:
        """Let a function keep warnings of deleted consultations, which no function may read."""
        self._write(function, self.evidence, "warnings")

    def grant_keep_received(self, function: MessagingFunction) -> None:
        """Let a function keep the original messages from MESH."""
        self._write(function, self.evidence, "received")

    def grant_reconcile(self, function: MessagingFunction) -> None:
        """Let a function count receipts, and keep and read balances and their parts."""
        # Not only `receipts/`: the archive needs it without a prefix, and a narrower one beside it narrows nothing.
        function.allow("s3:ListBucket", on=[self.evidence.bucket_arn])
        for folder in (BALANCES, RECKONINGS):
            self._write(function, self.evidence, folder)
            self._read(function, self.evidence, folder)

    def grant_read_archive(self, function: MessagingFunction) -> None:
        """Let a function find archived encounters."""
        for folder in ARCHIVE:
            self._read(function, self.evidence, folder)
        # Without ListBucket S3 responds 403 for an id that is not archived.
        function.allow("s3:ListBucket", on=[self.evidence.bucket_arn])

    def grant_archive(self, function: MessagingFunction, *, locked: bool) -> None:
        """Let a function write the archive, and lock it where evidence is locked."""
        self.grant_read_archive(function)
        for folder in ARCHIVE:
            self._write(function, self.evidence, folder)
        if locked:
            segments = self.evidence.arn_for_objects("archive/*")
            function.allow("s3:PutObjectRetention", on=[segments], wildcard_because=_reason_for_wildcard("archive"))

    def _read(self, function: MessagingFunction, bucket: s3.Bucket, folder: str) -> None:
        objects = bucket.arn_for_objects(f"{folder}/*")
        function.allow("s3:GetObject", on=[objects], wildcard_because=_reason_for_wildcard(folder))
        self._key.grant_via("s3", function, "kms:Decrypt")

    def _write(self, function: MessagingFunction, bucket: s3.Bucket, folder: str) -> None:
        objects = bucket.arn_for_objects(f"{folder}/*")
        function.allow("s3:PutObject", on=[objects], wildcard_because=_reason_for_wildcard(folder))
        # Decrypt too: S3 needs it to complete a multipart upload.
        self._key.grant_via("s3", function, "kms:Decrypt", "kms:GenerateDataKey")


def _reason_for_wildcard(folder: str) -> str:
    return f"An object's key derives from an id; only keys under {folder}/ are allowed."


def _announce_new_objects(bucket: s3.Bucket) -> None:
    # Not `event_bridge_enabled=`, which deploys another function to set this.
    resource = bucket.node.default_child
    if not isinstance(resource, s3.CfnBucket):
        raise TypeError("a bucket's default child is its resource")
    resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )

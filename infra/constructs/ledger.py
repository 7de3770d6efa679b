"""The ledger: the table of all messages and their events."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey

_INDEXES = {
    "by_work": ("work_shard", "work_at", ("statuses", "mailbox", "notify_at", "untold_since")),
    "by_attention": ("attention_shard", "attention_at", ("statuses", "mailbox")),
    "by_time": ("time_shard", "at", ("encounter_key", "mailbox")),
}
"""The keys of the indexes, and the other attributes that they show (`gpconnect_messaging.ledger.table`)."""


class Ledger(Construct):
    """On demand, restorable to any second of the last 35 days, under a customer-managed key."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_string("pk"),
            sort_key=_string("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Under a legal hold of the environment nothing expires; items still have an expiry time.
            time_to_live_attribute=None if configuration.retention.legal_hold else "expires_at",
            deletion_protection=configuration.keep_data,
            removal_policy=RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY,
        )
        acknowledge(
            self.table,
            "NIST+HIPAA:DynamoDBInBackupPlan",
            because="The table can be restored to any second of the last 35 days, and production refuses to delete it. "
            "Longer copies need the organisation's AWS Backup plan, which selects the table by the tag product.",
        )
        for name, (partition, sort, shown) in _INDEXES.items():
            self.table.add_global_secondary_index(
                index_name=name,
                partition_key=_string(partition),
                sort_key=_string(sort),
                projection_type=dynamodb.ProjectionType.INCLUDE,
                non_key_attributes=list(shown),
            )

    def grant_record(self, function: MessagingFunction, *, query: tuple[str, ...] = ()) -> None:
        """Let a function read and record events, without deleting or scanning, and query the indexes in `query`."""
        function.allow(
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            on=[self.table.table_arn],
        )
        if query:
            function.allow("dynamodb:Query", on=[f"{self.table.table_arn}/index/{name}" for name in query])
        # DynamoDB's documented permissions for a table under a customer-managed key, without managing the key.
        self._key.grant_via(
            "dynamodb",
            function,
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)

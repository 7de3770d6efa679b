"""Customer-managed keys, rotated yearly. There is one for every kind of content, so a grant opens nothing else.

A key's policy leaves administration to the account, and use to IAM through the named AWS services. No role, however
powerful, can decrypt with the key directly. Services that act on their own behalf are named one by one.
"""

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.functions import MessagingFunction

_ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
)
_USE = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)
_THIS_KEY = ["*"]
"""In a key policy, `*` is the key itself."""


class ServiceNotNamedError(ValueError):
    """The key's policy does not name the service: name it where the key is made."""


class ContentKey(kms.Key):
    """A rotated key that can be used only through the named services (`s3`, `sqs`, …)."""

    def __init__(
        self, scope: Construct, construct_id: str, *, content: str, keep: bool, through: tuple[str, ...] = ()
    ) -> None:
        self._through = through
        region = Stack.of(scope).region
        services = [f"{service}.{region}.amazonaws.com" for service in through]
        super().__init__(
            scope,
            construct_id,
            description=f"GP Connect Messaging: {content}",
            enable_key_rotation=True,
            pending_window=Duration.days(30 if keep else 7),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            policy=iam.PolicyDocument(statements=_policy(services, lends="dynamodb" in through)),
        )

    def let_service_deliver(self, service: str) -> None:
        """Let an AWS service of this account encrypt messages for a queue or topic under this key."""
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DeliveriesOfAService",
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=_THIS_KEY,
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )

    def let_senders_put(self, service: str, senders: list[iam.IPrincipal]) -> None:
        """Let senders, also of other accounts, put objects or messages under this key, if a resource policy allows it.

        Decrypt as well: S3 needs it to complete a multipart upload, and SQS for every message.

        Raises:
            ServiceNotNamedError: the key's policy does not name the service.
        """
        self._require(service)
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="Senders",
                principals=senders,
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=_THIS_KEY,
                conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(self).region}.amazonaws.com"}},
            )
        )

    def let_logs_encrypt(self) -> None:
        """Let CloudWatch Logs encrypt this stack's log groups under this key, and no others."""
        stack = Stack.of(self)
        groups = stack.format_arn(service="logs", resource=f"log-group:{stack.stack_name}-*")
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogsOfThisStack",
                principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                actions=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"],
                resources=_THIS_KEY,
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
            )
        )

    def grant_through(self, service: str, function: MessagingFunction, *actions: str) -> None:
        """Let a function use the key through one AWS service only.

        Raises:
            ServiceNotNamedError: the key's policy does not name the service.
        """
        self._require(service)
        function.allow(
            *actions,
            on=[self.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(self).region}.amazonaws.com"}},
        )

    def _require(self, service: str) -> None:
        if service not in self._through:
            raise ServiceNotNamedError(f"the policy of {self.node.path} does not name {service}")


def _policy(services: list[str], *, lends: bool) -> list[iam.PolicyStatement]:
    statements = [
        iam.PolicyStatement(
            sid="AdministrationByThisAccount",
            principals=[iam.AccountRootPrincipal()],
            actions=list(_ADMINISTER),
            resources=_THIS_KEY,
        )
    ]
    if services:
        statements.append(
            iam.PolicyStatement(
                sid="UseThroughItsServices",
                principals=[iam.AccountRootPrincipal()],
                actions=list(_USE),
                resources=_THIS_KEY,
                conditions={"StringEquals": {"kms:ViaService": services}},
            )
        )
    if lends:
        # DynamoDB works on a table in the background under a grant from the principal that creates the table.
        statements.append(
            iam.PolicyStatement(
                sid="GrantToTheDatabase",
                principals=[iam.AccountRootPrincipal()],
                actions=["kms:CreateGrant"],
                resources=_THIS_KEY,
                conditions={
                    "StringEquals": {"kms:ViaService": [name for name in services if name.startswith("dynamodb.")]},
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                },
            )
        )
    return statements

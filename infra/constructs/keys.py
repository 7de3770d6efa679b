"""Customer-managed keys, rotated yearly. Every kind of content has a separate key, so a grant opens nothing else.

The account administers a key. IAM policies may allow the use of a key only via the AWS services that the key's policy
names, so no role can decrypt with the key directly. A service that uses a key without a caller has another statement.
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
    """The key's policy does not name the service: add it to `via` where the key is made."""


class ContentKey(kms.Key):
    """A rotated key that can be used only via the named services (`s3`, `sqs`, …)."""

    def __init__(
        self, scope: Construct, construct_id: str, *, content: str, keep: bool, via: tuple[str, ...] = ()
    ) -> None:
        self._via = via
        region = Stack.of(scope).region
        services = [f"{service}.{region}.amazonaws.com" for service in via]
        super().__init__(
            scope,
            construct_id,
            description=f"GP Connect Messaging: {content}",
            enable_key_rotation=True,
            pending_window=Duration.days(30 if keep else 7),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            policy=iam.PolicyDocument(statements=_policy(services, for_dynamodb="dynamodb" in via)),
        )

    def grant_service_delivery(self, service: str) -> None:
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

    def grant_senders_put(self, service: str, senders: list[iam.IPrincipal]) -> None:
        """Let senders of this and other accounts encrypt the objects or messages that a resource policy lets them put.

        The permission includes Decrypt, which S3 needs to complete a multipart upload, and SQS for every message.

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

    def grant_logs_encrypt(self) -> None:
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

    def grant_via(self, service: str, function: MessagingFunction, *actions: str) -> None:
        """Let a function use the key via one AWS service only.

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
        if service not in self._via:
            raise ServiceNotNamedError(f"the policy of {self.node.path} does not name {service}")


def _policy(services: list[str], *, for_dynamodb: bool) -> list[iam.PolicyStatement]:
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
    if for_dynamodb:
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

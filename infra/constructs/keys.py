"""Customer-managed keys: rotated yearly, one for each kind of content, so that a grant of one opens nothing else.

A key's policy leaves its administration to the account, and its use to what IAM allows through the named AWS services:
nobody, however powerful a role, decrypts with it directly. Services that act for themselves are named one by one.
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
"""In a key's own policy, the key."""


class ServiceNotNamedError(ValueError):
    """A key is to be used through a service that its policy does not name: name it where the key is made."""


class ContentKey(kms.Key):
    """A rotated key, of use through the named services (`s3`, `sqs`, …) only."""

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
        """Let an AWS service, acting for this account, encrypt what it puts on a queue or topic under this key."""
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
        """Let those of other accounts, too, put something under this key where a service's own policy lets them.

        Decrypt as well: S3 asks for it to complete an upload in parts, and SQS for every message.

        Raises:
            ServiceNotNamedError: the key is not for use through the service.
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
        """Let CloudWatch Logs encrypt this stack's log groups, and no others, under this key."""
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
        """Let a function use the key for what it does through one AWS service, and no other way.

        Raises:
            ServiceNotNamedError: the key's own policy would refuse it.
        """
        self._require(service)
        function.allow(
            *actions,
            on=[self.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(self).region}.amazonaws.com"}},
        )

    def _require(self, service: str) -> None:
        if service not in self._through:
            raise ServiceNotNamedError(f"{self.node.path} is not for use through {service}")


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
        # DynamoDB works on a table in the background under a grant that whoever makes the table gives it.
        statements.append(
            iam.PolicyStatement(
                sid="GrantToTheDatabase",
                principals=[iam.AccountRootPrincipal()],
                actions=["kms:CreateGrant"],
                resources=_THIS_KEY,
                conditions={
                    "StringEquals": {"kms:ViaService": [each for each in services if each.startswith("dynamodb.")]},
                    "Bool": {"kms:GrantIsForAWSResource": "true"},
                },
            )
        )
    return statements

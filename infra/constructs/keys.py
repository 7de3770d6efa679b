"""The customer-managed key, rotated yearly. A grant names the service that holds the content, and opens nothing else.

The account administers the key. IAM policies may allow the use of the key only via the AWS services that the key's
policy names, so no role can decrypt with the key directly. A service that uses the key without a caller has another
statement, for the messages of this stack's queues or topics only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import ArnFormat, Aws, Duration, RemovalPolicy, Stack
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
_MESSAGES_OF = {"sqs": "aws:sqs:arn", "sns": "aws:sns:topicArn"}
"""The encryption context by which SQS and SNS bind a ciphertext to the queue or the topic."""
_PUT = ("kms:Decrypt", "kms:GenerateDataKey")
SERVICES = ("s3", "dynamodb", "secretsmanager", "sqs", "sns")
"""The services that hold content under the key."""


class ServiceNotNamedError(ValueError):
    """The key's policy does not name the service: add it to `SERVICES`."""


class ContentKey(kms.Key):
    """A rotated key that can be used only via the services that hold content."""

    def __init__(self, scope: Construct, construct_id: str, *, content: str, keep: bool) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"GP Connect Messaging: {content}",
            enable_key_rotation=True,
            pending_window=Duration.days(30 if keep else 7),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
            policy=iam.PolicyDocument(),
        )
        account = [iam.AccountRootPrincipal()]
        services = [f"{service}.{Stack.of(self).region}.amazonaws.com" for service in SERVICES]
        self._allow("AdministrationByThisAccount", account, _ADMINISTER)
        self._allow("UseThroughItsServices", account, _USE, {"StringEquals": {"kms:ViaService": services}})
        # DynamoDB works on a table in the background under a grant from the principal that creates the table.
        for_aws = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
        self._allow("GrantToTheDatabase", account, ["kms:CreateGrant"], self.through("dynamodb") | for_aws)

    def grant_service_delivery(self, service: str, *, through: str) -> None:
        """Let an AWS service of this account encrypt messages for the stack's queues (`sqs`) or topics (`sns`) only."""
        stack = Stack.of(self)
        own = stack.format_arn(service=through, resource=f"{stack.stack_name}-*", arn_format=ArnFormat.NO_RESOURCE_NAME)
        self._allow(
            f"DeliveriesThrough{through.capitalize()}",
            [iam.ServicePrincipal(service)],
            _PUT,
            {
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                "ArnLike": {f"kms:EncryptionContext:{_MESSAGES_OF[through]}": own},
            },
        )

    def grant_senders_put(self, service: str, senders: Sequence[iam.IPrincipal]) -> None:
        """Let senders of this and other accounts encrypt the objects or messages that a resource policy lets them put.

        The permission includes Decrypt, which S3 needs to complete a multipart upload, and SQS for every message.
        """
        self._allow(f"SendersThrough{service.capitalize()}", senders, _PUT, self.through(service))

    def grant_via(self, service: str, function: MessagingFunction, *actions: str) -> None:
        """Let a function use the key via one AWS service only.

        Raises:
            ServiceNotNamedError: the key's policy does not name the service.
        """
        function.allow(*actions, on=[self.key_arn], conditions=self.through(service))

    def through(self, service: str) -> dict[str, Any]:
        """Return the conditions of a statement for the use of the key via one service.

        Raises:
            ServiceNotNamedError: the key's policy does not name the service.
        """
        if service not in SERVICES:
            raise ServiceNotNamedError(f"the policy of {self.node.path} does not name {service}")
        return {"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(self).region}.amazonaws.com"}}

    def _allow(
        self,
        sid: str,
        principals: Sequence[iam.IPrincipal],
        actions: Sequence[str],
        conditions: Mapping[str, Any] | None = None,
    ) -> None:
        # In a key policy, `*` is the key itself.
        self.add_to_resource_policy(
            iam.PolicyStatement(
                sid=sid, principals=list(principals), actions=list(actions), resources=["*"], conditions=conditions
            )
        )

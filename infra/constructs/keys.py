"""Customer-managed keys: rotated yearly, one for each kind of content, so that a grant of one opens nothing else."""

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.constructs.functions import MessagingFunction


class ContentKey(kms.Key):
    """A rotated key. Its policy leaves access to roles of this account to IAM, and names each service besides."""

    def __init__(self, scope: Construct, construct_id: str, *, content: str, keep: bool) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"GP Connect Messaging: {content}",
            enable_key_rotation=True,
            pending_window=Duration.days(30 if keep else 7),
            removal_policy=RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY,
        )

    def let_service_deliver(self, service: str) -> None:
        """Let an AWS service, acting for this account, encrypt what it puts on a queue or topic under this key."""
        self.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],  # in a key's own policy this is the key
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )

    def grant_through(self, service: str, function: MessagingFunction, *actions: str) -> None:
        """Let a function use the key for what it does through one AWS service (`s3`, `sqs`, …), and no other way."""
        function.allow(
            *actions,
            on=[self.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"{service}.{Stack.of(self).region}.amazonaws.com"}},
        )

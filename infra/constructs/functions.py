"""A Lambda function with a role of its own, which starts with no permission but its own logs and traces."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.configuration import Configuration, FunctionLimits
from infra.constructs.acknowledgement import acknowledge, acknowledge_wildcard
from infra.constructs.layers import ARCHITECTURE, PROJECT, RUNTIME, SOURCE_ONLY, Layers

METRICS_NAMESPACE = "GPConnectMessaging"
"""Where the functions' own metrics are."""

_LOG_RETENTION = {
    1: logs.RetentionDays.ONE_DAY,
    3: logs.RetentionDays.THREE_DAYS,
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
}


class MessagingFunction(Construct):
    """One of our functions, from `functions/{name}/handler.py`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        configuration: Configuration,
        limits: FunctionLimits,
        layers: Layers,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=_LOG_RETENTION[configuration.retention.log_days],
            removal_policy=RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY,
        )
        self.role = iam.Role(
            self,
            "Role",
            description=f"GP Connect Messaging {configuration.name}: {name}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        self.log_group.grant_write(self.role)
        self.function = lambda_.Function(
            self,
            "Function",
            description=f"GP Connect Messaging: {name}",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler="handler.handler",
            code=lambda_.Code.from_asset(str(PROJECT / "functions" / name), exclude=list(SOURCE_ONLY)),
            layers=layers.all,
            memory_size=limits.memory_megabytes,
            timeout=Duration.seconds(limits.timeout_seconds),
            role=self.role,
            log_group=self.log_group,
            logging_format=lambda_.LoggingFormat.JSON,
            environment={
                **environment,
                "POWERTOOLS_SERVICE_NAME": name,
                "POWERTOOLS_METRICS_NAMESPACE": METRICS_NAMESPACE,
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
        )
        acknowledge(
            self,
            "AwsSolutions-L1",
            because="Python 3.13 is the newest version on which the library and its locked wheels are tested; "
            "moving on is a change of lock and test runs, not of this line.",
        )
        self._trace()

    def allow(
        self,
        *actions: str,
        on: Sequence[str],
        conditions: Mapping[str, Any] | None = None,
        wildcard_because: str | None = None,
    ) -> None:
        """Add a permission to this function's role.

        `wildcard_because` says why a resource may end in a wildcard; without it such a resource fails synthesis.
        """
        self.role.add_to_principal_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=conditions)
        )
        if wildcard_because is not None:
            for resource in on:
                acknowledge_wildcard(self, resource, because=wildcard_because)

    def _trace(self) -> None:
        # Through the resource and not through `tracing=`, which would put the permission, the only one that AWS cannot
        # limit to a resource, among all the others: alone in a policy, its finding is acknowledged alone.
        resource = self.function.node.default_child
        if not isinstance(resource, lambda_.CfnFunction):
            raise TypeError("a function's default child is its resource")
        resource.tracing_config = lambda_.CfnFunction.TracingConfigProperty(mode="Active")
        tracing = iam.Policy(
            self,
            "Tracing",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"])
            ],
        )
        acknowledge_wildcard(
            tracing, "*", because="X-Ray has no resource to name: AWS documents only * for sending trace segments."
        )
        # The first invocation must not come before it may write its traces.
        self.function.node.add_dependency(tracing)

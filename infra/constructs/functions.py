"""A Lambda function with a role that starts with permissions for logs only."""

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.configuration import Configuration, FunctionLimits
from infra.constructs.acknowledgement import acknowledge, acknowledge_own_policies, acknowledge_wildcard
from infra.constructs.layers import ARCHITECTURE, EXCLUDED_FILES, PROJECT, RUNTIME, Layers
from infra.constructs.networks import FunctionNetwork

METRICS_NAMESPACE = "GPConnectMessaging"
"""CloudWatch namespace of the functions' own metrics."""

LIVE = "live"
"""Alias of the working version; event sources and schedules point at it."""

NHS_NUMBERS = logs.DataProtectionPolicy(
    name="nhs-numbers",
    description="A second net: the functions write none, as a test of the whole run shows.",
    identifiers=[
        # AWS's identifier finds a number near words such as "nhs number"; the second also finds it alone, but not
        # within a longer number. Issued and test numbers begin with 4, 6, 7 or 9, which spares Unix times.
        logs.DataIdentifier.NHSNUMBER_GB,
        logs.CustomDataIdentifier("nhs-number-alone", "[^0-9][4679][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{4}[^0-9]"),
    ],
)

LOGS_WITHOUT_KEY = (
    "Logs hold ids, statuses and reasons, no patient's data. The alarms' metrics are in them, and must come when our "
    "key does not work: CloudWatch encrypts logs under AWS's own key."
)

LOG_RETENTION = {
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
    """A function from `functions/{name}/handler.py`, with an alias for the working version."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        configuration: Configuration,
        limits: FunctionLimits,
        concurrency: int,
        layers: Layers,
        network: FunctionNetwork,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        removal = RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY
        reserve = configuration.deployment.reserve_concurrency
        self.log_group = logs.LogGroup(
            self,
            "Logs",
            retention=LOG_RETENTION[configuration.retention.log_days],
            data_protection_policy=NHS_NUMBERS,
            removal_policy=removal,
        )
        acknowledge(self.log_group, "NIST+HIPAA:CloudWatchLogGroupEncrypted", because=LOGS_WITHOUT_KEY)
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
            code=lambda_.Code.from_asset(str(PROJECT / "functions" / name), exclude=list(EXCLUDED_FILES)),
            layers=layers.all,
            memory_size=limits.memory_megabytes,
            timeout=Duration.seconds(limits.timeout_seconds),
            role=self.role,
            log_group=self.log_group,
            reserved_concurrent_executions=concurrency if reserve else None,
            # Earlier versions stay, so that the alias can go back.
            current_version_options=lambda_.VersionOptions(removal_policy=removal),
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            security_groups=network.security_groups,
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
            "Serverless-LambdaLatestVersion",
            because="Python 3.13 is the newest version on which the library and the locked wheels are tested; a newer "
            "one needs a new lock and test runs first.",
        )
        acknowledge(
            self,
            "Serverless-LambdaTracing",
            because="Without a tracer in the code a trace has a run's start and duration, which the log has too. X-Ray "
            "takes the first run of every second, so it would trace nearly every message.",
        )
        acknowledge(
            self,
            "NIST+HIPAA:LambdaDLQ",
            "Serverless-LambdaDLQ",
            because="Work comes from a queue with a dead-letter queue, or from a schedule whose next run makes up for "
            "a failed one.",
        )
        acknowledge_own_policies(self)
        if not reserve:
            acknowledge(
                self,
                "NIST+HIPAA:LambdaConcurrency",
                because="The account's quota leaves no concurrency to reserve; the queues still limit how many runs "
                "they start at once.",
            )
        network.let_join(self, self.function, self.role)
        self.live = lambda_.Alias(
            self,
            "Live",
            alias_name=LIVE,
            description="The version that works",
            version=self.function.current_version,
        )

    def allow(
        self,
        *actions: str,
        on: Sequence[str],
        conditions: Mapping[str, Any] | None = None,
        wildcard_because: str | None = None,
    ) -> None:
        """Add a permission to this function's role.

        `wildcard_because` gives the reason for resources with a wildcard; without a reason they fail the synthesis.
        """
        self.role.add_to_principal_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=conditions)
        )
        if wildcard_because is not None:
            for resource in on:
                acknowledge_wildcard(self, resource, because=wildcard_because)

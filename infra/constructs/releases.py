"""Releases: a new version of a function takes over gradually, and is reverted if an alarm starts."""

from collections.abc import Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge_own_policies, acknowledge_wildcard
from infra.constructs.functions import MessagingFunction

_SHIFTS = {
    "canary": codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_10_MINUTES,
    "linear": codedeploy.LambdaDeploymentConfig.LINEAR_10_PERCENT_EVERY_1_MINUTE,
}


class Releases(Construct):
    """Gradual shifts of the functions' aliases. Without them an alias moves at once with the stack's update."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, construct_id)
        self._shift = _SHIFTS.get(configuration.deployment.traffic_shift)
        if self._shift is None:
            return
        self._application = codedeploy.LambdaApplication(self, "Application")
        self._role = iam.Role(
            self,
            "Role",
            description=f"GP Connect Messaging {configuration.name}: CodeDeploy shifts traffic between versions",
            assumed_by=iam.ServicePrincipal("codedeploy.amazonaws.com"),
        )
        acknowledge_own_policies(self)
        alarms = Stack.of(self).format_arn(
            service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        self._role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[alarms]))
        acknowledge_wildcard(
            self,
            alarms,
            because="CodeDeploy reads the state of alarms as a list, which AWS allows for all alarms or for none.",
        )

    def shift(self, name: str, function: MessagingFunction, *, unless: Sequence[cloudwatch.IAlarm]) -> None:
        """Shift a function's traffic gradually, and revert at once when one of the alarms starts."""
        if self._shift is None:
            return
        self._role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:GetAlias", "lambda:GetProvisionedConcurrencyConfig", "lambda:UpdateAlias"],
                resources=[function.function.function_arn],
            )
        )
        codedeploy.LambdaDeploymentGroup(
            self,
            name,
            application=self._application,
            alias=function.live,
            deployment_config=self._shift,
            alarms=list(unless),
            auto_rollback=codedeploy.AutoRollbackConfig(
                deployment_in_alarm=True, failed_deployment=True, stopped_deployment=True
            ),
            # Fixed: otherwise the group would add AWS's policy, which covers every function of the account.
            role=self._role.without_policy_updates(),
        )

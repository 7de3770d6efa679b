"""The pipeline: check, synthesize, update the pipeline, deploy dev, int and prod; a failure stops it."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import DefaultStackSynthesizer, Duration, Environment, RemovalPolicy, Stack, Stage, pipelines
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.synthetic_reports import PIPELINE_ROLE
from infra.messaging_stack import MessagingStack
from infra.pipeline.configuration import Delivery

CDK_VERSION = "2.1148.1"
"""Version of the CDK command line; the Makefile has the same."""
STACK_NAME = "gpconnect-messaging-pipeline"

_PYTHON = {"phases": {"install": {"runtime-versions": {"python": "3.13"}}}}


class EnvironmentStage(Stage):
    """An environment, as a stage of the pipeline."""

    def __init__(self, scope: Construct, *, configuration: Configuration) -> None:
        super().__init__(
            scope,
            configuration.name.capitalize(),
            env=Environment(account=configuration.account, region=configuration.region),
        )
        self.messaging = MessagingStack(self, "Messaging", configuration=configuration)


class PipelineStack(Stack):
    """The pipeline. A person deploys it once; from then on it deploys changes of itself."""

    def __init__(
        self,
        scope: Construct,
        *,
        delivery: Delivery,
        dev: Configuration,
        integration: Configuration,
        prod: Configuration,
    ) -> None:
        super().__init__(
            scope,
            STACK_NAME,
            stack_name=STACK_NAME,
            env=Environment(account=delivery.account, region=delivery.region),
            description="GP Connect Messaging sender: from the repository to production",
            termination_protection=True,
            analytics_reporting=False,
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
            tags={"product": "gpconnect-messaging"},
        )
        self._source = pipelines.CodePipelineSource.connection(
            delivery.repository, delivery.branch, connection_arn=delivery.connection
        )
        self._reporter = iam.Role(
            self,
            "Reporter",
            role_name=PIPELINE_ROLE,
            description="Sends synthetic reports through the environments for tests",
            assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"),
        )
        pipeline = pipelines.CodePipeline(
            self,
            "Pipeline",
            code_pipeline=self._pipeline(),
            cli_version=CDK_VERSION,
            synth=pipelines.CodeBuildStep(
                "Synth",
                input=self._source,
                commands=["make check", "make supply-chain", "make synth ENVIRONMENT=pipeline"],
                primary_output_directory="cdk.out",
            ),
            self_mutation=True,
            code_build_defaults=pipelines.CodeBuildOptions(
                build_environment=codebuild.BuildEnvironment(build_image=codebuild.LinuxBuildImage.STANDARD_7_0),
                partial_build_spec=codebuild.BuildSpec.from_object(_PYTHON),
                timeout=Duration.hours(1),
            ),
        )
        for configuration, step, reach, minutes in (
            (dev, "Smoke", "BUILT", 10),
            (integration, "EndToEnd", "DELIVERED", delivery.patience_minutes),
        ):
            stage = EnvironmentStage(scope, configuration=configuration)
            report = self._synthetic_report(step, configuration, stage.messaging, reach=reach, minutes=minutes)
            pipeline.add_stage(stage, post=[report])
        pipeline.add_stage(
            EnvironmentStage(scope, configuration=prod),
            pre=[pipelines.ManualApprovalStep("Approve", comment="Integration has delivered a report end to end.")],
        )
        pipeline.build_pipeline()
        _acknowledge_findings(self)

    def _pipeline(self) -> codepipeline.Pipeline:
        key = kms.Key(
            self,
            "ArtifactsKey",
            description="GP Connect Messaging: what the pipeline builds",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.DESTROY,
        )
        artifacts = s3.Bucket(
            self,
            "Artifacts",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(expiration=Duration.days(90), noncurrent_version_expiration=Duration.days(7))
            ],
            removal_policy=RemovalPolicy.RETAIN,
        )
        return codepipeline.Pipeline(
            self,
            "Delivery",
            pipeline_name=STACK_NAME,
            pipeline_type=codepipeline.PipelineType.V2,
            artifact_bucket=artifacts,
            restart_execution_on_update=True,
        )

    def _synthetic_report(
        self, name: str, configuration: Configuration, stack: MessagingStack, *, reach: str, minutes: int
    ) -> pipelines.CodeBuildStep:
        mailbox = configuration.mailboxes[0]
        self._reporter.add_to_policy(
            iam.PolicyStatement(
                actions=["sts:AssumeRole"],
                resources=[f"arn:aws:iam::{configuration.account or '*'}:role/{configuration.synthetic_reports_role}"],
            )
        )
        outputs: Mapping[str, Any] = stack.outputs
        return pipelines.CodeBuildStep(
            name,
            input=self._source,
            role=self._reporter,
            timeout=Duration.minutes(minutes + 15),
            env_from_cfn_outputs={
                "DROP_BUCKET": outputs["DropBucketName"],
                "LEDGER_TABLE": outputs["LedgerTableName"],
                "ROLE": outputs["SyntheticReportsRoleArn"],
            },
            commands=[
                "make setup",
                ".venv/bin/python -m infra.operations.synthetic_report"
                ' --drop-bucket "$DROP_BUCKET" --ledger-table "$LEDGER_TABLE" --role "$ROLE"'
                f" --mailbox {mailbox.mailbox} --ods-code {mailbox.ods_code}"
                f" --reach {reach} --patience {minutes * 60}",
            ],
        )


def _acknowledge_findings(stack: PipelineStack) -> None:
    acknowledge(
        stack,
        "NIST+HIPAA:IAMNoInlinePolicy",
        because="CDK Pipelines gives a role the one policy that it needs, and adds and removes them together.",
    )
    wildcards = {
        violation.rule_name
        for violation in AwsSolutionsChecks(stack.node.root).validate_scope(stack).violations
        if violation.rule_name.startswith("AwsSolutions-IAM5[")
    }
    acknowledge(
        stack,
        *sorted(wildcards),
        because="CDK Pipelines writes these policies for artifacts, logs, reports and deployment roles, whose names it "
        "does not know beforehand. They reach no patients' data.",
    )
    acknowledge(
        stack,
        "HIPAA.Security-CodeBuildProjectSourceRepoUrl",
        because="Sources come through CodePipeline from a CodeConnections connection; no project has repository "
        "credentials.",
    )
    acknowledge(
        stack,
        "AwsSolutions-S1",
        "NIST+HIPAA:S3BucketLoggingEnabled",
        "NIST+HIPAA:S3BucketReplicationEnabled",
        because="The bucket holds builds, which can be made again from the repository. CloudTrail and the pipeline's "
        "history record who took part in a release.",
    )

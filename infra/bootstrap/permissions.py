"""CloudFormation's minimal permissions to create, change and delete the templates' resource types.

Source: the handlers' permissions in CloudFormation's registry schemas (August 2026), without those for unused
properties. For types that the registry does not describe: the actions of their APIs. CloudFormation chooses most
resource names (stack, logical id, a random end), and the stack the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import Aws

OURS = "gpconnect-messaging-*"
PATH = "gpconnect-messaging/*"
_PRODUCT = "gpconnect-messaging"


def _arn(service: str, resource: str, *, region: str = Aws.REGION) -> str:
    return f"arn:aws:{service}:{region}:{Aws.ACCOUNT_ID}:{resource}"


@dataclass(frozen=True)
class Grant:
    """Actions of a service, separated by spaces, on resources, under conditions."""

    service: str
    actions: str
    on: tuple[str, ...] = ("*",)
    conditions: Mapping[str, Any] = field(default_factory=dict)

    @property
    def full_actions(self) -> tuple[str, ...]:
        """The actions with the service's prefix, as in a policy."""
        return tuple(f"{self.service}:{action}" for action in self.actions.split())


_BUCKETS = (f"arn:aws:s3:::{OURS}",)
_FUNCTIONS = (_arn("lambda", f"function:{OURS}"),)
_LAYERS = (_arn("lambda", "layer:Layers*"),)  # a layer's name is its logical id
_MAPPINGS = (_arn("lambda", "event-source-mapping:*"),)
_LOGS = (_arn("logs", f"log-group:{OURS}"),)
_KEYS = (_arn("kms", "key/*"),)
_OUR_KEYS = {"aws:ResourceTag/product": _PRODUCT}
_ROLES = (_arn("iam", f"role/{OURS}", region=""),)
_QUEUES = (_arn("sqs", OURS),)
_TOPICS = (_arn("sns", OURS),)
_TABLES = (_arn("dynamodb", f"table/{OURS}"),)
_SECRETS = (_arn("secretsmanager", f"secret:{PATH}"),)
_RULES = (_arn("events", f"rule/{OURS}"),)
_GROUPS = (_arn("scheduler", "schedule-group/gpconnectmessaging*"),)
_SCHEDULES = (_arn("scheduler", "schedule/gpconnectmessaging*/*"),)
_DEPLOYMENTS = (
    _arn("codedeploy", f"application:{OURS}"),
    _arn("codedeploy", f"deploymentgroup:{OURS}"),
    _arn("codedeploy", "deploymentconfig:CodeDeployDefault.*"),
)
_ASSETS = Grant("s3", "GetObject GetObjectVersion", (f"arn:aws:s3:::cdk-*-assets-{Aws.ACCOUNT_ID}-{Aws.REGION}/*",))
_PASSED_TO = (
    "codebuild.amazonaws.com",
    "codedeploy.amazonaws.com",
    "codepipeline.amazonaws.com",
    "lambda.amazonaws.com",
    "malware-protection-plan.guardduty.amazonaws.com",
    "scheduler.amazonaws.com",
    "states.amazonaws.com",
)
_VPC = tuple(
    _arn("ec2", f"{kind}/*")
    for kind in ("vpc", "subnet", "route-table", "vpc-endpoint", "security-group", "security-group-rule")
)

PERMISSIONS: Mapping[str, tuple[Grant, ...]] = {
    "AWS::CloudWatch::Alarm": (
        Grant(
            "cloudwatch",
            "PutMetricAlarm DeleteAlarms ListTagsForResource TagResource UntagResource",
            (_arn("cloudwatch", f"alarm:{OURS}"),),
        ),
        Grant("cloudwatch", "DescribeAlarms"),
    ),
    "AWS::CloudWatch::Dashboard": (
        Grant(
            "cloudwatch",
            "PutDashboard GetDashboard DeleteDashboards ListTagsForResource TagResource UntagResource",
            (_arn("cloudwatch", f"dashboard/{OURS}", region=""),),
        ),
    ),
    "AWS::CodeBuild::Project": (
        Grant(
            "codebuild",
            "CreateProject UpdateProject DeleteProject BatchGetProjects",
            # A project is named by the logical id and a random end.
            tuple(_arn("codebuild", f"project/{name}*") for name in ("Delivery", "Pipeline")),
        ),
    ),
    "AWS::CodeDeploy::Application": (
        Grant(
            "codedeploy",
            "CreateApplication GetApplication UpdateApplication DeleteApplication ListTagsForResource TagResource "
            "UntagResource",
            _DEPLOYMENTS,
        ),
    ),
    "AWS::CodeDeploy::DeploymentGroup": (
        Grant(
            "codedeploy",
            "CreateDeploymentGroup GetDeploymentGroup UpdateDeploymentGroup DeleteDeploymentGroup ListDeployments "
            "GetDeploymentConfig CreateDeployment GetDeployment StopDeployment GetApplicationRevision "
            "RegisterApplicationRevision ListTagsForResource TagResource UntagResource",
            _DEPLOYMENTS,
        ),
    ),
    "AWS::CodePipeline::Pipeline": (
        Grant(
            "codepipeline",
            "CreatePipeline GetPipeline GetPipelineState UpdatePipeline DeletePipeline StartPipelineExecution "
            "DisableStageTransition EnableStageTransition ListTagsForResource TagResource UntagResource",
            (_arn("codepipeline", OURS),),
        ),
        *(
            Grant(service, "PassConnection", (_arn(service, "connection/*"),))
            for service in ("codeconnections", "codestar-connections")
        ),
    ),
    "AWS::DynamoDB::Table": (
        Grant(
            "dynamodb",
            "CreateTable DescribeTable UpdateTable DeleteTable DescribeContinuousBackups UpdateContinuousBackups "
            "DescribeContributorInsights UpdateContributorInsights DescribeKinesisStreamingDestination "
            "DescribeTimeToLive UpdateTimeToLive GetResourcePolicy ListTagsOfResource TagResource UntagResource",
            (*_TABLES, *(f"{table}/index/*" for table in _TABLES)),
        ),
    ),
    "AWS::EC2::SecurityGroup": (
        Grant(
            "ec2",
            "CreateSecurityGroup DeleteSecurityGroup AuthorizeSecurityGroupEgress RevokeSecurityGroupEgress "
            "CreateTags DeleteTags UpdateSecurityGroupRuleDescriptionsEgress",
            _VPC,
        ),
        # Lambda reads the VPC of a function on behalf of the principal that creates it.
        Grant("ec2", "DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeNetworkInterfaces DescribeInstances"),
    ),
    "AWS::EC2::SecurityGroupIngress": (
        Grant(
            "ec2",
            "AuthorizeSecurityGroupIngress RevokeSecurityGroupIngress UpdateSecurityGroupRuleDescriptionsIngress",
            _VPC,
        ),
        Grant("ec2", "DescribeSecurityGroups DescribeSecurityGroupRules"),
    ),
    "AWS::EC2::VPCEndpoint": (
        Grant("ec2", "CreateVpcEndpoint ModifyVpcEndpoint DeleteVpcEndpoints CreateTags DeleteTags", _VPC),
        Grant("ec2", "DescribeVpcEndpoints DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeRouteTables"),
    ),
    "AWS::Events::Rule": (
        Grant(
            "events",
            "PutRule DescribeRule DeleteRule PutTargets RemoveTargets ListTargetsByRule ListTagsForResource "
            "TagResource UntagResource",
            _RULES,
        ),
    ),
    "AWS::GuardDuty::MalwareProtectionPlan": (
        Grant("guardduty", "CreateMalwareProtectionPlan"),
        Grant(
            "guardduty",
            "GetMalwareProtectionPlan UpdateMalwareProtectionPlan DeleteMalwareProtectionPlan TagResource "
            "UntagResource",
            (_arn("guardduty", "malware-protection-plan/*"),),
        ),
    ),
    "AWS::IAM::Policy": (Grant("iam", "GetRolePolicy PutRolePolicy DeleteRolePolicy", _ROLES),),
    "AWS::IAM::Role": (
        Grant(
            "iam",
            "CreateRole GetRole UpdateRole UpdateRoleDescription DeleteRole UpdateAssumeRolePolicy ListRolePolicies "
            "ListAttachedRolePolicies GetRolePolicy PutRolePermissionsBoundary TagRole UntagRole",
            _ROLES,
        ),
        Grant("iam", "PassRole", _ROLES, {"StringEquals": {"iam:PassedToService": list(_PASSED_TO)}}),
    ),
    "AWS::KMS::Key": (
        Grant("kms", "CreateKey TagResource", conditions={"StringEquals": {"aws:RequestTag/product": _PRODUCT}}),
        Grant(
            "kms",
            "DescribeKey GetKeyPolicy PutKeyPolicy GetKeyRotationStatus EnableKeyRotation DisableKeyRotation EnableKey "
            "DisableKey UpdateKeyDescription ListResourceTags TagResource UntagResource ScheduleKeyDeletion",
            _KEYS,
            {"StringEquals": _OUR_KEYS},
        ),
        # DynamoDB and Secrets Manager test a key on behalf of the principal that creates a table or a secret.
        Grant(
            "kms",
            "CreateGrant Decrypt DescribeKey Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ReEncryptFrom "
            "ReEncryptTo",
            _KEYS,
            {
                "StringEquals": {
                    **_OUR_KEYS,
                    "kms:ViaService": [f"{name}.{Aws.REGION}.amazonaws.com" for name in ("dynamodb", "secretsmanager")],
                }
            },
        ),
    ),
    "AWS::Lambda::Alias": (
        Grant(
            "lambda",
            "CreateAlias GetAlias UpdateAlias DeleteAlias GetProvisionedConcurrencyConfig ListAliases",
            _FUNCTIONS,
        ),
    ),
    "AWS::Lambda::EventInvokeConfig": (
        Grant(
            "lambda",
            "PutFunctionEventInvokeConfig GetFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig "
            "DeleteFunctionEventInvokeConfig",
            _FUNCTIONS,
        ),
    ),
    "AWS::Lambda::EventSourceMapping": (
        Grant(
            "lambda",
            "CreateEventSourceMapping GetEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping",
            conditions={"ArnLike": {"lambda:FunctionArn": list(_FUNCTIONS)}},
        ),
        Grant("lambda", "ListTags TagResource UntagResource", _MAPPINGS),
    ),
    "AWS::Lambda::Function": (
        Grant(
            "lambda",
            "CreateFunction GetFunction GetFunctionConfiguration UpdateFunctionCode UpdateFunctionConfiguration "
            "DeleteFunction PutFunctionConcurrency DeleteFunctionConcurrency GetFunctionCodeSigningConfig "
            "GetFunctionRecursionConfig GetFunctionScalingConfig GetRuntimeManagementConfig ListTags TagResource "
            "UntagResource",
            _FUNCTIONS,
        ),
        _ASSETS,
    ),
    "AWS::Lambda::LayerVersion": (
        Grant("lambda", "PublishLayerVersion GetLayerVersion DeleteLayerVersion", _LAYERS),
        _ASSETS,
    ),
    "AWS::Lambda::Version": (
        Grant(
            "lambda",
            "PublishVersion ListVersionsByFunction GetFunctionConfiguration DeleteFunction GetFunctionScalingConfig "
            "GetProvisionedConcurrencyConfig GetRuntimeManagementConfig",
            _FUNCTIONS,
        ),
    ),
    "AWS::Logs::LogGroup": (
        Grant(
            "logs",
            "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy AssociateKmsKey DisassociateKmsKey "
            "GetDataProtectionPolicy PutDataProtectionPolicy DeleteDataProtectionPolicy ListTagsForResource "
            "TagResource UntagResource",
            (*_LOGS, *(f"{group}:*" for group in _LOGS)),
        ),
        Grant("logs", "DescribeLogGroups"),
    ),
    "AWS::S3::Bucket": (
        Grant(
            "s3",
            "CreateBucket DeleteBucket ListBucket GetBucketAcl GetAccelerateConfiguration GetAnalyticsConfiguration "
            "GetBucketCORS GetBucketLogging PutBucketLogging GetBucketNotification PutBucketNotification "
            "GetBucketObjectLockConfiguration PutBucketObjectLockConfiguration GetBucketOwnershipControls "
            "PutBucketOwnershipControls GetBucketPublicAccessBlock PutBucketPublicAccessBlock GetBucketTagging "
            "PutBucketTagging GetBucketVersioning PutBucketVersioning GetBucketWebsite GetEncryptionConfiguration "
            "PutEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration "
            "GetLifecycleConfiguration PutLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration",
            _BUCKETS,
        ),
    ),
    "AWS::S3::BucketPolicy": (Grant("s3", "GetBucketPolicy PutBucketPolicy DeleteBucketPolicy", _BUCKETS),),
    "AWS::SNS::Subscription": (
        Grant("sns", "Subscribe Unsubscribe GetSubscriptionAttributes SetSubscriptionAttributes", _TOPICS),
    ),
    "AWS::SNS::Topic": (
        Grant(
            "sns",
            "CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes GetDataProtectionPolicy "
            "ListSubscriptionsByTopic ListTagsForResource TagResource UntagResource",
            _TOPICS,
        ),
    ),
    "AWS::SNS::TopicPolicy": (Grant("sns", "GetTopicAttributes SetTopicAttributes", _TOPICS),),
    "AWS::SQS::Queue": (
        Grant(
            "sqs",
            "CreateQueue DeleteQueue GetQueueAttributes SetQueueAttributes GetQueueUrl ListQueueTags TagQueue "
            "UntagQueue",
            _QUEUES,
        ),
    ),
    "AWS::SQS::QueuePolicy": (Grant("sqs", "GetQueueAttributes SetQueueAttributes", _QUEUES),),
    "AWS::SSM::Parameter": (
        Grant(
            "ssm",
            "PutParameter GetParameters DeleteParameter AddTagsToResource RemoveTagsFromResource ListTagsForResource",
            (_arn("ssm", f"parameter/{PATH}"),),
        ),
    ),
    "AWS::Scheduler::Schedule": (
        Grant("scheduler", "CreateSchedule GetSchedule UpdateSchedule DeleteSchedule", _SCHEDULES),
    ),
    "AWS::Scheduler::ScheduleGroup": (
        Grant(
            "scheduler",
            "CreateScheduleGroup GetScheduleGroup DeleteScheduleGroup ListTagsForResource TagResource UntagResource",
            _GROUPS,
        ),
    ),
    "AWS::SecretsManager::Secret": (
        # Without GetSecretValue, which the registry lists: a deployment never needs to read a credential.
        Grant(
            "secretsmanager",
            "CreateSecret DescribeSecret UpdateSecret DeleteSecret TagResource UntagResource",
            _SECRETS,
        ),
        Grant("secretsmanager", "GetRandomPassword"),
    ),
    "AWS::StepFunctions::StateMachine": (
        Grant(
            "states",
            "CreateStateMachine DescribeStateMachine UpdateStateMachine DeleteStateMachine ListTagsForResource "
            "TagResource UntagResource",
            (_arn("states", f"stateMachine:{OURS}"),),
        ),
    ),
}

DATA_DELETIONS: Mapping[str, tuple[str, ...]] = {
    "dynamodb:DeleteTable": _TABLES,
    "logs:DeleteLogGroup": _LOGS,
    "s3:DeleteBucket": _BUCKETS,
    "secretsmanager:DeleteSecret": _SECRETS,
    "sqs:DeleteQueue": _QUEUES,
}
"""Actions that delete patients' data or the secrets for it: denied for an environment that keeps data."""
KEY_DELETIONS = ("kms:DisableKey", "kms:ScheduleKeyDeletion")

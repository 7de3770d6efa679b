"""Backfill: submit the requests under a prefix of the drop bucket as if they were dropped now.

A Step Functions Distributed Map (docs/adr/0023) lists the prefix. For a request it puts S3's event on the intake queue,
with the object's version and time, so the builder recognises a request that it received before. `MaxConcurrency`
children run at once, and a child lasts at least a second after the message: that limits the rate.
"""

from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as stepfunctions
from constructs import Construct

from gpconnect_messaging.drop_keys import JSONATA_CONDITION
from infra.configuration import Backfill, Configuration
from infra.constructs.acknowledgement import acknowledge, acknowledge_own_policies, acknowledge_wildcard
from infra.constructs.functions import LOG_RETENTION, LOGS_WITHOUT_KEY, NHS_NUMBERS
from infra.constructs.intake import Intake
from infra.constructs.keys import ContentKey
from infra.constructs.storage import Storage

_MAP = "EachObject"
_RETRY = [
    {"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 5, "BackoffRate": 2, "JitterStrategy": "FULL"}
]


class BackfillMachine(Construct):
    """The state machine and its role. An operator starts it with a prefix."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        backfill: Backfill,
        storage: Storage,
        intake: Intake,
        key: ContentKey,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = Stack.of(self)
        self._storage, self._intake = storage, intake
        name = f"gpconnect-messaging-{configuration.name}-backfill"
        log_group = logs.LogGroup(
            self,
            "Logs",
            retention=LOG_RETENTION[configuration.retention.log_days],
            data_protection_policy=NHS_NUMBERS,
            removal_policy=RemovalPolicy.RETAIN if configuration.keep_data else RemovalPolicy.DESTROY,
        )
        acknowledge(log_group, "NIST+HIPAA:CloudWatchLogGroupEncrypted", because=LOGS_WITHOUT_KEY)
        self.machine_arn = stack.format_arn(service="states", resource="stateMachine:" + name)
        self._role = iam.Role(
            self,
            "Role",
            description=f"GP Connect Messaging {configuration.name}: backfill",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    # The children of the map are a state machine of their own.
                    "ArnEquals": {"aws:SourceArn": [self.machine_arn, f"{self.machine_arn}/{_MAP}"]},
                },
            ),
        )
        acknowledge_own_policies(self)
        self._allow_work(name, key)
        logging_policy = self._allow_logs_and_traces()
        machine = stepfunctions.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=name,
            role_arn=self._role.role_arn,
            definition_string=stack.to_json_string(self._definition(backfill.requests_per_second)),
            # Without execution data: senders choose keys, which may name a patient.
            logging_configuration=stepfunctions.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    stepfunctions.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=stepfunctions.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log_group.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=stepfunctions.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )
        machine.node.add_dependency(logging_policy)

    def _definition(self, requests_per_second: int) -> dict[str, Any]:
        bucket, queue = self._storage.drop.bucket_name, self._intake.work.queue.queue_url
        event = {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "time.$": "$.LastModified",
            "detail": {
                "bucket": {"name": bucket},
                "object": {"key.$": "$.Key", "version-id.$": "$.found.VersionId"},
            },
        }
        child = {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
            "StartAt": "IsRequest",
            "States": {
                "IsRequest": {
                    "Type": "Choice",
                    # Only JSONata can fold letter case.
                    "QueryLanguage": "JSONata",
                    "Choices": [{"Condition": f"{{% {JSONATA_CONDITION} %}}", "Next": "FindVersion"}],
                    "Default": "Done",
                },
                "FindVersion": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::aws-sdk:s3:headObject",
                    "Parameters": {"Bucket": bucket, "Key.$": "$.Key"},
                    "ResultSelector": {"VersionId.$": "$.VersionId"},
                    "ResultPath": "$.found",
                    "Retry": _RETRY,
                    "Next": "PutOnIntakeQueue",
                },
                "PutOnIntakeQueue": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sqs:sendMessage",
                    # A separate message group, so that newly dropped requests do not wait behind the backfill.
                    "Parameters": {"QueueUrl": queue, "MessageBody": event, "MessageGroupId": "backfill"},
                    "Retry": _RETRY,
                    "Next": "KeepPace",
                },
                "KeepPace": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
                # An empty list, so that the map's output stays small: a million results would not fit.
                "Done": {"Type": "Pass", "Result": [], "End": True},
            },
        }
        return {
            "Comment": "Put the requests under a prefix on the intake queue.",
            "StartAt": _MAP,
            "States": {
                _MAP: {
                    "Type": "Map",
                    "Label": _MAP,
                    "ItemReader": {
                        "Resource": "arn:aws:states:::s3:listObjectsV2",
                        "Parameters": {"Bucket": bucket, "Prefix.$": "$.prefix"},
                    },
                    "MaxConcurrency": requests_per_second,
                    "ItemProcessor": child,
                    "ResultWriter": {"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}},
                    "End": True,
                }
            },
        }

    def _allow_work(self, name: str, key: ContentKey) -> None:
        stack = Stack.of(self)
        drop, queue = self._storage.drop, self._intake.work.queue
        requests = drop.arn_for_objects("*")
        self._allow(["s3:ListBucket"], drop.bucket_arn)
        self._allow(["s3:GetObject"], requests)
        acknowledge_wildcard(
            self,
            requests,
            because="Senders choose the folders of their requests, and write request.json in any letter case, which a "
            "policy cannot fold. The machine asks for the versions of such objects and reads no content.",
        )
        self._allow(["kms:Decrypt"], key.key_arn, key.through("s3"))
        self._allow(["sqs:SendMessage"], queue.queue_arn)
        self._allow(["kms:Decrypt", "kms:GenerateDataKey"], key.key_arn, key.through("sqs"))
        self._allow(["states:StartExecution"], self.machine_arn)
        for name_of_executions in (name, f"{name}/{_MAP}"):
            executions = stack.format_arn(service="states", resource=f"execution:{name_of_executions}:*")
            self._allow(["states:DescribeExecution", "states:StopExecution"], executions)
            acknowledge_wildcard(
                self, executions, because="The map names the children; no others of the account are allowed."
            )

    def _allow_logs_and_traces(self) -> iam.Policy:
        policy = iam.Policy(
            self,
            "LogsAndTraces",
            roles=[self._role],
            statements=[
                iam.PolicyStatement(
                    actions=[
                        "logs:CreateLogDelivery",
                        "logs:DeleteLogDelivery",
                        "logs:DescribeLogGroups",
                        "logs:DescribeResourcePolicies",
                        "logs:GetLogDelivery",
                        "logs:ListLogDeliveries",
                        "logs:PutResourcePolicy",
                        "logs:UpdateLogDelivery",
                        "xray:GetSamplingRules",
                        "xray:GetSamplingTargets",
                        "xray:PutTelemetryRecords",
                        "xray:PutTraceSegments",
                    ],
                    resources=["*"],
                )
            ],
        )
        acknowledge_wildcard(
            policy,
            "*",
            because="Step Functions needs these to deliver logs and traces, and AWS documents only * for them.",
        )
        return policy

    def _allow(self, actions: list[str], resource: str, conditions: dict[str, Any] | None = None) -> None:
        self._role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource], conditions=conditions))

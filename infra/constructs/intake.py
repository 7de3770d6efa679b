"""Where requests enter: a file in the drop bucket, or a whole request on the queue.

The only queues, with their dead letters, that may hold personal data: they have a key of their own.
"""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.configuration import QUEUE_CONCURRENCY, Configuration
from infra.constructs.keys import ContentKey
from infra.constructs.queues import WorkQueue
from infra.library import EVENT_PATTERN, queue_name


class Intake(Construct):
    """The intake queue, the rule that announces each dropped request on it, and the senders' own queues."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        drop: s3.IBucket,
        dead_letter_key: ContentKey,
    ) -> None:
        super().__init__(scope, construct_id)
        retention = configuration.retention
        self.key = key = ContentKey(
            self, "Key", content="requests on their way in", keep=configuration.keep_data, through=("sqs",)
        )
        for key_of_a_target in (key, dead_letter_key):
            key_of_a_target.let_service_deliver("events.amazonaws.com")
        kept: dict[str, Any] = {
            "key": key,
            "dead_letter_key": dead_letter_key,
            "retention": Duration.days(retention.intake_days),
            "dead_letter_retention": Duration.days(retention.intake_dead_letter_days),
            "keep": configuration.keep_data,
        }
        self.work = WorkQueue(self, "Work", limits=configuration.builder, **kept)
        limits = configuration.builder.model_copy(update={"maximum_concurrency": QUEUE_CONCURRENCY})
        self.of_senders = {
            sender.name: WorkQueue(
                self,
                f"Of{sender.name}",
                limits=limits,
                queue_name=queue_name(Stack.of(self).stack_name, sender.name),
                # Shared: SQS itself says which queue a dead letter came from.
                dead_letters=self.work.dead_letters,
                **kept,
            )
            for sender in configuration.senders
            if sender.queue
        }
        """Queues by which the senders that have one send whole requests, by the sender's name."""
        # Through the resource and not through CDK's rule: its target would open the key to re-encryption as well, and
        # the queue to every rule of the account.
        self.rule = rule = events.CfnRule(
            self,
            "RequestDropped",
            description="A request was dropped: tell the builder.",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [drop.bucket_name]}, "object": {"key": list(EVENT_PATTERN)}},
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Intake",
                    arn=self.work.queue.queue_arn,
                    # What EventBridge cannot deliver for a day it would drop.
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=self.work.dead_letters.queue_arn),
                )
            ],
        )
        for queue in (self.work.queue, self.work.dead_letters):
            _let_rule_send(rule, queue)


def _let_rule_send(rule: events.CfnRule, queue: sqs.Queue) -> None:
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("events.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
        )
    )

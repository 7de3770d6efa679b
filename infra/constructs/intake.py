"""The intake: files in the drop bucket, or whole requests on a queue, which may hold personal data."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from gpconnect_messaging.drop_keys import EVENT_PATTERN
from gpconnect_messaging.mailboxes.senders import queue_name
from infra.configuration import QUEUE_CONCURRENCY, Configuration
from infra.constructs.keys import ContentKey
from infra.constructs.queues import WorkQueue


class Intake(Construct):
    """The intake queue, the rule that announces dropped requests on it, and the senders' own queues."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        drop: s3.IBucket,
        key: ContentKey,
    ) -> None:
        super().__init__(scope, construct_id)
        retention = configuration.retention
        key.grant_service_delivery("events.amazonaws.com", through="sqs")
        common: dict[str, Any] = {
            "key": key,
            "retention": Duration.days(retention.intake_days),
            "dead_letter_retention": Duration.days(retention.intake_dead_letter_days),
            "keep": configuration.keep_data,
        }
        self.work = WorkQueue(self, "Work", limits=configuration.builder, **common)
        limits = configuration.builder.model_copy(update={"maximum_concurrency": QUEUE_CONCURRENCY})
        self.sender_queues = {
            sender.name: WorkQueue(
                self,
                f"Of{sender.name}",
                limits=limits,
                queue_name=queue_name(Stack.of(self).stack_name, sender.name),
                # Shared: SQS records which queue a dead letter came from.
                dead_letters=self.work.dead_letters,
                **common,
            )
            for sender in configuration.senders
            if sender.queue
        }
        """Queues of the senders that have one, by the sender's name."""
        # Not CDK's rule: the target would also allow re-encryption with the key, and open the queue to every rule of
        # the account.
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
                    # Without it EventBridge drops what it could not deliver for a day.
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

"""The send queue: ids of messages to upload to MESH, in message groups by mailbox for fairness."""

from aws_cdk import Duration
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.keys import ContentKey
from infra.constructs.queues import WorkQueue


class Sending(Construct):
    """The send queue."""

    def __init__(
        self, scope: Construct, construct_id: str, *, configuration: Configuration, dead_letter_key: ContentKey
    ) -> None:
        super().__init__(scope, construct_id)
        retention = configuration.retention
        self.key = ContentKey(
            self, "Key", content="ids of messages to send", keep=configuration.keep_data, via=("sqs",)
        )
        self.work = WorkQueue(
            self,
            "Work",
            key=self.key,
            dead_letter_key=dead_letter_key,
            limits=configuration.sender,
            retention=Duration.days(retention.send_days),
            dead_letter_retention=Duration.days(retention.send_dead_letter_days),
            keep=configuration.keep_data,
        )

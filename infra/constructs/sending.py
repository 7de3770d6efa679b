"""The queues of ids: of messages to send, and of messages to collect, in message groups by mailbox for fairness."""

from typing import Any

from aws_cdk import Duration
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.keys import ContentKey
from infra.constructs.queues import WorkQueue

_INBOX_RECEIVES = 10
"""The sixth quarantines a message; more, for those that do not reach the function."""
_SPARE_SECONDS = 30


class Sending(Construct):
    """The send queue and the inbox queue, under one key."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        retention = configuration.retention
        common: dict[str, Any] = {
            "key": key,
            "retention": Duration.days(retention.send_days),
            "dead_letter_retention": Duration.days(retention.send_dead_letter_days),
            "keep": configuration.keep_data,
        }
        self.work = WorkQueue(self, "Work", limits=configuration.sender, **common)
        self.inbox = WorkQueue(
            self,
            "Inbox",
            limits=configuration.poller,
            # Not Lambda's advice: a killed run's messages need not wait longer than for the next poll, and the other
            # reason, throttling, cannot happen: the concurrency is reserved (ADR 56).
            visibility=Duration.seconds(configuration.poller.timeout_seconds + _SPARE_SECONDS),
            maximum_receives=_INBOX_RECEIVES,
            **common,
        )

"""A queue that feeds a function, and the dead-letter queue."""

from aws_cdk import Duration, Names, RemovalPolicy
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.configuration import QueueFunctionLimits
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey

# With fewer tries a throttled poll, which never reaches the function, could send work to the dead-letter queue.
MAXIMUM_RECEIVES = 5
# Lambda's advice: time for Lambda's own retries before SQS delivers a message again.
VISIBILITY_IN_TIMEOUTS = 6


class WorkQueue(Construct):
    """Encrypted, TLS only, standard. The consumer reports failed messages of a batch one by one."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: ContentKey,
        limits: QueueFunctionLimits,
        retention: Duration,
        dead_letter_retention: Duration,
        keep: bool,
        visibility: Duration | None = None,
        maximum_receives: int = MAXIMUM_RECEIVES,
        queue_name: str | None = None,
        dead_letters: sqs.Queue | None = None,
    ) -> None:
        """`dead_letters` is an existing dead-letter queue; None: a new one. `visibility` None is Lambda's advice."""
        super().__init__(scope, construct_id)
        self._limits = limits
        self._key = key
        removal = RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY
        self.shares_dead_letters = dead_letters is not None
        self.dead_letters = dead_letters or self._dead_letters(dead_letter_retention, removal)
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=queue_name,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=retention,
            visibility_timeout=visibility or Duration.seconds(VISIBILITY_IN_TIMEOUTS * limits.timeout_seconds),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=maximum_receives),
            removal_policy=removal,
        )

    def _dead_letters(self, retention: Duration, removal: RemovalPolicy) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            # Not our key: EventBridge puts announcements here when that key is disabled. What SQS itself moves here
            # stays encrypted under the queue's key.
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=retention,
            removal_policy=removal,
        )
        acknowledge(
            queue,
            "Serverless-SQSRedrivePolicy",
            because="This is the dead-letter queue: an alarm starts, and a person redrives it.",
        )
        return queue

    def feed(self, consumer: MessagingFunction) -> None:
        """Make a function the queue's consumer."""
        self.mapping = consumer.live.add_event_source_mapping(
            f"SqsEventSource:{Names.node_unique_id(self.queue.node)}",
            event_source_arn=self.queue.queue_arn,
            batch_size=self._limits.batch_size,
            max_concurrency=self._limits.maximum_concurrency,
            report_batch_item_failures=True,
        )
        # Lambda's documented minimum. CDK's event source would also let the function change the visibility of messages
        # and find queues by name.
        consumer.allow("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", on=[self.queue.queue_arn])
        self._key.grant_via("sqs", consumer, "kms:Decrypt")
        acknowledge(
            consumer,
            "Serverless-LambdaEventSourceMappingDestination",
            because="Lambda offers a failure destination for streams and Kafka, not for SQS: failed messages go to the "
            "dead-letter queue, which an alarm watches.",
        )

    def grant_send(self, function: MessagingFunction) -> None:
        """Let a function put messages on the queue."""
        function.allow("sqs:SendMessage", on=[self.queue.queue_arn])
        self._key.grant_via("sqs", function, "kms:Decrypt", "kms:GenerateDataKey")

"""A queue that feeds one function, and the dead-letter queue behind it."""

from aws_cdk import Duration, Names, RemovalPolicy
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.configuration import QueueFunctionLimits
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey

# Five tries: fewer would send work to the dead-letter queue for a throttled poll that never reached the function.
MAXIMUM_RECEIVES = 5
# Lambda's advice: room for the retries that it makes itself before a message is offered again.
VISIBILITY_IN_TIMEOUTS = 6


class WorkQueue(Construct):
    """Encrypted, TLS only, standard. Its consumer reports each failed message of a batch by itself."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        key: ContentKey,
        dead_letter_key: ContentKey,
        limits: QueueFunctionLimits,
        retention: Duration,
        dead_letter_retention: Duration,
        keep: bool,
        queue_name: str | None = None,
        dead_letters: sqs.Queue | None = None,
    ) -> None:
        """`dead_letters` is the dead-letter queue that is there already; None: the queue has one of its own."""
        super().__init__(scope, construct_id)
        if key is dead_letter_key:
            raise ValueError("dead letters need a key that is not their source's")
        self._limits = limits
        self._key = key
        removal = RemovalPolicy.RETAIN if keep else RemovalPolicy.DESTROY
        self.shares_dead_letters = dead_letters is not None
        self.dead_letters = dead_letters or self._dead_letters(dead_letter_key, dead_letter_retention, removal)
        self.queue = sqs.Queue(
            self,
            "Queue",
            queue_name=queue_name,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=retention,
            visibility_timeout=Duration.seconds(VISIBILITY_IN_TIMEOUTS * limits.timeout_seconds),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=MAXIMUM_RECEIVES),
            removal_policy=removal,
        )

    def _dead_letters(self, key: ContentKey, retention: Duration, removal: RemovalPolicy) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.KMS,
            # What EventBridge cannot put on the source, for its key is disabled, must find a place here.
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=retention,
            removal_policy=removal,
        )
        acknowledge(
            queue,
            "Serverless-SQSRedrivePolicy",
            because="This is the dead-letter queue: work ends here until a person redrives it, and an alarm calls one.",
        )
        return queue

    def feed(self, consumer: MessagingFunction) -> None:
        """Make a function the consumer, and let it consume."""
        self.mapping = consumer.live.add_event_source_mapping(
            f"SqsEventSource:{Names.node_unique_id(self.queue.node)}",
            event_source_arn=self.queue.queue_arn,
            batch_size=self._limits.batch_size,
            max_concurrency=self._limits.maximum_concurrency,
            report_batch_item_failures=True,
        )
        # What Lambda asks of the role for this, and not what CDK's event source gives: that also lets the function
        # hide messages for longer, and find queues by name.
        consumer.allow("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", on=[self.queue.queue_arn])
        self._key.grant_through("sqs", consumer, "kms:Decrypt")
        acknowledge(
            consumer,
            "Serverless-LambdaEventSourceMappingDestination",
            because="Lambda offers a failure destination for streams and Kafka, not for SQS: what keeps failing goes "
            "to the queue's own dead-letter queue, which an alarm watches.",
        )

    def grant_send(self, function: MessagingFunction) -> None:
        """Let a function put messages on the queue."""
        function.allow("sqs:SendMessage", on=[self.queue.queue_arn])
        self._key.grant_through("sqs", function, "kms:Decrypt", "kms:GenerateDataKey")

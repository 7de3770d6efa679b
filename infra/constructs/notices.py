"""How a person is told: a topic to which the functions and the alarms publish, and the people who read it."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey


class Notices(Construct):
    """The notices topic, read by the environment's contacts."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration) -> None:
        super().__init__(scope, construct_id)
        self._key = ContentKey(self, "Key", content="notices to people", keep=configuration.keep_data, through=("sns",))
        self.topic = sns.Topic(
            self, "Topic", display_name="GP Connect Messaging", master_key=self._key, enforce_ssl=True
        )
        for contact in configuration.contacts:
            self.topic.add_subscription(subscriptions.EmailSubscription(contact))
        acknowledge(
            self,
            "Serverless-SNSRedrivePolicy",
            because="SNS tries an e-mail again for six hours by itself; what it then gives up is still in the ledger, "
            "which keeps every notice, and a queue of undelivered e-mails would be read by nobody else.",
        )
        # A topic with a policy of its own, here for TLS, loses the default one, through which alarms could publish;
        # and SNS's own key could not be opened to CloudWatch at all. Without these two, alarms stay silent.
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        self._key.let_service_deliver("cloudwatch.amazonaws.com")

    def grant_publish(self, function: MessagingFunction) -> None:
        """Let a function tell people."""
        function.allow("sns:Publish", on=[self.topic.topic_arn])
        self._key.grant_through("sns", function, "kms:Decrypt", "kms:GenerateDataKey")

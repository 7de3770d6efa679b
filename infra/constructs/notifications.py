"""The notifications topic, to which functions and alarms publish, and the subscriptions to it.

Notifications go to the organisation's contacts, by the attribute `route`: the mailbox, and whether it is the
first delivery or an escalation. A second topic, without our key, carries alarms about the first one.
"""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.acknowledgement import acknowledge
from infra.constructs.functions import MessagingFunction
from infra.constructs.keys import ContentKey

FIRST, ESCALATION = "first", "escalation"


class Notifications(Construct):
    """The notifications topic with the contacts' subscriptions, and the topic of alarms about it."""

    def __init__(self, scope: Construct, construct_id: str, *, configuration: Configuration, key: ContentKey) -> None:
        super().__init__(scope, construct_id)
        self._key = key
        self.topic = self._topic("Topic", key)
        key.grant_service_delivery("cloudwatch.amazonaws.com", through="sns")
        for contact, filter_policy in filters_by_contact(configuration).items():
            self.topic.add_subscription(_subscription(contact, filter_policy))
        # A failure of the topic, or of the key, would silence the alarm about it.
        self.path_topic = self._topic("PathTopic")
        acknowledge(
            self.path_topic,
            "NIST+HIPAA:SNSEncryptedKMS",
            because="It carries the texts of alarms, which are in this repository. It must work when the key does not, "
            "so SNS encrypts its disks with AWS's own keys.",
        )
        for contact in (*configuration.contacts, *configuration.escalation_contacts):
            self.path_topic.add_subscription(_subscription(contact))
        acknowledge(
            self,
            "Serverless-SNSRedrivePolicy",
            because="SNS retries an e-mail for six hours and a webhook for an hour; then an alarm starts. The ledger "
            "keeps every notification, while a queue of undelivered e-mails would have no other reader.",
        )

    def _topic(self, construct_id: str, key: ContentKey | None = None) -> sns.Topic:
        topic = sns.Topic(self, construct_id, display_name="GP Connect Messaging", master_key=key, enforce_ssl=True)
        # A topic policy, here for TLS, replaces the default one that lets alarms publish; and SNS's own key cannot be
        # opened to CloudWatch. Without these two grants alarms stay silent.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        return topic

    def grant_publish(self, function: MessagingFunction) -> None:
        """Let a function publish notifications."""
        function.allow("sns:Publish", on=[self.topic.topic_arn])
        self._key.grant_via("sns", function, "kms:Decrypt", "kms:GenerateDataKey")


Filter = dict[str, sns.SubscriptionFilter]


def filters_by_contact(configuration: Configuration) -> dict[str, Filter]:
    """Return the contacts' filter policies; together they cover every notification.

    The environment's contacts take what no other contact takes, and messages without attributes: alarms.
    """
    filters: dict[str, Filter] = {}
    first: list[str] = []
    escalated: list[str] = []
    for organisation in configuration.organisations:
        own = [f"{mailbox}/{FIRST}" for mailbox in organisation.mailboxes]
        filters |= {contact: {"route": _only(own)} for contact in organisation.contacts}
        first += own
        if organisation.escalation_contacts:
            own = [f"{mailbox}/{ESCALATION}" for mailbox in organisation.mailboxes]
            filters |= {contact: {"route": _only(own)} for contact in organisation.escalation_contacts}
            escalated += own
    if configuration.escalation_contacts:
        rest = {"telling": _only([ESCALATION]), **_all_but("route", escalated)}
        filters |= dict.fromkeys(configuration.escalation_contacts, rest)
        others = {**_all_but("telling", [ESCALATION]), **_all_but("route", first)}
    else:
        others = _all_but("route", [*first, *escalated])
    return filters | dict.fromkeys(configuration.contacts, others)


def _only(values: list[str]) -> sns.SubscriptionFilter:
    return sns.SubscriptionFilter.string_filter(allowlist=values)


def _all_but(attribute: str, values: list[str]) -> Filter:
    """Match a message with another value of an attribute, or without the attribute."""
    return {attribute: sns.SubscriptionFilter([{"anything-but": values}, {"exists": False}])} if values else {}


def _subscription(contact: str, filter_policy: Filter | None = None) -> sns.ITopicSubscription:
    kind = subscriptions.UrlSubscription if contact.startswith("https://") else subscriptions.EmailSubscription
    return kind(contact, filter_policy=filter_policy or None)

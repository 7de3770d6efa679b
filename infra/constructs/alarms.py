"""Alarms: each tells a person of something that only a person can put right, and what to look at first."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from infra.constructs.functions import METRICS_NAMESPACE, MessagingFunction
from infra.constructs.notices import Notices
from infra.constructs.queues import WorkQueue

UNTOLD = Duration.minutes(10)
"""How long a notice may wait to be told: the sweep tries every minute."""


class Alarms(Construct):
    """Alarms that publish to the notices topic when they start and when they end."""

    def __init__(self, scope: Construct, construct_id: str, *, notices: Notices) -> None:
        super().__init__(scope, construct_id)
        self._notices = notices
        self._action = actions.SnsAction(notices.topic)

    def watch_notices(self) -> None:
        """Tell a person, past the notices topic, that notices do not reach anybody."""
        path = actions.SnsAction(self._notices.path_topic)
        self._alarm(
            "NoticesFailed",
            self._notices.topic.metric_number_of_notifications_failed(period=Duration.minutes(5), statistic="Sum"),
            threshold=0,
            what_to_do="SNS could not deliver a notice to a contact: a webhook does not answer, or an address refuses. "
            "Read the open notices in the ledger, acknowledge them, and mend the contact.",
            action=path,
        )
        self._alarm(
            "NoticesUntold",
            _measured("OldestUntoldNotice", by="poller", every=Duration.minutes(5), statistic="Maximum"),
            threshold=UNTOLD.to_seconds(),
            what_to_do=f"A notice has waited longer than {UNTOLD.to_minutes():g} minutes to be told. Find in the "
            "poller's log why it cannot publish (the topic, its key, its role), and read the open notices meanwhile.",
            action=path,
        )

    def watch_queue(self, name: str, work: WorkQueue, *, oldest: Duration) -> cloudwatch.Alarm:
        """Tell a person of any dead letter (the alarm that is given), and of work that waits longer than `oldest`."""
        dead_letters = self._alarm(
            f"{name}DeadLetters",
            work.dead_letters.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(1), statistic="Maximum"
            ),
            threshold=0,
            what_to_do=f"Work of {name.lower()} failed repeatedly and waits in the dead-letter queue until it expires. "
            "Find the cause in the function's log, mend it, then redrive the queue.",
        )
        self._alarm(
            f"{name}Age",
            work.queue.metric_approximate_age_of_oldest_message(period=Duration.minutes(1), statistic="Maximum"),
            threshold=oldest.to_seconds(),
            what_to_do=f"Work of {name.lower()} has waited longer than {oldest.to_minutes():g} minutes; reports are "
            "due within three hours. Look for throttling, for errors of the function, and for an outage of MESH.",
        )
        return dead_letters

    def watch_function(self, name: str, function: MessagingFunction) -> cloudwatch.Alarm:
        """Tell a person of any failed run."""
        return self._alarm(
            f"{name}Errors",
            function.function.metric_errors(period=Duration.minutes(5), statistic="Sum"),
            threshold=0,
            what_to_do=f"The {name.lower()} failed or ran out of time. Nothing is lost yet: find the cause in its log "
            "before its work reaches the dead-letter queue.",
        )

    def watch_credentials(self, mailbox: str) -> None:
        """Tell a person 60, 30 and 7 days before a mailbox's client certificate ends."""
        metric = _measured(
            "CertificateDaysLeft", by="poller", mailbox=mailbox, every=Duration.hours(1), statistic="Minimum"
        )
        for days in (60, 30, 7):
            self._alarm(
                f"Certificate{days}Days{mailbox}",
                metric,
                threshold=days,
                comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                what_to_do=f"The MESH client certificate of mailbox {mailbox} ends in less than {days} days. Ask for a "
                "new one, and put it and its key into the mailbox's secret: it is used within five minutes.",
            )

    def watch_refused_credentials(self) -> None:
        """Tell a person that MESH refused a mailbox's credentials, after the secret was read afresh."""
        self._alarm(
            "NotAuthorised",
            _measured("NotAuthorised", by="sender", every=Duration.minutes(5), statistic="Sum"),
            threshold=0,
            what_to_do="MESH does not accept a mailbox's credentials. Compare its secret, its certificate and the "
            "shared key with what MESH has; the sender's log names the message, and the ledger its mailbox.",
        )

    def watch_refused_application(self) -> None:
        """Tell a person that PDS does not accept the application, after its secret was read afresh."""
        self._alarm(
            "PdsNotAuthorised",
            _measured("PdsNotAuthorised", by="builder", every=Duration.minutes(5), statistic="Sum"),
            threshold=0,
            what_to_do="PDS does not accept the application, so requests of the mailboxes that ask it stay held. "
            "The builder's log says what to correct: the secret, the registered key, or a clock.",
        )

    def watch_balance(self) -> None:
        """Tell a person that a day's requests are not all accounted for."""
        self._alarm(
            "Imbalance",
            _measured("Imbalance", by="poller", every=Duration.hours(1), statistic="Maximum"),
            threshold=0,
            what_to_do="Requests that were received on a day are not all accounted for. Read the day's balance in the "
            "evidence bucket, under balances/: it lists each of them, and the notice says what to do.",
        )

    def _alarm(
        self,
        construct_id: str,
        metric: cloudwatch.IMetric,
        *,
        threshold: float,
        what_to_do: str,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        action: cloudwatch.IAlarmAction | None = None,
    ) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=1,
            # No data means an empty queue or an idle function.
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=what_to_do,
        )
        alarm.add_alarm_action(action or self._action)
        alarm.add_ok_action(action or self._action)
        return alarm


def _measured(name: str, *, by: str, every: Duration, statistic: str, **dimensions: str) -> cloudwatch.Metric:
    """Name a metric that a function of ours gives."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": by, **dimensions},
        period=every,
        statistic=statistic,
    )

"""Alarms: each tells a person of something that only a person can put right, and what to do first.

Where an alarm is about messages, it is about many at once: each single message that fails has a notification of its own,
which goes to its organisation. An alarm's description ends in the link to its section of the runbook.
"""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.configuration import AlarmThresholds, Configuration
from infra.constructs.functions import MessagingFunction
from infra.constructs.metrics import measured
from infra.constructs.notifications import Notifications
from infra.constructs.queues import WorkQueue

UNTOLD = Duration.minutes(10)
"""How long a notification may wait to be told: the sweep tries every minute."""

PROMISE = Duration.hours(3)
"""Within which a report must be sent (GPCM-SD-CS-075)."""

MANY_DEAD_LETTERS = (10, 100)
"""Counts at which a person is told again: an alarm that rings already says nothing of the hundredth dead letter."""

_FIVE_MINUTES = Duration.minutes(5)
_HOUR = Duration.hours(1)
_AT_ONCE = 1
_LASTING = 3
"""Periods that something must last which mends itself when it is short: a burst, or a service's bad minute."""


class Alarms(Construct):
    """Alarms that publish to the notifications topic when they start and when they end."""

    def __init__(
        self, scope: Construct, construct_id: str, *, notifications: Notifications, configuration: Configuration
    ) -> None:
        super().__init__(scope, construct_id)
        self._notifications = notifications
        self._thresholds: AlarmThresholds = configuration.alarms
        self._timings = configuration.timings
        self._of_due_work = Duration.minutes(max(5, 2 * self._timings.due_work_minutes))
        """Within so long, each metric of the due work is given at least once: no data is bad news."""
        self._action = actions.SnsAction(notifications.topic)
        self.of_the_environment: list[cloudwatch.Alarm] = []
        """Every alarm that is about no single mailbox, in the order in which they were asked for."""

    def watch_notifications(self) -> None:
        """Tell a person, past the notifications topic, that notifications do not reach anybody."""
        path = actions.SnsAction(self._notifications.path_topic)
        self._alarm(
            "NoticesFailed",
            "Notices failed",
            self._notifications.topic.metric_number_of_notifications_failed(period=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="SNS could not deliver a notification to a contact: a webhook does not answer, or an address refuses. "
            "Read the open notifications in the ledger, acknowledge them, and mend the contact.",
            action=path,
        )
        self._alarm(
            "NoticesUntold",
            "Notices untold",
            measured("OldestUntoldNotice", by="poller", every=self._of_due_work, statistic="Maximum"),
            threshold=UNTOLD.to_seconds(),
            silence_alarms=True,
            what_to_do=f"A notification has waited longer than {UNTOLD.to_minutes():g} minutes to be told. Find in the "
            "poller's log why it cannot publish (the topic, its key, its role), and read the open notifications meanwhile.",
            action=path,
        )

    def watch_queue(self, name: str, work: WorkQueue, *, oldest: Duration) -> cloudwatch.Alarm:
        """Tell a person of any dead letter (the alarm that is given), and of work that waits longer than `oldest`.

        Dead letters ring again as they become more, and as the oldest is left.
        """
        dead_letters = self._alarm(
            f"{name}DeadLetters",
            f"{name} dead letters",
            visible(work.dead_letters, Duration.minutes(1)),
            # Five tries failed. None is normal, and each is a report that goes nowhere by itself.
            threshold=0,
            what_to_do=f"Work of {name.lower()} failed repeatedly and waits in the dead-letter queue until it expires. "
            "Find the cause in the function's log, mend it, then redrive the queue.",
        )
        for many in MANY_DEAD_LETTERS:
            self._alarm(
                f"{name}DeadLetters{many}",
                f"{name} dead letters",
                visible(work.dead_letters, Duration.minutes(1)),
                threshold=many - 1,
                what_to_do=f"{many} or more dead letters of {name.lower()} wait: what fails goes on failing. Find the "
                "one cause that they share before more reports go nowhere, then redrive the queue.",
            )
        self._alarm(
            f"{name}DeadLettersGrowing",
            f"{name} dead letters",
            cloudwatch.MathExpression(
                expression="DIFF(waiting)",
                using_metrics={"waiting": visible(work.dead_letters, _HOUR)},
                period=_HOUR,
                label="dead letters more than an hour ago",
            ),
            threshold=0,
            what_to_do=f"Dead letters of {name.lower()} have become more within an hour, on top of those that were "
            "there. The cause still acts, or there is a second one: look at the newest in the function's log.",
        )
        left = Duration.hours(self._thresholds.dead_letter_age_hours)
        self._alarm(
            f"{name}DeadLetterAge",
            f"{name} dead letters",
            age(work.dead_letters, _FIVE_MINUTES),
            threshold=left.to_seconds(),
            what_to_do=f"A dead letter of {name.lower()} has waited longer than {left.to_hours():g} hours. SQS deletes "
            "it for ever when its retention is over: mend the cause and redrive it, or send its report another way.",
        )
        self.watch_age(name, work, oldest=oldest)
        return dead_letters

    def watch_age(self, name: str, work: WorkQueue, *, oldest: Duration, sender: str = "") -> None:
        """Tell a person of work that waits longer than `oldest`; `sender` has the queue for its own."""
        waiting = f"{name.lower()} of sender {sender}" if sender else name.lower()
        self._alarm(
            f"{name}Age{sender}",
            f"{name} age",
            age(work.queue, Duration.minutes(1)),
            # Well inside the three hours, of which the hold may have taken all but a quarter of an hour.
            threshold=oldest.to_seconds(),
            what_to_do=f"Work of {waiting} has waited longer than {oldest.to_minutes():g} minutes; reports are "
            "due within three hours. Look for throttling, for errors of the function, and for an outage of MESH.",
        )

    def watch_rule(self, rule: events.CfnRule) -> None:
        """Tell a person that EventBridge does not put what was dropped on the intake queue, or does so late."""
        for metric, what_to_do in (
            ("FailedInvocations", "EventBridge could not put announcements of dropped requests on the intake queue. "
             "Look whether the queue's policy or its key refuses it, then redrive what it put with the dead letters."),
            ("InvocationsFailedToBeSentToDlq", "EventBridge lost announcements of dropped requests: neither the intake "
             "queue nor its dead letters took them. Mend their keys and policies; then find what lies in the drop."),
        ):  # fmt: skip
            self._alarm(metric, "Rule failures", _of_rule(rule, metric), threshold=0, what_to_do=what_to_do)
        self._alarm(
            "ThrottledRules",
            "Rule throttles",
            _of_rule(rule, "ThrottledRules"),
            threshold=0,
            what_to_do="EventBridge holds back announcements of dropped requests, for the account's rate is used up. "
            "It tries again for a day; reports wait meanwhile. Find what uses the rate, and ask AWS for a higher one.",
        )

    def watch_enabled_parts(self) -> None:
        """Tell a person of a part that is switched off; AWS itself has no metric for these."""
        for construct_id, what_to_do in (
            ("RuleEnabled", "The rule that announces dropped requests is disabled or gone, or AWS does not say. What "
             "is dropped meanwhile reaches nobody. Enable the rule, then look in the drop for what was not announced."),
            ("EventSourceMappingsEnabled", "A queue does not feed its function: the mapping is disabled or gone, or "
             "AWS does not say. Requests or messages wait on the queue. `gpcm doctor` names it; enable it."),
            ("KeysEnabled", "A key is disabled or about to be deleted, or AWS does not say. What it encrypts can be "
             "neither read nor written. `gpcm doctor` names it; enable it, or cancel its deletion, at once."),
        ):  # fmt: skip
            alarm = self._alarm(
                construct_id,
                "Switched off",
                measured(construct_id, by="poller", every=self._of_due_work, statistic="Minimum"),
                threshold=1,
                comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                silence_alarms=True,
                what_to_do=what_to_do,
            )
            # The key may be the topic's own.
            alarm.add_alarm_action(actions.SnsAction(self._notifications.path_topic))
            alarm.add_ok_action(actions.SnsAction(self._notifications.path_topic))

    def watch_canary(self) -> None:
        """Tell a person that test requests do not come through any more."""
        oldest = Duration.minutes(3 * self._timings.canary_minutes)
        self._alarm(
            "CanaryAge",
            "Canary age",
            measured("CanaryAge", by="poller", every=self._of_due_work, statistic="Maximum"),
            threshold=oldest.to_seconds(),
            silence_alarms=True,
            what_to_do=f"For {oldest.to_minutes():g} minutes no test request has come through the intake queue, the "
            "builder, the send queue and the sender, so that no report may either. Look where requests wait.",
        )

    def watch_function(self, name: str, function: MessagingFunction) -> cloudwatch.Alarm:
        """Tell a person of any failed run (the alarm that is given), and of runs that are turned away for long."""
        failed = self._alarm(
            f"{name}Errors",
            f"{name} errors",
            function.function.metric_errors(period=_FIVE_MINUTES, statistic="Sum"),
            # A record that fails is no error, for it goes back to the queue alone: an error is a run that broke.
            threshold=0,
            what_to_do=f"The {name.lower()} failed or ran out of time. Nothing is lost yet: find the cause in its log "
            "before its work reaches the dead-letter queue.",
        )
        self._alarm(
            f"{name}Throttles",
            f"{name} throttles",
            function.function.metric_throttles(period=_FIVE_MINUTES, statistic="Sum"),
            # Lambda tries again by itself; a quarter of an hour of it means that there is too little to go round.
            threshold=0,
            lasting=_LASTING,
            what_to_do=f"Lambda has turned runs of the {name.lower()} away for a quarter of an hour. Compare the "
            "account's concurrency with what is in use and what is set aside, then ask AWS for more.",
        )
        return failed

    def watch_messages(self) -> None:
        """Tell a person that messages fail together: what one alone does, its own notification tells."""
        most = self._thresholds
        self._alarm(
            "SentLate",
            "Sent late",
            measured("TimeToSend", by="sender", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=PROMISE.to_seconds(),
            what_to_do="A report reached MESH later than three hours after its request came. Find out what it waited "
            "for, and whether more wait behind it: the practice may have seen the patient without it.",
        )
        self._alarm(
            "Undelivered",
            "Undelivered",
            measured("MessageUndelivered", by="poller", every=_HOUR, statistic="Sum"),
            threshold=most.undelivered_an_hour,
            what_to_do="MESH reports within an hour that many messages did not reach a practice. Look for one cause: "
            "one practice, one reason (EPL code), or a wrong address format. No document of these is with a GP.",
        )
        self._alarm(
            "Overdue",
            "Overdue",
            measured("MessageOverdue", by="poller", every=_HOUR, statistic="Sum"),
            threshold=most.overdue_an_hour,
            what_to_do="Acknowledgements of many messages became overdue within an hour. Look whether one practice or "
            "one supplier's system is silent, and whether our mailboxes are polled; then ask the practices.",
        )
        self._alarm(
            "Rejected",
            "Rejected",
            # Of many ones and zeros the 90th percentile is one as soon as a tenth of them are. CloudWatch takes a
            # percentile seriously from ten values above it on, so from a hundred answers on; fewer change nothing.
            measured("AnsweredNo", by="poller", every=Duration.hours(6), statistic="p90"),
            threshold=0.5,
            ignore_few=True,
            what_to_do="Of the last six hours' answers a tenth or more are rejections. Look for the code they have in "
            "common: the same code from many practices is our mistake, many codes from one practice are theirs.",
        )
        self._alarm(
            "Unmatched",
            "Unmatched",
            measured("Unmatched", by="poller", every=_HOUR, statistic="Sum"),
            threshold=most.unmatched_an_hour,
            what_to_do="Within an hour many things came in that belong to no message of ours. Read one in the evidence "
            "bucket: a receiver's system may not name the message that it answers, or a mailbox is used by another.",
        )
        self._alarm(
            "SetAside",
            "Set aside",
            measured("SetAside", by="poller", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=0,
            what_to_do="Something that came in could not be taken in, five times. It stays in MESH for 30 days at most "
            "and is an answer that does not count. Find the cause in the poller's log, then release it.",
        )

    def watch_schedules(self, mailboxes: tuple[str, ...]) -> None:
        """Tell a person that a schedule's work is not done, whether its runs fail or never start: no data alarms."""
        self._silence(
            "DueWorkSilent",
            "Due work silent",
            "DueWorkDone",
            every=Duration.minutes(self._timings.due_work_minutes),
            # The hold leaves a quarter of an hour of the three hours: a third of it may pass before a person knows.
            lasting=5,
            what_to_do="The sweep does not run or does not end. Held reports are not released, notifications are not told, "
            "overdue answers are not chased. Look at the poller's errors and throttles, then at its schedule.",
        )
        for mailbox in mailboxes:
            self._silence(
                "MailboxSilent",
                "Mailbox silent",
                "MailboxPolled",
                every=Duration.minutes(self._timings.mailbox_poll_minutes),
                # MESH keeps what waits for 5 days; three polls missed are no accident any more.
                lasting=_LASTING,
                mailbox=mailbox,
                what_to_do=f"Mailbox {mailbox} has not been emptied, three polls running: answers wait in MESH, and "
                "failures are not heard of. Look for refused credentials, an ended certificate, or a MESH outage.",
            )

    def watch_credentials(self, mailbox: str) -> None:
        """Tell a person 60, 30 and 7 days before a mailbox's client certificate ends."""
        metric = measured(
            "CertificateDaysLeft", by="poller", mailbox=mailbox, every=Duration.hours(1), statistic="Minimum"
        )
        # NHS England takes days to weeks to issue one: 60 to ask for it, 30 to chase it, 7 to drop everything else.
        for days in (60, 30, 7):
            self._alarm(
                f"Certificate{days}Days",
                "Certificate ends",
                metric,
                mailbox=mailbox,
                threshold=days,
                comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                what_to_do=f"The MESH client certificate of mailbox {mailbox} ends in less than {days} days. Ask for a "
                "new one, and put it and its key into the mailbox's secret: it is used within five minutes.",
            )

    def watch_refused_credentials(self) -> None:
        """Tell a person that MESH refused a mailbox's credentials, after the secret was read afresh."""
        self._alarm(
            "NotAuthorised",
            "Not authorised",
            measured("NotAuthorised", by="sender", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="MESH does not accept a mailbox's credentials. Compare its secret, its certificate and the "
            "shared key with what MESH has; the sender's log names the message, and the ledger its mailbox.",
        )

    def watch_pds(self) -> None:
        """Tell a person that PDS does not accept the application, does not answer, or is asked more than it allows."""
        self._alarm(
            "PdsNotAuthorised",
            "PDS not authorised",
            measured("PdsNotAuthorised", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="PDS does not accept the application, so requests of the mailboxes that ask it stay held. "
            "The builder's log says what to correct: the secret, the registered key, or a clock.",
        )
        # One question unanswered is asked again after two minutes; only for so long is it worth a person's time.
        self._alarm(
            "PdsBudget",
            "PDS budget",
            measured("PdsBusy", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            lasting=_LASTING,
            what_to_do="For a quarter of an hour the rate that PDS allows us has not been enough, and requests stay "
            "held. Compare the requests received with pds.requests_per_second, and ask NHS England for a higher rate.",
        )
        self._alarm(
            "PdsUnanswered",
            "PDS unanswered",
            measured("PdsUnanswered", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            lasting=_LASTING,
            what_to_do="PDS has not answered for a quarter of an hour, so requests of the mailboxes that ask it stay "
            "held. Look at NHS England's service status, then at the builder's log.",
        )

    def watch_drop_listing(self) -> None:
        """Tell a person that nobody looks for what was dropped and not announced, or that there was such a thing."""
        oldest = Duration.seconds(self._timings.drop_settled_seconds).plus(Duration.hours(2))
        self._alarm(
            "DropListingAge",
            "Drop listing late",
            measured("DropListingAge", by="poller", every=self._of_due_work, statistic="Maximum"),
            threshold=oldest.to_seconds(),
            silence_alarms=True,
            what_to_do="The drop is not listed every hour, or the listing does not come to its end: a request that S3 "
            "does not announce would not be found. Look at the schedule of the drop, then at the poller's log.",
        )
        self._alarm(
            "RequestsUnannounced",
            "Requests not announced",
            measured("RequestsUnannounced", by="poller", every=_HOUR, statistic="Sum"),
            threshold=0,
            what_to_do="Dropped requests were found that S3 had not announced; they were taken in an hour or two late. "
            "Look whether the rule, the queue's policy and its key are in order: what comes now may be late, too.",
        )

    def watch_balance(self) -> None:
        """Tell a person that a day's requests are not all accounted for, or that nobody knows in time."""
        self._alarm(
            "BalanceLate",
            "Balance late",
            # The due work always runs: not to be measured is as bad.
            measured("BalanceLate", by="poller", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=0,
            silence_alarms=True,
            what_to_do="The balance of yesterday was not made by 07:00 UTC, so that a lost request would not be found. "
            "Look in the poller's log for its nightly runs (03:00 to 06:55 UTC), then reckon the day by hand.",
        )
        self._alarm(
            "Imbalance",
            "Imbalance",
            measured("Imbalance", by="poller", every=Duration.hours(1), statistic="Maximum"),
            threshold=0,
            what_to_do="Requests that were received on a day are not all accounted for. Read the day's balance in the "
            "evidence bucket, under balances/: it lists each of them, and the notification says what to do.",
        )

    def _silence(
        self,
        construct_id: str,
        section: str,
        metric: str,
        *,
        every: Duration,
        what_to_do: str,
        lasting: int = _AT_ONCE,
        mailbox: str | None = None,
    ) -> None:
        self._alarm(
            construct_id,
            section,
            measured(metric, by="poller", mailbox=mailbox, every=every, statistic="SampleCount"),
            threshold=1,
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            lasting=lasting,
            silence_alarms=True,
            mailbox=mailbox,
            what_to_do=what_to_do,
        )

    def _alarm(
        self,
        construct_id: str,
        section: str,
        metric: cloudwatch.IMetric,
        *,
        threshold: float,
        what_to_do: str,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        lasting: int = _AT_ONCE,
        silence_alarms: bool = False,
        ignore_few: bool = False,
        mailbox: str | None = None,
        action: cloudwatch.IAlarmAction | None = None,
    ) -> cloudwatch.Alarm:
        missing = cloudwatch.TreatMissingData
        alarm = cloudwatch.Alarm(
            self,
            construct_id + (mailbox or ""),
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=lasting,
            # No data means an empty queue, an idle function, or nothing of the kind; except where it is the news.
            treat_missing_data=missing.BREACHING if silence_alarms else missing.NOT_BREACHING,
            evaluate_low_sample_count_percentile="ignore" if ignore_few else None,
            alarm_description=f"{what_to_do} Runbook: {self._thresholds.runbook}#{anchor(section)}",
        )
        alarm.add_alarm_action(action or self._action)
        alarm.add_ok_action(action or self._action)
        if mailbox is None:
            self.of_the_environment.append(alarm)
        return alarm


def anchor(section: str) -> str:
    """Give the anchor of a runbook's section: its heading as GitHub and MkDocs both write it in a link."""
    return section.lower().replace(" ", "-")


def _of_rule(rule: events.CfnRule, metric: str) -> cloudwatch.Metric:
    return cloudwatch.Metric(
        namespace="AWS/Events",
        metric_name=metric,
        dimensions_map={"RuleName": rule.ref},
        period=_FIVE_MINUTES,
        statistic="Sum",
    )


def visible(queue: sqs.IQueue, every: Duration) -> cloudwatch.Metric:
    """How many messages of a queue wait."""
    return queue.metric_approximate_number_of_messages_visible(period=every, statistic="Maximum")


def age(queue: sqs.IQueue, every: Duration) -> cloudwatch.Metric:
    """How long the oldest of a queue's messages has waited, in seconds."""
    return queue.metric_approximate_age_of_oldest_message(period=every, statistic="Maximum")

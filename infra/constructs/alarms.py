"""Alarms: every alarm is for a fault that only a person can correct, and says what to do first.

Alarms about messages are for many failures at once: a single failed message has a notification, which goes to the
organisation. An alarm's description ends in a link to the runbook's section.
"""

import math

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

LONGEST_UNSENT_NOTIFICATION = Duration.minutes(10)
"""How long a notification may wait to be sent: the sweep tries every minute."""

SEND_DEADLINE = Duration.hours(3)
"""A report must be sent within this time (GPCM-SD-CS-075)."""

DEAD_LETTER_COUNTS = (10, 100)
"""Counts with alarms of their own: the first alarm, already on, says nothing of the hundredth dead letter."""

_DUE = "reports are due within three hours"
_FIVE_MINUTES = Duration.minutes(5)
_HOUR = Duration.hours(1)
_AT_ONCE = 1
_LASTING = 3
"""Periods in a row for faults that end by themselves when they are short, such as a burst."""


class Alarms(Construct):
    """Alarms that publish to the notifications topic when they start and when they end."""

    def __init__(
        self, scope: Construct, construct_id: str, *, notifications: Notifications, configuration: Configuration
    ) -> None:
        super().__init__(scope, construct_id)
        self._notifications = notifications
        self._thresholds: AlarmThresholds = configuration.alarms
        self._timings = configuration.timings
        self._due_work_period = Duration.minutes(max(5, 2 * self._timings.due_work_minutes))
        """Two sweeps or more are due in this time."""
        self._action = actions.SnsAction(notifications.topic)
        self.environment_alarms: list[cloudwatch.Alarm] = []
        """Alarms that are about no single mailbox, in order of creation."""

    def watch_notifications(self) -> None:
        """Alarm on undelivered notifications, through the second topic."""
        path = actions.SnsAction(self._notifications.path_topic)
        self._alarm(
            "NoticesFailed",
            "Notifications failed",
            self._notifications.topic.metric_number_of_notifications_failed(period=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="SNS could not deliver a notification to a contact: a webhook or a mail server refused it. Read "
            "the open notifications in the ledger, acknowledge them, and correct the contact.",
            action=path,
        )
        self._alarm(
            "NoticesUntold",
            "Notifications unsent",
            measured("OldestUntoldNotice", by="poller", every=self._due_work_period, statistic="Maximum"),
            threshold=LONGEST_UNSENT_NOTIFICATION.to_seconds(),
            what_to_do=f"A notification has been unsent for {LONGEST_UNSENT_NOTIFICATION.to_minutes():g} minutes. Find "
            "in the poller's log why it cannot publish (topic, key, role). Read the open notifications meanwhile.",
            action=path,
        )

    def watch_queue(self, name: str, work: WorkQueue, *, oldest: Duration) -> cloudwatch.Alarm:
        """Alarm on any dead letter (this alarm is returned), on more and old ones, and on work older than `oldest`."""
        dead_letters = self.watch_dead_letters(name, work)
        for count in DEAD_LETTER_COUNTS:
            self._alarm(
                f"{name}DeadLetters{count}",
                f"{name} dead letters",
                visible(work.dead_letters, Duration.minutes(1)),
                threshold=count - 1,
                what_to_do=f"{count} or more dead letters of {name.lower()} wait, so the fault persists. Find the "
                "common cause before more reports fail, then redrive the queue.",
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
            what_to_do=f"The dead letters of {name.lower()} grew in number within an hour. The cause still acts, or "
            "there is a second one: look up the newest in the function's log.",
        )
        longest_age = Duration.hours(self._thresholds.dead_letter_age_hours)
        self._alarm(
            f"{name}DeadLetterAge",
            f"{name} dead letters",
            age(work.dead_letters, _FIVE_MINUTES),
            threshold=longest_age.to_seconds(),
            what_to_do=f"A dead letter of {name.lower()} is older than {longest_age.to_hours():g} hours. SQS deletes "
            "it for ever when the retention is over: mend the cause and redrive it, or send the report another way.",
        )
        self.watch_age(name, work, oldest=oldest)
        return dead_letters

    def watch_dead_letters(self, name: str, work: WorkQueue) -> cloudwatch.Alarm:
        """Alarm on any dead letter; return the alarm."""
        return self._alarm(
            f"{name}DeadLetters",
            f"{name} dead letters",
            visible(work.dead_letters, Duration.minutes(1)),
            # Every try failed. A dead letter is never normal: the report needs a person.
            threshold=0,
            what_to_do=f"Work of {name.lower()} failed on every try and waits in the dead-letter queue until it "
            "expires. Find the cause in the function's log, mend it, then redrive the queue.",
        )

    def watch_age(self, name: str, work: WorkQueue, *, oldest: Duration, sender: str = "", why: str = _DUE) -> None:
        """Alarm on work older than `oldest`, and say why; `sender` names the owner of a sender's own queue."""
        waiting = f"{name.lower()} of sender {sender}" if sender else name.lower()
        self._alarm(
            f"{name}Age{sender}",
            f"{name} age",
            age(work.queue, Duration.minutes(1)),
            # Well within the three hours, of which the hold may have used all but a quarter of an hour.
            threshold=oldest.to_seconds(),
            what_to_do=f"Work of {waiting} has waited longer than {oldest.to_minutes():g} minutes; {why}. "
            "Look for throttling, errors of the function, and an outage of MESH.",
        )

    def watch_rule(self, rule: events.CfnRule) -> None:
        """Alarm if EventBridge fails to put announcements of dropped requests on the intake queue, or delays them."""
        for metric, what_to_do in (
            ("FailedInvocations", "EventBridge could not put announcements of dropped requests on the intake queue. "
             "Check the policy and the key of the queue. Then redrive the announcements among the dead letters."),
            ("InvocationsFailedToBeSentToDlq", "EventBridge lost announcements of dropped requests: neither the intake "
             "queue nor the dead-letter queue took them. Mend keys and policies; then find the requests in the drop."),
        ):  # fmt: skip
            self._alarm(metric, "Rule failures", _of_rule(rule, metric), threshold=0, what_to_do=what_to_do)
        self._alarm(
            "ThrottledRules",
            "Rule throttles",
            _of_rule(rule, "ThrottledRules"),
            threshold=0,
            what_to_do="EventBridge delays announcements of dropped requests: the account's rate is used up. It "
            "retries for a day; reports wait meanwhile. Find what uses the rate, and ask AWS for a higher one.",
        )

    def watch_enabled_parts(self) -> None:
        """Alarm on rules, event source mappings and keys that are switched off; AWS has no metric for these."""
        for construct_id, what_to_do in (
            ("RuleEnabled", "The rule that announces dropped requests is disabled or deleted. "
             "Dropped requests are not built meanwhile. Enable the rule, then look in the drop for unannounced ones."),
            ("EventSourceMappingsEnabled", "A queue does not feed the function: the mapping is disabled or deleted. "
             "Requests or messages wait on the queue. `gpcm doctor` names it; enable it."),
            ("KeysEnabled", "The key is disabled or about to be deleted. Data under the key cannot be read or written. "
             "`gpcm doctor` names it; enable it, or cancel the deletion, at once."),
        ):  # fmt: skip
            alarm = self._alarm(
                construct_id,
                "Switched off",
                measured(construct_id, by="poller", every=self._due_work_period, statistic="Minimum"),
                threshold=1,
                comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                what_to_do=what_to_do,
            )
            self._also_by_path(alarm)

    def watch_canary(self) -> None:
        """Alarm if canaries stop coming through."""
        oldest = Duration.minutes(3 * self._timings.canary_minutes)
        self._alarm(
            "CanaryAge",
            "Canary age",
            measured("CanaryAge", by="poller", every=self._due_work_period, statistic="Maximum"),
            threshold=oldest.to_seconds(),
            what_to_do=f"For {oldest.to_minutes():g} minutes no canary has come through the intake queue, the builder, "
            "the send queue and the sender. Reports may be stuck too. Find where requests wait.",
        )

    def watch_function(self, name: str, function: MessagingFunction) -> cloudwatch.Alarm:
        """Alarm on any failed run (the alarm returned), and on lasting throttling."""
        failed = self._alarm(
            f"{name}Errors",
            f"{name} errors",
            function.function.metric_errors(period=_FIVE_MINUTES, statistic="Sum"),
            # A failed record is no error: it alone goes back to the queue. An error is a run that broke.
            threshold=0,
            what_to_do=f"The {name.lower()} failed or ran out of time. Nothing is lost yet: find the cause in the log "
            "before the work reaches the dead-letter queue.",
        )
        self._alarm(
            f"{name}Throttles",
            f"{name} throttles",
            function.function.metric_throttles(period=_FIVE_MINUTES, statistic="Sum"),
            # Lambda retries by itself; throttling for a quarter of an hour means too little concurrency.
            threshold=0,
            lasting=_LASTING,
            what_to_do=f"Lambda has throttled the {name.lower()} for a quarter of an hour. Compare the account's "
            "concurrency with the reserved and the used concurrency, then ask AWS for more.",
        )
        return failed

    def watch_messages(self) -> None:
        """Alarm if many messages fail together; a single failure has a notification."""
        thresholds = self._thresholds
        self._alarm(
            "SentLate",
            "Sent late",
            measured("TimeToSend", by="sender", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=SEND_DEADLINE.to_seconds(),
            what_to_do="A report reached MESH later than three hours after the request came. Find out why it waited, "
            "and whether more wait behind it: the practice may have seen the patient without the report.",
        )
        self._alarm(
            "Undelivered",
            "Undelivered",
            measured("MessageUndelivered", by="poller", every=_HOUR, statistic="Sum"),
            threshold=thresholds.undelivered_an_hour,
            what_to_do="MESH reports within an hour that many messages did not reach a practice. Look for a common "
            "cause: one practice, one reason (EPL code), or a wrong address format. No GP has these documents.",
        )
        self._alarm(
            "Overdue",
            "Overdue",
            measured("MessageOverdue", by="poller", every=_HOUR, statistic="Sum"),
            threshold=thresholds.overdue_an_hour,
            what_to_do="Acknowledgements of many messages became overdue within an hour. Check whether one practice or "
            "one supplier's system is silent, and whether the mailboxes are polled; then ask the practices.",
        )
        self._alarm(
            "Rejected",
            "Rejected",
            # The p90 of ones and zeros is one as soon as a tenth are ones. CloudWatch needs ten values above a
            # percentile, so a hundred responses; fewer change nothing.
            measured("AnsweredNo", by="poller", every=Duration.hours(6), statistic="p90"),
            threshold=0.5,
            ignore_few=True,
            what_to_do="A tenth or more of the last six hours' responses are rejections. Look for their common code: "
            "the same code from many practices is our mistake, many codes from one practice are the practice's.",
        )
        self._alarm(
            "Unmatched",
            "Unmatched",
            measured("Unmatched", by="poller", every=_HOUR, statistic="Sum"),
            threshold=thresholds.unmatched_an_hour,
            what_to_do="Within an hour many responses came in that match no message. Read one in the evidence bucket: "
            "a receiver's system may not name the message, or another system uses the mailbox.",
        )
        self._alarm(
            "Quarantined",
            "Quarantined",
            measured("Quarantined", by="poller", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=0,
            what_to_do="The poller failed on a received message five times and quarantined it. It stays in MESH for at "
            "most 30 days, and the response does not count. Find the cause in the poller's log, then retry it: "
            "gpcm mailbox retry.",
        )

    def watch_schedules(self, mailboxes: tuple[str, ...]) -> None:
        """Alarm if a schedule's work is not done, whether runs fail or never start."""
        sweeps = self._timings.due_work_minutes
        alarm = self._silence(
            "DueWorkSilent",
            "Due work silent",
            "DueWorkDone",
            every=Duration.minutes(sweeps),
            # The hold leaves a quarter of an hour of the three hours: the alarm may take a third of it.
            lasting=math.ceil(self._due_work_period.to_minutes() / sweeps),
            what_to_do="The sweep does not start, does not end, or cannot measure what the other alarms need. Held "
            "reports may not be released, notifications not sent, overdue responses not noticed. Check the poller's "
            "log, errors and throttles, then the schedule.",
        )
        self._also_by_path(alarm)
        for mailbox in mailboxes:
            self._silence(
                "MailboxSilent",
                "Mailbox silent",
                "MailboxPolled",
                every=Duration.minutes(self._timings.mailbox_poll_minutes),
                # MESH keeps messages for 5 days; three missed polls are no accident.
                lasting=_LASTING,
                mailbox=mailbox,
                what_to_do=f"Three polls of mailbox {mailbox} have failed in a row: responses wait in MESH, and "
                "failures stay unknown. Look for refused credentials, an expired certificate, or a MESH outage.",
            )

    def watch_credentials(self, mailbox: str) -> None:
        """Alarm 60, 30 and 7 days before a mailbox's client certificate expires."""
        metric = measured(
            "CertificateDaysLeft", by="poller", mailbox=mailbox, every=Duration.hours(1), statistic="Minimum"
        )
        # NHS England takes days to weeks to issue a certificate: 60 days to ask, 30 to chase, 7 for emergencies.
        for days in (60, 30, 7):
            self._alarm(
                f"Certificate{days}Days",
                "Certificate ends",
                metric,
                mailbox=mailbox,
                threshold=days,
                comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
                what_to_do=f"The MESH client certificate of mailbox {mailbox} expires in less than {days} days. Ask "
                "for a new one, and put it and the key into the mailbox's secret: it is used within five minutes.",
            )

    def watch_refused_credentials(self) -> None:
        """Alarm if MESH refuses a mailbox's credentials even after the sender read the secret again."""
        self._alarm(
            "NotAuthorised",
            "Not authorised",
            measured("NotAuthorised", by="sender", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="MESH refuses a mailbox's credentials. Compare the secret, the certificate and the shared key "
            "with MESH's; the sender's log names the message, and the ledger the mailbox.",
        )

    def watch_pds(self) -> None:
        """Alarm if PDS refuses the application, does not respond, or allows too few requests."""
        self._alarm(
            "PdsNotAuthorised",
            "PDS not authorised",
            measured("PdsNotAuthorised", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            what_to_do="PDS refuses the application, so requests of mailboxes with `pds_lookup` stay held. The "
            "builder's log says what to correct: the secret, the registered key, or a clock.",
        )
        # The builder asks again after two minutes; only a lasting failure needs a person.
        self._alarm(
            "PdsBudget",
            "PDS budget",
            measured("PdsBusy", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            lasting=_LASTING,
            what_to_do="For a quarter of an hour the rate that PDS grants has not been enough, and requests stay held. "
            "Compare the requests received with pds.requests_per_second, and ask NHS England for a higher rate.",
        )
        self._alarm(
            "PdsUnanswered",
            "PDS unanswered",
            measured("PdsUnanswered", by="builder", every=_FIVE_MINUTES, statistic="Sum"),
            threshold=0,
            lasting=_LASTING,
            what_to_do="PDS has not responded for a quarter of an hour, so requests of mailboxes with `pds_lookup` "
            "stay held. Check NHS England's service status, then the builder's log.",
        )

    def watch_drop_listing(self) -> None:
        """Alarm if the listing of the drop is late, or finds requests that S3 did not announce."""
        oldest = Duration.seconds(self._timings.drop_settled_seconds).plus(Duration.hours(2))
        self._alarm(
            "DropListingAge",
            "Drop listing late",
            measured("DropListingAge", by="poller", every=self._due_work_period, statistic="Maximum"),
            threshold=oldest.to_seconds(),
            what_to_do="The hourly listing of the drop, or the daily one of all versions, does not start, or does not "
            "end: a request that S3 does not announce would not be found. Check the schedule of the drop, then the "
            "poller's log.",
        )
        self._alarm(
            "RequestsUnannounced",
            "Requests not announced",
            measured("RequestsUnannounced", by="poller", every=_HOUR, statistic="Sum"),
            threshold=0,
            what_to_do="The listing of the drop found requests that S3 had not announced, and submitted them an hour "
            "or two late. Check the rule, and the policy and key of the queue: new requests may be late, too.",
        )

    def watch_balance(self) -> None:
        """Alarm if a day's requests are not all accounted for, or the balance is late."""
        self._alarm(
            "BalanceLate",
            "Balance late",
            measured("BalanceLate", by="poller", every=_FIVE_MINUTES, statistic="Maximum"),
            threshold=0,
            what_to_do="Yesterday's balance was not made by 07:00 UTC, so a lost request would not be found. Look in "
            "the poller's log for the nightly runs (03:00 to 06:55 UTC), then run the balance by hand.",
        )
        self._alarm(
            "Imbalance",
            "Imbalance",
            measured("Imbalance", by="poller", every=Duration.hours(1), statistic="Maximum"),
            threshold=0,
            what_to_do="Requests of a day are not all accounted for. Read the day's balance in the evidence bucket, "
            "under balances/: it lists them, and the notification says what to do.",
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
    ) -> cloudwatch.Alarm:
        return self._alarm(
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

    def _also_by_path(self, alarm: cloudwatch.Alarm) -> None:
        """Tell of an alarm by the second topic as well: the first one, or the key, may be what is wrong."""
        path = actions.SnsAction(self._notifications.path_topic)
        alarm.add_alarm_action(path)
        alarm.add_ok_action(path)

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
            # Missing data usually means that there is no bad news; for the signs of life it is the fault itself.
            treat_missing_data=missing.BREACHING if silence_alarms else missing.NOT_BREACHING,
            evaluate_low_sample_count_percentile="ignore" if ignore_few else None,
            alarm_description=f"{what_to_do} Runbook: {self._thresholds.runbook}#{anchor(section)}",
        )
        alarm.add_alarm_action(action or self._action)
        alarm.add_ok_action(action or self._action)
        if mailbox is None:
            self.environment_alarms.append(alarm)
        return alarm


def anchor(section: str) -> str:
    """Return the anchor of a runbook's section: the heading as GitHub and MkDocs link to it."""
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
    """Return the metric of a queue's waiting messages (a count)."""
    return queue.metric_approximate_number_of_messages_visible(period=every, statistic="Maximum")


def age(queue: sqs.IQueue, every: Duration) -> cloudwatch.Metric:
    """Return the metric of the age of a queue's oldest message, in seconds."""
    return queue.metric_approximate_age_of_oldest_message(period=every, statistic="Maximum")

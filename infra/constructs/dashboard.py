"""The dashboard: reports above, queues, functions and services below.

Graphs by mailbox search for metrics, so a new mailbox appears by itself.
"""

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.configuration import Configuration
from infra.constructs.alarms import SEND_DEADLINE, Alarms, age, visible
from infra.constructs.functions import METRICS_NAMESPACE, MessagingFunction
from infra.constructs.metrics import measured
from infra.constructs.notifications import Notifications
from infra.constructs.queues import WorkQueue

STATUSES: Mapping[str, Sequence[str]] = {
    "builder": ("Invalid", "NotRequired", "Held", "Releasing", "Released", "Superseded", "Withdrawn", "TellPractice",
                "Built"),
    "sender": ("Sent", "Uncertain", "Refused"),
    "poller": ("Acknowledged", "Delivered", "Rejected", "Undelivered", "Overdue"),
}  # fmt: skip
"""Statuses in the graphs, by the function that records them."""

_WHOLE, _HALF, _THIRD = 24, 12, 8
_PERIOD = Duration.minutes(5)
_HOUR = Duration.hours(1)


class Dashboard(Construct):
    """An environment's dashboard."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        functions: Mapping[str, MessagingFunction],
        queues: Mapping[str, WorkQueue],
        table: dynamodb.ITable,
        notifications: Notifications,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        self._runbook = configuration.alarms.runbook
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"gpconnect-messaging-{configuration.name}",
            default_interval=Duration.days(1),
            widgets=[
                *self._business(alarms),
                [_text("# System")],
                *_queues(queues),
                *_functions(functions),
                _mesh(),
                _table(table),
                _notifications(notifications),
            ],
        )

    def _business(self, alarms: Alarms) -> list[list[cloudwatch.IWidget]]:
        return [
            [_text(f"# Reports\nThe runbook says what to do about an alarm: {self._runbook}")],
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.environment_alarms, width=_WHOLE, height=4)],
            [
                cloudwatch.SingleValueWidget(
                    title="The last day",
                    metrics=[
                        measured(f"Message{status}", by=by, every=Duration.days(1), statistic="Sum", label=status)
                        for by, status in (
                            ("builder", "Built"),
                            ("sender", "Sent"),
                            ("poller", "Delivered"),
                            ("poller", "Overdue"),
                            ("poller", "Undelivered"),
                            ("poller", "Rejected"),
                            ("builder", "Invalid"),
                        )
                    ],
                    width=_WHOLE,
                    height=3,
                )
            ],
            [
                _graph(
                    f"Messages by status, recorded by the {by}",
                    [measured(f"Message{name}", by=by, every=_PERIOD, statistic="Sum", label=name) for name in names],
                    width=_THIRD,
                    stacked=True,
                )
                for by, names in STATUSES.items()
            ],
            [
                _graph(
                    "Time from a request's arrival to MESH, the hold included",
                    _times("TimeToSend", by="sender"),
                    unit="seconds",
                    limit=(SEND_DEADLINE.to_seconds(), "due"),
                ),
                _graph(
                    "Time from MESH to the last acknowledgement",
                    _times("TimeToAcknowledge", by="poller"),
                    unit="seconds",
                ),
            ],
            [
                _by_mailbox("Sent, by mailbox", "MessageSent", "sender", "Sum"),
                _by_mailbox("Delivered, by mailbox", "MessageDelivered", "poller", "Sum"),
                _by_mailbox("Overdue, by mailbox", "MessageOverdue", "poller", "Sum"),
            ],
            [
                _by_mailbox("Time to send, by mailbox: 99th percentile", "TimeToSend", "sender", "p99"),
                _by_mailbox("Days left of certificates", "CertificateDaysLeft", "poller", "Minimum"),
                _graph(
                    "The daily balance: requests not accounted for",
                    [measured("Imbalance", by="poller", every=Duration.days(1), statistic="Maximum")],
                    width=_THIRD,
                ),
            ],
        ]


def _queues(queues: Mapping[str, WorkQueue]) -> list[list[cloudwatch.IWidget]]:
    return [
        [
            _graph("Waiting", [_named(visible(work.queue, _PERIOD), name) for name, work in queues.items()], _THIRD),
            _graph(
                "Age of the oldest",
                [_named(age(work.queue, _PERIOD), name) for name, work in queues.items()],
                _THIRD,
                unit="seconds",
            ),
            _graph(
                "Dead letters",
                [
                    _named(visible(work.dead_letters, _PERIOD), name)
                    for name, work in queues.items()
                    if not work.shares_dead_letters
                ],
                _THIRD,
            ),
        ]
    ]


def _functions(functions: Mapping[str, MessagingFunction]) -> list[list[cloudwatch.IWidget]]:
    own = {name: function.function for name, function in functions.items()}

    def every(metric: str, statistic: str) -> list[cloudwatch.IMetric]:
        return [
            function.metric(metric, statistic=statistic, period=_PERIOD, label=f"{name} {statistic}")
            for name, function in own.items()
        ]

    return [
        [
            _graph("Runs", every("Invocations", "Sum"), _THIRD),
            _graph("Failed runs", every("Errors", "Sum"), _THIRD),
            _graph("Throttled runs", every("Throttles", "Sum"), _THIRD),
        ],
        [
            _graph("Duration", [*every("Duration", "p50"), *every("Duration", "p99")], unit="milliseconds"),
            _graph("Concurrent runs", every("ConcurrentExecutions", "Maximum")),
        ],
    ]


def _mesh() -> list[cloudwatch.IWidget]:
    uploads = ("UploadPostponed", "UploadUncertain", "UploadRefused", "RecipientUnresolved", "NotAuthorised")
    incoming = ("Matched", "Unmatched", "Quarantined")
    pds = ("PdsBusy", "PdsUnanswered", "PdsNotAuthorised")
    return [
        _graph("Failed uploads", [_sum(name, "sender") for name in uploads], _THIRD),
        _graph("Received messages", [_sum(name, "poller") for name in incoming], _THIRD),
        _graph("Failed PDS requests", [_sum(name, "builder") for name in pds], _THIRD),
    ]


def _table(table: dynamodb.ITable) -> list[cloudwatch.IWidget]:
    def of(metric: str) -> cloudwatch.IMetric:
        return table.metric(metric, statistic="Sum", period=_PERIOD)

    return [
        _graph("Ledger: units used", [of("ConsumedWriteCapacityUnits"), of("ConsumedReadCapacityUnits")]),
        _graph("Ledger: throttled requests", [of("WriteThrottleEvents"), of("ReadThrottleEvents")]),
    ]


def _notifications(notifications: Notifications) -> list[cloudwatch.IWidget]:
    topic = notifications.topic
    return [
        _graph(
            "Notifications",
            [
                topic.metric_number_of_messages_published(period=_PERIOD, statistic="Sum", label="published"),
                topic.metric_number_of_notifications_failed(period=_PERIOD, statistic="Sum", label="not delivered"),
            ],
        ),
        _graph(
            "Age of the oldest unsent notification",
            [measured("OldestUntoldNotice", by="poller", every=_PERIOD, statistic="Maximum")],
            unit="seconds",
        ),
    ]


def _times(name: str, *, by: str) -> list[cloudwatch.IMetric]:
    return [measured(name, by=by, every=_HOUR, statistic=p, label=p) for p in ("p50", "p99")]


def _sum(name: str, by: str) -> cloudwatch.Metric:
    return measured(name, by=by, every=_PERIOD, statistic="Sum", label=name)


def _named(metric: cloudwatch.Metric, label: str) -> cloudwatch.IMetric:
    return metric.with_(label=label)


def _text(markdown: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=markdown, width=_WHOLE, height=2)


def _graph(
    title: str,
    metrics: Sequence[cloudwatch.IMetric],
    width: int = _HALF,
    *,
    unit: str = "",
    stacked: bool = False,
    limit: tuple[float, str] | None = None,
) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(metrics),
        left_y_axis=cloudwatch.YAxisProps(min=0, label=unit or None, show_units=False),
        left_annotations=[cloudwatch.HorizontalAnnotation(value=limit[0], label=limit[1])] if limit else None,
        stacked=stacked,
        width=width,
        height=6,
    )


def _by_mailbox(title: str, metric: str, by: str, statistic: str) -> cloudwatch.IWidget:
    dimensions = f"{{{METRICS_NAMESPACE},service,mailbox}}"
    search = f"SEARCH('{dimensions} MetricName=\"{metric}\" service=\"{by}\"', '{statistic}', {_HOUR.to_seconds():g})"
    return cloudwatch.GraphWidget(
        title=title,
        left=[cloudwatch.MathExpression(expression=search, using_metrics={}, label="", period=_HOUR)],
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        width=_THIRD,
        height=6,
    )

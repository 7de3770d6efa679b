"""Poller: on a schedule, polls a mailbox, makes the sweep, lists the drop, or makes the daily balance."""

import warnings
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from gpconnect_messaging import wiring
from gpconnect_messaging.enabled import PartKind
from gpconnect_messaging.metrics import measured
from gpconnect_messaging.safe_errors import StepFailedError, describe
from gpconnect_messaging.settings import PollerSettings
from gpconnect_messaging.steps.reconcile import Unfinished

_RESERVE_MILLISECONDS = 10_000
"""Enough to finish one message before the function is stopped."""

_ENABLED = {
    PartKind.RULE: "RuleEnabled",
    PartKind.EVENT_SOURCE_MAPPING: "EventSourceMappingsEnabled",
    PartKind.KEY: "KeysEnabled",
}
"""The metrics of the kinds of parts."""

_OLDER_METRICS = {"notifications_told": "NoticesTold", "notifications_escalated": "NoticesEscalated"}
"""Metrics whose names are older than the counts' names."""
_EVENT_NAMES = {
    "mailbox": "inbox.polled",
    "due": "work.swept",
    "drop": "drop.listed",
    "reconcile": "balance.continued",
    "acknowledge": "notification.acknowledged",
}
"""The log events of the tasks."""

# Most runs of the night do a part of the balance, or nothing: they measure nothing.
warnings.filterwarnings("ignore", message="No application metrics to publish")
logger = Logger()
metrics = Metrics()
settings = PollerSettings.from_environment()
poll, sweep = wiring.poller(settings)
escalation = wiring.escalation(settings)
canaries = wiring.start_canaries(settings)
deadline = wiring.balance_deadline(settings)
drop_passes = wiring.drop_passes(settings)
enabled = wiring.enabled_parts(settings)


@logger.inject_lambda_context
@metrics.log_metrics
@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do the task that the event names.

    `mailbox` with a mailbox id, `due`, `drop` and `reconcile` come from schedules; `reconcile` with a `day`, and
    `acknowledge` with a notification's id and an actor, from a person.
    """
    try:
        result = _run(event, lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS)
    except Exception as error:  # noqa: BLE001 - the text of an error must not reach the log
        described = describe(error)
        task = event.get("task")
        logger.error("Task failed; the schedule repeats it", event_name="task.failed", task=task, extra=described)
        raise StepFailedError(f"{described['error']}: {described['reason']}") from None
    for name, count in result.items():
        if count and event["task"] in ("mailbox", "due"):
            metric = _OLDER_METRICS.get(name) or name.title().replace("_", "")
            metrics.add_metric(name=metric, unit=MetricUnit.Count, value=count)
    event_name = _EVENT_NAMES[event["task"]]
    logger.info("Task done", event_name=event_name, task=event["task"], mailbox=event.get("mailbox"), **result)
    return result


def _run(event: dict[str, Any], time_left: Callable[[], bool]) -> dict[str, Any]:
    match event:
        case {"task": "mailbox", "mailbox": str(mailbox)}:
            _measure_certificate(mailbox)
            polled = poll.poll(mailbox, time_left)
            if not polled.polled_elsewhere:
                _measure_poll(mailbox)
            return asdict(polled)
        case {"task": "due"}:
            return _due(time_left)
        case {"task": "drop"}:
            return _list_drop(time_left)
        case {"task": "reconcile", **day}:
            return _reconcile(day.get("day"), time_left)
        case {"task": "acknowledge", "notice": str(notification), "actor": str(actor)}:
            return {"acknowledged": int(escalation.book.acknowledge(notification, actor, datetime.now(UTC)))}
        case _:
            raise StepFailedError(
                "the event names no task: give {'task': 'mailbox', 'mailbox': …}, {'task': 'due'}, {'task': 'drop'}, "
                "{'task': 'reconcile'} or {'task': 'acknowledge', 'notice': …, 'actor': …}"
            )


def _due(time_left: Callable[[], bool]) -> dict[str, Any]:
    """Escalate and sweep; an error in one does not stop the other. Escalate first: messages can take all the time."""
    unsent = sweep.unsent()
    # First of all: this metric matters most when notifications cannot be delivered.
    waited = max((datetime.now(UTC) - notification.raised_at for notification in unsent), default=timedelta())
    metrics.add_metric(name="OldestUntoldNotice", unit=MetricUnit.Seconds, value=waited.total_seconds())
    # This also starts a canary if it is time.
    _measure_seconds("CanaryAge", canaries.run)
    _measure_seconds("BalanceLate", deadline.late)
    _measure_seconds("DropListingAge", lambda: drop_passes.age(datetime.now(UTC)))
    _measure_enabled()
    try:
        escalated = asdict(escalation.run(time_left))
    finally:
        swept = asdict(sweep.run(time_left, unsent))
    # The alarm goes off where this metric is missing.
    metrics.add_metric(name="DueWorkDone", unit=MetricUnit.Count, value=1)
    return swept | escalated


def _measure_seconds(name: str, measure: Callable[[], timedelta | None]) -> None:
    """Measure a time, if there is one."""
    try:
        duration = measure()
    except Exception as error:  # noqa: BLE001 - the sweep must go on; a missing metric sets off the alarm
        logger.error("Measurement failed", event_name="measurement.failed", metric=name, extra=describe(error))
        return
    if duration is not None:
        metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=duration.total_seconds())


def _measure_enabled() -> None:
    """Measure whether the rule, the event source mappings and the keys are enabled: 1 if all of a kind are, else 0."""
    for kind, name in _ENABLED.items():
        try:
            parts = enabled.recent(kind)
        except Exception as error:  # noqa: BLE001 - as above
            logger.error("Check of a part failed", event_name="part.check_failed", part=kind, extra=describe(error))
            continue
        for part in parts:
            if not part.enabled:
                logger.error("Part disabled", event_name="part.disabled", part=kind, name_of_the_part=part.name)
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=int(all(part.enabled for part in parts)))


def _list_drop(time_left: Callable[[], bool]) -> dict[str, Any]:
    """List the drop, and measure the findings, also 0."""
    findings = wiring.list_drop(settings).run(time_left)
    counts = {name: getattr(findings, name) for name in ("requests_unannounced", "documents_without_request")}
    for name, count in counts.items():
        metrics.add_metric(name=name.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    return counts


def _reconcile(day: str | None, time_left: Callable[[], bool]) -> dict[str, Any]:
    """Continue a day's balance; measure a finished one by mailbox, also 0."""
    balance = wiring.reconciliation(settings).run(date.fromisoformat(day) if day else None, time_left)
    if balance is None:
        return {"made_before": 1}
    if isinstance(balance, Unfinished):
        return {"unfinished": 1, **asdict(balance), "day": balance.day.isoformat()}
    for mailbox, counts in balance.mailboxes.items():
        for name in ("received", "settled", "open"):
            value = getattr(counts, name)
            with single_metric(name=f"Requests{name.title()}", unit=MetricUnit.Count, value=value) as metric:
                metric.add_dimension(name="mailbox", value=mailbox)
    metrics.add_metric(name="Imbalance", unit=MetricUnit.Count, value=balance.wrong)
    return {
        "day": balance.day.isoformat(),
        **{name: balance.total(name) for name in ("received", "settled", "open")},
        "wrong": balance.wrong,
    }


def _measure_poll(mailbox: str) -> None:
    """Measure that a mailbox was polled: the alarm goes off where this metric is missing."""
    with single_metric(name="MailboxPolled", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="mailbox", value=mailbox)


def _measure_certificate(mailbox: str) -> None:
    """Measure how many days a client certificate is valid; before the poll, which an expired one stops."""
    expires = poll.mesh.certificate_expires(mailbox)
    if expires is not None:
        days = (expires - datetime.now(UTC)).total_seconds() / 86_400
        with single_metric(name="CertificateDaysLeft", unit=MetricUnit.Count, value=days) as metric:
            metric.add_dimension(name="mailbox", value=mailbox)

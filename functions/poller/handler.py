"""Poller: on a schedule, lists an inbox, sweeps, lists the drop, balances, or archives; from a queue, collects."""

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
from gpconnect_messaging.ledger.drop_passes import Listing
from gpconnect_messaging.metrics import measured
from gpconnect_messaging.queues import Listed
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
    "collect": "inbox.collected",
    "due": "work.swept",
    "drop": "drop.listed",
    "reconcile": "balance.continued",
    "archive": "archive.continued",
    "acknowledge": "notification.acknowledged",
}
"""The log events of the tasks."""
_NEVER = timedelta(days=365)
"""The age of the drop's listing where there is none yet."""
_A_PASS_LATE = timedelta(minutes=90)
"""How long after the objects have settled an hourly listing is late; the alarm waits for half an hour more."""
_ALL_VERSIONS_LATE = timedelta(days=2)
"""The age at which the daily listing of all versions is late; it is measured as the hourly one, and always an alarm."""
_CERTIFICATE_NOTED_DAYS = 90
"""How long before the end a certificate is measured; the first alarm is at 60 days."""

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

    `mailbox` with a mailbox id, `due`, `drop`, `reconcile` and `archive` come from schedules; `reconcile` with a `day`,
    and `acknowledge` with a notification's id and an actor, from a person. An event of the inbox queue names none.
    """
    task = str(event.get("task", "collect" if "Records" in event else ""))
    try:
        result = _run(event, lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS)
    except Exception as error:  # noqa: BLE001 - the text of an error must not reach the log
        described = describe(error)
        logger.error("Task failed and is repeated", event_name="task.failed", task=task, extra=described)
        raise StepFailedError(f"{described['error']}: {described['reason']}") from None
    for name, count in result.items():
        if count and task in ("collect", "due"):
            metric = _OLDER_METRICS.get(name) or name.title().replace("_", "")
            metrics.add_metric(name=metric, unit=MetricUnit.Count, value=count)
    event_name = _EVENT_NAMES[task]
    logger.info("Task done", event_name=event_name, task=task, mailbox=event.get("mailbox"), **result)
    return {} if task == "collect" else result  # to SQS, anything else could be a list of failed entries


def _run(event: dict[str, Any], time_left: Callable[[], bool]) -> dict[str, Any]:
    match event:
        case {"task": "mailbox", "mailbox": str(mailbox)}:
            _measure_certificate(mailbox)
            listed = poll.poll(mailbox, time_left)
            # The alarm goes off where this metric is missing.
            _write_of_mailbox("MailboxPolled", 1, mailbox)
            return {"listed": listed}
        case {"Records": [record]}:
            entry = Listed.read(record)
            event["mailbox"] = entry.mailbox  # for the log
            return {str(kind): number for kind, number in poll.collect(entry, time_left).items()}
        case {"task": "due"}:
            return _due(time_left)
        case {"task": "drop"}:
            return _list_drop(time_left)
        case {"task": "reconcile", **day}:
            return _reconcile(day.get("day"), time_left)
        case {"task": "archive"}:
            return asdict(wiring.archiver(settings).run(time_left))
        case {"task": "acknowledge", "notice": str(notification), "actor": str(actor)}:
            return {"acknowledged": int(escalation.notifier.store.acknowledge(notification, actor, datetime.now(UTC)))}
        case _:
            raise StepFailedError(
                "the event names no task: give {'task': 'mailbox', 'mailbox': …}, {'task': 'due'}, {'task': 'drop'}, "
                "{'task': 'reconcile'}, {'task': 'archive'} or {'task': 'acknowledge', 'notice': …, 'actor': …}"
            )


def _due(time_left: Callable[[], bool]) -> dict[str, Any]:
    """Escalate and sweep; an error in one does not stop the other. Escalate first: messages can take all the time."""
    # Before the ledger is read: without the key it cannot be.
    measured = [_measure_enabled(kind, name) for kind, name in _ENABLED.items()]
    due = sweep.due()
    now = datetime.now(UTC)
    settled = timedelta(seconds=settings.drop_settled_seconds)
    # Written only where there is bad news: a metric costs by the hour in which it is written (ADR 58).
    measured += [
        _measure(
            "OldestUntoldNotice",
            lambda: max((now - work.untold_since for work in due if work.untold_since), default=timedelta()),
        ),
        # This also starts a canary if it is time.
        _measure("CanaryAge", canaries.run, above=2 * canaries.every),
        _measure("BalanceLate", deadline.late),
        _measure("DropListingAge", lambda: drop_passes.age(now) or _NEVER, above=settled + _A_PASS_LATE),
        _measure(
            "DropListingAge",
            lambda: drop_passes.age(now, Listing.VERSIONS) or _NEVER,
            above=settled + _ALL_VERSIONS_LATE,
        ),
    ]
    try:
        escalated = asdict(escalation.run(due, time_left))
    finally:
        swept = asdict(sweep.run(time_left, due))
    # The alarm goes off where this metric is missing: no other one would come from a sweep that could not measure.
    if all(measured):
        metrics.add_metric(name="DueWorkDone", unit=MetricUnit.Count, value=1)
    return swept | escalated


def _measure(name: str, measure: Callable[[], timedelta], above: timedelta = timedelta()) -> bool:
    """Write a time above a limit; False if it could not be measured."""
    try:
        duration = measure()
    except Exception as error:  # noqa: BLE001 - the sweep must go on
        logger.error("Measurement failed", event_name="measurement.failed", metric=name, extra=describe(error))
        return False
    if duration > above:
        metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=duration.total_seconds())
    return True


def _measure_enabled(kind: PartKind, name: str) -> bool:
    """Write 0 if a part of a kind is disabled; False if AWS does not say."""
    try:
        disabled = [part for part in enabled.recent(kind) if not part.enabled]
    except Exception as error:  # noqa: BLE001 - as above
        logger.error("Check of a part failed", event_name="part.check_failed", part=kind, extra=describe(error))
        return False
    for part in disabled:
        logger.error("Part disabled", event_name="part.disabled", part=kind, name_of_the_part=part.name)
    if disabled:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=0)
    return True


def _list_drop(time_left: Callable[[], bool]) -> dict[str, Any]:
    """List the drop, and measure the findings."""
    findings = wiring.list_drop(settings).run(time_left)
    counts = {name: getattr(findings, name) for name in ("requests_unannounced", "documents_without_request")}
    for name, count in counts.items():
        if count:
            metrics.add_metric(name=name.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    return counts


def _reconcile(day: str | None, time_left: Callable[[], bool]) -> dict[str, Any]:
    """Continue a day's balance; measure a finished one by mailbox."""
    balance = wiring.reconciliation(settings).run(date.fromisoformat(day) if day else None, time_left)
    if balance is None:
        return {"made_before": 1}
    if isinstance(balance, Unfinished):
        return {"unfinished": 1, **asdict(balance), "day": balance.day.isoformat()}
    for mailbox, counts in balance.mailboxes.items():
        for name in ("received", "settled", "open"):
            if value := getattr(counts, name):
                _write_of_mailbox(f"Requests{name.title()}", value, mailbox)
    if balance.wrong:
        metrics.add_metric(name="Imbalance", unit=MetricUnit.Count, value=balance.wrong)
    return {
        "day": balance.day.isoformat(),
        **{name: balance.total(name) for name in ("received", "settled", "open")},
        "wrong": balance.wrong,
    }


def _measure_certificate(mailbox: str) -> None:
    """Measure how many days a client certificate is valid; before the poll, which an expired one stops."""
    expires = poll.mesh.certificate_expires(mailbox)
    if expires is not None:
        days = (expires - datetime.now(UTC)).total_seconds() / 86_400
        if days < _CERTIFICATE_NOTED_DAYS:
            _write_of_mailbox("CertificateDaysLeft", days, mailbox)


def _write_of_mailbox(name: str, value: float, mailbox: str) -> None:
    with single_metric(name=name, unit=MetricUnit.Count, value=value) as metric:
        metric.add_dimension(name="mailbox", value=mailbox)

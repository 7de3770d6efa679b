"""Poller: on a schedule, collects what came to a mailbox, or does the work that is due."""

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
"""The metric of each kind of part."""

# Most runs of the night find that the balance was made, or do a part of it: they have nothing to measure.
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


@metrics.log_metrics
@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Do the task that the event names.

    `mailbox` with a mailbox id, `due`, `drop` and `reconcile` come from schedules; `reconcile` with a `day`, and
    `acknowledge` with a notification's id and an actor, from a person.
    """
    try:
        found = _run(event, lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS)
    except Exception as error:  # noqa: BLE001 - whatever it is, its text must not reach the log
        described = describe(error)
        logger.error("a task failed; the schedule will bring it again", task=event.get("task"), extra=described)
        raise StepFailedError(f"{described['error']}: {described['reason']}") from None
    for name, count in found.items():
        if count and event["task"] in ("mailbox", "due"):
            metrics.add_metric(name=name.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    logger.info("a task is done", task=event["task"], mailbox=event.get("mailbox"), **found)
    return found


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
    """Escalate and sweep, each whatever becomes of the other, escalations first: messages can take all the time."""
    untold = sweep.untold()
    # Before anything else: it must be known most of all when nothing can be told.
    waited = max((datetime.now(UTC) - notification.raised_at for notification in untold), default=timedelta())
    metrics.add_metric(name="OldestUntoldNotice", unit=MetricUnit.Seconds, value=waited.total_seconds())
    # A canary is started where it is time for one.
    _measure_seconds("CanaryAge", canaries.run)
    _measure_seconds("BalanceLate", deadline.late)
    _measure_seconds("DropListingAge", lambda: drop_passes.age(datetime.now(UTC)))
    _measure_enabled()
    try:
        escalated = asdict(escalation.run(time_left))
    finally:
        swept = asdict(sweep.run(time_left, untold))
    # Not to be heard of is how anybody learns that the sweep stopped.
    metrics.add_metric(name="DueWorkDone", unit=MetricUnit.Count, value=1)
    return swept | escalated


def _measure_seconds(name: str, measure: Callable[[], timedelta | None]) -> None:
    """Measure a time, if there is one."""
    try:
        found = measure()
    except Exception as error:  # noqa: BLE001 - the due work must not wait for it; not to be measured sets off the alarm
        logger.error("the due work could not measure something", metric=name, extra=describe(error))
        return
    if found is not None:
        metrics.add_metric(name=name, unit=MetricUnit.Seconds, value=found.total_seconds())


def _measure_enabled() -> None:
    """Measure whether the rule, the event source mappings and the keys are enabled: 1 if all of a kind are, else 0."""
    for kind, name in _ENABLED.items():
        try:
            parts = enabled.recent(kind)
        except Exception as error:  # noqa: BLE001 - as above
            logger.error("AWS did not say whether a part is enabled", part=kind, extra=describe(error))
            continue
        for part in parts:
            if not part.enabled:
                logger.error("a part is not enabled", part=kind, name_of_the_part=part.name)
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=int(all(part.enabled for part in parts)))


def _list_drop(time_left: Callable[[], bool]) -> dict[str, Any]:
    """Look into what was dropped; 0 is a measurement, too."""
    found = wiring.list_drop(settings).run(time_left)
    counts = {name: getattr(found, name) for name in ("requests_unannounced", "documents_without_request")}
    for name, count in counts.items():
        metrics.add_metric(name=name.title().replace("_", ""), unit=MetricUnit.Count, value=count)
    return counts


def _reconcile(day: str | None, time_left: Callable[[], bool]) -> dict[str, Any]:
    """Go on with a day's balance; once it is made it is measured by mailbox, and 0 is a measurement, too."""
    made = wiring.reconciliation(settings).run(date.fromisoformat(day) if day else None, time_left)
    if made is None:
        return {"made_before": 1}
    if isinstance(made, Unfinished):
        return {"unfinished": 1, **asdict(made), "day": made.day.isoformat()}
    for mailbox, its in made.mailboxes.items():
        for name in ("received", "settled", "open"):
            with single_metric(name=f"Requests{name.title()}", unit=MetricUnit.Count, value=getattr(its, name)) as each:
                each.add_dimension(name="mailbox", value=mailbox)
    metrics.add_metric(name="Imbalance", unit=MetricUnit.Count, value=made.wrong)
    return {
        "day": made.day.isoformat(),
        **{name: made.total(name) for name in ("received", "settled", "open")},
        "wrong": made.wrong,
    }


def _measure_poll(mailbox: str) -> None:
    """Say that the mailbox's inbox was emptied: not to be heard of is how anybody learns that it is not."""
    with single_metric(name="MailboxPolled", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="mailbox", value=mailbox)


def _measure_certificate(mailbox: str) -> None:
    """Say how many days the mailbox's client certificate is good for; before the poll, which an ended one stops."""
    expires = poll.mesh.certificate_expires(mailbox)
    if expires is not None:
        days = (expires - datetime.now(UTC)).total_seconds() / 86_400
        with single_metric(name="CertificateDaysLeft", unit=MetricUnit.Count, value=days) as metric:
            metric.add_dimension(name="mailbox", value=mailbox)

"""Builder: turns the requests on the intake queue into messages.

A queue message is an S3 "Object Created" event, a whole request, or the id of a held request to release or of a request
that an operator resubmitted.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from gpconnect_messaging import wiring
from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.json_reading import read_json
from gpconnect_messaging.ledger.records import Origin
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.mailboxes.senders import sender_of_queue
from gpconnect_messaging.metrics import measured
from gpconnect_messaging.pds.errors import Authentication, CredentialsError, RetryLater
from gpconnect_messaging.queues import QUEUED_AT, first_queued
from gpconnect_messaging.requests.models import DEEPEST, LARGEST_REQUEST
from gpconnect_messaging.safe_errors import describe
from gpconnect_messaging.settings import BuilderSettings
from gpconnect_messaging.stated_times import read_stated
from gpconnect_messaging.steps.intake import folder_of
from gpconnect_messaging.steps.message_pipeline import BuildResult
from gpconnect_messaging.steps.waiting import NotReadyError

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
_ID = re.compile(r"[0-9a-f-]{36}")
settings = BuilderSettings.from_environment()
builder = wiring.builder(settings)
canary = wiring.build_canary(settings)


@logger.inject_lambda_context
@metrics.log_metrics
@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Build the requests; only failed records go back to the queue."""
    # A call of SQS that fails at the end fails all records: built again, the messages are only queued.
    with builder.send_queue.together():
        response = process_partial_response(event=event, record_handler=_record, processor=processor, context=context)
    return dict(response)


def _record(record: SQSRecord) -> None:
    try:
        queue_of = sender_of_queue(record.event_source_arn)
        # A sender's own queue carries only plain requests: an envelope there is the sender's text.
        envelope = None if queue_of else _envelope(record.body)
        if (canary_id := _canary(envelope)) and canary.run(canary_id):
            logger.info("Canary passed on to the send queue", event_name="canary.passed_on", canary_id=canary_id)
            return
        if _is_no_request(envelope):
            logger.info("S3 announced an object that is no request", event_name="request.ignored")
            return
        result = _build(record, envelope, queue_of)
    except NotReadyError as pending:
        # A new queue message, because a returned one would use up tries by waiting; on the same queue, which identifies
        # the sender.
        queue = wiring.intake_queue(settings, record.event_source_arn)
        queue.later(record.body, _queued_at(record), pending.again_in)
        seconds = pending.again_in.total_seconds()
        logger.info("Request waits", event_name="request.waits", because=str(pending), seconds=seconds)
        return
    except Exception as error:
        logger.error(
            "Request could not be built; the queue retries", event_name="request.failed", extra=describe(error)
        )
        raise
    if result.gave_up:
        logger.error(
            "Request refused: every try failed",
            event_name="request.gave_up",
            message_id=result.message_id,
            extra=describe(result.gave_up),
        )
    if result.unanswered:
        metrics.add_metric(name=_unanswered(result.unanswered), unit=MetricUnit.Count, value=1)
        logger.warning(
            "PDS gave no answer; the request is held",
            event_name="pds.unanswered",
            message_id=result.message_id,
            extra=describe(result.unanswered),
        )
    for message in (result, *result.copies):
        event_name = f"{'message' if message.status is Status.BUILT else 'request'}.{message.status.value.lower()}"
        logger.info("Request processed", event_name=event_name, message_id=message.message_id, status=message.status)


def _canary(envelope: Any) -> str | None:
    """Read a canary's id. An unexpected canary is handled as a request, and refused."""
    match envelope:
        case {"kind": "canary", "canary": str(canary_id), **others} if not others and _ID.fullmatch(canary_id):
            return canary_id
    return None


def _is_no_request(envelope: Any) -> bool:
    """Whether S3 announces an object that is no request, which the EventBridge rule excludes."""
    match envelope:
        case {"source": "aws.s3", "detail": {"object": {"key": str(key)}}}:
            return not is_request(key)
    return False


def _build(record: SQSRecord, envelope: Any, queue_of: str) -> BuildResult:
    work = _work(record.body, envelope, _queued_at(record), queue_of)
    receive = int(record.attributes.get("ApproximateReceiveCount") or 1)
    if receive == 1:
        return work.build()
    return wiring.attempts(settings, builder).again(work.request_id(), work.build, receive, work.origin)


@dataclass(frozen=True)
class _Work:
    """The work of a queue message, the request id, and the origin of a new request."""

    build: Callable[[], BuildResult]
    request_id: Callable[[], str]
    origin: Origin | None = None


def _work(body: str, envelope: Any, queued_at: datetime, queue_of: str) -> _Work:
    match envelope:
        case {"release": str(request_id), **others} if not others and _ID.fullmatch(request_id):
            return _Work(partial(builder.release, request_id), lambda: request_id)
        case {"again": str(request_id), **others} if not others and _ID.fullmatch(request_id):
            return _Work(partial(builder.resubmitted, request_id), lambda: request_id)
        case {
            "source": "aws.s3",
            "detail-type": str(),
            "detail": {"bucket": {"name": str(bucket)}, "object": {"key": str(key), **dropped}},
            **event,
        }:
            version, sequencer = str(dropped.get("version-id") or ""), str(dropped.get("sequencer", ""))
            arrived = min(read_stated(event.get("time")) or queued_at, queued_at)
            return _Work(
                partial(builder.dropped, bucket, key, version, arrived, sequencer),
                lambda: str(builder.identifiers.dropped_request_id(bucket, key, version)),
                Origin(folder=folder_of(key), arrived=arrived),
            )
    raw = body.encode()
    return _Work(
        partial(builder.queued, raw, queued_at, queue_of),
        lambda: str(builder.identifiers.queued_request_id(raw, queue_of)),
        Origin(arrived=queued_at, queue_of=queue_of),
    )


def _unanswered(error: Exception) -> str:
    """Name the metric of an unanswered PDS lookup, by who can fix it."""
    if isinstance(error, Authentication | CredentialsError):
        return "PdsNotAuthorised"
    return "PdsBusy" if isinstance(error, RetryLater) else "PdsUnanswered"


def _envelope(body: str) -> Any:
    """Read the body of a queue message as JSON; None where it is no JSON."""
    try:
        return read_json(body.encode(), largest=LARGEST_REQUEST, deepest=DEEPEST)
    except ValueError:
        return None


def _queued_at(record: SQSRecord) -> datetime:
    first = record.message_attributes[QUEUED_AT]
    return first_queued(record.attributes.sent_timestamp, first.string_value if first else None)

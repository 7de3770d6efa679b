"""Builder: turns each request on the intake queue (an S3 "Object Created" event, or a whole request) into a message."""

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from gpconnect_messaging import wiring
from gpconnect_messaging.faults import describe
from gpconnect_messaging.settings import BuilderSettings
from gpconnect_messaging.steps.build import Built

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
builder = wiring.builder(BuilderSettings.from_environment())


@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Build each record; what fails goes back to the queue alone."""
    answer = process_partial_response(event=event, record_handler=_record, processor=processor, context=context)
    return dict(answer)


def _record(record: SQSRecord) -> None:
    try:
        built = _build(record.body)
    except Exception as error:
        logger.error("a request could not be built; the queue will bring it again", extra=describe(error))
        raise
    for message in (built, *built.copies):
        metrics.add_metric(name=f"Message{message.status.title()}", unit=MetricUnit.Count, value=1)
        logger.info("a request was built", message_id=message.message_id, status=message.status)


def _build(body: str) -> Built:
    event = _object_created(body)
    if event is None:
        return builder.queued(body.encode())
    return builder.dropped(event["bucket"]["name"], event["object"]["key"], event["object"].get("version-id", ""))


def _object_created(body: str) -> dict[str, Any] | None:
    """Tell EventBridge's event from a request: only the former has its envelope."""
    try:
        event = json.loads(body)
    except ValueError:
        return None
    is_event = isinstance(event, dict) and event.get("source") == "aws.s3" and "detail-type" in event
    return event["detail"] if is_event else None

"""Sender: uploads the messages on the send queue to MESH."""

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from gpconnect_messaging import wiring
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.metrics import measured
from gpconnect_messaging.safe_errors import describe
from gpconnect_messaging.settings import SenderSettings
from gpconnect_messaging.steps.send import NotAuthorisedError

_RESERVE_MILLISECONDS = 30_000
"""Enough to send one more chunk before the function is stopped."""

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
settings = SenderSettings.from_environment()
sender = wiring.sender(settings)
canary = wiring.end_canary(settings)


@logger.inject_lambda_context
@metrics.log_metrics
@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send the messages; only failed records go back to the queue."""
    response = process_partial_response(event=event, record_handler=_record, processor=processor, context=context)
    return dict(response)


def _record(record: SQSRecord, lambda_context: LambdaContext) -> None:
    match json.loads(record.body):
        case {"canary": str(canary_id)}:
            _end(canary_id)
            return
        case {"message_id": message_id}:
            pass
        case _:
            raise KeyError("message_id")
    try:
        status = sender.send(message_id, lambda: lambda_context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS)
    except Exception as error:
        if isinstance(error, NotAuthorisedError | CredentialsError):
            metrics.add_metric(name="NotAuthorised", unit=MetricUnit.Count, value=1)
        logger.error("Message not sent", event_name="message.failed", message_id=message_id, extra=describe(error))
        raise
    event_name = f"message.{status.value.lower()}"
    logger.info("Message processed", event_name=event_name, message_id=message_id, status=status)


def _end(canary_id: str) -> None:
    try:
        canary.run(canary_id)
    except Exception as error:
        logger.error("Canary could not be ended", event_name="canary.failed", extra=describe(error))
        raise
    logger.info("Canary came through", event_name="canary.ended", canary_id=canary_id)

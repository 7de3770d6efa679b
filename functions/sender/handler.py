"""Sender: uploads each message on the send queue to MESH."""

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from gpconnect_messaging import wiring
from gpconnect_messaging.faults import describe
from gpconnect_messaging.mailboxes.directory import CredentialsError
from gpconnect_messaging.metrics import measured
from gpconnect_messaging.settings import SenderSettings
from gpconnect_messaging.steps.send import NotAuthorisedError

_RESERVE_MILLISECONDS = 30_000
"""Enough to send one more chunk before the function is stopped."""

logger = Logger()
metrics = Metrics()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
sender = wiring.sender(SenderSettings.from_environment())


@metrics.log_metrics
@measured
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Send each record; what fails goes back to the queue alone."""
    answer = process_partial_response(event=event, record_handler=_record, processor=processor, context=context)
    return dict(answer)


def _record(record: SQSRecord, lambda_context: LambdaContext) -> None:
    message_id = json.loads(record.body)["message_id"]
    try:
        status = sender.send(message_id, lambda: lambda_context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS)
    except Exception as error:
        if isinstance(error, NotAuthorisedError | CredentialsError):
            metrics.add_metric(name="NotAuthorised", unit=MetricUnit.Count, value=1)
        logger.error("a message could not be sent", message_id=message_id, extra=describe(error))
        raise
    logger.info("a message was dealt with", message_id=message_id, status=status)

"""Creates an operator's replay tools for a deployed environment, from the stack's outputs and a boto3 session."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from gpconnect_messaging.derived_ids import Identifiers
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.ledger.lifecycle import Timeouts
from gpconnect_messaging.ledger.orders import OrderBook
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.queues import IntakeQueue, SendQueue
from gpconnect_messaging.replay.backfill import Backfill
from gpconnect_messaging.replay.redrive import Lane, Redrive
from gpconnect_messaging.replay.resend import Resend
from gpconnect_messaging.storage import Evidence, Outbox

if TYPE_CHECKING:
    import boto3

_QUEUES = {
    Lane.INTAKE: ("IntakeDeadLetterQueueUrl", "IntakeQueueUrl"),
    Lane.SEND: ("SendDeadLetterQueueUrl", "SendQueueUrl"),
}


@dataclass(frozen=True, slots=True)
class ReplayTools:
    """Resend, a redrive for every dead-letter queue, and a backfill where the stack has one."""

    resend: Resend
    redrives: Mapping[Lane, Redrive]
    backfill: Backfill | None


def replay_tools(
    session: "boto3.Session",
    outputs: Mapping[str, str],
    *,
    timeouts: Timeouts,
    kept_for: timedelta | None,
    identifiers: Callable[[], Identifiers],
) -> ReplayTools:
    """Create the tools. `timeouts` and `kept_for` are the environment's, as the functions have them.

    `identifiers` is called only where an id must be derived.

    Raises KeyError where an output of the stack is missing.
    """
    dynamodb, s3, sqs = session.client("dynamodb"), session.client("s3"), session.client("sqs")
    table = outputs["LedgerTableName"]
    ledger = Ledger(dynamodb, table, timeouts, kept_for=kept_for)
    trail = AuditTrail(dynamodb, table, kept_for=kept_for)
    machine = outputs.get("BackfillStateMachineArn")
    return ReplayTools(
        backfill=Backfill(
            states=session.client("stepfunctions"),
            s3=s3,
            trail=trail,
            machine_arn=machine,
            drop_bucket=outputs["DropBucketName"],
        )
        if machine
        else None,
        resend=Resend(
            ledger=ledger,
            trail=trail,
            orders=OrderBook(dynamodb, table, kept_for=kept_for),
            outbox=Outbox(s3, outputs["OutboxBucketName"]),
            evidence=Evidence(s3, outputs["EvidenceBucketName"]),
            send_queue=SendQueue(sqs, outputs["SendQueueUrl"]),
            intake_queue=IntakeQueue(sqs, outputs["IntakeQueueUrl"]),
            timeouts=timeouts,
            identifiers=identifiers,
        ),
        redrives={
            lane: Redrive(
                lane=lane,
                sqs=sqs,
                dead_letters_url=outputs[dead],
                queue_url=outputs[live],
                ledger=ledger,
                trail=trail,
                identifiers=identifiers,
            )
            for lane, (dead, live) in _QUEUES.items()
        },
    )

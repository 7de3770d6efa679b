"""Backfill: submits the requests that lie under a prefix of the drop bucket, at a limited rate.

A Step Functions state machine does the work, where the environment has one (docs/adr/0023), so that it continues when
the operator's machine is switched off. The builder recognises a request that was submitted before by the object
version, so that a backfill of the same prefix can be repeated.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpconnect_messaging.drop_keys import is_request
from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.operators import checked_actor, checked_reason

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BackfillError(Exception):
    """The backfill was not started, or failed; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """The state machine of an environment, and the bucket that it reads."""

    states: Any
    """boto3's client of Step Functions."""
    s3: "S3Client"
    trail: AuditTrail
    machine_arn: str
    drop_bucket: str

    def count(self, prefix: str) -> int:
        """Count the requests under a prefix, for a dry run."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.drop_bucket, Prefix=prefix)
        return sum(is_request(entry["Key"]) for page in pages for entry in page.get("Contents", ()))

    def start(self, prefix: str, *, actor: str, reason: str) -> str:
        """Start a backfill and return the execution's ARN. The audit trail omits the prefix, which a sender chose.

        Raises BackfillError where one is running (two at once would be twice as fast), ActorError, ReasonError.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        if self.states.list_executions(stateMachineArn=self.machine_arn, statusFilter="RUNNING")["executions"]:
            raise BackfillError("A backfill is running: wait until it is done, so that the rate is kept.")
        self.trail.record(actor, "backfill", details={"reason": reason})
        parameters = json.dumps({"prefix": prefix})
        return str(self.states.start_execution(stateMachineArn=self.machine_arn, input=parameters)["executionArn"])

    def follow(self, execution: str, rest: Callable[[], None] = lambda: time.sleep(5)) -> None:
        """Wait until an execution has put everything on the intake queue. Raises BackfillError where it failed."""
        while True:
            state = self.states.describe_execution(executionArn=execution)
            if state["status"] == "SUCCEEDED":
                return
            if state["status"] != "RUNNING":
                why = state.get("error", "no error is named")
                raise BackfillError(
                    f"The backfill ended as {state['status']} ({why}): look at the execution, then start it again."
                )
            rest()

"""Backfill: the requests that lie under a prefix of the drop bucket are put through the intake, at a rate, once.

The work is a Step Functions state machine's, where the environment has one (docs/adr/0023): it goes on though the
operator's machine is switched off. A request that was taken in before is found by its object version, so that the same
prefix can be given again.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpconnect_messaging.ledger.audit import AuditTrail
from gpconnect_messaging.operators import checked_actor, checked_reason
from gpconnect_messaging.requests.drop_keys import is_request

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class BackfillError(Exception):
    """It was not started, or did not end well; the message is a sentence that says what to do."""


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
        """Count the requests under a prefix: the dry run."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.drop_bucket, Prefix=prefix)
        return sum(is_request(found["Key"]) for page in pages for found in page.get("Contents", ()))

    def start(self, prefix: str, *, actor: str, reason: str) -> str:
        """Start it, and give its execution's ARN; recorded with who and why, and without the prefix, a sender's word.

        Raises BackfillError where one is running (two at once would be twice as fast), ActorError, ReasonError.
        """
        checked_actor(actor)
        reason = checked_reason(reason)
        if self.states.list_executions(stateMachineArn=self.machine_arn, statusFilter="RUNNING")["executions"]:
            raise BackfillError("A backfill is running: wait until it is done, so that its rate is kept.")
        self.trail.record(actor, "backfill", details={"reason": reason})
        wanted = json.dumps({"prefix": prefix})
        return str(self.states.start_execution(stateMachineArn=self.machine_arn, input=wanted)["executionArn"])

    def follow(self, execution: str, rest: Callable[[], None] = lambda: time.sleep(5)) -> None:
        """Wait until an execution has put everything on the intake queue. Raises BackfillError where it failed."""
        while True:
            found = self.states.describe_execution(executionArn=execution)
            if found["status"] == "SUCCEEDED":
                return
            if found["status"] != "RUNNING":
                why = found.get("error", "no error is named")
                raise BackfillError(
                    f"The backfill ended as {found['status']} ({why}): look at its execution, then give it again."
                )
            rest()

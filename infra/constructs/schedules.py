"""Schedules of the poller: every mailbox, the sweep, the listing of the drop, the daily balance, and the archive."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from infra.configuration import ARCHIVE_HOURS, BALANCE_HOURS, DROP_MINUTES, Configuration
from infra.constructs.acknowledgement import acknowledge, acknowledge_own_policies
from infra.constructs.functions import MessagingFunction


class Schedules(Construct):
    """A schedule for every mailbox, and for the sweep, the listing of the drop, the daily balance, and the archive."""

    def __init__(
        self, scope: Construct, construct_id: str, *, configuration: Configuration, poller: MessagingFunction
    ) -> None:
        super().__init__(scope, construct_id)
        self._poller = poller
        # CDK's default would keep the group when the stack goes.
        self._group = scheduler.ScheduleGroup(self, "Group", removal_policy=RemovalPolicy.DESTROY)
        self._role = self._scheduler_role()
        # The next run makes up for a failed one, so Lambda does not retry.
        poller.live.configure_async_invoke(retry_attempts=0, max_event_age=Duration.minutes(1))
        acknowledge(
            poller,
            "Serverless-LambdaAsyncFailureDestination",
            because="The next run makes up for a failed one, so there is nothing to keep; an alarm reports the "
            "failure.",
        )
        timings = configuration.timings
        for settings in configuration.mailboxes:
            self._every(
                Duration.minutes(timings.mailbox_poll_minutes),
                f"Mailbox{settings.mailbox}",
                {"task": "mailbox", "mailbox": settings.mailbox},
            )
        self._every(Duration.minutes(timings.due_work_minutes), "Due", {"task": "due"})
        # Most runs find nothing due. A full bucket takes several runs an hour.
        self._every(Duration.minutes(DROP_MINUTES), "Drop", {"task": "drop"})
        # In UTC, when yesterday's requests have settled. Every five minutes, because a balance may take several runs,
        # and Lambda does not retry a failed one.
        self._in_hours(BALANCE_HOURS, "Reconcile", {"task": "reconcile"})
        # Never at the time of the balance, and as often.
        self._in_hours(ARCHIVE_HOURS, "Archive", {"task": "archive"})

    def _every(self, interval: Duration, construct_id: str, task: dict[str, Any]) -> None:
        self._when(scheduler.ScheduleExpression.rate(interval), construct_id, task)

    def _in_hours(self, hours: Sequence[tuple[int, int]], construct_id: str, task: dict[str, Any]) -> None:
        hour = ",".join(f"{first}-{last}" for first, last in hours)
        self._when(scheduler.ScheduleExpression.cron(minute="0/5", hour=hour), construct_id, task)

    def _when(self, when: scheduler.ScheduleExpression, construct_id: str, task: dict[str, Any]) -> None:
        scheduler.Schedule(
            self,
            construct_id,
            schedule_group=self._group,
            schedule=when,
            target=targets.LambdaInvoke(
                self._poller.live,
                # Fixed: otherwise the target would allow every version of the function to be invoked.
                role=self._role.without_policy_updates(),
                input=scheduler.ScheduleTargetInput.from_object(task),
                retry_attempts=0,
                max_event_age=Duration.minutes(1),
            ),
        )

    def _scheduler_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            description="EventBridge Scheduler: invoke the poller",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={
                    "StringEquals": {
                        "aws:SourceAccount": Aws.ACCOUNT_ID,
                        "aws:SourceArn": self._group.schedule_group_arn,
                    }
                },
            ),
        )
        role.add_to_policy(
            iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._poller.live.function_arn])
        )
        acknowledge_own_policies(self)
        return role

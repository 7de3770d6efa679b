"""Policies that let senders put requests: of the drop bucket, the senders' queues and the keys (ADR 39).

The builder refuses requests for mailboxes that a sender may not use; this module sets the builder's variables for that.
"""

import json
from collections.abc import Iterable
from typing import Any

from aws_cdk import Annotations, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from gpconnect_messaging.scan_results import VALIDATION_OBJECT
from infra.configuration import SYNTHETIC, Configuration
from infra.constructs.functions import MessagingFunction
from infra.constructs.intake import Intake
from infra.constructs.keys import ContentKey
from infra.constructs.storage import Storage

PUT = ["s3:PutObject", "s3:AbortMultipartUpload"]
"""Actions for a drop: uploads of all kinds, and aborting a multipart upload."""
_ACCOUNT = ":root"


class Senders(Construct):
    """A parameter for every sender, and the policies that separate them. Empty without configured senders."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        configuration: Configuration,
        storage: Storage,
        intake: Intake,
        key: ContentKey,
    ) -> None:
        super().__init__(scope, construct_id)
        self._parameters: list[ssm.StringParameter] = []
        self.environment: dict[str, str] = {}
        """Environment variables of the builder."""
        senders = configuration.senders
        if not senders:
            if configuration.name == "prod":
                Annotations.of(self).add_warning_v2(
                    "gpconnect-messaging:no-senders",
                    "No senders are configured: every principal that the account's IAM allows to put a request may use "
                    "every mailbox. Name them in `senders` (docs/deploy.md).",
                )
            return
        folders = {sender.name: sender.folder for sender in senders}
        mailboxes = {sender.name: sender.mailboxes for sender in senders}
        arns = {sender.name: sender.principals for sender in senders}
        if configuration.deployment.synthetic_reports_from is not None:
            role = Stack.of(self).format_arn(
                service="iam", region="", resource="role", resource_name=configuration.synthetic_reports_role
            )
            folders[SYNTHETIC], mailboxes[SYNTHETIC] = f"{SYNTHETIC}/", (configuration.mailboxes[0].mailbox,)
            arns[SYNTHETIC] = (role,)
        path = f"/{configuration.path}/senders"
        self.environment = {
            "SENDERS": ",".join(f"{name}={folder}" for name, folder in folders.items()),
            "SENDER_PARAMETERS": path,
        }
        for name, allowed in mailboxes.items():
            parameter = ssm.StringParameter(
                self,
                f"Settings{name}",
                parameter_name=f"{path}/{name}",
                description=f"What sender {name} may use",
                string_value=json.dumps({"mailboxes": allowed}),
            )
            self._parameters.append(parameter)

        drop = storage.drop
        for name, folder in folders.items():
            objects = [drop.arn_for_objects(f"{folder}*")]
            if name != SYNTHETIC:  # the synthetic role's own policy allows it
                drop.add_to_resource_policy(_allow(PUT, objects, arns[name]))
            drop.add_to_resource_policy(_deny("s3:PutObject", resources=objects, conditions=_any_but(arns[name])))
        everywhere = [drop.arn_for_objects(f"{folder}*") for folder in folders.values()]
        if configuration.malware_scan is not None:
            everywhere.append(drop.arn_for_objects(VALIDATION_OBJECT))  # GuardDuty's test object
        drop.add_to_resource_policy(_deny("s3:PutObject", not_resources=everywhere))
        key.grant_senders_put("s3", _principals(arn for sender in senders for arn in sender.principals))

        roles = {arn for sender in senders for arn in sender.principals if not arn.endswith(_ACCOUNT)}
        # On the shared queue a sender could forge S3's event.
        for name, work in {"": intake.work, **intake.sender_queues}.items():
            queue = work.queue
            if name:
                queue.add_to_resource_policy(_allow(["sqs:SendMessage"], [queue.queue_arn], arns[name]))
            # Deny what a sender's own IAM policy may allow. Operators are not denied: they redrive.
            if others := roles - set(arns.get(name, ())):
                conditions = {"ArnEquals": {"aws:PrincipalArn": sorted(others)}}
                queue.add_to_resource_policy(
                    _deny("sqs:SendMessage", resources=[queue.queue_arn], conditions=conditions)
                )
        if intake.sender_queues:
            queue_arns = (arn for sender in senders if sender.queue for arn in sender.principals)
            key.grant_senders_put("sqs", _principals(queue_arns))

    def grant_read(self, function: MessagingFunction) -> None:
        """Let a function read the mailboxes of every sender."""
        if self._parameters:
            function.allow("ssm:GetParameter", on=[parameter.parameter_arn for parameter in self._parameters])


def sender_queue_output(sender: str) -> str:
    """Return the stack output with the URL of a sender's own queue: `IntakeQueueUrlOfOutOfHours`."""
    return "IntakeQueueUrlOf" + "".join(word.capitalize() for word in sender.split("-"))


def _principals(arns: Iterable[str]) -> list[iam.IPrincipal]:
    return [iam.ArnPrincipal(arn) for arn in sorted(set(arns))]


def _allow(actions: list[str], resources: list[str], arns: Iterable[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(principals=_principals(arns), actions=actions, resources=resources)


def _deny(action: str, **what: Any) -> iam.PolicyStatement:
    return iam.PolicyStatement(effect=iam.Effect.DENY, principals=[iam.AnyPrincipal()], actions=[action], **what)


def _any_but(arns: Iterable[str]) -> dict[str, Any]:
    """Return the conditions for everyone except these roles, users and accounts."""
    accounts = [arn.split(":")[4] for arn in arns if arn.endswith(_ACCOUNT)]
    principals = [arn for arn in arns if not arn.endswith(_ACCOUNT)]
    return {
        **({"ArnNotEquals": {"aws:PrincipalArn": principals}} if principals else {}),
        **({"StringNotEquals": {"aws:PrincipalAccount": accounts}} if accounts else {}),
    }

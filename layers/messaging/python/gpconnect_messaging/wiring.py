"""Creates the steps of the functions with the real adapters, once at cold start, from the settings.

Modules are imported only where a function uses them: the sender starts without FHIR models, the builder without the
MESH client.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.mailboxes.directory import CredentialVault, MailboxDirectory
from gpconnect_messaging.metrics import measurements
from gpconnect_messaging.notifications import Notifier
from gpconnect_messaging.queues import IntakeQueue, SendQueue, queue_url
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings
from gpconnect_messaging.storage import DropBucket, Evidence, Outbox

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from gpconnect_messaging.derived_ids import Identifiers
    from gpconnect_messaging.enabled import EnabledParts
    from gpconnect_messaging.ledger.canaries import Canaries
    from gpconnect_messaging.ledger.drop_passes import DropPasses
    from gpconnect_messaging.pds.client import PdsClient
    from gpconnect_messaging.steps.attempts import Attempts
    from gpconnect_messaging.steps.build import Builder
    from gpconnect_messaging.steps.canary import BuildCanary, EndCanary, StartCanaries
    from gpconnect_messaging.steps.due_work import Sweep
    from gpconnect_messaging.steps.escalate import Escalation
    from gpconnect_messaging.steps.list_drop import ListDrop
    from gpconnect_messaging.steps.poll import Poller
    from gpconnect_messaging.steps.reconcile import BalanceDeadline, Reconciliation
    from gpconnect_messaging.steps.send import Sender

# Seconds. AWS answers in milliseconds: retry a hanging call rather than wait for it.
_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "max_attempts": 4})


def builder(settings: BuilderSettings) -> "Builder":
    """Create the build step. Raises ReportFileError."""
    from gpconnect_messaging.documents.gate import DocumentGate
    from gpconnect_messaging.documents.report_files import added_fonts, logo_file
    from gpconnect_messaging.mailboxes.senders import SenderDirectory
    from gpconnect_messaging.steps.build import Builder
    from gpconnect_messaging.steps.lookup import Lookup, registration_from_request
    from gpconnect_messaging.steps.scanning import MalwareScan, unscanned

    code = Path(os.environ.get("LAMBDA_TASK_ROOT", ""))
    logo = logo_file(code / settings.report_logo) if settings.report_logo else None
    fonts = added_fonts([code / file for file in settings.report_fonts.split(":") if file])
    gate = DocumentGate(allow_active=settings.allow_active)
    gate.opener.start()  # the process imports its readers meanwhile
    ledger = _ledger(settings)
    s3 = boto3.client("s3", config=_CONFIG)
    evidence = Evidence(s3, settings.evidence_bucket)
    drop = DropBucket(s3, settings.drop_bucket)
    patience = timedelta(seconds=settings.scan_patience_seconds)
    ssm, prefixes = boto3.client("ssm", config=_CONFIG), settings.sender_prefixes
    return Builder(
        identifiers=_identifiers(settings),
        lookup=Lookup(evidence=evidence, directory=_pds(settings)) if settings.pds_url else registration_from_request,
        scanned=MalwareScan(drop=drop, patience=patience) if patience else unscanned,
        document_wait=timedelta(seconds=settings.document_wait_seconds),
        gate=gate,
        drop=drop,
        outbox=Outbox(s3, settings.outbox_bucket),
        evidence=evidence,
        ledger=ledger,
        mailboxes=MailboxDirectory(ssm, settings.mailbox_parameters),
        senders=SenderDirectory(ssm, settings.sender_parameters, prefixes) if prefixes else None,
        send_queue=SendQueue(boto3.client("sqs", config=_CONFIG), settings.send_queue_url),
        notifier=_notifier(settings),
        numbers=settings.nhs_numbers,
        report_logo=logo,
        report_fonts=fonts,
    )


def intake_queue(settings: BuilderSettings, arn: str) -> IntakeQueue:
    """Create the intake queue with this ARN: the shared one or, in the same account, a sender's."""
    return IntakeQueue(boto3.client("sqs", config=_CONFIG), queue_url(settings.intake_queue_url, arn))


def attempts(settings: BuilderSettings, builder: "Builder") -> "Attempts":
    """Create the step that builds a request that the queue delivers again."""
    from gpconnect_messaging.steps.attempts import Attempts

    return Attempts(builder=builder, ledger=builder.ledger, most=settings.maximum_receives)


def sender(settings: SenderSettings) -> "Sender":
    """Create the send step."""
    from gpconnect_messaging.mailboxes.connections import MeshConnections
    from gpconnect_messaging.steps.send import Sender

    ledger = _ledger(settings)
    return Sender(
        outbox=Outbox(boto3.client("s3", config=_CONFIG), settings.outbox_bucket),
        ledger=ledger,
        mesh=MeshConnections(settings.mesh_url, _vault(settings)),
        notifier=_notifier(settings),
        lease=settings.lease,
        timeouts=settings.timeouts,
    )


def poller(settings: PollerSettings) -> "tuple[Poller, Sweep]":
    """Create the polling step and the due-work step."""
    from gpconnect_messaging.mailboxes.connections import MeshConnections
    from gpconnect_messaging.steps.due_work import Sweep
    from gpconnect_messaging.steps.poll import Poller

    ledger = _ledger(settings)
    notifier = _notifier(settings)
    poll = Poller(
        identifiers=_identifiers(settings),
        evidence=Evidence(boto3.client("s3", config=_CONFIG), settings.evidence_bucket),
        ledger=ledger,
        mesh=MeshConnections(settings.mesh_url, _vault(settings)),
        notifier=notifier,
        lease=settings.poll_lease,
    )
    sqs = boto3.client("sqs", config=_CONFIG)
    return poll, Sweep(
        ledger=ledger,
        send_queue=SendQueue(sqs, settings.send_queue_url),
        intake_queue=IntakeQueue(sqs, settings.intake_queue_url),
        notifier=notifier,
        timeouts=settings.timeouts,
    )


def _pds(settings: BuilderSettings) -> "Callable[[], PdsClient]":
    """Create the PDS client at the first lookup: a builder without lookups starts without HTTP and cryptography."""

    @cache
    def opened() -> "PdsClient":
        from gpconnect_messaging.pds.budget import SharedBudget
        from gpconnect_messaging.pds.client import PdsClient
        from gpconnect_messaging.pds.vault import ApplicationVault

        vault = ApplicationVault(boto3.client("secretsmanager", config=_CONFIG), settings.pds_secret)
        budget = SharedBudget(_dynamodb(), settings.ledger_table, settings.pds_requests_per_second)
        return PdsClient(settings.pds_url, vault, budget)

    return opened


def escalation(settings: PollerSettings) -> "Escalation":
    """Create the escalation step of the poller's due work."""
    from gpconnect_messaging.ledger.notifications import NotificationStore
    from gpconnect_messaging.steps.escalate import Escalation

    return Escalation(
        book=NotificationStore(_dynamodb(), settings.ledger_table, kept_for=settings.audit_kept),
        mailboxes=MailboxDirectory(boto3.client("ssm", config=_CONFIG), settings.mailbox_parameters),
        notifier=_notifier(settings),
        wait=settings.escalate_after,
    )


def reconciliation(settings: PollerSettings) -> "Reconciliation":
    """Create the reconciliation step, only when the task runs: at night."""
    from gpconnect_messaging.ledger.balances import Balances
    from gpconnect_messaging.mailboxes.connections import MeshConnections
    from gpconnect_messaging.steps.reconcile import Reconciliation

    return Reconciliation(
        evidence=Evidence(boto3.client("s3", config=_CONFIG), settings.evidence_bucket),
        balances=Balances(_dynamodb(), settings.ledger_table, kept_for=settings.audit_kept),
        mesh=MeshConnections(settings.mesh_url, _vault(settings)),
        notifier=_notifier(settings),
        timeouts=settings.timeouts,
        longest_wait=settings.longest_wait,
        most_asked=settings.mesh_questions_a_day,
    )


def balance_deadline(settings: PollerSettings) -> "BalanceDeadline":
    """Create the check whether the balance is late, in the poller's due work."""
    from gpconnect_messaging.ledger.balances import Balances
    from gpconnect_messaging.steps.reconcile import BalanceDeadline

    return BalanceDeadline(balances=Balances(_dynamodb(), settings.ledger_table, kept_for=settings.audit_kept))


def drop_passes(settings: PollerSettings) -> "DropPasses":
    """Create the store of the drop listing's progress, which the due work measures."""
    from gpconnect_messaging.ledger.drop_passes import DropPasses

    return DropPasses(_dynamodb(), settings.ledger_table, kept_for=settings.audit_kept)


def list_drop(settings: PollerSettings) -> "ListDrop":
    """Create the step that lists the drop, only when the task runs: once an hour."""
    from gpconnect_messaging.steps.list_drop import ListDrop

    s3 = boto3.client("s3", config=_CONFIG)
    return ListDrop(
        drop=DropBucket(s3, settings.drop_bucket),
        evidence=Evidence(s3, settings.evidence_bucket),
        identifiers=_identifiers(settings),
        passes=drop_passes(settings),
        intake_queue=IntakeQueue(boto3.client("sqs", config=_CONFIG), settings.intake_queue_url),
        notifier=_notifier(settings),
        settled=timedelta(seconds=settings.drop_settled_seconds),
    )


def start_canaries(settings: PollerSettings) -> "StartCanaries":
    """Create the step that starts canaries, in the poller's due work."""
    from gpconnect_messaging.steps.canary import StartCanaries

    return StartCanaries(
        canaries=_canaries(settings),
        intake_queue=IntakeQueue(boto3.client("sqs", config=_CONFIG), settings.intake_queue_url),
        every=timedelta(minutes=settings.canary_minutes),
    )


def build_canary(settings: BuilderSettings) -> "BuildCanary":
    """Create the builder's step of a canary."""
    from gpconnect_messaging.steps.canary import BuildCanary

    return BuildCanary(
        canaries=_canaries(settings),
        send_queue=SendQueue(boto3.client("sqs", config=_CONFIG), settings.send_queue_url),
    )


def end_canary(settings: SenderSettings) -> "EndCanary":
    """Create the sender's step of a canary: with the ledger, without outbox and MESH."""
    from gpconnect_messaging.steps.canary import EndCanary

    return EndCanary(canaries=_canaries(settings))


def enabled_parts(settings: PollerSettings) -> "EnabledParts":
    """Create the check whether the rule, the event source mappings and the keys are enabled."""
    from gpconnect_messaging.enabled import EnabledParts

    return EnabledParts(
        events=boto3.client("events", config=_CONFIG),
        functions=boto3.client("lambda", config=_CONFIG),
        keys=boto3.client("kms", config=_CONFIG),
        rule=settings.event_rule,
        mapping_ids=settings.mapping_ids,
        key_arns=settings.key_arns,
    )


def _canaries(settings: BuilderSettings | SenderSettings | PollerSettings) -> "Canaries":
    from gpconnect_messaging.ledger.canaries import Canaries

    return Canaries(_dynamodb(), settings.ledger_table)


@cache
def _dynamodb() -> "DynamoDBClient":
    """Return one shared client: every further client costs cold-start time and connections."""
    return boto3.client("dynamodb", config=_CONFIG)


@cache
def _ledger(settings: BuilderSettings | SenderSettings | PollerSettings) -> Ledger:
    return Ledger(
        _dynamodb(),
        settings.ledger_table,
        settings.timeouts,
        kept_for=settings.audit_kept,
        watch=measurements.watch,
    )


@cache
def _notifier(settings: BuilderSettings | SenderSettings | PollerSettings) -> Notifier:
    return Notifier(boto3.client("sns", config=_CONFIG), settings.notices_topic_arn, _ledger(settings))


@cache
def _identifiers(settings: BuilderSettings | PollerSettings) -> "Identifiers":
    """Read the secret that ids are derived with. Raises IdentifiersSecretError, WrongSecretError."""
    from gpconnect_messaging.derivation import read_identifiers
    from gpconnect_messaging.ledger.derivation import DerivationGuard

    identifiers = read_identifiers(boto3.client("secretsmanager", config=_CONFIG), settings.identifiers_secret)
    DerivationGuard(_dynamodb(), settings.ledger_table).check(identifiers)
    return identifiers


def _vault(settings: SenderSettings | PollerSettings) -> CredentialVault:
    secrets = boto3.client("secretsmanager", config=_CONFIG)
    return CredentialVault(secrets, settings.mailbox_secrets, settings.mesh_secret)

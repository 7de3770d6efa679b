"""Creates the steps of the functions from the settings and the adapters, once at cold start."""

import os
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from gpconnect_messaging import fast_times
from gpconnect_messaging.adapters import BuilderAdapters, PollerAdapters, SenderAdapters
from gpconnect_messaging.metrics import measurements
from gpconnect_messaging.queues import IntakeQueue, queue_url
from gpconnect_messaging.settings import BuilderSettings, PollerSettings, SenderSettings

if TYPE_CHECKING:
    from gpconnect_messaging.derived_ids import Identifiers
    from gpconnect_messaging.enabled import EnabledParts
    from gpconnect_messaging.ledger.archiver import Archiver
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
    """Create the build step. Raises ReportFileError, IdentifiersSecretError, WrongSecretError."""
    from gpconnect_messaging.documents.gate import DocumentGate
    from gpconnect_messaging.documents.report_files import added_fonts, logo_file
    from gpconnect_messaging.steps.build import Builder
    from gpconnect_messaging.steps.lookup import Lookup, registration_from_request
    from gpconnect_messaging.steps.scanning import MalwareScan, unscanned

    code = Path(os.environ.get("LAMBDA_TASK_ROOT", ""))
    logo = logo_file(code / settings.report_logo) if settings.report_logo else None
    fonts = added_fonts([code / file for file in settings.report_fonts.split(":") if file])
    gate = DocumentGate(allow_active=settings.allow_active)
    gate.opener.start()  # the process imports its readers meanwhile
    adapters = _of_builder(settings)
    patience = timedelta(seconds=settings.scan_patience_seconds)
    pds = _pds(settings)
    drop, received = adapters.drop_bucket, adapters.received_objects
    return Builder(
        identifiers=_identifiers(adapters),
        lookup=Lookup(evidence=adapters.evidence, directory=pds) if settings.pds_url else registration_from_request,
        scanned=MalwareScan(drop=drop, received=received, patience=patience) if patience else unscanned,
        document_wait=timedelta(seconds=settings.document_wait_seconds),
        gate=gate,
        drop=drop,
        received=received,
        outbox=adapters.outbox,
        evidence=adapters.evidence,
        ledger=adapters.ledger,
        mailboxes=adapters.mailboxes,
        senders=adapters.senders,
        send_queue=adapters.send_queue,
        notifier=adapters.notifier,
        numbers=settings.nhs_numbers,
        report_logo=logo,
        report_fonts=fonts,
    )


def intake_queue(settings: BuilderSettings, arn: str) -> IntakeQueue:
    """Create the intake queue with this ARN: the shared one or, in the same account, a sender's."""
    return IntakeQueue(_client("sqs"), queue_url(settings.intake_queue_url, arn))


def attempts(settings: BuilderSettings, builder: "Builder") -> "Attempts":
    """Create the step that builds a request that the queue delivers again."""
    from gpconnect_messaging.steps.attempts import Attempts

    return Attempts(builder=builder, ledger=builder.ledger, most=settings.maximum_receives)


def sender(settings: SenderSettings) -> "Sender":
    """Create the send step."""
    from gpconnect_messaging.steps.send import Sender

    adapters = _of_sender(settings)
    return Sender(
        outbox=adapters.outbox,
        ledger=adapters.ledger,
        mesh=adapters.mesh,
        notifier=adapters.notifier,
        lease=settings.lease,
        timeouts=settings.timeouts,
    )


def poller(settings: PollerSettings) -> "tuple[Poller, Sweep]":
    """Create the polling step and the sweep. Raises IdentifiersSecretError, WrongSecretError."""
    from gpconnect_messaging.steps.due_work import Sweep
    from gpconnect_messaging.steps.poll import Poller

    adapters = _of_poller(settings)
    poll = Poller(
        identifiers=_identifiers(adapters),
        evidence=adapters.evidence,
        ledger=adapters.ledger,
        mesh=adapters.mesh,
        notifier=adapters.notifier,
        queue=adapters.inbox_queue,
        interval=timedelta(minutes=settings.mailbox_poll_minutes),
        at_once=settings.messages_at_once,
    )
    return poll, Sweep(
        ledger=adapters.ledger,
        send_queue=adapters.send_queue,
        intake_queue=adapters.intake_queue,
        notifier=adapters.notifier,
        timeouts=settings.timeouts,
    )


def _pds(settings: BuilderSettings) -> "Callable[[], PdsClient]":
    """Create the PDS client at the first lookup: a builder without lookups starts without HTTP and cryptography."""

    @cache
    def opened() -> "PdsClient":
        from gpconnect_messaging.pds.budget import SharedBudget
        from gpconnect_messaging.pds.client import PdsClient
        from gpconnect_messaging.pds.vault import ApplicationVault

        vault = ApplicationVault(_client("secretsmanager"), settings.pds_secret)
        budget = SharedBudget(_client("dynamodb"), settings.ledger_table, settings.pds_requests_per_second)
        return PdsClient(settings.pds_url, vault, budget)

    return opened


def escalation(settings: PollerSettings) -> "Escalation":
    """Create the escalation step of the sweep."""
    from gpconnect_messaging.steps.escalate import Escalation

    adapters = _of_poller(settings)
    return Escalation(
        ledger=adapters.ledger,
        mailboxes=adapters.mailboxes,
        notifier=adapters.notifier,
        wait=settings.escalate_after,
    )


def reconciliation(settings: PollerSettings) -> "Reconciliation":
    """Create the reconciliation step, only when the task runs: at night."""
    from gpconnect_messaging.steps.reconcile import Reconciliation

    adapters = _of_poller(settings)
    return Reconciliation(
        evidence=adapters.evidence,
        balances=adapters.balances,
        mesh=adapters.mesh,
        notifier=adapters.notifier,
        timeouts=settings.timeouts,
        longest_wait=settings.longest_wait,
        most_asked=settings.mesh_questions_a_day,
    )


def archiver(settings: PollerSettings) -> "Archiver":
    """Create the archiver, only when the task runs: at night."""
    return _of_poller(settings).archiver


def balance_deadline(settings: PollerSettings) -> "BalanceDeadline":
    """Create the check whether the balance is late, in the sweep."""
    from gpconnect_messaging.steps.reconcile import BalanceDeadline

    return BalanceDeadline(balances=_of_poller(settings).balances)


def drop_passes(settings: PollerSettings) -> "DropPasses":
    """Create the store of the drop listing's progress, which the sweep measures."""
    return _of_poller(settings).drop_passes


def list_drop(settings: PollerSettings) -> "ListDrop":
    """Create the step that lists the drop, only when the task runs."""
    from gpconnect_messaging.steps.list_drop import HOURLY, ListDrop

    adapters, settled = _of_poller(settings), timedelta(seconds=settings.drop_settled_seconds)
    return ListDrop(
        drop=adapters.drop_bucket,
        received=adapters.received_objects,
        evidence=adapters.evidence,
        identifiers=adapters.identifiers,
        passes=adapters.drop_passes,
        intake_queue=adapters.intake_queue,
        notifier=adapters.notifier,
        settled=settled,
        every=min(settled, HOURLY),  # the local run, whose objects settle in seconds, does not wait for an hour
    )


def start_canaries(settings: PollerSettings) -> "StartCanaries":
    """Create the step that starts canaries, in the sweep."""
    from gpconnect_messaging.steps.canary import StartCanaries

    adapters = _of_poller(settings)
    every = timedelta(minutes=settings.canary_minutes)
    return StartCanaries(canaries=adapters.canaries, intake_queue=adapters.intake_queue, every=every)


def build_canary(settings: BuilderSettings) -> "BuildCanary":
    """Create the builder's step of a canary."""
    from gpconnect_messaging.steps.canary import BuildCanary

    adapters = _of_builder(settings)
    return BuildCanary(canaries=adapters.canaries, send_queue=adapters.send_queue)


def end_canary(settings: SenderSettings) -> "EndCanary":
    """Create the sender's step of a canary: with the ledger, without outbox and MESH."""
    from gpconnect_messaging.steps.canary import EndCanary

    return EndCanary(canaries=_of_sender(settings).canaries)


def enabled_parts(settings: PollerSettings) -> "EnabledParts":
    """Create the check whether the rule, the event source mappings and the keys are enabled."""
    return _of_poller(settings).enabled_parts


@cache
def _client(service: str) -> Any:
    """Return one shared client: every further client costs cold-start time and connections."""
    if boto3.DEFAULT_SESSION is None:
        boto3.setup_default_session(botocore_session=fast_times.session())
    create: Any = boto3.client  # the stubs accept only literal service names
    return create(service, config=_CONFIG)


@cache
def _of_builder(settings: BuilderSettings) -> BuilderAdapters:
    return BuilderAdapters(lambda: settings, _client, watch=measurements.watch)


@cache
def _of_sender(settings: SenderSettings) -> SenderAdapters:
    return SenderAdapters(lambda: settings, _client, watch=measurements.watch)


@cache
def _of_poller(settings: PollerSettings) -> PollerAdapters:
    return PollerAdapters(lambda: settings, _client, watch=measurements.watch)


def _identifiers(adapters: BuilderAdapters | PollerAdapters) -> "Identifiers":
    """Return the derivation of ids, if the ledger began with the same secret. Raises WrongSecretError."""
    adapters.derivation_guard.check(adapters.identifiers)
    return adapters.identifiers

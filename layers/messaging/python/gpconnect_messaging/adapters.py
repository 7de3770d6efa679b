"""Creates the adapters of AWS and MESH from settings: the functions' steps and the operators' tools are made of these.

Every adapter is created once, at first use, and the module is imported then: the sender starts without FHIR models,
the builder without the MESH client, and `gpcm list` without either. The classes follow the settings: a function whose
settings have no MESH has no adapter of MESH.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gpconnect_messaging.settings import (
    BuilderSettings,
    IntakeSettings,
    LedgerSettings,
    MeshSettings,
    OutboxSettings,
    PollerSettings,
    SenderSettings,
)

if TYPE_CHECKING:
    from gpconnect_messaging.derived_ids import Identifiers
    from gpconnect_messaging.enabled import EnabledParts
    from gpconnect_messaging.ledger.archive import Archive
    from gpconnect_messaging.ledger.archiver import Archiver
    from gpconnect_messaging.ledger.balances import Balances
    from gpconnect_messaging.ledger.canaries import Canaries
    from gpconnect_messaging.ledger.derivation import DerivationGuard
    from gpconnect_messaging.ledger.drop_passes import DropPasses
    from gpconnect_messaging.ledger.events import LedgerEvent
    from gpconnect_messaging.ledger.notifications import NotificationStore
    from gpconnect_messaging.ledger.received_objects import ReceivedObjects
    from gpconnect_messaging.ledger.records import MessageRecord
    from gpconnect_messaging.ledger.store import Ledger
    from gpconnect_messaging.mailboxes.connections import MeshConnections
    from gpconnect_messaging.mailboxes.directory import CredentialVault, MailboxDirectory
    from gpconnect_messaging.mailboxes.senders import SenderDirectory
    from gpconnect_messaging.notifications import Notifier
    from gpconnect_messaging.queues import InboxQueue, IntakeQueue, SendQueue
    from gpconnect_messaging.storage import DropBucket, Evidence, Outbox

LedgerS = TypeVar("LedgerS", bound=LedgerSettings)
IntakeS = TypeVar("IntakeS", bound=IntakeSettings)
MeshS = TypeVar("MeshS", bound=MeshSettings)
OutboxS = TypeVar("OutboxS", bound=OutboxSettings)


def _unwatched(_record: "MessageRecord", _events: "Sequence[LedgerEvent]") -> None:
    """Measure nothing."""


class Adapters(Generic[LedgerS]):
    """The adapters that need the ledger's settings only."""

    def __init__(
        self,
        settings: Callable[[], LedgerS],
        client: Callable[[str], Any],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        watch: "Callable[[MessageRecord, Sequence[LedgerEvent]], None]" = _unwatched,
    ) -> None:
        """`settings` is called once, at the first use; `client` returns the boto3 client of a service, always the same.

        `watch` measures the ledger's changes.
        """
        self._read_settings = settings
        self.client = client
        self.now = now
        self._watch = watch

    @cached_property
    def settings(self) -> LedgerS:
        """The settings; raises what the reader raises."""
        return self._read_settings()

    @cached_property
    def ledger(self) -> "Ledger":
        """The ledger: reads messages with their history, and records events."""
        from gpconnect_messaging.ledger.store import Ledger

        settings = self.settings
        client = self.client("dynamodb")
        return Ledger(client, settings.ledger_table, settings.timeouts, self.now, settings.audit_kept, self._watch)

    @cached_property
    def notifier(self) -> "Notifier":
        """Delivers notifications."""
        from gpconnect_messaging.notifications import Notifier

        return Notifier(self.client("sns"), self.settings.notices_topic_arn, self.ledger)

    @cached_property
    def canaries(self) -> "Canaries":
        """The canaries: which were started, and which came through."""
        from gpconnect_messaging.ledger.canaries import Canaries

        return Canaries(self.client("dynamodb"), self.settings.ledger_table)


class IntakeAdapters(Adapters[IntakeS]):
    """The adapters of requests: the builder's and the poller's."""

    @cached_property
    def identifiers(self) -> "Identifiers":
        """The derivation of ids. Raises IdentifiersSecretError."""
        from gpconnect_messaging.derivation import read_identifiers

        return read_identifiers(self.client("secretsmanager"), self.settings.identifiers_secret)

    @cached_property
    def derivation_guard(self) -> "DerivationGuard":
        """The record of the secret that the table's ids are derived with."""
        from gpconnect_messaging.ledger.derivation import DerivationGuard

        return DerivationGuard(self.client("dynamodb"), self.settings.ledger_table)

    @cached_property
    def mailboxes(self) -> "MailboxDirectory":
        """The settings of the sending mailboxes."""
        from gpconnect_messaging.mailboxes.directory import MailboxDirectory

        return MailboxDirectory(self.client("ssm"), self.settings.mailbox_parameters)

    @cached_property
    def drop_bucket(self) -> "DropBucket":
        """The drop bucket."""
        from gpconnect_messaging.storage import DropBucket

        return DropBucket(self.client("s3"), self.settings.drop_bucket)

    @cached_property
    def received_objects(self) -> "ReceivedObjects":
        """The record of which request received a document."""
        from gpconnect_messaging.ledger.received_objects import ReceivedObjects

        settings = self.settings
        return ReceivedObjects(self.client("dynamodb"), settings.ledger_table, settings.drop_bucket, self.now)

    @cached_property
    def evidence(self) -> "Evidence":
        """Requests and responses: personal data."""
        from gpconnect_messaging.storage import Evidence

        return Evidence(self.client("s3"), self.settings.evidence_bucket, self.now)

    @cached_property
    def archive(self) -> "Archive":
        """The archive of settled encounters."""
        from gpconnect_messaging.ledger.archive import Archive

        return Archive(self.client("s3"), self.settings.evidence_bucket)

    @cached_property
    def intake_queue(self) -> "IntakeQueue":
        """The queue that the builder reads."""
        from gpconnect_messaging.queues import IntakeQueue

        return IntakeQueue(self.client("sqs"), self.settings.intake_queue_url)

    @cached_property
    def send_queue(self) -> "SendQueue":
        """The queue that the sender reads."""
        from gpconnect_messaging.queues import SendQueue

        return SendQueue(self.client("sqs"), self.settings.send_queue_url)


class MeshAdapters(Adapters[MeshS]):
    """The adapters of MESH: the sender's and the poller's."""

    @cached_property
    def vault(self) -> "CredentialVault":
        """The mailboxes' credentials."""
        from gpconnect_messaging.mailboxes.directory import CredentialVault

        secrets = self.client("secretsmanager")
        return CredentialVault(secrets, self.settings.mailbox_secrets, self.settings.mesh_secret)

    @cached_property
    def mesh(self) -> "MeshConnections":
        """The MESH clients of the mailboxes."""
        from gpconnect_messaging.mailboxes.connections import MeshConnections

        return MeshConnections(self.settings.mesh_url, self.vault)


class OutboxAdapters(Adapters[OutboxS]):
    """The adapter of built messages: the builder's and the sender's."""

    @cached_property
    def outbox(self) -> "Outbox":
        """Built messages and their envelopes: personal data."""
        from gpconnect_messaging.storage import Outbox

        return Outbox(self.client("s3"), self.settings.outbox_bucket)


class BuilderAdapters(IntakeAdapters[BuilderSettings], OutboxAdapters[BuilderSettings]):
    """The builder's adapters."""

    @cached_property
    def ledger(self) -> "Ledger":
        """The ledger, with the archive: a version that an archived encounter has must not be given again."""
        return super().ledger.with_archive(self.archive, by_any_id=False)

    @cached_property
    def senders(self) -> "SenderDirectory | None":
        """The configured senders; None: every request may use every mailbox."""
        from gpconnect_messaging.mailboxes.senders import SenderDirectory

        prefixes = self.settings.sender_prefixes
        return SenderDirectory(self.client("ssm"), self.settings.sender_parameters, prefixes) if prefixes else None


class SenderAdapters(MeshAdapters[SenderSettings], OutboxAdapters[SenderSettings]):
    """The sender's adapters."""


class PollerAdapters(IntakeAdapters[PollerSettings], MeshAdapters[PollerSettings]):
    """The poller's adapters, with the records that operators read too."""

    @cached_property
    def inbox_queue(self) -> "InboxQueue":
        """The queue that the poller collects from."""
        from gpconnect_messaging.queues import InboxQueue

        return InboxQueue(self.client("sqs"), self.settings.inbox_queue_url)

    @cached_property
    def notifications(self) -> "NotificationStore":
        """The notifications."""
        return self.notifier.store

    @cached_property
    def balances(self) -> "Balances":
        """The daily balances."""
        from gpconnect_messaging.ledger.balances import Balances

        settings = self.settings
        return Balances(
            self.client("dynamodb"), settings.ledger_table, settings.timeouts, self.now, settings.audit_kept
        )

    @cached_property
    def archiver(self) -> "Archiver":
        """Moves settled encounters to the archive."""
        from gpconnect_messaging.ledger.archive import Archive
        from gpconnect_messaging.ledger.archiver import Archiver

        settings = self.settings
        locked_for = timedelta(days=settings.archive_lock_days) if settings.archive_lock_days else None
        archive = Archive(self.client("s3"), settings.evidence_bucket, locked_for)
        after = timedelta(days=settings.archive_after_days)
        client = self.client("dynamodb")
        return Archiver(client, settings.ledger_table, settings.timeouts, archive, after, self.now)

    @cached_property
    def drop_passes(self) -> "DropPasses":
        """The progress of the listing of the drop."""
        from gpconnect_messaging.ledger.drop_passes import DropPasses

        return DropPasses(self.client("dynamodb"), self.settings.ledger_table, self.now, self.settings.audit_kept)

    @cached_property
    def enabled_parts(self) -> "EnabledParts":
        """Whether the rule, the event source mappings and the keys are enabled."""
        from gpconnect_messaging.enabled import EnabledParts

        return EnabledParts(
            events=self.client("events"),
            functions=self.client("lambda"),
            keys=self.client("kms"),
            rule=self.settings.event_rule,
            mapping_ids=self.settings.mapping_ids,
            key_arns=self.settings.key_arns,
            now=self.now,
        )

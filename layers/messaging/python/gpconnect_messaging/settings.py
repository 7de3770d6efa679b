"""Typed settings that a function reads from environment variables, once at cold start.

A wrong or missing variable stops the function at cold start, naming the variable, and not in the middle of a message.
"""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import timedelta
from typing import Any, Self

from gpconnect_messaging.identifiers import NumberRange
from gpconnect_messaging.ledger.deadlines import Timeouts


class SettingsError(Exception):
    """An environment variable is missing or wrong: correct the deployment's configuration."""


@dataclass(frozen=True, kw_only=True)
class _FromEnvironment:
    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the fields from the variables of the same names in capitals. Raises SettingsError."""
        values: dict[str, Any] = {}
        for field in fields(cls):
            name = field.name.upper()
            text = environment.get(name, "").strip()
            if text:
                values[field.name] = _convert(name, text, field.type)
            elif field.default is MISSING:
                raise SettingsError(f"{name} is not set")
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class LedgerSettings(_FromEnvironment):
    """Settings of all functions."""

    ledger_table: str
    notices_topic_arn: str
    stale_seconds: int = 600
    uncertain_seconds: int = 900
    audit_days: int = 2_922

    @property
    def audit_kept(self) -> timedelta:
        """How long the ledger's items stay after their last change."""
        return timedelta(days=self.audit_days)

    @property
    def timeouts(self) -> Timeouts:
        """The timeouts of the sweep."""
        return Timeouts(
            requeue_after=timedelta(seconds=self.stale_seconds), resolve_after=timedelta(seconds=self.uncertain_seconds)
        )


@dataclass(frozen=True, kw_only=True)
class IntakeSettings(LedgerSettings):
    """Settings of the builder and of the poller, which balances the builder's requests.

    `identifiers_secret` names the secret that ids are derived with (ADR 31).
    """

    identifiers_secret: str
    mailbox_parameters: str
    drop_bucket: str
    evidence_bucket: str
    intake_queue_url: str
    """The queue on which requests wait."""
    send_queue_url: str
    scan_patience_seconds: int = 0
    """How long a request waits for GuardDuty's scan results. 0: the drop is not scanned."""
    document_wait_seconds: int = 0
    """How long a request waits for documents and ready resources that are not in the drop."""

    @property
    def longest_wait(self) -> timedelta:
        """How long a request may wait in total: for a document, and then for the document's scan."""
        return timedelta(seconds=self.document_wait_seconds + self.scan_patience_seconds)


@dataclass(frozen=True, kw_only=True)
class MeshSettings(LedgerSettings):
    """Settings of the sender and of the poller, which use MESH."""

    mesh_url: str
    mailbox_secrets: str
    mesh_secret: str


@dataclass(frozen=True, kw_only=True)
class OutboxSettings(LedgerSettings):
    """Settings of the builder and of the sender, which use the outbox."""

    outbox_bucket: str


@dataclass(frozen=True, kw_only=True)
class BuilderSettings(IntakeSettings, OutboxSettings):
    """The builder's settings. `nhs_numbers` is safety rule 4: test or live numbers, never both.

    Without `pds_url` no mailbox can use the PDS lookup; with it, `pds_secret` names the application's secret.

    `report_logo` is an image file, and `report_fonts` are TrueType files separated by colons, for rendered reports. The
    deployer ships them with the function; the paths are relative to the function's folder.
    """

    nhs_numbers: NumberRange
    active_content: str = "refuse"
    """Whether PDFs with scripts, launch actions or attached files are accepted: `refuse`, or `allow`."""
    report_logo: str = ""
    report_fonts: str = ""
    pds_url: str = ""
    pds_secret: str = ""
    pds_requests_per_second: int = 5
    maximum_receives: int = 5
    """How often the intake queue delivers a message before it becomes a dead letter."""
    senders: str = ""
    """The configured senders as `name=prefix`, separated by commas; empty: every request may use every mailbox."""
    sender_parameters: str = ""
    """The path of the senders' parameters, which are found by name."""

    @property
    def allow_active(self) -> bool:
        """Whether documents with active content may be sent. Raises SettingsError."""
        if self.active_content not in {"refuse", "allow"}:
            raise SettingsError("ACTIVE_CONTENT must be refuse or allow")
        return self.active_content == "allow"

    @property
    def sender_prefixes(self) -> dict[str, str]:
        """The senders' prefixes in the drop bucket, by name."""
        return dict(sender.split("=", 1) for sender in self.senders.split(",")) if self.senders else {}


@dataclass(frozen=True, kw_only=True)
class SenderSettings(MeshSettings, OutboxSettings):
    """The sender's settings."""

    lease_seconds: int = 180

    @property
    def lease(self) -> timedelta:
        """The lease of a message; longer than the function may run."""
        return timedelta(seconds=self.lease_seconds)


@dataclass(frozen=True, kw_only=True)
class PollerSettings(IntakeSettings, MeshSettings):
    """The poller's settings. An object of `drop_settled_seconds` must have been announced."""

    event_rule: str
    """The EventBridge rule that announces dropped requests."""
    event_source_mappings: str
    """Ids of the mappings that feed the builder and the sender, separated by commas."""
    keys: str
    """ARNs of the keys, separated by commas."""
    inbox_queue_url: str
    """The queue on which messages of inboxes wait to be collected."""
    mailbox_poll_minutes: int = 5
    messages_at_once: int = 10
    """How many messages a run collects at once."""
    canary_minutes: int = 15
    escalate_after_seconds: int = 14_400
    drop_settled_seconds: int = 3_600
    archive_after_days: int = 120
    """How old all requests of a month are when they are archived."""
    archive_lock_days: int = 0
    """How long the archive is locked; 0: as long as other evidence."""
    mesh_questions_a_day: int = 5_000
    """About how many messages the daily balance asks MESH."""

    @property
    def mapping_ids(self) -> tuple[str, ...]:
        """The ids in `event_source_mappings`."""
        return tuple(self.event_source_mappings.split(","))

    @property
    def key_arns(self) -> tuple[str, ...]:
        """The ARNs in `keys`."""
        return tuple(self.keys.split(","))

    @property
    def escalate_after(self) -> timedelta:
        """How long a notification about no known mailbox waits for an acknowledgement."""
        return timedelta(seconds=self.escalate_after_seconds)


def _convert(name: str, text: str, kind: Any) -> Any:
    if kind is int:
        if not text.isascii() or not text.isdecimal() or int(text) == 0:
            raise SettingsError(f"{name} must be a whole number above 0")
        return int(text)
    if kind is NumberRange:
        try:
            return NumberRange(text)
        except ValueError:
            raise SettingsError(f"{name} must be one of {', '.join(NumberRange)}") from None
    return text

"""The records of the ledger: messages, claims of requests, notifications, audit events and received messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpconnect_messaging.derived_ids import REGISTERED_PRACTICE
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import NotificationType, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message with all that the ledger has of it.

    `history` decides everything else. `encounter` is the sender's identifier and can name a person: it is stored, never
    logged; keys use the derived `encounter_key`. `recipient` distinguishes the messages of one request; `messages` is
    the number of them, so that a missing one is noticed. A request that is not a message (refused, held, a withdrawal)
    has a record under the request id, as version 0. `changed_at` is when the status last changed (UTC); None in a new
    record. Under `legal_hold` no item of the message expires.
    """

    message_id: str
    request_id: str
    mailbox: str
    encounter: str = field(repr=False)
    encounter_key: str
    version: int
    recipient: str = REGISTERED_PRACTICE
    created_at: datetime
    history: MessageHistory
    changed_at: datetime | None = None
    messages: int = 1
    legal_hold: bool = False
    carried: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Values that a newer release stored with the message: they are written back as they are."""

    @property
    def status(self) -> Status:
        """The status, derived from the recorded events."""
        return status_of(self.history)

    @property
    def status_since(self) -> datetime:
        """When the status last changed (UTC)."""
        return self.changed_at or self.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A message without the events, for lists. `encounter` is as in `MessageRecord`.

    `changed_at` is when the status last changed, `due_at` when the sweep looks at it next, if ever. `became` are the
    ids of the messages that a held request became.
    """

    message_id: str
    request_id: str
    mailbox: str
    encounter: str = field(repr=False)
    version: int
    recipient: str
    status: Status
    created_at: datetime
    changed_at: datetime
    due_at: datetime | None
    mesh_message_ids: tuple[str, ...]
    became: tuple[str, ...]
    legal_hold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A request's claim of the encounter's next version, made once, with the timestamp of the messages.

    `document_versions` are the S3 object versions of the documents, primary first, then of the ready resources, so
    that a rebuild reads the same. `registration` is the patient's practice at that time, for the same reason (see
    `lifecycle.built`). `message_ids` are the ids of the version's messages; empty in a new claim.
    """

    request_id: str
    version: int
    created_at: datetime
    document_versions: tuple[str, ...]
    registration: Mapping[str, Any] = field(default_factory=dict)
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The source of a request: the folder in the drop, and the S3 object versions of the documents.

    The versions are those that were checked, so later overwriting does not change what is sent; a refused request has
    no versions. The sender chooses the folder, which can name a person: it is stored, never logged. `arrived` (UTC) is
    when the request was received, which orders it among the encounter's requests. `dropped` says that it came through
    the drop, also in the bucket's root. `queue_of` is the sender on whose queue the request came; empty for a drop,
    where the folder identifies the sender.
    """

    folder: str = field(default="", repr=False)
    document_versions: tuple[str, ...] = ()
    arrived: datetime | None = None
    dropped: bool = False
    queue_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropContent:
    """The last content received under a key of the drop (ADR 46).

    `s3_object` is the hash of the key (`precedence.object_of`), `content` the hash of the request and of all files that
    it names, in hex. `sequencer` is S3's sequencer, empty where it is not known. `arrived` (UTC) is the time of S3's
    event; None in older items. `revision` counts the changes.
    """

    s3_object: str
    content: str
    request_id: str
    sequencer: str = ""
    arrived: datetime | None = None
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's order to resubmit a kept request as a new one, under a new id."""

    request_id: str
    """The id of the new request."""
    of: str
    """The id of the original request, under which the evidence store has it."""
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of an encounter: the request that claimed it, and the messages of the request.

    `recipients` are the recipients of the messages, in the same order.
    """

    number: int
    request_id: str
    message_ids: tuple[str, ...]
    recipients: tuple[str, ...]

    def message_for(self, recipient: str) -> str | None:
        """Return the id of the message to a recipient; None where this version has none."""
        return dict(zip(self.recipients, self.message_ids, strict=True)).get(recipient)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification to a person. `subject_key` is the ledger key of the subject; no personal data."""

    subject_key: str
    kind: NotificationType
    raised_at: datetime
    details: Mapping[str, str]
    """The details in the text, by name: ids, statuses, codes, reasons."""
    occasion: str = ""
    """Distinguishes repeated notifications of one kind about one subject."""

    @property
    def id(self) -> str:
        """The id that people use: the subject, the kind, and any occasion."""
        occasion = f"#{self.occasion}" if self.occasion else ""
        return f"{self.subject_key}/{self.kind.value}{occasion}".replace(" ", "-")

    @property
    def mailbox(self) -> str | None:
        """The mailbox of the subject; None where it is not known."""
        mailbox = self.details.get("mailbox", "-")
        return None if mailbox == "-" else mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class RaisedNotification:
    """A notification in the ledger: open until a person acknowledges it.

    `due_at` is when it must be delivered or, once delivered (`told_at`), escalated; None where neither is due any more.
    """

    notification: Notification
    due_at: datetime | None = None
    told_at: datetime | None = None
    escalated_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""

    @property
    def is_open(self) -> bool:
        """Whether no person has acknowledged it."""
        return self.acknowledged_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An entry of the audit trail (FHIR-DOC-01 to FHIR-DOC-03); no personal data.

    `actor` is a function, a MESH message (`MESH …`), or a member of staff. `sha256` is the hash of the message as it
    was built, in hex; None without a message, or where the hash is not known.
    """

    at: datetime
    actor: str
    what: str
    message_id: str | None = None
    mailbox: str | None = None
    sha256: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


QUARANTINED = "quarantined"
"""Outcome of a received message that failed on every try: it stays in MESH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A received MESH message: `evidence_key` of the raw message, and the `outcome` of processing it."""

    mailbox: str
    mesh_message_id: str
    at: datetime
    evidence_key: str
    outcome: str

"""What the ledger holds: a message, a request's claim, a notification, and what came in without a message of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpconnect_messaging.ledger.lifecycle import MessageHistory, NotificationType, Status
from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.requests.identity import REGISTERED_PRACTICE


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRecord:
    """A message and all that is known of it.

    `revision` counts the recorded changes; `history` decides everything else. `encounter` is the sender's own word and
    can name a person: it is stored, never logged; `encounter_key` is ours, and stands in keys. `recipient` tells the
    copies of one document apart; `messages` is how many there are in all, so that a missing one is missed. A request
    that is no message (refused, held, a withdrawal) has a row under its own id, as version 0. Under `legal_hold`
    nothing of it expires.
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
    revision: int = 0
    messages: int = 1
    legal_hold: bool = False
    carried: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Attributes of the stored row that a newer release wrote: they are written back as they are."""

    @property
    def status(self) -> Status:
        """The status that the recorded facts amount to."""
        return self.history.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A message's row without its facts: what a list shows. `encounter` is as in `MessageRecord`.

    `changed_at` is when the last fact was recorded, `due_at` when the sweep looks at it next, if ever. `became` are the
    messages that a held request was released as.
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
    """What a request was given, once: its encounter's next version, and the time that its message will bear.

    `document_versions` are the S3 object versions of its documents, primary first, and after them of its ready
    resources, so that a rebuild reads the same. `registration` is what was known of the patient's practice, for the
    same reason (see `lifecycle.built`). `message_ids` are those of the version's messages, as far as they are read.
    """

    request_id: str
    version: int
    created_at: datetime
    document_versions: tuple[str, ...]
    registration: Mapping[str, Any] = field(default_factory=dict)
    message_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from, and where its documents are: its folder in the drop, and their S3 object versions.

    What is sent is what was there when the request was checked, whatever is written over it later; a request that was
    refused has no versions. The folder is the sender's own word and can name a person: it is stored, never logged.
    `arrived` (UTC) is when the request came, by which it stands among those of its encounter. `queue_of` names the
    sender on whose own queue it came; empty for a drop, whose folder tells the sender.
    """

    folder: str = field(default="", repr=False)
    document_versions: tuple[str, ...] = ()
    arrived: datetime | None = None
    queue_of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropContent:
    """What was last taken in under a key of the drop (ADR 46).

    `s3_object` stands for the key (`precedence.object_of`), and `content` for the bytes of the request and of all that
    it names, in hex; `sequencer` is S3's, empty where it is not known. `revision` counts the changes.
    """

    s3_object: str
    content: str
    request_id: str
    sequencer: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An operator's order to take a kept request in again, as a new one with an id of its own."""

    request_id: str
    """The new one's."""
    of: str
    """The id under which the evidence store has the request."""
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of an encounter: the request that it was given to, and the messages that are made of it.

    `recipients` are whom the messages are for, in the same order.
    """

    number: int
    request_id: str
    message_ids: tuple[str, ...]
    recipients: tuple[str, ...]

    def message_for(self, recipient: str) -> str | None:
        """Name the message to a recipient; None where this version did not go there."""
        return dict(zip(self.recipients, self.message_ids, strict=True)).get(recipient)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """Where an encounter stands: its last version, its newest request, and the one that is held.

    `newest` is what later requests are held against (see `precedence`).
    `revision` counts the changes, so that of two who change it at once only one does.
    """

    key: str
    version: int = 0
    newest: RequestTimes | None = None
    newest_request_id: str = ""
    held_request_id: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something that a person must be told. `subject_key` is the ledger key of what it is about; no personal data."""

    subject_key: str
    kind: NotificationType
    raised_at: datetime
    details: Mapping[str, str]
    """What the notification's words need, by name: ids, statuses, codes, reasons."""
    occasion: str = ""
    """What tells it from others of its kind about the subject: what happens again is notified again."""

    @property
    def id(self) -> str:
        """What a person names the notification by: its subject and its kind."""
        again = f"#{self.occasion}" if self.occasion else ""
        return f"{self.subject_key}/{self.kind.value}{again}".replace(" ", "-")

    @property
    def mailbox(self) -> str | None:
        """The mailbox that it is about; None where none is known."""
        mailbox = self.details.get("mailbox", "-")
        return None if mailbox == "-" else mailbox


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenNotification:
    """A notification that nobody has acknowledged yet."""

    notification: Notification
    told_at: datetime | None
    escalated_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """Something that happened or was done, for whoever asks later (FHIR-DOC-01 to FHIR-DOC-03); no personal data.

    `actor` is a function, a MESH message (`MESH …`), or a member of staff. `sha256` is the hash of the message as it
    was built, in hex; None where there is none, or none is known.
    """

    at: datetime
    actor: str
    what: str
    message_id: str | None = None
    mailbox: str | None = None
    sha256: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


QUARANTINED = "set aside"
"""Outcome of an incoming message that could not be taken in, try after try: it stays in MESH."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One MESH message that came to a mailbox of ours: where its raw form is kept, and what it turned out to be."""

    mailbox: str
    mesh_message_id: str
    at: datetime
    evidence_key: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often it was tried to take an incoming message in: begun beside others, and alone.

    Only what fails alone is the message's own fault.
    """

    begun: int
    alone: int

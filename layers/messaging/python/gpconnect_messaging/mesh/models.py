"""Requests to MESH and answers from it, as values. Fields that can identify a patient stay out of every repr."""

import re
from dataclasses import dataclass, field
from datetime import datetime

_SENT_TO = re.compile(r"[!-~]{1,100}")


@dataclass(frozen=True, kw_only=True)
class OutboundMessage:
    """The headers of one message to send. Values are ASCII; `headers.LONGEST` has the longest lengths.

    `to` is a mailbox id or an automatic-routing address (GPCM-SD-CS-067), `local_id` the sender's ODS code
    (GPCM-SD-CS-080).
    """

    to: str = field(repr=False)
    workflow_id: str
    subject: str = field(default="", repr=False)
    local_id: str = ""
    file_name: str = field(default="", repr=False)
    content_type: str = "application/xml"
    checksum: str | None = None


@dataclass(frozen=True, kw_only=True)
class SendReceipt:
    """MESH took the message. Keep `message_id`: MESH's reports name the message only by it."""

    message_id: str


@dataclass(frozen=True, kw_only=True)
class InboxPage:
    """One page of the inbox. `continue_from` is None on the last one; `approximate_count` None where MESH gave none."""

    message_ids: tuple[str, ...]
    continue_from: str | None = None
    approximate_count: int | None = None


@dataclass(frozen=True, kw_only=True)
class ChunkRange:
    """The header `Mex-Chunk-Range`, `number:total`. MESH gives a report `1:0`."""

    number: int
    total: int


@dataclass(frozen=True, kw_only=True)
class MessageHeaders:
    """The headers of a message in the inbox. A text is empty, and a value None, if MESH sent no such header.

    The status fields and `linked_message_id` matter in a report: the latter is the MESH id of the failed message.
    """

    message_id: str
    message_type: str = ""
    workflow_id: str = ""
    sender: str = ""
    recipient: str = field(default="", repr=False)
    local_id: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    file_name: str = field(default="", repr=False)
    content_type: str = ""
    content_encoding: str = ""
    content_length: int | None = None
    checksum: str = field(default="", repr=False)
    chunk_range: ChunkRange | None = None
    linked_message_id: str | None = None
    status_event: str = ""
    status_code: str = ""
    status_description: str = field(default="", repr=False)
    status_success: bool | None = None
    status_timestamp: datetime | None = None

    @property
    def is_report(self) -> bool:
        """Whether this is MESH's report about a sent message."""
        return self.message_type == "REPORT"


@dataclass(frozen=True, kw_only=True)
class ReceivedMessage(MessageHeaders):
    """A message with the whole content, all chunks joined; a report's is empty."""

    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """The state of a sent message. Times are UTC.

    `status` is MESH's word in small letters, such as `accepted` or `acknowledged`. The latter means collected by the
    recipient's system, not read by anyone.
    """

    message_id: str
    status: str = ""
    status_success: bool | None = None
    status_event: str = ""
    status_code: str = ""
    status_description: str = field(default="", repr=False)
    status_timestamp: datetime | None = None
    workflow_id: str = ""
    local_id: str = field(default="", repr=False)
    recipient: str = field(default="", repr=False)
    recipient_ods_code: str = ""
    recipient_name: str = field(default="", repr=False)
    uploaded_at: datetime | None = None
    expires_at: datetime | None = None
    linked_message_id: str | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether the recipient's system has collected the message."""
        return self.status == "acknowledged"


@dataclass(frozen=True, kw_only=True)
class Mailbox:
    """A mailbox that MESH's directory names."""

    mailbox_id: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class EndpointLookup:
    """The mailboxes that take a workflow. None: it is not enabled there. Several: a person decides."""

    mailboxes: tuple[Mailbox, ...]

    @property
    def only(self) -> str | None:
        """The id of the one mailbox; None with none or several, or an id that cannot be sent to."""
        if len(self.mailboxes) != 1 or not _SENT_TO.fullmatch(self.mailboxes[0].mailbox_id):
            return None
        return self.mailboxes[0].mailbox_id

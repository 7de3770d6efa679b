"""The sandbox with the local community: subclasses replace the store and the checks.

Written for mesh-sandbox 1.0; the installed package is not changed.
"""

# mypy: disallow-subclassing-any=False
# (The sandbox and the packages are in another environment, so mypy does not know their classes.)

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from fastapi import BackgroundTasks, HTTPException
from mesh_sandbox import dependencies
from mesh_sandbox.api import app
from mesh_sandbox.common import EnvConfig, constants
from mesh_sandbox.common.exceptions import MessagingException
from mesh_sandbox.common.messaging import Messaging, try_parse_authorisation_token
from mesh_sandbox.models.mailbox import Mailbox
from mesh_sandbox.models.message import (
    Message,
    MessageEvent,
    MessageMetadata,
    MessageParty,
    MessageStatus,
    MessageType,
)
from mesh_sandbox.store.memory_store import MemoryStore

from infra.local.mesh import routing
from infra.local.mesh.configuration import Behaviour, Community
from infra.local.mesh.exchanges import Kind, exchange_in_hand
from infra.local.mesh.faults import Application
from infra.local.mesh.routing import Undeliverable
from infra.local.mesh.tokens import TokenRegister, is_current

UNCOLLECTED = Undeliverable("14", "Message not collected by recipient after 5 days")
logger = logging.getLogger("mesh-sandbox")


@dataclass
class _Stored:
    """A message in the journal: the sender's request, and the sandbox's own record, which changes."""

    message: Message
    asked_to: str
    headers: list[tuple[str, str]]
    accepted_at: float | None = None
    undeliverable: Undeliverable | None = None


@dataclass(frozen=True)
class _DueReport:
    due_at: float
    stored: _Stored
    reason: Undeliverable


class CommunityStore(MemoryStore):
    """The memory store with the community's mailboxes, automatic routing, and reports of undelivered messages."""

    def __init__(self, config: EnvConfig, community: Community, behaviour: Behaviour, folder: Path) -> None:
        self.community = community
        self.behaviour = behaviour
        self._folder = folder
        community.write_sandbox_files(folder)
        super().__init__(config, logger)

    def get_mailboxes_data_dir(self) -> str:
        """Return the folder of the mailboxes; the sandbox calls this before it reads anything."""
        self._canned_data_dir = str(self._folder)
        return str(self._folder / "mailboxes")

    def initialise(self) -> None:
        """Start with empty mailboxes; the sandbox calls this at start."""
        super().initialise()
        self._journal: dict[str, _Stored] = {}
        self._due: list[_DueReport] = []
        # The sandbox searches whole inboxes for every request; a separate index keeps long runs fast.
        self._waiting: dict[str, dict[str, Message]] = defaultdict(dict)

    async def reset(self) -> None:
        """Empty every mailbox."""
        self.initialise()

    async def reset_mailbox(self, mailbox_id: str) -> None:
        """Empty a mailbox."""
        await super().reset_mailbox(mailbox_id)
        self._waiting.pop(mailbox_id, None)

    async def get_mailbox(self, mailbox_id: str, accessed: bool = False) -> Mailbox | None:
        """Find a mailbox by id, or by automatic routing.

        An address without a mailbox is accepted, as in the real service. The returned mailbox is a placeholder with the
        report's code as id, and `add_to_inbox` turns it into a report.
        """
        self.settle()
        if not routing.is_automatic(mailbox_id):
            return await super().get_mailbox(mailbox_id, accessed)
        exchange = exchange_in_hand.get()
        workflow_id = exchange.header("mex-workflowid").strip() if exchange else ""
        outcome = routing.route(mailbox_id, workflow_id=workflow_id, community=self.community)
        if isinstance(outcome, Undeliverable):
            return Mailbox(mailbox_id=outcome.code, mailbox_name="")
        return await super().get_mailbox(outcome.mailbox, accessed)

    async def save_message(self, message: Message) -> None:
        """Store a message, and update the index of waiting messages."""
        await super().save_message(message)
        if message.message_id not in self._journal:
            exchange = exchange_in_hand.get()
            sent = exchange is not None and message.message_type == MessageType.DATA
            if exchange is not None and sent:
                exchange.message_id = message.message_id
            self._journal[message.message_id] = _Stored(
                message=message,
                asked_to=exchange.header("mex-to") if exchange is not None and sent else message.recipient.mailbox_id,
                headers=list(exchange.headers) if exchange is not None and sent else [],
            )
        if message.status != MessageStatus.ACCEPTED:
            self._waiting[message.recipient.mailbox_id].pop(message.message_id, None)
        if message.status == MessageStatus.ACKNOWLEDGED and not self.behaviour.keep_content:
            self.chunks.pop(message.message_id, None)

    async def add_to_inbox(self, message: Message) -> None:
        """Deliver a message, or schedule the report that says why it cannot be delivered."""
        stored = self._journal[message.message_id]
        stored.accepted_at = time.monotonic()
        reason = routing.UNDELIVERABLE.get(message.recipient.mailbox_id)
        if reason is None:
            await super().add_to_inbox(message)
            self._waiting[message.recipient.mailbox_id][message.message_id] = message
            return
        message.recipient = MessageParty()
        stored.undeliverable = reason
        self._due.append(_DueReport(stored.accepted_at + self.behaviour.report_delay_seconds, stored, reason))

    async def get_inbox_messages(
        self, mailbox_id: str, predicate: Callable[[Message], bool] | None = None
    ) -> list[Message]:
        """List an inbox. The sandbox's only predicates select accepted messages, which are the waiting ones."""
        if predicate is None:
            return await super().get_inbox_messages(mailbox_id)  # type: ignore[no-any-return]
        return [message for message in self._waiting[mailbox_id].values() if predicate(message)]

    def settle(self) -> None:
        """Execute due work: reports about routing, and about messages that were not collected in time."""
        now = time.monotonic()
        due = [report for report in self._due if report.due_at <= now]
        if due:
            self._due = [report for report in self._due if report.due_at > now]
        for report in due:
            report.stored.message.events.insert(0, _error(report.reason, MessageStatus.ERROR))
            self._report(report.stored, report.reason)
        limit = self.behaviour.uncollected_seconds
        if limit is not None:
            self._expire(lambda stored: stored.accepted_at is not None and now - stored.accepted_at >= limit)

    def expire_waiting(self, *, mailbox: str | None = None, message_id: str | None = None) -> int:
        """Report waiting messages (of a mailbox, by id, or all) as uncollected; return the number of reports."""
        return self._expire(
            lambda stored: (
                mailbox in (None, stored.message.recipient.mailbox_id)
                and message_id in (None, stored.message.message_id)
            )
        )

    def list_messages(self) -> list[dict[str, Any]]:
        """Return all messages since the last reset, oldest first, reports included."""
        self.settle()
        return [
            {
                "message_id": stored.message.message_id,
                "created_at": stored.message.created_timestamp.replace(tzinfo=UTC).isoformat(),
                "type": stored.message.message_type,
                "from": stored.message.sender.mailbox_id,
                "asked_to": stored.asked_to,
                "to": stored.message.recipient.mailbox_id or None,
                "undeliverable": stored.undeliverable.code if stored.undeliverable else None,
                "workflow": stored.message.workflow_id,
                "status": stored.message.status,
                "chunks": stored.message.total_chunks,
                "bytes": stored.message.file_size,
                "linked_message_id": next(
                    (event.linked_message_id for event in stored.message.events if event.linked_message_id), None
                ),
                "headers": stored.headers,
            }
            for stored in self._journal.values()
        ]

    def content_of(self, message_id: str) -> bytes | None:
        """Return a message's body as uploaded, chunks joined."""
        if message_id not in self._journal:
            return None
        return b"".join(chunk or b"" for chunk in self.chunks.get(message_id, []))

    def _expire(self, chosen: Callable[[_Stored], bool]) -> int:
        reports = 0
        for waiting in self._waiting.values():
            for message_id, message in list(waiting.items()):
                stored = self._journal[message_id]
                # Reports have no sender, so MESH does not report that they were not collected.
                if not message.sender.mailbox_id or not chosen(stored):
                    continue
                del waiting[message_id]
                message.events.insert(0, _error(UNCOLLECTED, MessageStatus.UNDELIVERABLE))
                stored.undeliverable = UNCOLLECTED
                self._report(stored, UNCOLLECTED)
                reports += 1
        return reports

    def _report(self, about: _Stored, reason: Undeliverable) -> None:
        """Put a report into the sender's inbox: no body, no chunks, only headers."""
        undelivered = about.message
        event = _error(reason, MessageStatus.ERROR)
        event.linked_message_id = undelivered.message_id
        report = Message(
            message_id=uuid4().hex.upper(),
            events=[MessageEvent(status=MessageStatus.ACCEPTED), event],
            sender=MessageParty(mailbox_name="Central System Mailbox", ods_code="X26", org_code="X26"),
            recipient=undelivered.sender,
            message_type=MessageType.REPORT,
            total_chunks=0,
            workflow_id=undelivered.workflow_id,
            metadata=MessageMetadata(
                subject=undelivered.metadata.subject,
                local_id=undelivered.metadata.local_id,
                file_name=undelivered.metadata.file_name,
            ),
        )
        mailbox = report.recipient.mailbox_id
        self.messages[report.message_id] = report
        self.inboxes[mailbox].append(report)
        self._waiting[mailbox][report.message_id] = report
        self._journal[report.message_id] = _Stored(message=report, asked_to=mailbox, headers=[])


class CommunityMessaging(Messaging):
    """The sandbox's messaging with the checks of the real service."""

    def __init__(self, store: CommunityStore, tokens: TokenRegister) -> None:
        super().__init__(store)
        self._community_store = store
        self._tokens = tokens

    @property
    def _behaviour(self) -> Behaviour:
        return self._community_store.behaviour

    async def authorise_mailbox(self, mailbox_id: str, authorization: str) -> Mailbox:
        """Check the token as the sandbox does, then that it is current and new."""
        mailbox = await super().authorise_mailbox(mailbox_id, authorization)
        now = datetime.now(UTC)
        window = self._behaviour.timestamp_window_seconds
        if window is not None:
            parts = try_parse_authorisation_token(authorization)
            if not is_current(parts.timestamp, now, window):
                raise HTTPException(status_code=403, detail=constants.ERROR_INVALID_AUTH_TOKEN)
        if self._behaviour.single_use_tokens and not self._tokens.first_use(authorization, now):
            raise HTTPException(status_code=403, detail=constants.ERROR_DUPLICATED_AUTH_TOKEN)
        return mailbox

    async def get_message(self, message_id: str) -> Message | None:
        """Find a message; message tracking omits the recipient, if that is switched on."""
        message: Message | None = await super().get_message(message_id)
        exchange = exchange_in_hand.get()
        tracked = exchange is not None and exchange.kind is Kind.TRACKING
        if message is not None and tracked and not self._behaviour.tracking_names_recipient:
            return replace(message, recipient=MessageParty())
        return message

    async def send_message(self, message: Message, body: bytes, background_tasks: BackgroundTasks) -> Message:
        """Accept a message, unless the sender or the recipient may not use the workflow."""
        if message.message_type == MessageType.DATA:
            self._check_sender(message)
            self._check_workflow(message)
        return await super().send_message(message=message, body=body, background_tasks=background_tasks)

    async def save_chunk(
        self, message: Message, chunk_number: int, chunk: bytes, background_tasks: BackgroundTasks
    ) -> None:
        """Accept a chunk, unless it is too large for a request, or too small for a chunk before the last."""
        largest = self._behaviour.largest_request_bytes
        if largest is not None and len(chunk) > largest:
            raise _refused(413, "SEND", "06", f"A request may carry at most {largest} bytes", message)
        smallest = self._behaviour.smallest_middle_chunk_bytes
        if smallest is not None and chunk_number < message.total_chunks and len(chunk) < smallest:
            raise _refused(417, "SEND", "06", f"A chunk before the last must carry {smallest} bytes", message)
        await super().save_chunk(
            message=message, chunk_number=chunk_number, chunk=chunk, background_tasks=background_tasks
        )

    async def accept_message(self, message: Message, file_size: int, background_tasks: BackgroundTasks) -> None:
        """Deliver a message after the last chunk, unless a chunk is missing."""
        chunks = self._community_store.chunks.get(message.message_id, [])
        if self._behaviour.chunks_complete and any(chunk is None for chunk in chunks):
            raise _refused(417, "SEND", "02", "A chunk is missing", message)
        await super().accept_message(message=message, file_size=file_size, background_tasks=background_tasks)

    def _check_sender(self, message: Message) -> None:
        exchange = exchange_in_hand.get()
        stated = exchange.header("mex-from").strip().upper() if exchange else ""
        if self._behaviour.sender_must_match and stated and stated != message.sender.mailbox_id:
            raise _refused(417, "SEND", "07", "The sender does not match the authorization header")

    def _check_workflow(self, message: Message) -> None:
        if not self._behaviour.workflow_permission:
            return
        mailboxes = self._community_store.community.mailboxes
        sender = mailboxes.get(message.sender.mailbox_id)
        if sender is None or message.workflow_id not in sender.sends:
            raise _refused(417, "SEND", "16", "The sender may not send this workflow")
        recipient = mailboxes.get(message.recipient.mailbox_id)
        if recipient is not None and message.workflow_id not in recipient.receives:
            raise _refused(417, "SEND", "17", "The recipient's mailbox is not registered for this workflow")


def build_service(
    *, community: Community, behaviour: Behaviour, shared_key: str, folder: Path, tokens: TokenRegister
) -> tuple[Application, CommunityStore]:
    """Return the sandbox's application for the community, and the store. Once per process."""
    config = EnvConfig()
    # Not by environment variables, so that no stray variable can turn authorisation off.
    config.auth_mode, config.store_mode, config.shared_key = "full", "memory", shared_key
    store = CommunityStore(config, community, behaviour, folder)
    # The sandbox makes the messaging from these two names at the first request. FastAPI's overrides would work too, but
    # FastAPI evaluates them again for every request, which made requests four times slower.
    dependencies.get_store = lambda: store
    dependencies.Messaging = lambda store: CommunityMessaging(store, tokens)
    return app, store


def _error(reason: Undeliverable, status: str) -> MessageEvent:
    return MessageEvent(status=status, code=reason.code, event="SEND", description=reason.description)


def _refused(status: int, event: str, code: str, text: str, message: Message | None = None) -> MessagingException:
    return MessagingException(
        status_code=status,
        detail={"errorEvent": event, "errorCode": code, "errorDescription": text},
        message_id=message.message_id if message else None,
    )

"""A message's document: what of it is nobody's personal data, and the rest once it is revealed, for one answer only.

What is shown unrevealed is chosen, label by label: whatever is not known to be harmless is hidden, and only its kind is
named. A reveal is recorded before anything is read, and shown in the answer to the form that asked for it; there is no
address under which it could be seen again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

from starlette.requests import Request
from starlette.responses import Response

from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.page import View
from gpconnect_messaging.documents.reading import Document, Facts, Reading, UnreadableMessageError, read_message
from gpconnect_messaging.documents.types import media_type
from gpconnect_messaging.ledger.lifecycle import EventType
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.operators import ReasonError, checked_reason
from gpconnect_messaging.storage import DamagedMessageError, NotThereError
from infra.operations.console.answering import Form
from infra.operations.console.context import ConsoleContext
from infra.operations.console.reading import found_record
from infra.operations.console.screens import Screens
from infra.operations.console.security import operator_of
from infra.operations.environment import OperatorEnvironmentError
from infra.operations.personal_data import Personal, reveal

LARGEST = 50_000_000
"""Bytes of a message that is shown; a larger one is for the command line, which has a folder to put it into."""

_HARMLESS: Mapping[str, frozenset[str]] = {
    "Message": frozenset(
        {
            *("Message", "Event", "Created", "From mailbox", "Recipient type", "Message definition"),
            *("Business acknowledgement asked for", "Infrastructure acknowledgement asked for", "Local extension"),
        }
    ),
    "Organisation": frozenset({"Name", "ODS code"}),
    "Document": frozenset({"Type", "Date", "Status", "Confidentiality"}),
}
# A browser may open these by itself; all else is only kept, so that nothing in it can run here.
_OPENED = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True)
class Group:
    """A group of facts as it is shown: those that may be seen, and the names of those that are hidden."""

    heading: str
    facts: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attachment:
    """A document that the message carries, as it is shown."""

    title: str
    content_type: str
    size: str
    text: str | None = None
    opens: bool = False


@dataclass(frozen=True)
class _Stored:
    """What is stored of a message: its reading, or why there is none."""

    reading: Reading | None
    absent: str = ""


class Documents:
    """Answers for the pages of a message's document."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def show(self, request: Request) -> Response:
        """Show what is nobody's personal data."""
        return self._hidden(request, found_record(self._context, request), {})

    def reveal(self, request: Request, form: Form) -> Response:
        """Show personal data, once, after recording who sees it and why."""
        record = found_record(self._context, request)
        problems: dict[str, str] = {}
        extent, reason = form.get("extent", ""), form.get("reason", "")
        if extent not in set(View):
            problems["extent-administrative"] = "Choose what you need to see"
        try:
            reason = checked_reason(reason)
        except ReasonError as error:
            problems["reason"], reason = str(error), ""
        if problems:
            return self._hidden(request, record, problems, extent)
        view = View(extent)
        what = Personal.DOCUMENT if view is View.CLINICAL else Personal.WHO
        stored = self._reveal(request, record, what, reason)
        groups = [Group("Encounter", (("The sending system calls it", record.encounter),))]
        attachments: list[Attachment] = []
        if stored.reading:
            groups += [
                Group(each.heading, each.facts)
                for each in stored.reading.groups
                if view is View.CLINICAL or not each.clinical
            ]
            attachments = [_attachment(each, view) for each in stored.reading.documents]
        return self._page(request, record, stored, groups=groups, attachments=attachments, revealed=True, reason=reason)

    def attachment(self, request: Request, form: Form) -> Response:
        """Give one attachment's content, after recording that as well."""
        record = found_record(self._context, request)
        try:
            reason = checked_reason(form.get("reason", ""))
        except ReasonError as error:
            raise OperatorEnvironmentError(f"{error}. Open the document again, and reveal it first.") from None
        number = form.get("number", "")
        stored = self._reveal(request, record, Personal.DOCUMENT, reason)
        documents = stored.reading.documents if stored.reading else ()
        if not number.isdecimal() or not 1 <= int(number) <= len(documents):
            raise OperatorEnvironmentError("The message has no such attachment. Open its document again.")
        document = documents[int(number) - 1]
        if document.content is None:
            raise OperatorEnvironmentError(
                "The attachment cannot be decoded. Its message is in the outbox as it was sent."
            )
        named = media_type(document.content_type)
        ending = _OPENED.get(named)
        where = "inline" if ending else "attachment"
        # The name is ours: the document's own can be a patient's.
        headers = {"Content-Disposition": f'{where}; filename="attachment-{number}.{ending or "bin"}"'}
        if ending == "pdf":
            # A browser's own reader of PDF is script, style and frames; what it reads can run none of them.
            headers["Content-Security-Policy"] = "frame-ancestors 'none'"
        return Response(document.content, media_type=named if ending else "application/octet-stream", headers=headers)

    def _reveal(self, request: Request, record: MessageRecord, what: Personal, reason: str) -> _Stored:
        return reveal(
            self._context.environment.trail,
            actor=operator_of(request).actor,
            message_id=record.message_id,
            what=what,
            reason=reason,
            read=lambda: self._stored(record),
        )

    def _hidden(
        self, request: Request, record: MessageRecord, problems: Mapping[str, str], extent: str = ""
    ) -> Response:
        stored = self._stored(record)
        groups = [_harmless(each) for each in stored.reading.groups] if stored.reading else []
        attachments = (
            [_attachment(each, View.ADMINISTRATIVE) for each in stored.reading.documents] if stored.reading else []
        )
        return self._page(
            request, record, stored, groups=groups, attachments=attachments, revealed=False, problems=problems,
            extent=extent,
        )  # fmt: skip

    def _page(
        self,
        request: Request,
        record: MessageRecord,
        stored: _Stored,
        *,
        groups: list[Group],
        attachments: list[Attachment],
        revealed: bool,
        reason: str = "",
        extent: str = "",
        problems: Mapping[str, str] | None = None,
    ) -> Response:
        return self._screens.page(
            request,
            "document.html",
            code=422 if problems else 200,
            section="messages",
            message_id=record.message_id,
            short_id=record.message_id[:8],
            absent=stored.absent,
            groups=groups,
            attachments=attachments,
            revealed=revealed,
            reason=reason,
            extent=extent,
            now=self._context.environment.now(),
            found=problems,
        )

    def _stored(self, record: MessageRecord) -> _Stored:
        built = record.history.of(EventType.BUILT)
        if not built:
            return _Stored(None, "No message was made of this request, so that there is no document.")
        if built[0].details["size"] > LARGEST:
            return _Stored(
                None, f"The message has {wording.size(built[0].details['size'])}: look at it with gpcm render."
            )
        content = BytesIO()
        try:
            self._context.environment.outbox.copy_message(record.message_id, built[0].details["sha256"], content)
            return _Stored(read_message(content.getvalue()))
        except NotThereError:
            return _Stored(None, "The message is not in the outbox any more: it was kept for as long as its class is.")
        except DamagedMessageError:
            return _Stored(
                None, "What is stored is not the message that was built. Tell the people who run the service."
            )
        except UnreadableMessageError as error:
            return _Stored(None, f"The stored message cannot be read: {error}.")


def _harmless(group: Facts) -> Group:
    known = frozenset() if group.clinical else _HARMLESS.get(group.heading, frozenset())
    facts = tuple((label, value) for label, value in group.facts if label in known)
    # The heading of a clinical group is what its resource is called, and a label in it can be a section's title.
    heading = "Clinical content" if group.clinical else group.heading
    names = () if group.clinical else tuple(dict.fromkeys(label for label, _ in group.facts if label not in known))
    return Group(heading, facts, names or ((f"{len(group.facts)} facts",) if group.clinical else ()))


def _attachment(document: Document, view: View) -> Attachment:
    size = "cannot be decoded" if document.content is None else wording.size(len(document.content))
    if view is not View.CLINICAL:
        return Attachment("", document.content_type, size)
    text = None
    if document.content is not None and media_type(document.content_type) == "text/plain":
        text = document.content.decode("utf-8", "replace")
    opens = document.content is not None and text is None
    return Attachment(document.title, document.content_type, size, text, opens)

"""The pages of a message's document. Personal data is hidden until an operator reveals it.

Before a reveal, only labels on an allow list are shown; of the rest only the name is shown. A reveal is recorded
before anything is read. The revealed data is only in the response to the form, and has no address.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from gpcm.console.answering import Form
from gpcm.console.context import ConsoleContext
from gpcm.console.reading import find_record
from gpcm.console.screens import Screens
from gpcm.console.security import operator_of
from gpcm.environment import OperatorEnvironmentError
from gpcm.personal_data import Personal, reveal
from gpconnect_messaging.documents import wording
from gpconnect_messaging.documents.page import View
from gpconnect_messaging.documents.reading import Document, Facts, Reading, UnreadableMessageError, read_message
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType
from gpconnect_messaging.media_types import media_type
from gpconnect_messaging.operators import ReasonError, checked_reason
from gpconnect_messaging.storage import DamagedMessageError, NotThereError

LARGEST = 50_000_000
"""The largest message to show, in bytes. `gpcm render` shows larger ones, and writes files to a folder."""

_ALLOWED_LABELS: Mapping[str, frozenset[str]] = {
    "Message": frozenset(
        {
            *("Message", "Event", "Created", "From mailbox", "Recipient type", "Message definition"),
            *("Business acknowledgement asked for", "Infrastructure acknowledgement asked for", "Local extension"),
        }
    ),
    "Organisation": frozenset({"Name", "ODS code"}),
    "Document": frozenset({"Type", "Date", "Status", "Confidentiality"}),
}
# A browser may open these types. Others are only downloaded, so that no content runs on this page.
_OPENED_IN_BROWSER = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True)
class Group:
    """A group of facts: the visible ones, and the names of the hidden ones."""

    heading: str
    facts: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attachment:
    """A document in the message, as the page shows it."""

    title: str
    content_type: str
    size: str
    text: str | None = None
    opens: bool = False


@dataclass(frozen=True)
class _Stored:
    """A stored message, or the reason why it cannot be shown."""

    reading: Reading | None
    absent: str = ""


class Documents:
    """The pages of a message's document."""

    def __init__(self, context: ConsoleContext, screens: Screens) -> None:
        self._context = context
        self._screens = screens

    def show(self, request: Request) -> Response:
        """Show the document without personal data."""
        return self._hidden(request, find_record(self._context, request), {})

    def reveal(self, request: Request, form: Form) -> Response:
        """Show personal data once, after recording the operator and the reason."""
        record = find_record(self._context, request)
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
                Group(group.heading, group.facts)
                for group in stored.reading.groups
                if view is View.CLINICAL or not group.clinical
            ]
            attachments = [_attachment(document, view) for document in stored.reading.documents]
        return self._page(request, record, stored, groups=groups, attachments=attachments, revealed=True, reason=reason)

    def attachment(self, request: Request, form: Form) -> Response:
        """Return the content of an attachment, after recording the reveal."""
        record = find_record(self._context, request)
        try:
            reason = checked_reason(form.get("reason", ""))
        except ReasonError as error:
            raise OperatorEnvironmentError(f"{error}. Open the document again, and reveal it first.") from None
        number = form.get("number", "")
        stored = self._reveal(request, record, Personal.DOCUMENT, reason)
        documents = stored.reading.documents if stored.reading else ()
        if not number.isdecimal() or not 1 <= int(number) <= len(documents):
            raise OperatorEnvironmentError("The message has no such attachment. Open the document again.")
        document = documents[int(number) - 1]
        if document.content is None:
            raise OperatorEnvironmentError(
                "The attachment cannot be decoded. The outbox has the message as it was sent."
            )
        named = media_type(document.content_type)
        ending = _OPENED_IN_BROWSER.get(named)
        where = "inline" if ending else "attachment"
        # A neutral file name: the document's title can name a patient.
        headers = {"Content-Disposition": f'{where}; filename="attachment-{number}.{ending or "bin"}"'}
        if ending == "pdf":
            # A browser's PDF viewer needs scripts, styles and frames. The PDF itself cannot use them.
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
        groups = [_without_personal_data(group) for group in stored.reading.groups] if stored.reading else []
        attachments = (
            [_attachment(document, View.ADMINISTRATIVE) for document in stored.reading.documents]
            if stored.reading
            else []
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
            absent=stored.absent,
            groups=groups,
            attachments=attachments,
            revealed=revealed,
            reason=reason,
            extent=extent,
            now=self._context.environment.now(),
            errors=problems,
        )

    def _stored(self, record: MessageRecord) -> _Stored:
        built = record.history.of(EventType.BUILT)
        if not built:
            return _Stored(None, "No message was built from this request, so there is no document.")
        if built[0].details["size"] > LARGEST:
            return _Stored(
                None, f"The message has {wording.size(built[0].details['size'])}: look at it with gpcm render."
            )
        outbox = self._context.environment.outbox
        try:
            return _Stored(read_message(outbox.whole(record.message_id, built[0].details["sha256"])))
        except NotThereError:
            return _Stored(None, "The message was deleted from the outbox when its retention ended.")
        except DamagedMessageError:
            return _Stored(
                None, "The stored message is not the one that was built. Report this to the service’s engineers."
            )
        except UnreadableMessageError as error:
            return _Stored(None, f"The stored message cannot be read: {error}.")


def _without_personal_data(group: Facts) -> Group:
    allowed = frozenset() if group.clinical else _ALLOWED_LABELS.get(group.heading, frozenset())
    facts = tuple((label, value) for label, value in group.facts if label in allowed)
    # The heading and the labels of a clinical group come from the document, and can be clinical content.
    heading = "Clinical content" if group.clinical else group.heading
    names = () if group.clinical else tuple(dict.fromkeys(label for label, _ in group.facts if label not in allowed))
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

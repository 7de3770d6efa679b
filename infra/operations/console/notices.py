"""The notices that nobody has taken: to be read, to be taken, and what was set aside to be let in again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from gpconnect_messaging.ledger.lifecycle import NoticeKind
from gpconnect_messaging.ledger.notices import UnknownNoticeError
from gpconnect_messaging.ledger.records import Notice, OpenNotice
from gpconnect_messaging.notices import Words, words_of
from infra.operations.console.answering import Form, back_to
from infra.operations.console.desk import Desk
from infra.operations.console.guard import operator_of
from infra.operations.console.screens import Screens
from infra.operations.place import PlaceError

_SHOWN = 50
_TOLD_APART = {"message_id", "mailbox"}
"""What of a notice's facts the page shows by itself."""
DONE = {
    "taken": "The notice is yours. It is recorded, and not escalated any more.",
    "taken-before": "Somebody had taken that notice already.",
    "let-in": "The next poll of the mailbox takes the message in.",
}


@dataclass(frozen=True)
class Shown:
    """An open notice as a page shows it."""

    notice: Notice
    words: Words
    waited: timedelta
    escalated_at: datetime | None
    message_id: str | None
    set_aside: str | None
    """MESH's id of the message that was set aside, where it is that; None otherwise."""

    @classmethod
    def of(cls, open_notice: OpenNotice, now: datetime) -> "Shown":
        """Make one at a time."""
        notice = open_notice.notice
        # What else belongs to no message is kept, and its notice says where.
        is_set_aside = notice.kind is NoticeKind.UNMATCHED and not notice.facts.get("evidence_key")
        return cls(
            notice,
            words_of(notice.kind),
            now - notice.raised_at,
            open_notice.escalated_at,
            notice.facts.get("message_id"),
            notice.facts.get("mesh_message_id") if is_set_aside else None,
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """What is known, by names that a person can read."""
        return {
            name.replace("_", " ").capitalize(): value
            for name, value in sorted(self.notice.facts.items())
            if value and name not in _TOLD_APART
        }


class Notices:
    """Answers for the notices."""

    def __init__(self, desk: Desk, screens: Screens) -> None:
        self._desk = desk
        self._screens = screens

    def open(self, request: Request) -> Response:
        """List them, oldest first."""
        known, now = self._desk.board.view().notices, self._desk.place.now()
        shown = [Shown.of(each, now) for each in known[:_SHOWN]]
        done = DONE.get(request.query_params.get("done", ""), "")
        return self._screens.page(
            request, "notices.html", section="notices", notices=shown, total=len(known), done=done
        )

    def take(self, request: Request, form: Form) -> Response:
        """Record that the operator has taken a notice."""
        notice_id = form.get("notice", "")
        try:
            taken = self._desk.place.notices.acknowledge(notice_id, operator_of(request).actor, self._desk.place.now())
        except UnknownNoticeError:
            raise PlaceError("There is no such notice any more. Open the notices again.") from None
        self._desk.board.notice_taken(notice_id)
        return back_to(request, f"/notices?done={'taken' if taken else 'taken-before'}")

    def take_in(self, request: Request, form: Form) -> Response:
        """Let what was set aside be taken in again."""
        mailbox, mesh_message_id = form.get("mailbox", ""), form.get("set_aside", "")
        place = self._desk.place
        if not place.ledger.release_set_aside(mailbox, mesh_message_id):
            raise PlaceError("It is not set aside any more: the mailbox has taken it in, or somebody let it in before.")
        place.trail.record(
            operator_of(request).actor, "set aside message let in", mailbox=mailbox,
            details={"mesh_message_id": mesh_message_id},
        )  # fmt: skip
        self._desk.board.notice_taken(form.get("notice", ""))
        return back_to(request, "/notices?done=let-in")

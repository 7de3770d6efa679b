"""The resend policy: a table of what a resend does, by status, with reasons. Pure.

There are two modes. *Unchanged* sends the identical bytes again under the same message id: a receiver that has them
recognises them (20007). *Rebuilt* resubmits the kept request as a new one, under today's settings and code. The result
is the encounter's next version, which replaces the one before it (GPCM-SD-123, GPCM-SD-129). For a request that never
became a message both modes are the same. `docs/resend.md` is drawn from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpconnect_messaging.itk3.response_codes import Level, Verdict, level_of
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType, Status


class ResendMode(StrEnum):
    """How to send again."""

    UNCHANGED = "unchanged"
    REBUILT = "rebuilt"


class ResendAction(StrEnum):
    """The action of a resend, as shown to operators."""

    QUEUE_FOR_SENDER = "put on the send queue again"
    QUEUE_FOR_BUILDER = "offered to the builder again"
    RESEND = "sent again with identical bytes"
    RESUBMIT = "resubmitted as a new request"
    NONE = "left as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendContext:
    """A message or request, with the state around it that decides about a resend."""

    record: MessageRecord
    now: datetime
    timeouts: Timeouts
    newest_version: int
    """The newest version of the encounter."""
    is_kept: bool
    """Whether the bytes that the mode needs still exist: the message in the outbox, or the request in evidence."""
    origin_known: bool = True
    """Whether the folder and document versions of the request are known."""
    superseded: bool = False
    """Whether a newer request for the encounter arrived, so that this one would no longer be sent."""
    siblings: tuple[Status, ...] = ()
    """The statuses of the other messages of the same request."""
    again: str | None = None
    """The id under which the request was resubmitted and processed before."""

    @property
    def history(self) -> MessageHistory:
        """The message history."""
        return self.record.history


@dataclass(frozen=True, slots=True)
class Precondition:
    """A condition that prevents an action, and what to do instead."""

    holds: Callable[[ResendContext], bool]
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRule:
    """A line of the table: the action in a status, why that is safe, and the conditions that prevent it."""

    status: Status
    way: ResendMode | None
    """None: either."""
    action: ResendAction
    why: str
    unless: tuple[Precondition, ...] = ()


@dataclass(frozen=True, slots=True)
class ResendDecision:
    """The action and the reason; for `NONE`, what to do instead."""

    action: ResendAction
    why: str


_GONE = Precondition(
    lambda context: not context.is_kept,
    "The stored data that a resend needs no longer exists: have the sender drop the request again.",
)
_NO_ORIGIN = Precondition(
    lambda context: not context.origin_known,
    "The location of the documents is not recorded: have the sender drop the request again.",
)
_RESUBMITTED = Precondition(
    lambda context: context.again is not None, "It was resubmitted before: look at that request and the messages of it."
)
_NEWER_REQUEST = Precondition(
    lambda context: context.superseded, "A newer request for the encounter, or a deletion, arrived: that one counts."
)
_LATER_VERSION = Precondition(
    lambda context: context.record.version < context.newest_version,
    "A later version of the encounter replaced it: look at that one.",
)
_WITHDRAWN = Precondition(
    lambda context: bool(context.history.of(EventType.WITHDRAWN)),
    "The consultation was deleted: nothing of it may be sent.",
)
_CONTRADICTORY = Precondition(
    lambda context: context.history.contradictory or bool(context.history.suspicious),
    "The responses are contradictory or suspicious: clear that up with the practice, or accept the response.",
)
_NOT_THERE = frozenset({Status.REFUSED, Status.UNDELIVERED, Status.REJECTED})
_ELSEWHERE = Precondition(
    lambda context: not set(context.siblings) <= _NOT_THERE,
    "The same document also went to another recipient, who has it or may have it: send it unchanged, or have a "
    "corrected request dropped.",
)
_IN_DOUBT = Precondition(
    lambda context: context.history.unreported_copies > 0,
    "An earlier upload of it may have arrived, and a new version would be a second document: send it unchanged, or ask "
    "the practice.",
)
_FOR_ANY_MESSAGE = (_WITHDRAWN, _LATER_VERSION, _NEWER_REQUEST, _CONTRADICTORY)
_SEND = (*_FOR_ANY_MESSAGE, _GONE)
_KEPT = (_RESUBMITTED, _NO_ORIGIN, _GONE)
_RESUBMIT = (_NEWER_REQUEST, *_KEPT)
_NEXT_VERSION = (*_FOR_ANY_MESSAGE, _ELSEWHERE, *_KEPT)

NOT_COLLECTED = "14"
"""MESH's code of a message that was not collected for five days."""
MENDABLE = frozenset(
    {
        *(f"100{number:02}" for number in range(1, 11)),
        *("20001", "20002", "20003", "20004", "20005", "20006", "20009", "20010", "20011", "20012"),
    }
)
"""The negative codes whose cause can lie in how the message is composed, or in the settings of either side."""


def _only_not_collected(context: ResendContext) -> bool:
    codes = {_digits(event.details["code"]) for event in context.history.of(EventType.REPORT)}
    return codes == {NOT_COLLECTED}


def _digits(code: str) -> str:
    return code.rpartition("-")[2].strip()


def _negative(context: ResendContext) -> set[str]:
    return {
        str(event.details["code"])
        for event in context.history.of(EventType.RESPONSE)
        if event.details["verdict"] == Verdict.NEGATIVE
    }


def _not_due(context: ResendContext) -> bool:
    due = due_at(context.history, context.timeouts)
    return due is not None and due > context.now


_U, _R = ResendMode.UNCHANGED, ResendMode.REBUILT
TABLE: tuple[ResendRule, ...] = (
    ResendRule(
        status=Status.INVALID, way=None, action=ResendAction.RESUBMIT, unless=_RESUBMIT,
        why="Nothing of it was sent, unless a reason names a message. Once the setting or the missing document is "
        "corrected, it is checked again, as the next version.",
    ),
    ResendRule(
        status=Status.NOT_REQUIRED, way=None, action=ResendAction.RESUBMIT,
        why="Nothing of it was sent; it is decided on again, under today's settings.",
        unless=(
            Precondition(
                lambda context: any(
                    event.details["requirement"] == "GPCM-SD-CS-073"
                    for event in context.history.of(EventType.NOT_REQUIRED)
                ),
                "The request itself says that it is not clinically relevant: correct it and drop it again.",
            ),
            Precondition(
                lambda context: any("repeats" in event.details for event in context.history.of(EventType.NOT_REQUIRED)),
                "It is a copy of a request that the history names: choose that one's messages.",
            ),
            *_RESUBMIT,
        ),
    ),
    ResendRule(
        status=Status.HELD, way=None, action=ResendAction.QUEUE_FOR_BUILDER,
        why="The hold window is over, and the builder finds any earlier result.",
        unless=(
            Precondition(
                lambda context: context.history.waits_for_a_person,
                "It waits for a person: release it, or have it withdrawn.",
            ),
            Precondition(_not_due, "The hold window is not over: it is released by itself."),
        ),
    ),
    ResendRule(
        status=Status.RELEASING, way=None, action=ResendAction.QUEUE_FOR_BUILDER,
        why="The version is given; the builder builds the same messages again or finds them.",
    ),
    ResendRule(
        status=Status.RELEASED, way=None, action=ResendAction.NONE,
        why="It became messages, which the history names: choose those.",
    ),
    ResendRule(
        status=Status.SUPERSEDED, way=None, action=ResendAction.NONE,
        why="A newer request for the encounter replaced it: that one counts.",
    ),
    ResendRule(
        status=Status.WITHDRAWN, way=None, action=ResendAction.NONE,
        why="The consultation was deleted: nothing of it may be sent.",
    ),
    ResendRule(
        status=Status.TELL_PRACTICE, way=None, action=ResendAction.NONE,
        why="It is a withdrawal: tell the practice, and record that it was told.",
    ),
    ResendRule(
        status=Status.BUILT, way=_U, action=ResendAction.QUEUE_FOR_SENDER, unless=(_GONE,),
        why="MESH has not taken it; the sender keeps to the wait that MESH asked for, and to the order of versions.",
    ),
    ResendRule(
        status=Status.BUILT, way=_R, action=ResendAction.NONE,
        why="It is about to be sent: wait for the outcome, or have it withdrawn and drop it again.",
    ),
    ResendRule(
        status=Status.SENDING, way=None, action=ResendAction.NONE,
        why="A sender has it: wait until the lease ends, after which it is resolved by itself.",
    ),
    ResendRule(
        status=Status.UNCERTAIN, way=_U, action=ResendAction.QUEUE_FOR_SENDER,
        why="The wait is over: the identical bytes are sent again, and recorded as a possible duplicate.",
        unless=(Precondition(_not_due, "The wait is not over: tracking or the identical bytes resolve it."), _GONE),
    ),
    ResendRule(
        status=Status.UNCERTAIN, way=_R, action=ResendAction.NONE,
        why="The practice may have it: first it must be known whether it arrived.",
    ),
    ResendRule(
        status=Status.SENT, way=None, action=ResendAction.NONE,
        why="MESH has it and the responses are not late, so a second copy would not help. Wait until it is OVERDUE.",
    ),
    ResendRule(
        status=Status.ACKNOWLEDGED, way=None, action=ResendAction.NONE,
        why="The practice's system has it: the business acknowledgement is still due.",
    ),
    ResendRule(
        status=Status.REFUSED, way=_U, action=ResendAction.RESEND, unless=_SEND,
        why="MESH refused the last upload. For a cause outside the message that is corrected: the mailbox's workflows, "
        "or a recipient's mailbox.",
    ),
    ResendRule(
        status=Status.REFUSED, way=_R, action=ResendAction.RESUBMIT, unless=(_IN_DOUBT, *_NEXT_VERSION),
        why="MESH took nothing. For a cause in our settings or code that is corrected: the next version.",
    ),
    ResendRule(
        status=Status.UNDELIVERED, way=_U, action=ResendAction.RESEND, unless=_SEND,
        why="MESH reports that no practice has it. For one that was not collected, or that MESH can route by now.",
    ),
    ResendRule(
        status=Status.UNDELIVERED, way=_R, action=ResendAction.RESUBMIT,
        why="MESH could not route it. For a cause in our settings that is corrected, such as the form of birth dates.",
        unless=(
            Precondition(
                _only_not_collected,
                "It was not collected, so nothing is wrong with it: send it again unchanged, and tell the practice.",
            ),
            _IN_DOUBT,
            *_NEXT_VERSION,
        ),
    ),
    ResendRule(
        status=Status.OVERDUE, way=_U, action=ResendAction.RESEND,
        why="For a practice that says it has no such document; one that has it all the same recognises the message's "
        "id (20007). It stays OVERDUE until an answer comes.",
        unless=(
            Precondition(
                lambda context: context.history.infrastructure_positive or context.history.business_positive,
                "The practice's system answered, so it has the document: ask the practice.",
            ),
            *_SEND,
        ),
    ),
    ResendRule(
        status=Status.OVERDUE, way=_R, action=ResendAction.NONE,
        why="The practice may have it, and a new version would be a second document: send it unchanged.",
    ),
    ResendRule(status=Status.DELIVERED, way=None, action=ResendAction.NONE, why="The practice has it, and said so."),
    ResendRule(
        status=Status.REJECTED, way=_U, action=ResendAction.NONE,
        why="The receiver knows this message's id and rejected it: the same bytes meet the same answer.",
    ),
    ResendRule(
        status=Status.REJECTED, way=_R, action=ResendAction.RESUBMIT,
        why="The receiver accepted nothing. For a code whose cause is corrected in our settings or code, or in the "
        "receiver's system: the next version.",
        unless=(
            Precondition(
                lambda context: context.history.void,
                "It is void (20014), as is the replacement: have the document dropped as a new encounter.",
            ),
            Precondition(
                lambda context: any(level_of(code) is Level.BUSINESS for code in _negative(context)),
                "The practice itself said no: speak with it, and have a corrected request dropped.",
            ),
            Precondition(
                lambda context: not _negative(context) <= MENDABLE,
                "The code names a duplicate, a failed replacement or a size: only the sending system can correct that.",
            ),
            *_NEXT_VERSION,
        ),
    ),
)  # fmt: skip


def line_for(status: Status, way: ResendMode) -> ResendRule:
    """Return the table's line for a status and mode; there is exactly one."""
    return next(line for line in TABLE if line.status is status and line.way in (way, None))


def judge(context: ResendContext, way: ResendMode) -> ResendDecision:
    """Decide what a resend would do, and why; or why not, and what to do instead."""
    line = line_for(context.record.status, way)
    for precondition in line.unless:
        if precondition.holds(context):
            return ResendDecision(ResendAction.NONE, precondition.instead)
    return ResendDecision(line.action, line.why)

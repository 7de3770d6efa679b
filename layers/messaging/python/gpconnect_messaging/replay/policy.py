"""What a re-send does to a message, or a request that is none, by where it stands: a table, and why. Pure.

There are two ways. Unchanged sends the identical bytes under the same message id once more: a receiver that has them
recognises them (20007). Rebuilt takes the kept request in again as a new one, under today's settings and code; of a
message it makes the encounter's next version, which replaces the one before it (GPCM-SD-123, GPCM-SD-129). Of what
never became a message both ways are the same. `docs/resend.md` is drawn from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gpconnect_messaging.itk3.response_codes import Level, Verdict, level_of
from gpconnect_messaging.ledger.lifecycle import EventType, MessageHistory, Status, Timeouts, due_at
from gpconnect_messaging.ledger.records import MessageRecord


class ResendMode(StrEnum):
    """How to send again."""

    UNCHANGED = "unchanged"
    REBUILT = "rebuilt"


class ResendAction(StrEnum):
    """What is done, in the words of a report."""

    QUEUE_FOR_SENDER = "put on the send queue again"
    QUEUE_FOR_BUILDER = "offered to the builder again"
    SEND_AGAIN = "sent again with identical bytes"
    TAKE_IN_AGAIN = "taken in again as a new request"
    NONE = "left as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendContext:
    """A message, or a request that is none, and what around it decides."""

    record: MessageRecord
    now: datetime
    patience: Timeouts
    newest_version: int
    """The encounter's; the message's own where nothing came after it."""
    is_kept: bool
    """Whether the bytes that the way needs are still there: the message in the outbox, or the request in evidence."""
    origin_known: bool = True
    """Whether it is known where the request's documents are."""
    superseded: bool = False
    """Whether a newer request for the encounter came, so that this one would be sent no more."""
    siblings: tuple[Status, ...] = ()
    """Where the other messages of the same request stand."""
    again: str | None = None
    """The id under which it was taken in again before, and dealt with."""

    @property
    def history(self) -> MessageHistory:
        """What is recorded of it."""
        return self.record.history


@dataclass(frozen=True, slots=True)
class Precondition:
    """What stands in the way of an action, and what to do instead."""

    holds: Callable[[ResendContext], bool]
    instead: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRule:
    """A line of the table: what is done in a status, why that is safe, and unless what."""

    status: Status
    way: ResendMode | None
    """None: either."""
    action: ResendAction
    why: str
    unless: tuple[Precondition, ...] = ()


@dataclass(frozen=True, slots=True)
class ResendDecision:
    """What would happen, and why; `NONE` with what to do instead."""

    action: ResendAction
    why: str


_GONE = Precondition(
    lambda it: not it.is_kept, "What it would need is not kept any longer: have the sender drop the request again."
)
_NO_ORIGIN = Precondition(
    lambda it: not it.origin_known,
    "Where its documents are is not recorded: have the sender drop the request again.",
)
_TAKEN_IN = Precondition(
    lambda it: it.again is not None, "It was taken in again before: look at that request and its messages."
)
_NEWER_REQUEST = Precondition(
    lambda it: it.superseded, "A newer request for the encounter, or its deletion, came: that one counts."
)
_LATER_VERSION = Precondition(
    lambda it: it.record.version < it.newest_version,
    "A later version of the encounter took its place: look at that one.",
)
_WITHDRAWN = Precondition(
    lambda it: bool(it.history.of(EventType.WITHDRAWN)), "Its consultation was deleted: nothing of it may be sent."
)
_CONTRADICTORY = Precondition(
    lambda it: it.history.contradictory or bool(it.history.suspicious),
    "What came back of it is contradictory or from elsewhere: clear that up with the practice, or accept the answer.",
)
_NOT_THERE = frozenset({Status.REFUSED, Status.UNDELIVERED, Status.REJECTED})
_ELSEWHERE = Precondition(
    lambda it: not set(it.siblings) <= _NOT_THERE,
    "The same document went to somebody else as well, who has it or may have it: send it unchanged, or have a "
    "corrected request dropped.",
)
_IN_DOUBT = Precondition(
    lambda it: it.history.unreported_copies > 0,
    "An earlier upload of it may have arrived, and a new version would be a second document: send it unchanged, or ask "
    "the practice.",
)
_OF_A_MESSAGE = (_WITHDRAWN, _LATER_VERSION, _NEWER_REQUEST, _CONTRADICTORY)
_SEND = (*_OF_A_MESSAGE, _GONE)
_KEPT = (_TAKEN_IN, _NO_ORIGIN, _GONE)
_TAKE_IN = (_NEWER_REQUEST, *_KEPT)
_NEXT_VERSION = (*_OF_A_MESSAGE, _ELSEWHERE, *_KEPT)

NOT_COLLECTED = "14"
"""MESH's code of a message that nobody fetched for five days."""
MENDABLE = frozenset(
    {
        *(f"100{number:02}" for number in range(1, 11)),
        *("20001", "20002", "20003", "20004", "20005", "20006", "20009", "20010", "20011", "20012"),
    }
)
"""The negative codes whose cause can lie in how we compose, or in how either side is set up."""


def _only_not_collected(it: ResendContext) -> bool:
    codes = {_digits(event.details["code"]) for event in it.history.of(EventType.REPORT)}
    return codes == {NOT_COLLECTED}


def _digits(code: str) -> str:
    return code.rpartition("-")[2].strip()


def _negative(it: ResendContext) -> set[str]:
    return {
        str(event.details["code"])
        for event in it.history.of(EventType.RESPONSE)
        if event.details["verdict"] == Verdict.NEGATIVE
    }


def _not_due(it: ResendContext) -> bool:
    due = due_at(it.history, it.patience)
    return due is not None and due > it.now


_U, _R = ResendMode.UNCHANGED, ResendMode.REBUILT
TABLE: tuple[ResendRule, ...] = (
    ResendRule(
        status=Status.INVALID, way=None, action=ResendAction.TAKE_IN_AGAIN, unless=_TAKE_IN,
        why="Nothing was sent of it, unless a reason names a message; once the setting, or the missing document, is "
        "mended it is checked anew, as the next version.",
    ),
    ResendRule(
        status=Status.NOT_REQUIRED, way=None, action=ResendAction.TAKE_IN_AGAIN,
        why="Nothing was sent of it; it is decided on anew, under today's settings.",
        unless=(
            Precondition(
                lambda it: any(
                    event.details["requirement"] == "GPCM-SD-CS-073" for event in it.history.of(EventType.NOT_REQUIRED)
                ),
                "The request itself says that it is not clinically relevant: correct it and drop it again.",
            ),
            Precondition(
                lambda it: any("repeats" in event.details for event in it.history.of(EventType.NOT_REQUIRED)),
                "It is a copy of a request that was taken in, which its history names: choose that one's messages.",
            ),
            *_TAKE_IN,
        ),
    ),
    ResendRule(
        status=Status.HELD, way=None, action=ResendAction.QUEUE_FOR_BUILDER,
        why="Its time has come, and the builder finds out what became of it before.",
        unless=(
            Precondition(
                lambda it: it.history.waits_for_a_person, "It waits for a person: release it, or have it withdrawn."
            ),
            Precondition(_not_due, "Its time has not come: it leaves by itself."),
        ),
    ),
    ResendRule(
        status=Status.RELEASING, way=None, action=ResendAction.QUEUE_FOR_BUILDER,
        why="Its version is given; the builder makes the same messages again or finds them.",
    ),
    ResendRule(
        status=Status.RELEASED, way=None, action=ResendAction.NONE,
        why="It became messages, which its history names: choose those.",
    ),
    ResendRule(
        status=Status.SUPERSEDED, way=None, action=ResendAction.NONE,
        why="A newer request for the encounter took its place: that one counts.",
    ),
    ResendRule(
        status=Status.WITHDRAWN, way=None, action=ResendAction.NONE,
        why="Its consultation was deleted: nothing of it may be sent.",
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
        why="It is about to be sent as it is: see what becomes of it, or have it withdrawn and drop it again.",
    ),
    ResendRule(
        status=Status.SENDING, way=None, action=ResendAction.NONE,
        why="A sender has it: wait until its lease ends, after which it is resolved by itself.",
    ),
    ResendRule(
        status=Status.UNCERTAIN, way=_U, action=ResendAction.QUEUE_FOR_SENDER,
        why="Its wait is over: the identical bytes go again, a possible duplicate that is recorded as one.",
        unless=(Precondition(_not_due, "Its wait is not over: tracking or the identical bytes resolve it by itself."), _GONE),
    ),
    ResendRule(
        status=Status.UNCERTAIN, way=_R, action=ResendAction.NONE,
        why="The practice may have it: first it must be known whether it arrived.",
    ),
    ResendRule(
        status=Status.SENT, way=None, action=ResendAction.NONE,
        why="MESH has it and its answers are not late: a second copy would help nobody. Wait until it is OVERDUE.",
    ),
    ResendRule(
        status=Status.ACKNOWLEDGED, way=None, action=ResendAction.NONE,
        why="The practice's system has it: its answer is still due.",
    ),
    ResendRule(
        status=Status.REFUSED, way=_U, action=ResendAction.SEND_AGAIN, unless=_SEND,
        why="MESH refused the last upload. For a cause outside the message that is mended: the mailbox's workflows, a "
        "recipient's mailbox.",
    ),
    ResendRule(
        status=Status.REFUSED, way=_R, action=ResendAction.TAKE_IN_AGAIN, unless=(_IN_DOUBT, *_NEXT_VERSION),
        why="MESH took nothing. For a cause in our settings or code that is mended: the next version.",
    ),
    ResendRule(
        status=Status.UNDELIVERED, way=_U, action=ResendAction.SEND_AGAIN, unless=_SEND,
        why="MESH reports that no practice has it. For one that nobody collected, or that MESH can route by now.",
    ),
    ResendRule(
        status=Status.UNDELIVERED, way=_R, action=ResendAction.TAKE_IN_AGAIN,
        why="MESH could not route it. For a cause in our settings that is mended, such as the form of birth dates.",
        unless=(
            Precondition(
                _only_not_collected,
                "Nobody collected it, so nothing is wrong with it: send it again unchanged, and tell the practice.",
            ),
            _IN_DOUBT,
            *_NEXT_VERSION,
        ),
    ),
    ResendRule(
        status=Status.OVERDUE, way=_U, action=ResendAction.SEND_AGAIN,
        why="For a practice that says it has no such document; one that has it all the same recognises the message's "
        "id (20007). It stays OVERDUE until an answer comes.",
        unless=(
            Precondition(
                lambda it: it.history.infrastructure_positive or it.history.business_positive,
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
        status=Status.REJECTED, way=_R, action=ResendAction.TAKE_IN_AGAIN,
        why="The receiver took nothing in. For a code whose cause is mended in our settings or code, or in its own "
        "system: the next version.",
        unless=(
            Precondition(
                lambda it: it.history.void,
                "It is void (20014), as is its replacement: have the document dropped as a new encounter.",
            ),
            Precondition(
                lambda it: any(level_of(code) is Level.BUSINESS for code in _negative(it)),
                "The practice itself said no: speak with it, and have a corrected request dropped.",
            ),
            Precondition(
                lambda it: not _negative(it) <= MENDABLE,
                "Its code names a duplicate, a failed replacement or a size: only its sender can mend that.",
            ),
            *_NEXT_VERSION,
        ),
    ),
)  # fmt: skip


def line_for(status: Status, way: ResendMode) -> ResendRule:
    """Give the table's line; there is exactly one."""
    return next(line for line in TABLE if line.status is status and line.way in (way, None))


def judge(standing: ResendContext, way: ResendMode) -> ResendDecision:
    """Say what a re-send would do, and why; or why not, and what to do instead."""
    line = line_for(standing.record.status, way)
    for unless in line.unless:
        if unless.holds(standing):
            return ResendDecision(ResendAction.NONE, unless.instead)
    return ResendDecision(line.action, line.why)

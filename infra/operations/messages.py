"""What an operator sees of a message: pure values, made from the ledger's records, the same on every screen.

What a status means and what to do about it are the lifecycle's own words (`RULES`, as in docs/lifecycle.md) and those
of the notifications; nothing is said twice. Nothing here is personal but the encounter, which is the sender's own word and
can name a person: it stays hidden unless it was revealed (see `infra.operations.personal_data`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gpconnect_messaging.itk3.response_codes import Level, Verdict, level_of
from gpconnect_messaging.ledger.lifecycle import (
    TOLD_ON_ENTERING,
    EventType,
    LedgerEvent,
    MessageHistory,
    Status,
    notifications_due,
    rule_of,
)
from gpconnect_messaging.ledger.records import MessageRecord, Summary
from gpconnect_messaging.ledger.search import Counted
from gpconnect_messaging.notifications import Severity, notification_text
from gpconnect_messaging.stated_times import read_stated
from infra.operations.wording import code_in_words, in_words

HIDDEN = "hidden"
"""What is shown of what is not revealed."""

ORDER = tuple(Status)
"""Statuses in the order in which a message passes through them."""


class Mood(StrEnum):
    """How a status bears on a person: what screens colour by, never without the word itself."""

    GOOD = "good"
    UNDER_WAY = "under way"
    BAD = "bad"
    WAITS = "waits for a person"
    OVER = "over"


def mood(status: Status) -> Mood:
    """Say how a status bears on a person."""
    if status is Status.TELL_PRACTICE:
        return Mood.WAITS
    if status in TOLD_ON_ENTERING:
        return Mood.BAD
    if status is Status.DELIVERED:
        return Mood.GOOD
    return Mood.OVER if status.settled else Mood.UNDER_WAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message in a list."""

    message_id: str
    request_id: str
    mailbox: str
    version: int
    """0 for a request that is no message (yet)."""
    recipient: str
    status: Status
    created_at: datetime
    changed_at: datetime
    age: timedelta
    """How long it has been in its status."""
    late: bool
    """Whether the sweep should have looked at it by now: by more than two minutes."""

    @property
    def short_id(self) -> str:
        """The beginning of the message id: enough to ask for it by."""
        return self.message_id[:8]

    def as_json(self) -> dict[str, Any]:
        """Write it for a program."""
        return {
            "message_id": self.message_id,
            "request_id": self.request_id,
            "mailbox": self.mailbox,
            "version": self.version,
            "recipient": self.recipient,
            "status": self.status.value,
            "created_at": self.created_at.isoformat(),
            "changed_at": self.changed_at.isoformat(),
            "age_seconds": int(self.age.total_seconds()),
            "late": self.late,
        }


_SWEEP_MAY_TAKE = timedelta(minutes=2)


def row(summary: Summary, now: datetime) -> Row:
    """Make a list's row."""
    return Row(
        message_id=summary.message_id,
        request_id=summary.request_id,
        mailbox=summary.mailbox,
        version=summary.version,
        recipient=summary.recipient,
        status=summary.status,
        created_at=summary.created_at,
        changed_at=summary.changed_at,
        age=max(timedelta(0), now - summary.changed_at),
        late=summary.due_at is not None and now - summary.due_at > _SWEEP_MAY_TAKE,
    )


@dataclass(frozen=True, slots=True)
class StatusCount:
    """How many messages have a status, and since when the longest-standing of them has had it."""

    status: Status
    count: int
    oldest: datetime | None = None


def status_counts(counted: Counted, oldest: dict[Status, datetime] | None = None) -> tuple[StatusCount, ...]:
    """Put counts in the order of the statuses; those without any are left out."""
    since = oldest or {}
    return tuple(
        StatusCount(status, counted.by_status[status], since.get(status))
        for status in ORDER
        if counted.by_status.get(status)
    )


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened to a message."""

    at: datetime
    kind: str
    words: str
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that came: its code, what that means, and who sent it. Suspicious ones count for nothing."""

    at: datetime
    code: str | None
    meaning: str
    verdict: Verdict
    from_mailbox: str
    from_organisation: str | None
    mesh_message_id: str
    suspicious: bool


class Coming(StrEnum):
    """Where an acknowledgement stands."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    DUE = "due"
    OVERDUE = "overdue"
    NOT_EXPECTED = "not expected"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One of the two acknowledgements: whether it came, what came, and when it is due."""

    level: Level
    state: Coming
    due_at: datetime | None
    answers: tuple[Answer, ...]

    @property
    def words(self) -> str:
        """Say it in one line."""
        if counting := [each for each in self.answers if not each.suspicious]:
            return "; ".join(dict.fromkeys(f"{each.verdict.value}: {each.meaning}" for each in counting))
        by = f" by {self.due_at:%d %b %H:%M} UTC" if self.due_at else ""
        return {
            Coming.OVERDUE: f"did not come{by}",
            Coming.DUE: f"due{by}",
        }.get(self.state, "not expected")


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a message's status means, what brought it about, and what to do; each a list of sentences or causes."""

    meaning: tuple[str, ...]
    causes: tuple[str, ...]
    todo: tuple[str, ...]
    severity: Severity | None
    """None where nobody needs to do anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """All that an operator sees of a message."""

    row: Row
    encounter: str = HIDDEN
    mesh_message_ids: tuple[str, ...]
    became: tuple[str, ...]
    """The messages that a held request became."""
    legal_hold: bool
    arrived: datetime | None
    """When the request came, as far as that is known."""
    registration: dict[str, Any]
    """What is known of the patient's practice: `ods_code`, `name`, `source`, `deceased`."""
    sha256: str | None
    timeline: tuple[Step, ...]
    infrastructure: Acknowledgement
    business: Acknowledgement
    explanation: Explanation

    def as_json(self) -> dict[str, Any]:
        """Write it for a program."""
        return self.row.as_json() | {
            "encounter": self.encounter,
            "mesh_message_ids": list(self.mesh_message_ids),
            "became": list(self.became),
            "legal_hold": self.legal_hold,
            "arrived": self.arrived.isoformat() if self.arrived else None,
            "registration": self.registration,
            "sha256": self.sha256,
            "timeline": [
                {"at": step.at.isoformat(), "kind": step.kind, "words": step.words, "source": step.source}
                for step in self.timeline
            ],
            "acknowledgements": {
                each.level.value: {
                    "state": each.state.value,
                    "due_at": each.due_at.isoformat() if each.due_at else None,
                    "words": each.words,
                    "answers": [
                        {
                            "at": answer.at.isoformat(),
                            "code": answer.code,
                            "meaning": answer.meaning,
                            "verdict": answer.verdict.value,
                            "from_mailbox": answer.from_mailbox,
                            "from_organisation": answer.from_organisation,
                            "mesh_message_id": answer.mesh_message_id,
                            "suspicious": answer.suspicious,
                        }
                        for answer in each.answers
                    ],
                }
                for each in (self.infrastructure, self.business)
            },
            "meaning": list(self.explanation.meaning),
            "causes": list(self.explanation.causes),
            "what_to_do": list(self.explanation.todo),
        }


def message(record: MessageRecord, summary: Summary, now: datetime, *, reveal_encounter: bool = False) -> Message:
    """Tell all of a message. `reveal_encounter` only after the reveal was recorded."""
    history = record.history
    built = history.of(EventType.BUILT)
    return Message(
        row=row(summary, now),
        encounter=record.encounter if reveal_encounter else HIDDEN,
        mesh_message_ids=history.mesh_message_ids,
        became=history.became,
        legal_hold=record.legal_hold,
        arrived=read_stated(built[0].details.get("arrived")) if built else None,
        registration=dict(history.registration),
        sha256=str(built[0].details["sha256"]) if built else None,
        timeline=timeline(history),
        infrastructure=acknowledgement(history, Level.INFRASTRUCTURE, now),
        business=acknowledgement(history, Level.BUSINESS, now),
        explanation=explanation(history),
    )


def timeline(history: MessageHistory) -> tuple[Step, ...]:
    """Tell what happened, oldest first."""
    return tuple(
        Step(event.at, event.kind.value, in_words(event), event.source)
        for event in sorted(history.events, key=lambda event: event.at)
    )


def acknowledgement(history: MessageHistory, level: Level, now: datetime) -> Acknowledgement:
    """Say where one of the acknowledgements stands. What comes with no known level counts as neither."""
    answers = tuple(
        _answer(event, event in history.suspicious)
        for event in sorted(history.of(EventType.RESPONSE), key=lambda event: event.at)
        if level_of(str(event.details["code"])) is level
    )
    due = _due(history, level)
    verdicts = {verdict for its, verdict in history.verdicts if its == level}
    if Verdict.NEGATIVE in verdicts:
        state = Coming.NEGATIVE
    elif Verdict.POSITIVE in verdicts:
        state = Coming.POSITIVE
    elif history.status in {Status.SENT, Status.ACKNOWLEDGED, Status.OVERDUE}:
        state = Coming.OVERDUE if due is not None and due < now else Coming.DUE
    else:
        state = Coming.NOT_EXPECTED
    return Acknowledgement(level, state, due, answers)


def _due(history: MessageHistory, level: Level) -> datetime | None:
    built = history.of(EventType.BUILT)
    left = history.of(EventType.UPLOAD_ACCEPTED, EventType.UPLOAD_STARTED)
    if not built or not left:
        return None
    return min(event.at for event in left) + timedelta(seconds=built[0].details[f"{level.value}_seconds"])


def _answer(event: LedgerEvent, suspicious: bool) -> Answer:
    details = event.details
    return Answer(
        at=event.at,
        code=details["code"],
        meaning=code_in_words(details["code"]),
        verdict=Verdict(details["verdict"]) if details["verdict"] in set(Verdict) else Verdict.UNKNOWN,
        from_mailbox=details["from_mailbox"],
        from_organisation=details["from_organisation"],
        mesh_message_id=details["mesh_message_id"],
        suspicious=suspicious,
    )


_CAUSES: dict[Status, Sequence[EventType]] = {
    Status.INVALID: (EventType.REQUEST_REFUSED,),
    Status.NOT_REQUIRED: (EventType.NOT_REQUIRED,),
    Status.HELD: (EventType.HELD, EventType.DIFFERS, EventType.LOOKUP_UNANSWERED),
    Status.SUPERSEDED: (EventType.SUPERSEDED,),
    Status.WITHDRAWN: (EventType.WITHDRAWN, EventType.WITHDRAWAL, EventType.PRACTICE_TOLD),
    Status.TELL_PRACTICE: (EventType.WITHDRAWAL,),
    Status.UNCERTAIN: (EventType.UPLOAD_UNCERTAIN,),
    Status.REFUSED: (EventType.UPLOAD_REFUSED, EventType.RECIPIENT_UNRESOLVED),
    Status.UNDELIVERED: (EventType.REPORT,),
    Status.REJECTED: (EventType.RESPONSE, EventType.VOIDED),
    Status.DELIVERED: (EventType.RESPONSE,),
    Status.OVERDUE: (EventType.ACKNOWLEDGEMENT_OVERDUE,),
    Status.BUILT: (EventType.UPLOAD_POSTPONED,),
}
"""The kinds of facts that a status rests on, as far as they say more than the status does."""


def explanation(history: MessageHistory) -> Explanation:
    """Say what the facts amount to: the meaning of the status, its causes, and what to do about it."""
    rule = rule_of(history.status)
    kinds = sorted(notifications_due(history))
    told = [notification_text(kind) for kind in kinds]
    meaning = [] if history.status in TOLD_ON_ENTERING and told else [_sentence(rule.reason)]
    severity = min((words.severity for words in told), key=list(Severity).index, default=None)
    return Explanation(
        meaning=tuple(meaning + [words.what for words in told]),
        causes=tuple(dict.fromkeys(_causes(history))),
        todo=tuple(words.todo for words in told) or (rule.action,),
        severity=severity,
    )


def _causes(history: MessageHistory) -> list[str]:
    kinds = _CAUSES.get(history.status, ())
    events = sorted(history.of(*kinds), key=lambda event: event.at)
    if history.status is Status.REJECTED:
        events = [
            event
            for event in events
            if event.kind is EventType.VOIDED
            or (event.details["verdict"] == Verdict.NEGATIVE and event not in history.suspicious)
        ]
    if history.status is Status.BUILT:
        events = events[-1:]
    if history.status is Status.INVALID:
        return [str(reason) for event in events for reason in event.details["reasons"]]
    causes = [_sentence(in_words(event)) for event in events]
    return causes + [_sentence(f"suspicious: {in_words(event)}") for event in history.suspicious]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}".rstrip(".") + "."

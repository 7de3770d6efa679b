"""An operator's view of a message: values from the ledger's records, the same in the command line and the console.

The meaning of a status and the advice come from the lifecycle (`RULES`, as in docs/lifecycle.md) and from the
notifications. Only the encounter is personal data: the sender chooses it, and it can name a person. It stays hidden
unless it was revealed (see `gpcm.personal_data`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gpcm.wording import code_in_words, in_words
from gpconnect_messaging.itk3.response_codes import Level, Verdict, level_of
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due
from gpconnect_messaging.ledger.records import MessageRecord, Summary
from gpconnect_messaging.ledger.search import Counted
from gpconnect_messaging.ledger.status_rules import NOTIFIED_ON_ENTERING, rule_of, status_of
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.notifications import Severity, notification_text
from gpconnect_messaging.stated_times import read_stated

HIDDEN = "hidden"
"""The text in place of hidden data."""

ORDER = tuple(Status)
"""Statuses in the order in which a message passes through them."""


class Mood(StrEnum):
    """The colour of a status. Screens always show the status in words, too."""

    GOOD = "good"
    UNDER_WAY = "under way"
    BAD = "bad"
    WAITS = "waits for a person"
    OVER = "over"


def mood(status: Status) -> Mood:
    """Return the colour of a status."""
    if status is Status.TELL_PRACTICE:
        return Mood.WAITS
    if status in NOTIFIED_ON_ENTERING:
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
    """0 for a request without a message (yet)."""
    recipient: str
    status: Status
    created_at: datetime
    changed_at: datetime
    age: timedelta
    """Time in the status."""
    late: bool
    """Whether the message has been due for the sweep for more than two minutes."""

    def as_json(self) -> dict[str, Any]:
        """Return the values for JSON."""
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
    """Return the row of a message in a list."""
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
    """The number of messages in a status, and since when the oldest has been in it."""

    status: Status
    count: int
    oldest: datetime | None = None


def status_counts(counted: Counted) -> tuple[StatusCount, ...]:
    """Return the counts in the order of the statuses, without zeros."""
    return tuple(
        StatusCount(status, counted.by_status[status], counted.oldest.get(status))
        for status in ORDER
        if counted.by_status.get(status)
    )


@dataclass(frozen=True, slots=True)
class Step:
    """An event of a message, in words."""

    at: datetime
    kind: str
    words: str
    source: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A received response: code, meaning and sender. Suspicious responses do not count."""

    at: datetime
    code: str | None
    meaning: str
    verdict: Verdict
    from_mailbox: str
    from_organisation: str | None
    mesh_message_id: str
    suspicious: bool


class Coming(StrEnum):
    """The state of an acknowledgement."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    DUE = "due"
    OVERDUE = "overdue"
    NOT_EXPECTED = "not expected"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One of the two acknowledgements: the state, the due time, and the received responses."""

    level: Level
    state: Coming
    due_at: datetime | None
    answers: tuple[Answer, ...]

    @property
    def words(self) -> str:
        """The state in one line."""
        if counting := [answer for answer in self.answers if not answer.suspicious]:
            return "; ".join(dict.fromkeys(f"{answer.verdict.value}: {answer.meaning}" for answer in counting))
        by = f" by {self.due_at:%d %b %H:%M} UTC" if self.due_at else ""
        return {
            Coming.OVERDUE: f"did not come{by}",
            Coming.DUE: f"due{by}",
        }.get(self.state, "not expected")


@dataclass(frozen=True, slots=True)
class Explanation:
    """The meaning of a message's status, the causes, and what to do."""

    meaning: tuple[str, ...]
    causes: tuple[str, ...]
    todo: tuple[str, ...]
    severity: Severity | None
    """None if no action is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An operator's view of a message."""

    row: Row
    encounter: str = HIDDEN
    mesh_message_ids: tuple[str, ...]
    became: tuple[str, ...]
    """The messages that a held request became."""
    legal_hold: bool
    arrived: datetime | None
    """When the request arrived; None if unknown."""
    registration: dict[str, Any]
    """The patient's practice: `ods_code`, `name`, `source`, `deceased`."""
    warnings: tuple[str, ...]
    """The advice of requirements (SHOULD) that the message goes against."""
    sha256: str | None
    timeline: tuple[Step, ...]
    infrastructure: Acknowledgement
    business: Acknowledgement
    explanation: Explanation

    def as_json(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return self.row.as_json() | {
            "encounter": self.encounter,
            "mesh_message_ids": list(self.mesh_message_ids),
            "became": list(self.became),
            "legal_hold": self.legal_hold,
            "arrived": self.arrived.isoformat() if self.arrived else None,
            "registration": self.registration,
            "warnings": list(self.warnings),
            "sha256": self.sha256,
            "timeline": [
                {"at": step.at.isoformat(), "kind": step.kind, "words": step.words, "source": step.source}
                for step in self.timeline
            ],
            "acknowledgements": {
                awaited.level.value: {
                    "state": awaited.state.value,
                    "due_at": awaited.due_at.isoformat() if awaited.due_at else None,
                    "words": awaited.words,
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
                        for answer in awaited.answers
                    ],
                }
                for awaited in (self.infrastructure, self.business)
            },
            "meaning": list(self.explanation.meaning),
            "causes": list(self.explanation.causes),
            "what_to_do": list(self.explanation.todo),
        }


def message(record: MessageRecord, summary: Summary, now: datetime, *, reveal_encounter: bool = False) -> Message:
    """Return the view of a message. Set `reveal_encounter` only after the reveal was recorded."""
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
        warnings=tuple(built[0].details.get("advice", ())) if built else (),
        sha256=str(built[0].details["sha256"]) if built else None,
        timeline=timeline(history),
        infrastructure=acknowledgement(history, Level.INFRASTRUCTURE, now),
        business=acknowledgement(history, Level.BUSINESS, now),
        explanation=explanation(history),
    )


def timeline(history: MessageHistory) -> tuple[Step, ...]:
    """Return the events in words, oldest first."""
    return tuple(
        Step(event.at, event.kind.value, in_words(event), event.source)
        for event in sorted(history.events, key=lambda event: event.at)
    )


def acknowledgement(history: MessageHistory, level: Level, now: datetime) -> Acknowledgement:
    """Return the state of an acknowledgement. Responses with an unknown level do not count."""
    answers = tuple(
        _answer(event, event in history.suspicious)
        for event in sorted(history.of(EventType.RESPONSE), key=lambda event: event.at)
        if level_of(str(event.details["code"])) is level
    )
    due = _due(history, level)
    verdicts = {verdict for verdict_level, verdict in history.verdicts if verdict_level == level}
    if Verdict.NEGATIVE in verdicts:
        state = Coming.NEGATIVE
    elif Verdict.POSITIVE in verdicts:
        state = Coming.POSITIVE
    elif status_of(history) in {Status.SENT, Status.ACKNOWLEDGED, Status.OVERDUE}:
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
"""The events that caused a status, if they say more than the status."""


def explanation(history: MessageHistory) -> Explanation:
    """Explain the status of a message: the meaning, the causes, and what to do."""
    status = status_of(history)
    rule = rule_of(status)
    kinds = sorted(notifications_due(history))
    texts = [notification_text(kind) for kind in kinds]
    meaning = [] if status in NOTIFIED_ON_ENTERING and texts else [_sentence(rule.reason)]
    severity = min((text.severity for text in texts), key=list(Severity).index, default=None)
    return Explanation(
        meaning=tuple(meaning + [text.what for text in texts]),
        causes=tuple(dict.fromkeys(_causes(history))),
        todo=tuple(text.todo for text in texts) or (rule.action,),
        severity=severity,
    )


def _causes(history: MessageHistory) -> list[str]:
    status = status_of(history)
    events = sorted(history.of(*_CAUSES.get(status, ())), key=lambda event: event.at)
    if status is Status.REJECTED:
        events = [
            event
            for event in events
            if event.kind is EventType.VOIDED
            or (event.details["verdict"] == Verdict.NEGATIVE and event not in history.suspicious)
        ]
    if status is Status.BUILT:
        events = events[-1:]
    if status is Status.INVALID:
        return [str(reason) for event in events for reason in event.details["reasons"]]
    causes = [_sentence(in_words(event)) for event in events]
    return causes + [_sentence(f"suspicious: {in_words(event)}") for event in history.suspicious]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}".rstrip(".") + "."

"""What an operator sees of a message."""

from datetime import timedelta

import pytest

from gpcm.messages import HIDDEN, Coming, acknowledgement, explanation, mood, row, timeline
from gpcm.wording import in_words, period
from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due
from gpconnect_messaging.ledger.status_rules import RULES, status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.notifications import NOTIFICATION_TEXTS
from infra.documentation.from_lifecycle import transitions
from tests.unit.ledger import events
from tests.unit.ledger.events import (
    BUILT,
    INVALID,
    OVERDUE,
    VOIDED,
    WAITS,
    accepted,
    at,
    built_for,
    refused,
    reported,
    response,
    started,
    unresolved,
)
from tests.unit.operations.an_environment import ENCOUNTER, PlaceInMemory

SENT = (BUILT, started(), accepted())
HISTORIES = [after for pairs in transitions().values() for _, after in pairs]
"""Every history that the drawing of the lifecycle tries: each status, each way into it."""


def test_every_status_is_explained_whatever_led_to_it() -> None:
    assert {status_of(history) for history in HISTORIES} == set(Status)
    for history in HISTORIES:
        told = explanation(history)
        assert told.todo, status_of(history)
        assert all(sentence.endswith(".") for sentence in (*told.meaning, *told.causes))
        assert told.meaning or told.causes
        assert mood(status_of(history))


def test_what_to_do_is_what_the_notifications_say_or_else_what_the_lifecycle_says() -> None:
    for history in HISTORIES:
        kinds = sorted(notifications_due(history))
        said = tuple(NOTIFICATION_TEXTS[kind].todo for kind in kinds) or tuple(
            rule.action for rule in RULES if rule.status is status_of(history)
        )
        assert explanation(history).todo == said


@pytest.mark.parametrize(
    ("history", "cause", "notification"),
    [
        ((*SENT, response("20013"), response("30002")), RESPONSE_CODES["30002"].meaning, NotificationType.REJECTED),
        ((*SENT, VOIDED), "20014", NotificationType.VOIDED),
        ((*SENT, reported()), "EPL-153: not found", NotificationType.UNDELIVERED),
        ((*SENT, OVERDUE), "no business acknowledgement", NotificationType.OVERDUE),
        ((BUILT, started(), refused()), "417 SEND 12", NotificationType.REFUSED),
        ((BUILT, started(), unresolved(mailboxes=2)), "2 mailboxes for FA565", NotificationType.UNRESOLVED),
        ((INVALID,), "patient: is missing", NotificationType.INVALID),
        ((WAITS,), "for a person to release it", NotificationType.WAITING),
    ],
)
def test_a_failure_is_explained_by_what_brought_it_about(
    history: tuple[LedgerEvent, ...], cause: str, notification: NotificationType
) -> None:
    told = explanation(MessageHistory(history))
    assert cause.lower() in " ".join(told.causes).lower()
    assert NOTIFICATION_TEXTS[notification].todo in told.todo
    assert NOTIFICATION_TEXTS[notification].what in told.meaning


def test_only_what_made_a_message_rejected_is_given_as_the_cause() -> None:
    told = explanation(MessageHistory((*SENT, response("20013"), response("30002"))))
    assert len(told.causes) == 1


def test_an_answer_from_elsewhere_is_named_and_does_not_count() -> None:
    elsewhere = response("30001", from_mailbox="B99999OT001")
    history = MessageHistory((built_for(mailbox="A20047OT001"), started(), accepted(), elsewhere))
    business = acknowledgement(history, Level.BUSINESS, at(4))
    assert business.state is Coming.DUE
    assert [answer.suspicious for answer in business.answers] == [True]
    assert any("suspicious" in cause.lower() for cause in explanation(history).causes)


@pytest.mark.parametrize(
    ("history", "infrastructure", "business"),
    [
        ((BUILT,), Coming.NOT_EXPECTED, Coming.NOT_EXPECTED),
        (SENT, Coming.DUE, Coming.DUE),
        ((*SENT, response("20013")), Coming.POSITIVE, Coming.DUE),
        ((*SENT, response("30001")), Coming.DUE, Coming.POSITIVE),
        ((*SENT, response("20013"), OVERDUE), Coming.POSITIVE, Coming.DUE),
        ((*SENT, response("10009")), Coming.NEGATIVE, Coming.NOT_EXPECTED),
        ((*SENT, reported()), Coming.NOT_EXPECTED, Coming.NOT_EXPECTED),
    ],
)
def test_each_acknowledgement_says_where_it_stands(
    history: tuple[LedgerEvent, ...], infrastructure: Coming, business: Coming
) -> None:
    for level, state in ((Level.INFRASTRUCTURE, infrastructure), (Level.BUSINESS, business)):
        assert acknowledgement(MessageHistory(history), level, at(5)).state is state


def test_an_acknowledgement_that_is_late_says_since_when() -> None:
    late = acknowledgement(MessageHistory(SENT), Level.INFRASTRUCTURE, at(90))
    assert late.state is Coming.OVERDUE
    assert late.words == "did not come by 20 Nov 22:31 UTC"


def test_the_code_of_an_acknowledgement_is_told_with_its_meaning() -> None:
    came = acknowledgement(MessageHistory((*SENT, response("30014"))), Level.BUSINESS, at(5))
    assert came.words == f"negative: 30014, {RESPONSE_CODES['30014'].meaning}"


def test_every_kind_of_fact_has_words() -> None:
    kinds = {event.kind for history in HISTORIES for event in history.events}
    more = (
        *(events.chunk(1), events.tracked(), events.QUEUED_AGAIN, events.response_accepted("M"), events.SUPERSEDED),
        ledger_events.waits_no_longer(at=at(1), actor="operator", reason="it never will", given_up=["earlier"]),
        ledger_events.running_late(at=at(1)),
        ledger_events.routed(at=at(1), mesh_message_id="M", mailbox=None),
    )
    named = {**{event.kind: event for history in HISTORIES for event in history.events}, **{f.kind: f for f in more}}
    assert kinds | set(named) >= set(EventType) - {EventType.DIFFERS, EventType.LOOKUP_UNANSWERED}
    for event in named.values():
        assert in_words(event)


def test_a_timeline_is_in_order_of_time_however_the_facts_came() -> None:
    steps = timeline(MessageHistory((response("30001"), accepted(), BUILT, started())))
    assert [step.kind for step in steps] == ["built", "upload started", "upload accepted", "response"]


def test_the_encounter_is_hidden_unless_it_was_revealed() -> None:
    environment = PlaceInMemory()
    summary = environment.find(environment.have("0000abcd-0000-5000-8000-000000000001", BUILT))
    shown = environment.message(summary)
    assert shown.encounter == HIDDEN
    assert ENCOUNTER not in f"{shown} {shown.as_json()} {shown.row} {summary}"
    assert environment.message(summary, reveal_encounter=True).encounter == ENCOUNTER


def test_a_row_says_when_the_sweep_should_have_come() -> None:
    environment = PlaceInMemory()
    summary = environment.find(environment.have("0000abcd-0000-5000-8000-000000000001", BUILT))
    assert summary.due_at is not None
    assert not row(summary, summary.due_at).late
    assert row(summary, summary.due_at + timedelta(minutes=3)).late


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (9_900, "2 h 45 min"),
        (7_200, "2 h"),
        (90_000, "1 day 1 h"),
        (864_000, "10 days"),
    ],
)
def test_a_span_of_time_is_told_in_two_units_at_most(seconds: int, words: str) -> None:
    assert period(timedelta(seconds=seconds)) == words

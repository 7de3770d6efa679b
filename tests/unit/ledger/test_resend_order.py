"""An operator's order to send once more: what the lifecycle makes of it, in any order of facts."""

from datetime import timedelta
from itertools import permutations

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, acknowledgements_due, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due, occasions_due
from gpconnect_messaging.ledger.status_rules import status_of
from gpconnect_messaging.ledger.stored_names import NotificationType, Status
from tests.unit.ledger.events import (
    BUILT,
    OVERDUE,
    WITHDRAWN,
    accepted,
    at,
    chunk,
    postponed,
    refused,
    reported,
    response,
    started,
    uncertain,
)

REFUSED = (BUILT, started(), refused())
UNDELIVERED = (BUILT, started(), accepted(), reported())
LATE = (BUILT, started(), accepted(), OVERDUE)
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


def ordered(attempts: int = 1, minutes: float = 200) -> LedgerEvent:
    return ledger_events.resend_ordered(at=at(minutes), actor="operator-7", attempts=attempts)


def status(*events: LedgerEvent) -> Status:
    found = (
        {status_of(MessageHistory(each)) for each in permutations(events)}
        if len(events) < 7
        else {status_of(MessageHistory(events))}
    )
    assert len(found) == 1, "the order in which facts arrive does not matter"
    return found.pop()


@pytest.mark.parametrize("before", [REFUSED, UNDELIVERED, LATE], ids=["REFUSED", "UNDELIVERED", "OVERDUE"])
def test_what_is_ordered_waits_for_a_sender_and_for_the_sweep(before: tuple[LedgerEvent, ...]) -> None:
    assert status(*before, ordered()) is Status.BUILT
    assert due_at(MessageHistory((*before, ordered())), PATIENCE) == at(210)
    again = (*before, ordered(), started(2, 201))
    assert status(*again) is Status.SENDING
    assert status(*again, uncertain(2, 202)) is Status.UNCERTAIN
    assert status(*again, postponed(2, 202)) is Status.BUILT


def test_what_was_refused_or_reported_is_sent_then_and_its_answers_are_awaited_anew() -> None:
    for before in (REFUSED, UNDELIVERED):
        history = MessageHistory((*before, ordered(), started(2, 201), accepted(2, 202)))
        assert status_of(history) is Status.SENT
        assert acknowledgements_due(history) == at(201) + timedelta(hours=1)
        assert not notifications_due(history) - {NotificationType.REFUSED, NotificationType.UNDELIVERED}


def test_what_was_overdue_stays_so_until_an_answer_comes() -> None:
    again = (*LATE, ordered(), started(2, 201), accepted(2, 202))
    assert status_of(MessageHistory(again)) is Status.OVERDUE
    answered = MessageHistory((*again, response("20013", 300), response("30001", 301), response("20007", 302)))
    assert status_of(answered) is Status.DELIVERED, "the second copy's 20007 is no failure"


@pytest.mark.requirement("1.5:GPCM-SD-045")
def test_an_overdue_message_that_was_sent_again_is_looked_at_again_and_is_another_occasion_when_it_is_late() -> None:
    again = (*LATE, ordered(), started(2, 201), accepted(2, 202))
    assert due_at(MessageHistory(again), PATIENCE) == at(201) + timedelta(hours=1)
    late = ledger_events.acknowledgement_overdue(
        at=at(300), missing=["business"], order=MessageHistory(again).order_sent
    )
    notified = [occasions_due(MessageHistory(events)) for events in (LATE, again, (*again, late))]
    first, second = (NotificationType.OVERDUE, ""), (NotificationType.OVERDUE, "1")
    assert notified == [{first}, {first}, {first, second}]
    assert due_at(MessageHistory((*again, late)), PATIENCE) is None


@pytest.mark.parametrize("answer", ["20013", "30001"])
def test_an_answer_that_comes_meanwhile_ends_the_order(answer: str) -> None:
    assert status(*LATE, ordered(), response(answer, 201)) is Status.OVERDUE
    assert status(*LATE, ordered(), response("20009", 201)) is Status.REJECTED


def test_a_withdrawal_ends_the_order_before_the_upload() -> None:
    assert status(*LATE, ordered(), WITHDRAWN) is Status.OVERDUE
    assert status(*REFUSED, ordered(), WITHDRAWN) is Status.REFUSED


@pytest.mark.requirement("1.5:GPCM-SD-044")
def test_a_person_is_told_of_what_was_sent_again_in_vain() -> None:
    once_more = (*REFUSED, ordered(), started(2, 201), refused(2, 202))
    assert NotificationType.SENT_AGAIN_IN_VAIN in notifications_due(MessageHistory(once_more))
    reported_again = (*UNDELIVERED, ordered(), started(2, 201), accepted(2, 202), reported(2, 203))
    assert NotificationType.SENT_AGAIN_IN_VAIN in notifications_due(MessageHistory(reported_again))
    for not_yet in (REFUSED, (*REFUSED, ordered()), (*REFUSED, ordered(), started(2, 201))):
        assert NotificationType.SENT_AGAIN_IN_VAIN not in notifications_due(MessageHistory(not_yet))


def test_every_order_that_was_in_vain_is_an_occasion_of_its_own() -> None:
    events = [*REFUSED, ordered()]
    for attempt, expected in ((2, {"1"}), (3, {"1", "2"}), (4, {"1", "2", "3"})):
        events += [started(attempt, 100 * attempt + 1), refused(attempt, 100 * attempt + 2)]
        assert occasions_due(MessageHistory(tuple(events))) >= {
            (NotificationType.SENT_AGAIN_IN_VAIN, order) for order in expected
        }
        events.append(ordered(attempt, 100 * attempt + 3))
    assert (
        len(
            [
                kind
                for kind, _ in occasions_due(MessageHistory(tuple(events)))
                if kind is NotificationType.SENT_AGAIN_IN_VAIN
            ]
        )
        == 3
    )


def test_an_order_that_went_well_is_no_occasion() -> None:
    delivered = (
        *REFUSED,
        ordered(),
        started(2, 201),
        accepted(2, 202),
        ordered(2, 300),
        started(3, 301),
        refused(3, 302),
    )
    assert {
        order for kind, order in occasions_due(MessageHistory(delivered)) if kind is NotificationType.SENT_AGAIN_IN_VAIN
    } == {"2"}


def test_a_second_order_is_another_only_after_an_upload() -> None:
    history = MessageHistory((*REFUSED, ordered()))
    assert history.with_event(ordered(minutes=300)) is history
    again = (*REFUSED, ordered(), started(2, 201), refused(2, 202), ordered(2, 300))
    assert status_of(MessageHistory(again)) is Status.BUILT


def test_an_ordered_copy_does_not_go_on_with_the_chunks_of_the_copy_before() -> None:
    before = (BUILT, started(chunks=3), chunk(1), chunk(2), accepted(), OVERDUE)
    assert [begun.accepted for begun in MessageHistory(before).partial_uploads] == [2]
    history = MessageHistory((*before, ordered()))
    assert history.partial_uploads == ()
    assert history.possible_copies == 1


def test_an_order_was_in_vain_where_one_of_the_attempts_after_it_failed() -> None:
    events = (
        *REFUSED,
        ordered(),
        started(2, 201),
        postponed(2, 202),
        started(3, 203),
        refused(3, 204),
        ordered(3, 300),
    )
    history = MessageHistory(events)
    assert history.sent_again_in_vain == {1}
    assert (NotificationType.SENT_AGAIN_IN_VAIN, "1") in occasions_due(history)

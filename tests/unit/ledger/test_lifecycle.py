from datetime import timedelta
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, Verdict, level_of
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due
from gpconnect_messaging.ledger.status_rules import RULES, status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.scan_results import ScanResult
from tests.examples import some_of
from tests.unit.ledger.events import (
    BUILT,
    BY_A_PERSON,
    HELD,
    INVALID,
    NOT_REQUIRED,
    OVERDUE,
    PRACTICE_TOLD,
    QUEUED_AGAIN,
    RELEASED,
    RELEASING,
    STOPPED,
    SUPERSEDED,
    VOIDED,
    WAITS,
    WARNED,
    WITHDRAWN,
    accepted,
    at,
    built_for,
    chunk,
    postponed,
    refused,
    reported,
    response,
    response_accepted,
    started,
    tracked,
    uncertain,
    unresolved,
)

SENT = [BUILT, started(), accepted()]
PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))


@pytest.mark.parametrize(
    ("events", "status"),
    [
        ([INVALID], Status.INVALID),
        ([BUILT], Status.BUILT),
        ([BUILT, started()], Status.SENDING),
        ([BUILT, started(), postponed()], Status.BUILT),
        ([BUILT, started(), refused()], Status.REFUSED),
        ([BUILT, started(), unresolved()], Status.REFUSED),
        ([BUILT, started(), uncertain(), started(2), unresolved(2, mailboxes=2)], Status.REFUSED),
        ([*SENT, response("20013"), response("30001"), VOIDED], Status.REJECTED),
        ([BUILT, started(), uncertain()], Status.UNCERTAIN),
        ([BUILT, started(), uncertain(), started(2)], Status.SENDING),
        ([BUILT, started(), uncertain(), started(2), accepted(2)], Status.SENT),
        ([BUILT, started(), uncertain(), accepted()], Status.SENT),
        (SENT, Status.SENT),
        ([*SENT, response("20013")], Status.ACKNOWLEDGED),
        ([*SENT, response("20013"), response("30001")], Status.DELIVERED),
        ([*SENT, response("30001"), response("20013")], Status.DELIVERED),
        ([*SENT, response("20013"), response("30004")], Status.DELIVERED),
        ([*SENT, response("30001")], Status.SENT),
        ([*SENT, response("20009")], Status.REJECTED),
        ([*SENT, response("20013"), response("30002")], Status.REJECTED),
        ([*SENT, response("20013"), response("30014")], Status.REJECTED),
        ([*SENT, response("20013"), response("30015")], Status.REJECTED),
        ([*SENT, response("20007")], Status.REJECTED),
        ([*SENT, reported()], Status.UNDELIVERED),
        ([*SENT, OVERDUE], Status.OVERDUE),
        ([*SENT, response("20013"), OVERDUE], Status.OVERDUE),
        ([*SENT, OVERDUE, response("20013"), response("30001")], Status.DELIVERED),
        ([*SENT, OVERDUE, response("20013"), response("30002")], Status.REJECTED),
        ([*SENT, response("99999")], Status.SENT),
        ([NOT_REQUIRED], Status.NOT_REQUIRED),
        ([HELD], Status.HELD),
        ([WAITS], Status.HELD),
        ([WAITS, BY_A_PERSON], Status.HELD),
        ([HELD, INVALID], Status.INVALID),
        ([HELD, SUPERSEDED], Status.SUPERSEDED),
        ([HELD, WITHDRAWN], Status.WITHDRAWN),
        ([HELD, RELEASING], Status.RELEASING),
        ([HELD, RELEASING, RELEASED], Status.RELEASED),
        ([STOPPED], Status.WITHDRAWN),
        ([WARNED], Status.TELL_PRACTICE),
        ([WARNED, PRACTICE_TOLD], Status.WITHDRAWN),
        ([BUILT, WITHDRAWN], Status.WITHDRAWN),
        ([BUILT, started(), WITHDRAWN], Status.SENDING),
        ([BUILT, started(), WITHDRAWN, postponed()], Status.WITHDRAWN),
        ([BUILT, started(), WITHDRAWN, uncertain()], Status.WITHDRAWN),
        ([BUILT, started(), WITHDRAWN, accepted()], Status.SENT),
    ],
)
def test_facts_amount_to_a_status(events: list[LedgerEvent], status: Status) -> None:
    assert status_of(MessageHistory(tuple(events))) is status


@pytest.mark.parametrize("code", [code for code in RESPONSE_CODES if level_of(code) is Level.INFRASTRUCTURE])
def test_only_20013_is_a_positive_infrastructure_acknowledgement(code: str) -> None:
    status = status_of(MessageHistory((*SENT, response(code))))
    assert status is (Status.ACKNOWLEDGED if code == "20013" else Status.REJECTED)


@pytest.mark.parametrize("code", [code for code in RESPONSE_CODES if level_of(code) is Level.BUSINESS])
def test_a_business_code_decides_by_the_table(code: str) -> None:
    status = status_of(MessageHistory((*SENT, response("20013"), response(code))))
    positive = RESPONSE_CODES[code].verdict is Verdict.POSITIVE
    assert status is (Status.DELIVERED if positive else Status.REJECTED)


def test_a_duplicate_that_our_own_second_upload_made_is_no_failure() -> None:
    twice = [BUILT, started(), uncertain(), started(2, 20), accepted(2, 21)]
    history = MessageHistory((*twice, response("20007")))
    assert history.possible_copies == 2
    assert status_of(history) is Status.SENT
    assert (
        status_of(MessageHistory((*twice, response("20013"), response("30001"), response("20007")))) is Status.DELIVERED
    )


def test_uploads_that_never_left_make_no_copies() -> None:
    assert MessageHistory((BUILT, started(), postponed(), started(2), accepted(2))).possible_copies == 1


@pytest.mark.parametrize(
    ("events", "copies"),
    [
        ([started(chunks=3)], 0),
        ([started(chunks=3), uncertain()], 0),
        ([started(chunks=3), chunk(1), uncertain()], 0),
        ([started(chunks=3), chunk(1), chunk(2), uncertain()], 1),
        ([started(chunks=3), chunk(1), chunk(2), uncertain(), started(2, chunks=3), uncertain(2)], 1),
        ([started(chunks=3), chunk(1), chunk(2), postponed()], 0),
        ([started(chunks=3), chunk(1), postponed(), started(2, chunks=3), chunk(2), accepted(2, 2, "MESH1")], 1),
        (
            [started(chunks=3), chunk(1), chunk(2), uncertain(), started(2, chunks=3), postponed(2, abandoned="MESH1")],
            0,
        ),
        ([started(chunks=3), chunk(1), chunk(2), tracked(), accepted()], 1),
    ],
)
def test_a_message_in_chunks_is_one_copy_however_many_attempts_it_took(events: list[LedgerEvent], copies: int) -> None:
    assert MessageHistory((BUILT, *events)).possible_copies == copies


@pytest.mark.parametrize("recorded", [(1, 2), (2, 1), (2,)])
def test_what_mesh_has_of_a_message_goes_to_the_last_chunk_and_can_be_given_up(recorded: tuple[int, ...]) -> None:
    chunks = [chunk(number, chunks=4) for number in recorded]  # the event of a chunk counts for the earlier ones, too
    (begun,) = MessageHistory((BUILT, started(chunks=4), *chunks)).partial_uploads
    assert (begun.mesh_message_id, begun.chunks, begun.accepted, begun.end) == ("MESH1", 4, 2, 20)
    assert MessageHistory((BUILT, started(chunks=3), chunk(1), postponed(abandoned="MESH1"))).partial_uploads == ()
    both = MessageHistory((BUILT, chunk(1), chunk(2), chunk(1, 2, mesh_message_id="A")))
    assert [each.accepted for each in both.partial_uploads] == [1, 2]


def test_one_undelivered_copy_of_two_is_not_the_end() -> None:
    twice = (BUILT, started(), accepted(), started(2), accepted(2))
    assert status_of(MessageHistory((*twice, reported(1)))) is Status.SENT
    assert status_of(MessageHistory((*twice, reported(1), reported(2)))) is Status.UNDELIVERED


EXPECTING = built_for("A20047OT001")
FORGED = [response(code, mesh_message_id="F", from_mailbox="ELSEWHERE") for code in ("20013", "30001", "20009")]
WARNED_OF = ledger_events.held(
    at=at(0), release_at=at(165), by_a_person=False, requirement="GPCM-SD-CS-076", why="open", warn_at=at(170)
)
RUNNING_LATE = ledger_events.running_late(at=at(170))
WAITS_NO_LONGER = ledger_events.waits_no_longer(at=at(20), actor="operator-7", reason="damaged", given_up=["5f0e7f58"])
ANY_FACT = st.sampled_from(
    [
        EXPECTING, INVALID, OVERDUE, started(), started(2, 20), accepted(), accepted(2, 21), refused(), refused(2),
        postponed(), postponed(2), uncertain(), uncertain(2), response("20013"), response("20009"), response("20007"),
        response("30001"), response("30002"), response("30004"), response("30014"), response("99999"), response(None),
        WARNED_OF, BY_A_PERSON, RELEASING, RELEASED, SUPERSEDED, WITHDRAWN, NOT_REQUIRED, WARNED, PRACTICE_TOLD,
        QUEUED_AGAIN, *FORGED, response_accepted("F20013"),
        reported(), reported(2), chunk(1), chunk(2), chunk(1, 2, mesh_message_id="MESH2"), tracked(),
        started(3, 30, chunks=3), postponed(3, abandoned="MESH1"), RUNNING_LATE, WAITS_NO_LONGER,
        ledger_events.routed(at=at(3), mesh_message_id="MESH1", mailbox="A20047OT001"),
    ]
)  # fmt: skip


ONE_OF_EACH = {
    event.kind: event
    for event in (
        EXPECTING, INVALID, OVERDUE, started(2, 20), accepted(2, 21), refused(2, 21), postponed(2, 21, not_before=40),
        uncertain(2, 21), response("20013", 22), WARNED_OF, BY_A_PERSON, RELEASING, RELEASED, SUPERSEDED, WITHDRAWN,
        NOT_REQUIRED, WARNED, PRACTICE_TOLD, QUEUED_AGAIN, response_accepted("R20013"), reported(2), VOIDED,
        chunk(2, 2, mesh_message_id="MESH2"), tracked(), unresolved(2), RUNNING_LATE, WAITS_NO_LONGER,
        ledger_events.routed(at=at(3), mesh_message_id="MESH2", mailbox="A20047OT001"),
        ledger_events.differs(at=at(2), fields=["patient.surname"], comparison="comparisons/1.json"),
        ledger_events.lookup_unanswered(at=at(2), times=1, why="no answer"),
        ledger_events.resend_ordered(at=at(15), actor="operator-7", attempts=1),
    )
}  # fmt: skip
VARIANTS = (
    *ONE_OF_EACH.values(), started(2, 20, chunks=3), uncertain(2, 21.5), response("20014", 22), response("30001", 22),
    response("30002", 19), FORGED[1],
)  # fmt: skip
"""One event of each kind, all about the second upload, and some that say the opposite."""


def outcome(events: tuple[LedgerEvent, ...]) -> tuple[object, ...]:
    history = MessageHistory(events)
    return (
        status_of(history),
        notifications_due(history),
        due_at(history, PATIENCE),
        history.copies_since,
        history.partial_uploads,
    )


def test_one_event_of_each_kind_is_tried() -> None:
    assert set(ONE_OF_EACH) == set(EventType)


@pytest.mark.parametrize("first", range(len(VARIANTS)))
def test_the_status_is_a_function_of_the_set_of_events(first: int) -> None:
    """All orders of all pairs and triples, before and after a first upload: they come to the same."""
    before = (EXPECTING, started(), postponed())
    for second, third in some_of(list(combinations(range(first + 1, len(VARIANTS)), 2))):
        three = (VARIANTS[first], VARIANTS[second], VARIANTS[third])
        expected = outcome((*before, *three))
        for order in permutations(three):
            assert outcome((*order, *before)) == expected
        assert outcome((*before, *three, *three)) == expected, "repetition changes nothing"
    for second in range(first + 1, len(VARIANTS)):
        pair = (VARIANTS[first], VARIANTS[second])
        assert outcome(pair) == outcome(pair[::-1])
        assert outcome(pair) == outcome((pair[0],) + (pair[1],) * 2)


def test_what_the_sender_knows_never_left_is_certain_whatever_an_ended_lease_says() -> None:
    for both in permutations((postponed(), uncertain(1, 1.5))):
        history = MessageHistory((BUILT, started(), *both))
        assert status_of(history) is Status.BUILT
        assert history.possible_copies == 0


def test_of_two_events_with_one_identity_the_earliest_holds_in_any_order() -> None:
    for both in permutations(
        (refused(), ledger_events.upload_refused(at=at(5), attempt=1, http_status=400, error="x"))
    ):
        (kept,) = MessageHistory((BUILT, started(), *both)).of(EventType.UPLOAD_REFUSED)
        assert kept.details["http_status"] == 417


@given(st.lists(ANY_FACT, max_size=12, unique_by=lambda event: event.identity))
def test_no_status_stands_without_evidence(events: list[LedgerEvent]) -> None:
    history = MessageHistory(tuple(events))
    doubted = FORGED[1 if response_accepted("F20013") in events else 0 :] if EXPECTING in events else []
    believed = [event for event in events if event not in doubted]
    codes = {event.details["code"] for event in believed if event.kind == "response"}
    match status_of(history):
        case Status.DELIVERED:
            assert "20013" in codes
            assert codes & {"30001", "30004"}
        case Status.REJECTED:
            assert codes & {"20009", "20007", "30002", "30014"}
        case Status.UNDELIVERED:
            assert any(event.kind == "report" for event in events)
        case Status.SENT | Status.ACKNOWLEDGED:
            assert codes or any(event.kind == "upload accepted" for event in events)
        case Status.INVALID:
            assert INVALID in events
        case _:
            assert status_of(history) in Status


@given(st.lists(ANY_FACT, max_size=12, unique_by=lambda event: event.identity))
def test_a_message_that_is_not_closed_is_always_due_or_was_told(events: list[LedgerEvent]) -> None:
    history = MessageHistory((EXPECTING, *(event for event in events if event not in (EXPECTING, INVALID))))
    closed = status_of(history) in {
        Status.DELIVERED, Status.REJECTED, Status.UNDELIVERED, Status.REFUSED, Status.OVERDUE, Status.NOT_REQUIRED,
        Status.RELEASED, Status.SUPERSEDED, Status.WITHDRAWN, Status.TELL_PRACTICE,
    }  # fmt: skip
    assert closed or due_at(history, PATIENCE) is not None


@pytest.mark.requirement("1.5:GPCM-SD-043", "1.5:GPCM-SD-044", "1.5:GPCM-SD-045", "GPCM-SD-094", "GPCM-SD-095")
@pytest.mark.parametrize(
    ("events", "kinds"),
    [
        ([INVALID], {NotificationType.INVALID}),
        ([BUILT, started(), refused()], {NotificationType.REFUSED}),
        ([*SENT, reported()], {NotificationType.UNDELIVERED}),
        ([*SENT, response("20009")], {NotificationType.REJECTED}),
        ([*SENT, OVERDUE], {NotificationType.OVERDUE}),
        ([*SENT, response("99999")], {NotificationType.UNKNOWN_CODE}),
        ([*SENT, response(None)], {NotificationType.UNKNOWN_CODE}),
        ([*SENT, response("20013"), response("30001")], set()),
        ([*SENT, response("20013"), response("30002")], {NotificationType.REJECTED}),
        ([BUILT, started(), unresolved()], {NotificationType.UNRESOLVED}),
        ([*SENT, response("20013"), response("30001"), VOIDED], {NotificationType.VOIDED}),
        ([*SENT, response("20013"), response("30002"), VOIDED], {NotificationType.REJECTED, NotificationType.VOIDED}),
        ([HELD], set()),
        ([WAITS], {NotificationType.WAITING}),
        ([WAITS, BY_A_PERSON], set()),
        ([WARNED], {NotificationType.TELL_PRACTICE}),
        (
            [ledger_events.withdrawal(at=at(1), stopped=[], sent=[], warning_key=None)],
            {NotificationType.NOTHING_WITHDRAWN},
        ),
        ([BUILT, started(), WITHDRAWN, accepted()], {NotificationType.SENT_ALTHOUGH_WITHDRAWN}),
        (SENT, set()),
        ([BUILT, started(), uncertain()], set()),
        ([WARNED_OF, RUNNING_LATE], {NotificationType.NOT_RELEASED}),
        ([BUILT, RUNNING_LATE], {NotificationType.STUCK}),
        ([*SENT, RUNNING_LATE], set()),
        ([BUILT, started(), SUPERSEDED, accepted()], {NotificationType.SENT_ALTHOUGH_GIVEN_UP}),
    ],
)
def test_a_person_is_told_of_every_failure(events: list[LedgerEvent], kinds: set[NotificationType]) -> None:
    assert notifications_due(MessageHistory(tuple(events))) == kinds


@pytest.mark.parametrize(
    "events",
    [
        [*SENT, response("20013"), response("30001"), response("30002")],
        [*SENT, response("20009"), response("20013")],
        [*SENT, response("20009"), response("30001")],
        [*SENT, reported(), response("20013")],
        [BUILT, started(), uncertain(), started(2, 2), refused(2, 3), response("20013")],
    ],
)
def test_answers_that_contradict_each_other_are_told(events: list[LedgerEvent]) -> None:
    assert NotificationType.CONTRADICTION in notifications_due(MessageHistory(tuple(events)))


ANSWER = response("20013")
"""It comes from mailbox A20047OT001 and organisation A20047."""


@pytest.mark.parametrize(
    ("built", "genuine"),
    [
        (built_for("A20047OT001"), True),
        (built_for("A20047OT001", "A20047"), True),
        (built_for(), False),
        (built_for(None, "A20047"), False),
        (built_for("A20048OT001"), False),
        (built_for(None, "A20048"), False),
        (built_for("A20047OT001", "A20048"), False),
        (built_for("A20048OT001", "A20047"), False),
    ],
)
def test_an_answer_from_elsewhere_counts_for_nothing_and_is_told(built: LedgerEvent, genuine: bool) -> None:
    history = MessageHistory((built, started(), accepted(), ANSWER, response("30001")))
    assert status_of(history) is (Status.DELIVERED if genuine else Status.SENT)
    assert notifications_due(history) == (set() if genuine else {NotificationType.SUSPICIOUS})
    assert len(history.of(EventType.RESPONSE)) == 2, "kept all the same"
    assert due_at(history, PATIENCE) == (None if genuine else at(61)), "and it still becomes overdue"


def test_a_forged_rejection_rejects_nothing() -> None:
    assert status_of(MessageHistory((built_for("B"), started(), accepted(), response("20009")))) is Status.SENT


def test_the_mailbox_that_mesh_named_at_sending_is_where_it_went() -> None:
    resolved = ledger_events.upload_accepted(
        at=at(2), attempt=1, mesh_message_id="MESH1", resolved_mailbox="FA565OT001"
    )
    assert MessageHistory((built_for(), started(), resolved, ANSWER)).suspicious


def test_a_person_can_accept_an_answer_from_elsewhere() -> None:
    events = (built_for("B"), started(), accepted(), ANSWER, response("30001"))
    history = MessageHistory((*events, response_accepted("R20013"), response_accepted("R30001")))
    assert status_of(history) is Status.DELIVERED
    assert NotificationType.SUSPICIOUS not in notifications_due(history)


def test_a_copy_under_way_keeps_an_undelivered_one_open() -> None:
    events = (BUILT, started(), uncertain(), started(2), accepted())
    assert status_of(MessageHistory((*events, reported()))) is Status.SENT
    assert status_of(MessageHistory((*events, reported(), postponed(2)))) is Status.UNDELIVERED


def test_uploads_that_keep_failing_are_told_while_we_go_on_trying() -> None:
    events = [BUILT]
    for attempt in range(1, 6):
        assert NotificationType.STUCK not in notifications_due(MessageHistory(tuple(events)))
        events += [started(attempt, attempt), postponed(attempt, attempt + 0.5)]
    assert notifications_due(MessageHistory(tuple(events))) == {NotificationType.STUCK}


def test_the_sweep_comes_when_it_should() -> None:
    def due(*events: LedgerEvent) -> object:
        return due_at(MessageHistory(events), PATIENCE)

    assert due(BUILT) == at(10)
    assert due(BUILT, started()) == at(4)
    assert due(BUILT, started(), postponed()) == at(12)
    assert due(BUILT, started(), postponed(not_before=5)) == at(12), "what MESH asked for is over by then"
    assert due(BUILT, started(), postponed(not_before=17)) == at(17)
    assert due(BUILT, started(), postponed(not_before=17), started(2, 3), postponed(2, 4)) == at(14)
    assert due(BUILT, started(), uncertain(), started(2, 18), postponed(2, 19, not_before=40)) == at(40)
    assert due(BUILT, started(), uncertain()) == at(17)
    assert due(*SENT) == at(61)
    assert due(*SENT, response("20013")) == at(301)
    assert due(*SENT, response("30001")) == at(61)
    assert due(*SENT, response("20013"), response("30001")) is None
    assert due(*SENT, OVERDUE) is None
    assert due(HELD) == at(165)
    assert due(HELD, QUEUED_AGAIN) == at(176), "once more, where the first offer was lost"
    assert due(WAITS) is None, "a person was told"
    assert due(WAITS, BY_A_PERSON) == at(165), "the window stays open"
    assert due(HELD, RELEASING) == at(180)
    assert due(HELD, RELEASING, RELEASED) is None
    assert due(WARNED) is None
    assert due(BUILT, WITHDRAWN) is None


def test_every_status_has_one_rule_and_a_reason() -> None:
    assert sorted(rule.status for rule in RULES) == sorted(Status)
    assert all(rule.reason for rule in RULES)


def test_in_whatever_order_the_members_of_an_event_were_found_it_is_the_same_event() -> None:
    fields = ["patient.name.family", "patient.birth_date", "patient.address"]
    scans = [ScanResult.THREATS_FOUND, ScanResult.FAILED, ScanResult.UNSUPPORTED]

    def events(turn: int) -> list[LedgerEvent]:
        return [
            ledger_events.request_refused(at=at(1), reasons=[], scans=scans[::turn]),
            ledger_events.differs(at=at(1), fields=fields[::turn], comparison=""),
            ledger_events.released_by_a_person(at=at(1), actor="a", despite=fields[::turn]),
        ]

    assert events(1) == events(-1)

"""What a message's events say beside its status: where its copies are, what is awaited, and when something is due."""

from datetime import timedelta
from itertools import combinations, permutations
from typing import Any

import pytest

from gpconnect_messaging.itk3.response_codes import Level
from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts, acknowledgements_due, due_at
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.notification_rules import notifications_due, occasions_due
from gpconnect_messaging.ledger.status_rules import rule_of, status_of
from gpconnect_messaging.ledger.stored_names import EventType, NotificationType, Status
from gpconnect_messaging.scan_results import ScanResult
from tests.unit.ledger.events import (
    BUILT,
    BY_A_PERSON,
    HELD,
    LEASE,
    OVERDUE,
    PRACTICE_TOLD,
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

PATIENCE = Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15))
SENT = (BUILT, started(), accepted())


def history(*events: LedgerEvent) -> MessageHistory:
    return MessageHistory(events)


def queued(times: int, minutes: float) -> LedgerEvent:
    return ledger_events.queued_again(at=at(minutes), times=times, why="HELD")


def unanswered(times: int, minutes: float) -> LedgerEvent:
    return ledger_events.lookup_unanswered(at=at(minutes), times=times, why="no answer")


def routed(mesh_message_id: str | None, mailbox: str | None, times: int = 1) -> LedgerEvent:
    return ledger_events.routed(at=at(3), mesh_message_id=mesh_message_id, mailbox=mailbox, times=times)


def differs(*fields: str, minutes: float = 2) -> LedgerEvent:
    return ledger_events.differs(at=at(minutes), fields=fields, comparison="comparisons/1")


def released_despite(*fields: str, minutes: float = 4) -> LedgerEvent:
    return ledger_events.released_by_a_person(at=at(minutes), actor="operator-7", despite=fields)


def answer(code: str = "20013", mailbox: str = "A20047OT001", organisation: str | None = "A20047") -> LedgerEvent:
    made = response(code, from_mailbox=mailbox)
    return LedgerEvent(
        kind=made.kind, identity=made.identity, at=made.at, source=made.source,
        details={**made.details, "from_organisation": organisation},
    )  # fmt: skip


def test_what_is_not_a_name_is_no_kind_of_event() -> None:
    nothing: Any = 7
    with pytest.raises(ValueError, match="7"):
        EventType(nothing)


def test_something_is_expected_of_us_in_these_statuses_only() -> None:
    assert {status.name for status in Status if not status.settled} == {
        "HELD", "RELEASING", "BUILT", "SENDING", "SENT", "UNCERTAIN", "ACKNOWLEDGED", "TELL_PRACTICE",
    }  # fmt: skip


@pytest.mark.parametrize("status", Status)
def test_each_status_has_its_rule(status: Status) -> None:
    assert rule_of(status).status is status


def test_a_known_event_leaves_a_history_as_it_is_and_a_new_one_is_added() -> None:
    known = history(BUILT, started())
    assert known.with_event(started()) is known
    assert known.with_event(accepted()).events == (BUILT, started(), accepted())
    assert known.identities == {"built", "upload-1"}


def test_of_repeats_at_one_time_always_the_same_holds() -> None:
    repeats = [
        ledger_events.upload_refused(at=at(2), attempt=1, http_status=number, error="x") for number in (400, 417)
    ]
    elsewhere = LedgerEvent(kind=repeats[0].kind, identity=repeats[0].identity, at=at(2), source="a", details={"z": 1})
    assert all(MessageHistory(each).events == (repeats[0],) for each in permutations(repeats))
    assert all(MessageHistory(each).events == (elsewhere,) for each in permutations([*repeats, elsewhere]))


MOST_CERTAIN_FIRST = (accepted(), refused(), unresolved(), postponed(), uncertain())


@pytest.mark.parametrize(("certain", "other"), list(combinations(MOST_CERTAIN_FIRST, 2)))
def test_of_two_outcomes_of_one_upload_the_more_certain_holds(certain: LedgerEvent, other: LedgerEvent) -> None:
    for both in permutations((certain, other)):
        assert history(BUILT, started(), *both).last_outcome is certain


def test_an_upload_under_way_has_no_outcome_and_no_wait() -> None:
    under_way = history(BUILT, started(), postponed(not_before=20), started(2, 21))
    assert under_way.last_outcome is None
    assert under_way.not_before is None
    assert under_way.attempts == 2
    assert history(BUILT).attempts == 0


def test_the_ids_of_copies_are_in_one_order_whatever_mesh_calls_them() -> None:
    events = [event for n in range(1, 9) for event in (started(n, n), accepted(n, n, f"M{n * 7 % 10}"))]
    assert history(BUILT, *events).mesh_message_ids == tuple(sorted(f"M{n * 7 % 10}" for n in range(1, 9)))


# Copies


def test_mesh_holds_the_chunks_since_the_last_of_them_came() -> None:
    (begun,) = history(
        BUILT, started(chunks=4), chunk(1, minutes=3, chunks=4), chunk(2, minutes=5, chunks=4)
    ).partial_uploads
    assert begun.since == at(5)


def test_of_two_beginnings_with_as_many_chunks_the_order_is_always_the_same() -> None:
    events = [chunk(1, mesh_message_id=name) for name in ("B", "A", "C")]
    assert [begun.mesh_message_id for begun in history(BUILT, *events).partial_uploads] == ["A", "B", "C"]


def test_what_was_begun_for_an_order_can_be_continued_and_what_was_begun_before_it_not() -> None:
    order = ledger_events.resend_ordered(at=at(20), actor="operator-7", attempts=1)
    before, after = chunk(1, attempt=1), chunk(1, attempt=2, minutes=22, mesh_message_id="MESH2")
    (begun,) = history(
        BUILT, started(chunks=3), before, refused(), order, started(2, 21, chunks=3), after
    ).partial_uploads
    assert begun.mesh_message_id == "MESH2"


def test_copies_are_counted_from_when_mesh_may_have_them() -> None:
    events = (started(1, 1), uncertain(1, 2), started(2, 20, chunks=2), chunk(1, 2, 21, "MESH2", chunks=2))
    assert history(BUILT, *events).copies_since == (at(1), at(21))
    assert history(BUILT, *events, accepted(2, 30, "MESH2")).copies_since == (at(1), at(21))
    assert history(BUILT, started(1, 1), uncertain(1, 2), started(2, 20, chunks=2), accepted(2, 30)).copies_since == (
        at(1), at(20),
    )  # fmt: skip
    chunked_first = (started(1, 1, chunks=2), accepted(1, 40), started(2, 20), uncertain(2, 21))
    assert history(BUILT, *chunked_first).copies_since == (at(1), at(20))


@pytest.mark.parametrize("never_arrived", [refused(), postponed(), unresolved()])
def test_what_never_arrived_is_no_copy_unless_mesh_took_it_after_all(never_arrived: LedgerEvent) -> None:
    assert history(BUILT, started(), never_arrived).copies_since == ()
    assert not history(BUILT, started(), never_arrived).may_have_arrived
    assert history(BUILT, started(), never_arrived, accepted()).copies_since == (at(1),)
    assert history(BUILT, started(), never_arrived, accepted()).may_have_arrived


# Where the copies went


def test_mailboxes_that_it_went_to_are_told_without_regard_to_letter_case() -> None:
    resolved = ledger_events.upload_accepted(
        at=at(2), attempt=1, mesh_message_id="MESH1", resolved_mailbox="fa565ot001"
    )
    assert history(built_for("a20047ot001"), started(), resolved, routed("MESH1", "b1ot001")).destinations == {
        "A20047OT001", "FA565OT001", "B1OT001",
    }  # fmt: skip


def test_mesh_is_asked_where_it_routed_a_copy_until_it_says_but_three_times_at_most() -> None:
    events = [built_for(organisation="A20047"), started(), accepted()]
    for times in (1, 2, 3):
        assert history(*events).unrouted == ("MESH1",)
        assert history(*events).routing_questions("MESH1") == times - 1
        assert history(*events).destination_open
        assert history(*events).lost_sight_of_at is None, "tracking can still be asked"
        assert history(*events, routed("MESH1", "A20047OT001")).unrouted == ()
        events.append(routed("MESH1", None, times))
    assert history(*events).unrouted == ()
    assert history(*events).routing_questions("MESH2") == 0


@pytest.mark.parametrize("mailbox", ["A20047OT001", None])
def test_where_the_mailbox_was_chosen_mesh_is_not_asked(mailbox: str | None) -> None:
    resolved = ledger_events.upload_accepted(
        at=at(2), attempt=1, mesh_message_id="MESH1", resolved_mailbox=None if mailbox else "FA565OT001"
    )
    told = history(built_for(mailbox, "A20047"), started(), resolved)
    assert told.unrouted == ()
    assert not told.destination_open
    assert told.lost_sight_of_at is None


def test_a_practice_is_looked_up_only_where_a_copy_is_out_of_sight() -> None:
    built = built_for(organisation="A20047")
    lost = history(built, started(), uncertain())
    assert lost.lost_sight_of_at == "A20047"
    assert lost.destination_open
    assert history(built, started(), postponed()).lost_sight_of_at is None, "no copy"
    assert history(built_for(), started(), uncertain()).lost_sight_of_at is None, "no practice"
    assert not history(built_for(), started(), uncertain()).destination_open
    asked = [routed(None, None, times) for times in (1, 2, 3)]
    assert history(built, started(), uncertain(), *asked[:2]).lost_sight_of_at == "A20047"
    assert history(built, started(), uncertain(), *asked).lost_sight_of_at is None, "asked often enough"
    found = history(built, started(), uncertain(), routed(None, "A20047OT001"))
    assert found.lost_sight_of_at is None
    assert not found.destination_open


# Responses


def test_a_response_that_came_before_any_copy_could_be_there_answers_nothing() -> None:
    early, late = response("20013", 0.5), response("30001", 1)
    sent = history(BUILT, started(minutes=1), accepted(), early, late)
    assert sent.answers_nothing == (early,)
    assert sent.suspicious == (early,)
    assert history(BUILT, response("20013")).answers_nothing == (response("20013"),)
    assert sent.with_event(response_accepted("R20013")).suspicious == (early,), "a person cannot accept it"


@pytest.mark.parametrize(
    ("came", "genuine"),
    [
        (answer(mailbox=" a20047ot001 "), True),
        (answer(organisation=" a20047 "), True),
        (answer(organisation=None), True),
        (answer(mailbox=""), False),
        (answer(organisation="B1"), False),
        (answer(mailbox="B1OT001"), False),
    ],
)
def test_who_answers_is_compared_as_mesh_writes_names(came: LedgerEvent, genuine: bool) -> None:
    answered = history(built_for("A20047OT001", "A20047"), started(), accepted(), came)
    assert answered.infrastructure_positive is genuine
    assert bool(answered.suspicious) is not genuine


LEVELS = (Level.INFRASTRUCTURE, Level.BUSINESS)
OTHER = next(level for level in Level if level not in LEVELS)


@pytest.mark.parametrize(
    ("events", "awaited"),
    [
        ([BUILT], ()),
        ([BUILT, started(), refused()], ()),
        ([*SENT], (*LEVELS, OTHER)),
        ([*SENT, response("20013")], (Level.BUSINESS, OTHER)),
        ([*SENT, response("30001")], (Level.INFRASTRUCTURE, OTHER)),
        ([*SENT, response("20013"), response("30001")], ()),
        ([*SENT, response("20009")], ()),
        ([*SENT, VOIDED], ()),
    ],
)
def test_an_answer_is_awaited_while_it_is_due_for_a_copy(events: list[LedgerEvent], awaited: tuple[Level, ...]) -> None:
    assert tuple(level for level in (*LEVELS, OTHER) if history(*events).awaits(level)) == awaited


def test_which_acknowledgements_are_missing_is_named() -> None:
    assert history(*SENT).missing_acknowledgements == ["infrastructure", "business"]
    assert history(*SENT, response("20013")).missing_acknowledgements == ["business"]
    assert history(*SENT, response("30001")).missing_acknowledgements == ["infrastructure"]


@pytest.mark.parametrize(
    ("events", "contradictory"),
    [
        ([response("20009"), response("20013")], True),
        ([response("20009"), response("30001")], True),
        ([response("30002"), response("30001")], True),
        ([response("30002"), response("20013")], False),
        ([response("20009"), response("30002")], False),
        ([response("20013"), response("30001")], False),
        ([reported()], False),
        ([reported(), response("20013")], True),
        ([reported(), response("30001")], True),
        ([reported(), response("30002")], True),
        ([reported(), response("99999")], False),
        ([], False),
    ],
)
def test_only_what_cannot_both_be_true_is_a_contradiction(events: list[LedgerEvent], contradictory: bool) -> None:
    assert history(*SENT, *events).contradictory is contradictory


def test_an_answer_to_what_mesh_refused_is_a_contradiction_unless_another_copy_is_there() -> None:
    refused_last = (BUILT, started(), uncertain(), started(2, 20), refused(2, 21))
    assert history(*refused_last, response("30001", 22)).contradictory
    assert not history(*refused_last).contradictory
    assert not history(*refused_last, accepted(1, 23), response("30001", 24)).contradictory
    assert not history(BUILT, started(), uncertain(), response("30001", 22)).contradictory


def test_what_is_still_under_way_may_yet_arrive() -> None:
    assert history(*SENT, reported()).undelivered
    assert not history(*SENT).undelivered
    for later in ([started(2, 20)], [started(2, 20), uncertain(2, 21)]):
        assert not history(*SENT, reported(), *later).undelivered
    order = ledger_events.resend_ordered(at=at(20), actor="operator-7", attempts=1)
    assert not history(*SENT, reported(), order).undelivered


def test_what_reached_mesh_is_what_it_took_or_somebody_answered() -> None:
    assert history(*SENT).reached_mesh
    assert history(BUILT, started(), uncertain(), response("20013")).reached_mesh
    assert not history(BUILT, started(), uncertain()).reached_mesh


# Held requests


def test_who_must_decide_about_a_held_request() -> None:
    assert history(WAITS).waits_for_a_person
    assert not history(WAITS, BY_A_PERSON).waits_for_a_person
    assert not history(HELD).waits_for_a_person
    assert history(HELD, differs("a")).waits_for_a_person
    assert not history(HELD, differs("a"), released_despite("a")).waits_for_a_person
    assert history(HELD, differs("a"), released_despite("a"), differs("a", "b", minutes=6)).waits_for_a_person
    assert history(WAITS, BY_A_PERSON, differs("a", minutes=6)).waits_for_a_person


def test_a_person_is_notified_of_what_differs_and_again_when_more_does() -> None:
    assert notifications_due(history(HELD, differs("a"))) == {NotificationType.DIFFERS}
    known = (HELD, differs("a"), released_despite("a"))
    assert notifications_due(history(*known)) == frozenset()
    assert notifications_due(history(*known, differs("b", minutes=6))) == {NotificationType.DIFFERS_MORE}
    assert history(*known, differs("b", minutes=6)).undecided_differences == {"b"}
    assert history(*known, differs("b", minutes=6)).differences == {"a", "b"}
    assert notifications_due(history(*known, differs("b", minutes=6), RELEASING)) == frozenset(), "it is held no longer"


def test_what_is_known_of_the_practice_is_kept_with_the_message() -> None:
    known = ledger_events.built(
        at=at(0), sha256="00", size=1, infrastructure_due=LEASE, business_due=LEASE, registration={"ods_code": "A20047"}
    )
    assert history(known).registration == {"ods_code": "A20047"}
    assert history(BUILT).registration == {}
    assert history(HELD).registration == {}


def test_a_released_request_names_its_messages() -> None:
    assert history(HELD, RELEASING, RELEASED).became == ("5f0e7f58-0000-5000-8000-000000000001",)
    assert history(HELD, RELEASING).became == ()


def test_a_person_is_warned_in_time_once() -> None:
    warned = ledger_events.held(
        at=at(0), release_at=at(165), by_a_person=False, requirement="GPCM-SD-CS-076", why="open", warn_at=at(170)
    )
    assert history(warned).warn_at == at(170)
    assert history(warned, ledger_events.running_late(at=at(170))).warn_at is None
    assert history(HELD).warn_at is None
    assert history(HELD).release_at == at(165)
    assert history(BUILT).release_at is None
    built = ledger_events.built(
        at=at(0), sha256="00", size=1, infrastructure_due=LEASE, business_due=LEASE, warn_at=at(5)
    )
    assert history(built).warn_at == at(5)
    assert due_at(history(built), PATIENCE) == at(5), "before the sweep would come for the message itself"
    assert due_at(history(built, started(), accepted()), PATIENCE) == at(1) + LEASE, "it has left"


def test_a_practice_is_told_of_what_it_has_until_it_knows() -> None:
    assert history(WARNED).practice_to_tell
    assert not history(STOPPED).practice_to_tell
    assert not history(WARNED, PRACTICE_TOLD).practice_to_tell


@pytest.mark.parametrize(
    ("withdrawal", "nothing"), [(WARNED, False), (STOPPED, False), (([], []), True)], ids=["sent", "stopped", "nothing"]
)
def test_a_withdrawal_that_finds_nothing_is_for_a_person(withdrawal: Any, nothing: bool) -> None:
    if not isinstance(withdrawal, LedgerEvent):
        withdrawal = ledger_events.withdrawal(at=at(1), stopped=[], sent=[], warning_key=None)
    assert (NotificationType.NOTHING_WITHDRAWN in notifications_due(history(withdrawal))) is nothing


# Notifications


@pytest.mark.parametrize(
    ("scans", "told"),
    [
        ((), NotificationType.INVALID),
        ((ScanResult.THREATS_FOUND,), NotificationType.MALWARE),
        ((ScanResult.FAILED,), NotificationType.NOT_SCANNED),
        ((ScanResult.NONE_IN_TIME, ScanResult.THREATS_FOUND), NotificationType.MALWARE),
    ],
)
def test_a_request_refused_for_its_scan_is_told_as_that(scans: tuple[ScanResult, ...], told: NotificationType) -> None:
    refused = ledger_events.request_refused(at=at(0), reasons=["documents[0]: see the scan"], scans=scans)
    assert notifications_due(history(refused)) == {told}


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([HELD], NotificationType.NOT_RELEASED),
        ([HELD, RELEASING], NotificationType.NOT_RELEASED),
        ([BUILT], NotificationType.STUCK),
    ],
)
def test_what_was_offered_three_times_in_vain_is_for_a_person(
    events: list[LedgerEvent], kind: NotificationType
) -> None:
    offers = [queued(times, 170 + times) for times in (1, 2, 3)]
    assert notifications_due(history(*events, *offers[:2])) == frozenset()
    assert notifications_due(history(*events, *offers)) == {kind}
    assert NotificationType.STUCK not in notifications_due(history(*SENT, *offers))


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([HELD], NotificationType.NOT_RELEASED),
        ([HELD, RELEASING], NotificationType.NOT_RELEASED),
        ([BUILT], NotificationType.STUCK),
        ([BUILT, started(), uncertain()], NotificationType.STUCK),
        ([BUILT, started()], None),
        ([BUILT, started(), refused()], NotificationType.REFUSED),
    ],
)
def test_what_has_not_left_when_it_runs_late_is_for_a_person(
    events: list[LedgerEvent], kind: NotificationType | None
) -> None:
    late = history(*events, ledger_events.running_late(at=at(170)))
    assert notifications_due(late) == (frozenset({kind}) if kind else frozenset())


def test_what_was_stopped_and_sent_all_the_same_is_for_a_person() -> None:
    assert NotificationType.SENT_ALTHOUGH_WITHDRAWN in notifications_due(history(*SENT, WITHDRAWN))
    assert NotificationType.SENT_ALTHOUGH_GIVEN_UP in notifications_due(history(*SENT, SUPERSEDED))
    assert notifications_due(history(BUILT, WITHDRAWN)) == frozenset()
    assert notifications_due(history(BUILT, SUPERSEDED)) == frozenset()


def test_a_later_request_does_not_lose_in_silence() -> None:
    lost = ledger_events.superseded(at=at(1), by_request_id="r2", arrived_later=True)
    assert notifications_due(history(lost)) == {NotificationType.LATER_SUPERSEDED}
    assert notifications_due(history(SUPERSEDED)) == frozenset()


def test_uploads_that_fail_again_and_again_after_one_arrived_are_not_stuck() -> None:
    events = [BUILT, *(event for n in range(1, 6) for event in (started(n, n), postponed(n, n + 0.5)))]
    assert notifications_due(history(*events)) == {NotificationType.STUCK}
    assert notifications_due(history(*events, accepted(1, 7))) == frozenset()


def test_every_suspicious_response_is_an_occasion_of_its_own() -> None:
    events = (*SENT, response("20013", from_mailbox="B"), response("30001", from_mailbox="B"), response("99999"))
    assert occasions_due(history(*events)) == {
        (NotificationType.SUSPICIOUS, "R20013"), (NotificationType.SUSPICIOUS, "R30001"),
        (NotificationType.UNKNOWN_CODE, ""),
    }  # fmt: skip


# When something is due


def due(*events: LedgerEvent) -> object:
    return due_at(history(*events), PATIENCE)


def test_a_notification_gives_nobody_more_time() -> None:
    late = ledger_events.running_late(at=at(8))
    passed = ledger_events.waits_no_longer(at=at(9), actor="operator-7", reason="damaged", given_up=["m0"])
    assert due(BUILT, late, passed) == at(10)


def test_an_ended_lease_is_due_when_the_last_one_ends() -> None:
    assert due(BUILT, started(1, 1), uncertain(), started(2, 20)) == at(20) + LEASE


def test_a_request_that_is_being_built_is_due_when_no_builder_finished_it() -> None:
    assert due(HELD, RELEASING, queued(1, 175)) == at(185)


def test_pds_is_asked_again_soon_and_after_five_times_less_often() -> None:
    held = ledger_events.held(
        at=at(0), release_at=at(0), by_a_person=False, requirement="GPCM-SD-CS-072", why="PDS gave no answer yet"
    )
    for times in (1, 2, 3, 4, 5):
        asked = [unanswered(n, 10 * n) for n in range(1, times + 1)]
        assert due(held, *asked) == at(10 * times + 2)
    asked.append(unanswered(6, 60))
    assert due(held, *asked) == at(70)
    assert due(HELD, unanswered(1, 5)) == at(165), "never before the window is over"
    quick = Timeouts(requeue_after=timedelta(minutes=1), resolve_after=timedelta(minutes=15))
    assert due_at(history(held, unanswered(1, 5)), quick) == at(6)


def test_an_offer_that_no_builder_answered_is_repeated_and_one_that_pds_did_not_is_asked_again() -> None:
    assert due(HELD, unanswered(1, 170), queued(1, 172)) == at(182)
    assert due(HELD, queued(1, 170), unanswered(1, 172)) == at(174)
    assert due(HELD, queued(1, 170), queued(2, 180)) == at(190)
    assert due(HELD, queued(1, 100)) == at(165)
    assert due(HELD, queued(1, 170), unanswered(1, 170)) == at(180)


def test_nothing_is_due_of_what_waits_for_a_person() -> None:
    assert due(WAITS) is None
    assert due(HELD, differs("a")) is None


def test_mesh_may_complete_an_upload_whose_last_chunk_was_sent_after_it_said_that_it_is_uploading() -> None:
    chunks = [chunk(number, chunks=3) for number in (1, 2)]
    before_the_last = history(BUILT, started(chunks=3), *chunks, postponed())
    assert before_the_last.possible_copies == 0, "time ran out: the last chunk never left"
    after_the_last = history(BUILT, started(chunks=3), *chunks, tracked(), postponed())
    assert (after_the_last.possible_copies, status_of(after_the_last)) == (1, Status.BUILT)
    assert history(BUILT, started(chunks=3), chunks[0], tracked(), postponed()).possible_copies == 0


def test_answers_are_due_from_the_first_upload() -> None:
    assert acknowledgements_due(history(BUILT)) == at(60)
    assert acknowledgements_due(history(HELD)) is None
    twice = (BUILT, started(1, 1), uncertain(1, 2), started(2, 20), accepted(2, 21))
    assert acknowledgements_due(history(*twice)) == at(61)
    assert acknowledgements_due(history(*twice, response("20013", 22))) == at(301)
    assert acknowledgements_due(history(*twice, response("20013", 22), response("30001", 23))) is None
    ordered = ledger_events.resend_ordered(at=at(200), actor="operator-7", attempts=2)
    assert acknowledgements_due(history(*twice, ordered)) == at(61), "until the order's upload, the first ones count"
    assert acknowledgements_due(history(BUILT, accepted(1, 21))) == at(81), "where only the outcome was recorded"


def test_what_is_overdue_and_sent_again_is_overdue_until_it_is_answered() -> None:
    order = ledger_events.resend_ordered(at=at(120), actor="operator-7", attempts=1)
    assert status_of(history(*SENT, OVERDUE, order)) is Status.BUILT
    assert status_of(history(*SENT, OVERDUE, order, started(2, 121))) is Status.SENDING
    assert status_of(history(*SENT, OVERDUE, order, response("20013", 121))) is Status.OVERDUE


def test_an_order_ends_when_mesh_has_answered() -> None:
    order = ledger_events.resend_ordered(at=at(20), actor="operator-7", attempts=1)
    ordered = (BUILT, started(), refused(), order)
    assert history(*ordered).sending_again
    assert history(*ordered, started(2, 21)).sending_again
    assert history(*ordered, started(2, 21), uncertain(2, 22)).sending_again
    assert history(*ordered, started(2, 21), postponed(2, 22)).sending_again
    assert not history(*ordered, started(2, 21), accepted(2, 22)).sending_again
    assert not history(*ordered, started(2, 21), refused(2, 22)).sending_again
    assert not history(*ordered, started(2, 21), unresolved(2, 22)).sending_again
    assert not history(BUILT, started(), refused()).sending_again
    assert history(*ordered, started(2, 21), WITHDRAWN).sending_again, "it is under way"
    assert not history(*ordered, started(2, 21), uncertain(2, 22), WITHDRAWN).sending_again
    assert not history(*ordered, WITHDRAWN).sending_again


@pytest.mark.parametrize(
    ("events", "answered"),
    [((), False), ((response("20013", 3),), False), ((response("30001", 3),), False),
     ((response("20013", 3), response("30001", 4)), True), ((response("30002", 3),), True), ((VOIDED,), True)],
)  # fmt: skip
def test_a_message_is_answered_by_both_acknowledgements_or_a_refusal(
    events: tuple[LedgerEvent, ...], answered: bool
) -> None:
    assert MessageHistory((BUILT, started(), accepted(), *events)).is_answered is answered

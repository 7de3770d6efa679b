"""What a re-send does, status by status: the seven safety rules, held against the table."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.deadlines import Timeouts
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.history import MessageHistory
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.replay.policy import TABLE, ResendAction, ResendContext, ResendMode, judge, line_for
from tests.identifiers import key_of
from tests.unit.ledger.events import (
    BUILT,
    HELD,
    INVALID,
    NOT_REQUIRED,
    OVERDUE,
    RELEASED,
    RELEASING,
    START,
    SUPERSEDED,
    VOIDED,
    WAITS,
    WARNED,
    WITHDRAWN,
    accepted,
    at,
    refused,
    reported,
    response,
    started,
    uncertain,
    unresolved,
)

SENT = (BUILT, started(), accepted())
NOT_RELEVANT = ledger_events.not_required(at=at(0), requirement="GPCM-SD-CS-073", why="not relevant")
NOT_COLLECTED = ledger_events.report(
    at=at(9), mesh_message_id="REPORT", linked_mesh_message_id="MESH1", code="14", description="not collected"
)
FAR = 100_000
"""Minutes after which nothing is waited for any more."""
U, R = ResendMode.UNCHANGED, ResendMode.REBUILT


def standing(*events: LedgerEvent, minutes: float = FAR, **more: object) -> ResendContext:
    is_request = events[0] in (HELD, WAITS, INVALID, NOT_REQUIRED, NOT_RELEVANT, WARNED)
    record = MessageRecord(
        message_id="m", request_id="r", mailbox="Y90001OT001", encounter="e", encounter_key=key_of("Y90001OT001", "e"),
        version=0 if is_request else 1,
        created_at=START, history=MessageHistory(events),
    )  # fmt: skip
    known = ResendContext(
        record=record, now=at(minutes), newest_version=record.version, is_kept=True,
        timeouts=Timeouts(requeue_after=timedelta(minutes=10), resolve_after=timedelta(minutes=15)),
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def test_every_status_has_one_line_for_each_way() -> None:
    for status in Status:
        for way in ResendMode:
            assert [line for line in TABLE if line.status is status and line.way in (way, None)] == [
                line_for(status, way)
            ]


@pytest.mark.parametrize(
    ("events", "unchanged", "rebuilt"),
    [
        ((INVALID,), ResendAction.RESUBMIT, ResendAction.RESUBMIT),
        ((NOT_REQUIRED,), ResendAction.RESUBMIT, ResendAction.RESUBMIT),
        ((NOT_RELEVANT,), ResendAction.NONE, ResendAction.NONE),
        ((HELD,), ResendAction.QUEUE_FOR_BUILDER, ResendAction.QUEUE_FOR_BUILDER),
        ((WAITS,), ResendAction.NONE, ResendAction.NONE),
        ((HELD, RELEASING), ResendAction.QUEUE_FOR_BUILDER, ResendAction.QUEUE_FOR_BUILDER),
        ((HELD, RELEASING, RELEASED), ResendAction.NONE, ResendAction.NONE),
        ((HELD, SUPERSEDED), ResendAction.NONE, ResendAction.NONE),
        ((BUILT, WITHDRAWN), ResendAction.NONE, ResendAction.NONE),
        ((WARNED,), ResendAction.NONE, ResendAction.NONE),
        ((BUILT,), ResendAction.QUEUE_FOR_SENDER, ResendAction.NONE),
        ((BUILT, started()), ResendAction.NONE, ResendAction.NONE),
        ((BUILT, started(), uncertain()), ResendAction.QUEUE_FOR_SENDER, ResendAction.NONE),
        (SENT, ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20013")), ResendAction.NONE, ResendAction.NONE),
        ((BUILT, started(), refused()), ResendAction.RESEND, ResendAction.RESUBMIT),
        ((BUILT, started(), unresolved()), ResendAction.RESEND, ResendAction.RESUBMIT),
        ((*SENT, reported()), ResendAction.RESEND, ResendAction.RESUBMIT),
        ((*SENT, NOT_COLLECTED), ResendAction.RESEND, ResendAction.NONE),
        ((*SENT, OVERDUE), ResendAction.RESEND, ResendAction.NONE),
        ((*SENT, OVERDUE, response("20013")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20013"), response("30001")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20009")), ResendAction.NONE, ResendAction.RESUBMIT),
        ((*SENT, response("10004")), ResendAction.NONE, ResendAction.RESUBMIT),
        ((*SENT, response("20007")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20015")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20014")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("30002")), ResendAction.NONE, ResendAction.NONE),
        ((*SENT, response("20009"), VOIDED), ResendAction.NONE, ResendAction.NONE),
    ],
)  # fmt: skip
def test_each_status_has_its_action(
    events: tuple[LedgerEvent, ...], unchanged: ResendAction, rebuilt: ResendAction
) -> None:
    it = standing(*events)
    assert (judge(it, U).action, judge(it, R).action) == (unchanged, rebuilt), it.record.status


ARRIVED = [
    (*SENT, response("20013"), response("30001")),
    (*SENT, response("20013")),
    (*SENT, response("20013"), OVERDUE),
    (*SENT, response("30001"), OVERDUE),
]


@pytest.mark.parametrize("events", ARRIVED)
def test_what_the_practice_is_known_to_have_is_never_sent_again(events: tuple[LedgerEvent, ...]) -> None:
    assert {judge(standing(*events), way).action for way in ResendMode} == {ResendAction.NONE}


@pytest.mark.parametrize(
    "events",
    [SENT, (*SENT, OVERDUE), (BUILT, started(), uncertain()), (BUILT, started())],
    ids=["SENT", "OVERDUE", "UNCERTAIN", "SENDING"],
)
def test_what_the_practice_may_have_gets_no_second_document(events: tuple[LedgerEvent, ...]) -> None:
    assert judge(standing(*events), R).action is ResendAction.NONE


def test_an_uncertain_upload_is_resolved_before_it_is_sent_again() -> None:
    events = (BUILT, started(), uncertain(minutes=2))
    assert judge(standing(*events, minutes=16), U).action is ResendAction.NONE
    assert judge(standing(*events, minutes=17), U).action is ResendAction.QUEUE_FOR_SENDER


REFUSED, UNDELIVERED = (BUILT, started(), refused()), (*SENT, reported())


@pytest.mark.parametrize("way", ResendMode)
@pytest.mark.parametrize("events", [REFUSED, UNDELIVERED])
@pytest.mark.parametrize(
    ("around", "says"),
    [({"newest_version": 2}, "later version"), ({"is_kept": False}, "no longer exists")],
)
def test_what_is_replaced_or_gone_is_not_sent(
    way: ResendMode, events: tuple[LedgerEvent, ...], around: dict[str, object], says: str
) -> None:
    ruling = judge(standing(*events, **around), way)  # type: ignore[arg-type]
    assert ruling.action is ResendAction.NONE
    assert says in ruling.why


@pytest.mark.parametrize(
    ("around", "says"),
    [
        ({"superseded": True}, "newer request"),
        ({"again": "other"}, "resubmitted before"),
        ({"origin_known": False}, "not recorded"),
        ({"siblings": (Status.DELIVERED,)}, "another recipient"),
    ],
)
def test_a_request_is_taken_in_again_only_where_that_makes_no_second_document(
    around: dict[str, object], says: str
) -> None:
    ruling = judge(standing(*REFUSED, **around), R)  # type: ignore[arg-type]
    assert ruling.action is ResendAction.NONE
    assert says in ruling.why


@pytest.mark.requirement("GPCM-SD-CS-077")
@pytest.mark.parametrize("events", [REFUSED, UNDELIVERED, (*SENT, OVERDUE)])
def test_nothing_of_a_deleted_consultation_is_sent_again(events: tuple[LedgerEvent, ...]) -> None:
    assert {judge(standing(*events, WITHDRAWN), way).action for way in ResendMode} == {ResendAction.NONE}


def test_a_refusal_says_what_to_do_instead() -> None:
    for line in TABLE:
        said = [line.why] if line.action is ResendAction.NONE else [each.instead for each in line.unless]
        assert all(each.endswith(".") and len(each) > 30 for each in said), line.status

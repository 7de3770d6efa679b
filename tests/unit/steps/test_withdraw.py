"""A deleted consultation: what is held is stopped, and of what was sent a person is warned."""

from datetime import timedelta

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from tests.fakes.faults import fail
from tests.fakes.product import WINDOW, Product
from tests.unit.ledger.events import accepted, refused, reported, started, uncertain

MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.requirement("GPCM-SD-CS-077")


def test_a_held_request_is_stopped_and_never_sent() -> None:
    product = Product()
    held, withdrawal = product.asks(), product.withdraws()
    assert (product.status(held), withdrawal.status) == (Status.WITHDRAWN, Status.WITHDRAWN)
    product.later(WINDOW + MINUTE)
    assert (product.mesh.sent, product.notified()) == ([], [])
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    assert event.details == {"stopped": [held.message_id], "sent": [], "warning_key": None}


def test_of_a_sent_report_a_warning_says_all_that_must_be_told_and_the_notification_only_where_it_is() -> None:
    product = Product(hold_window_seconds=0)
    product.asks()
    product.works()
    withdrawal = product.withdraws()
    assert withdrawal.status is Status.TELL_PRACTICE
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    assert event.details["sent"] == product.mesh.sent
    warning = product.bucket.objects[event.details["warning_key"]].decode()
    for told in ("Mr Garth WRIGHT", "9658218865", "20 November 2026, 19:40", "Millbrook Surgery", "A20047"):
        assert told in warning
    (notification,) = product.topic.published
    assert event.details["warning_key"] in notification
    for personal in ("WRIGHT", "9658218865", "20 November", "Millbrook"):
        assert personal not in notification


def test_a_builder_that_saw_less_does_not_replace_the_warning_that_the_ledger_names() -> None:
    product = Product(hold_window_seconds=0)
    product.asks()
    product.works()
    withdrawal = product.withdraws()
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    warning = product.bucket.objects[event.details["warning_key"]]
    stale = product.evidence.keep_warning(withdrawal.message_id, "of none of the messages")
    assert stale != event.details["warning_key"]
    assert product.bucket.objects[event.details["warning_key"]] == warning
    assert product.evidence.keep_warning(withdrawal.message_id, warning.decode()) == event.details["warning_key"]


def test_a_warning_is_given_even_where_the_request_is_not_kept_any_longer() -> None:
    product = Product(hold_window_seconds=0)
    product.asks()
    product.works()
    product.bucket.objects.clear()
    withdrawal = product.withdraws()
    assert withdrawal.status is Status.TELL_PRACTICE
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    assert "look the encounter up" in product.bucket.objects[event.details["warning_key"]].decode()


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ((started(2, 20), refused(2, 21)), Status.REFUSED),
        ((started(2, 20), accepted(2, 21), reported(2, 40)), Status.UNDELIVERED),
    ],
)
def test_what_an_earlier_upload_may_have_brought_to_the_practice_is_warned_of(
    more: tuple[LedgerEvent, ...], status: Status
) -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks().message_id
    for event in (started(1, 1), uncertain(1, 2), *more):
        product.ledger.record(message_id, event)
    assert product.row(message_id).status is status
    withdrawal = product.withdraws()
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    assert (withdrawal.status, event.details["sent"]) == (Status.TELL_PRACTICE, [message_id])


def test_a_report_that_is_put_down_again_after_its_deletion_is_not_sent_and_a_person_is_notified() -> None:
    product = Product()
    now = product.clock.time
    held = product.asks(consultation__updated=now.isoformat())
    product.clock.advance(5 * MINUTE)
    product.withdraws(deleted=product.clock.time.isoformat())
    product.clock.advance(2 * MINUTE)
    late = product.asks(consultation__updated=(now + 2 * MINUTE).isoformat())
    product.later(WINDOW)
    assert (product.status(held), product.status(late)) == (Status.WITHDRAWN, Status.SUPERSEDED)
    assert (product.mesh.sent, product.notified()) == ([], ["A later request was not sent"])


def test_it_stays_open_until_somebody_has_told_the_practice() -> None:
    product = Product(hold_window_seconds=0)
    product.asks()
    product.works()
    withdrawal = product.withdraws()
    product.later(timedelta(days=2))
    assert product.status(withdrawal) is Status.TELL_PRACTICE
    assert product.operator_actions.practice_told(withdrawal.message_id, "operator-7") is Status.WITHDRAWN
    (event,) = product.row(withdrawal.message_id).history.of(EventType.PRACTICE_TOLD)
    assert event.details["actor"] == "operator-7"
    nobody = product.withdraws(encounter="another")
    with pytest.raises(NotPossibleError):
        product.operator_actions.practice_told(nobody.message_id, "operator-7")


def test_a_message_that_no_sender_has_taken_yet_is_stopped() -> None:
    product = Product(hold_window_seconds=0)
    built = product.asks()
    product.withdraws()
    assert product.sender.send(built.message_id) is Status.WITHDRAWN
    assert product.mesh.sent == []


def test_a_message_that_is_being_sent_may_arrive_so_the_practice_is_to_be_told() -> None:
    product = Product(hold_window_seconds=0)
    message_id = product.asks().message_id
    started = ledger_events.upload_started(at=product.clock(), attempt=1, lease=timedelta(minutes=3))
    product.ledger.record(message_id, started)
    assert product.withdraws().status is Status.TELL_PRACTICE
    assert product.row(message_id).status is Status.SENDING
    product.later(5 * MINUTE)
    assert product.row(message_id).status is Status.WITHDRAWN, "the lease ended, and it is not sent again"
    product.later(timedelta(hours=1))
    assert product.mesh.sent == []
    late = ledger_events.upload_accepted(at=product.clock(), attempt=1, mesh_message_id="MESH1")
    change = product.ledger.record(message_id, late)
    assert change is not None
    assert change.record.status is Status.SENT
    assert [notification.kind for notification in change.notifications] == ["sent although withdrawn"], (
        "it never flips in silence"
    )


def test_a_version_that_no_builder_ever_stores_is_withdrawn_for_whoever_still_tries() -> None:
    product = Product(hold_window_seconds=0)
    fail(product.outbox, "put", OSError("the outbox does not answer"), times=1)
    request = product.prepares()
    with pytest.raises(OSError, match="outbox"):
        product.builder.queued(*request)
    withdrawal = product.withdraws()
    assert withdrawal.status is Status.WITHDRAWN
    (event,) = product.row(withdrawal.message_id).history.of(EventType.WITHDRAWAL)
    (stopped,) = event.details["stopped"]
    assert (product.row(stopped).status, product.row(stopped).version) == (Status.WITHDRAWN, 1)
    product.clock.advance(timedelta(days=2))
    assert product.builder.queued(*request).status is Status.WITHDRAWN, "as the dead letters bring it"
    product.works()
    assert (product.mesh.sent, product.notified()) == ([], [])
    again = product.asks()
    product.works()
    assert product.mesh.sent == [again.message_id], "what comes after it does not wait for it"
    assert product.row(again.message_id).version == 2


def test_a_held_request_whose_build_keeps_failing_is_withdrawn_too_and_comes_to_rest() -> None:
    product = Product()
    held = product.asks()
    fail(product.outbox, "put", OSError("the outbox does not answer"), times=1)
    product.clock.advance(WINDOW + MINUTE)
    product.sweep.run()
    with pytest.raises(OSError, match="outbox"):
        product.builder.release(held.message_id)
    assert product.status(held) is Status.RELEASING
    assert product.withdraws().status is Status.WITHDRAWN
    product.later(timedelta(hours=1))
    assert product.status(held) is Status.RELEASED
    assert [message.status for message in product.messages(held)] == [Status.WITHDRAWN]
    assert product.mesh.sent == []


def test_a_withdrawal_of_nothing_is_told_since_the_encounter_may_be_mistyped() -> None:
    product = Product()
    held = product.asks()
    assert product.withdraws(encounter="mistyped").status is Status.WITHDRAWN
    assert product.notified() == ["A withdrawal stopped nothing"]
    assert product.status(held) is Status.HELD


def test_a_request_from_before_the_deletion_that_comes_after_it_is_not_sent() -> None:
    product = Product()
    before = product.clock()
    product.clock.advance(MINUTE)
    product.withdraws()
    assert product.asks(arrived=before).status is Status.SUPERSEDED


@pytest.mark.parametrize("hold", [WINDOW, timedelta(0)])
def test_a_report_that_states_no_time_does_not_outlive_a_deletion_from_before_its_export(hold: timedelta) -> None:
    product = Product(hold_window_seconds=int(hold.total_seconds()))
    deleted_at = product.clock() - 10 * MINUTE
    report = product.asks()
    product.clock.advance(10 * MINUTE)
    product.withdraws(deleted=deleted_at.isoformat())
    product.later(2 * WINDOW)
    assert (product.status(report), product.mesh.sent) == (Status.WITHDRAWN, [])


def test_a_newer_request_outlives_a_withdrawal_that_comes_late() -> None:
    product = Product()
    before = product.clock()
    product.clock.advance(MINUTE)
    held = product.asks()
    assert product.withdraws(arrived=before).status is Status.SUPERSEDED
    assert product.status(held) is Status.HELD
    assert product.notified() == ["A withdrawal stopped nothing"], "which of the two is right, a person knows"


def test_a_repeated_withdrawal_changes_nothing_and_a_new_request_starts_anew() -> None:
    product = Product()
    product.asks()
    first = product.withdraws()
    assert product.withdraws(request_id="withdraw-2").status is Status.WITHDRAWN
    rows = len(product.table.items)
    assert product.withdraws(request_id="withdraw-2") == first
    assert len(product.table.items) == rows
    again = product.asks()
    product.later(WINDOW + MINUTE)
    assert [message.version for message in product.messages(again)] == [1]


def test_a_withdrawal_on_the_queue_needs_an_id_and_an_existing_mailbox() -> None:
    product = Product()
    refused = product.withdraws(request_id=None)
    assert refused.status is Status.INVALID
    (event,) = product.row(refused.message_id).history.of(EventType.REQUEST_REFUSED)
    assert event.details["reasons"][0].startswith("request_id")


def test_a_sender_whose_clock_is_fast_can_withdraw_what_it_has_just_asked_for() -> None:
    product = Product()
    held = product.asks(consultation__updated=(product.clock() + 4 * MINUTE).isoformat())
    product.later(MINUTE)
    assert product.withdraws().status is Status.WITHDRAWN
    assert product.status(held) is Status.WITHDRAWN


def test_a_withdrawal_said_to_lie_in_the_future_is_refused_and_leaves_the_encounter_as_it_was() -> None:
    product = Product()
    held = product.asks()
    withdrawal = product.withdraws(deleted="2999-01-01T00:00:00+00:00")
    assert (withdrawal.status, product.status(held)) == (Status.INVALID, Status.HELD)
    assert product.notified() == ["A request was refused"]
    assert product.asks().status is Status.HELD, "a true update is newer"

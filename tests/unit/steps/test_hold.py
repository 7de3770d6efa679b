"""The hold window: only the newest request of an encounter is sent, in order, and nothing is lost."""

import base64
import gzip
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger import events as ledger_events
from gpconnect_messaging.ledger.events import LedgerEvent
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.mailboxes.settings import Release
from gpconnect_messaging.operators import ActorError
from gpconnect_messaging.steps.build import Builder
from gpconnect_messaging.steps.message_pipeline import BuildResult, UnknownRequestError
from gpconnect_messaging.steps.operator_actions import NotPossibleError
from gpconnect_messaging.storage import NotThereError
from tests.examples import request_data
from tests.fakes.faults import fail
from tests.fakes.ledger_state import LedgerState
from tests.fakes.product import PDF, SAMPLE, TIMEOUTS, WINDOW, Product
from tests.identifiers import ids_of, key_of

MINUTE = timedelta(minutes=1)


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-CS-076", "GPCM-SD-096", "GPCM-SD-CS-069", "GPCM-SD-CS-070")
def test_a_held_request_is_sent_when_its_window_is_over() -> None:
    product = Product()
    held = product.asks()
    assert held.status is Status.HELD
    product.later(WINDOW - MINUTE)
    assert product.mesh.sent == []
    product.later(2 * MINUTE)
    (message,) = product.messages(held)
    assert (product.status(held), message.status, message.version) == (Status.RELEASED, Status.SENT, 1)
    assert product.mesh.sent == [message.message_id]
    assert product.notified() == []


def test_a_release_that_ended_half_way_goes_on_with_the_version_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    held = product.asks()
    product.clock.advance(WINDOW)
    fail(product.outbox, "put", OSError("the outbox does not answer"), times=1)
    with pytest.raises(OSError, match="the outbox does not answer"):
        product.builder.release(held.message_id)
    assert product.status(held) is Status.RELEASING
    with monkeypatch.context() as patched:
        patched.setattr(Builder, "_still_held", lambda *_: pytest.fail("it is decided on again"))
        built = product.builder.release(held.message_id)
    assert (built.status, product.row(built.message_id).version) == (Status.BUILT, 1)


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_a_newer_request_takes_the_held_ones_place_and_starts_the_window_again() -> None:
    product = Product()
    first = product.asks()
    product.later(WINDOW - MINUTE)
    second = product.asks()
    assert (product.status(first), second.status) == (Status.SUPERSEDED, Status.HELD)
    (event,) = product.row(first.message_id).history.of(EventType.SUPERSEDED)
    assert event.details["by_request_id"] == second.message_id
    assert product.evidence.request(first.message_id), "the old one is kept"
    product.later(2 * MINUTE)
    assert product.mesh.sent == []
    product.later(WINDOW)
    assert [message.version for message in product.messages(second)] == [1]
    assert len(product.mesh.sent) == 1


def test_what_is_not_held_any_more_is_not_released_however_late_the_queue_brings_it() -> None:
    product = Product()
    superseded, withdrawn = product.asks(), product.asks(encounter="another")
    product.asks()
    product.withdraws(encounter="another")
    product.clock.advance(WINDOW + MINUTE)
    for request, status in ((superseded, Status.SUPERSEDED), (withdrawn, Status.WITHDRAWN)):
        assert product.builder.release(request.message_id) == BuildResult(request.message_id, status)
    assert product.queue.take() == []


def test_after_sending_a_newer_request_becomes_the_next_version() -> None:
    product = Product()
    for version in (1, 2, 3):
        held = product.asks()
        product.later(WINDOW + MINUTE)
        assert [message.version for message in product.messages(held)] == [version]
    assert len(product.mesh.sent) == 3


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_an_older_request_that_comes_late_replaces_nothing() -> None:
    product = Product()
    earlier = product.clock()
    product.clock.advance(MINUTE)
    newer = product.asks()
    late = product.asks(arrived=earlier)
    assert (product.status(newer), late.status) == (Status.HELD, Status.SUPERSEDED)
    product.later(WINDOW + MINUTE)
    assert product.asks(arrived=earlier).status is Status.SUPERSEDED, "nor after it was sent"
    assert len(product.mesh.sent) == 1


def test_the_consultations_own_time_decides_which_is_newest_whenever_they_come() -> None:
    product = Product()
    newer = product.asks(consultation__updated="2026-11-20T21:30:00+00:00")
    older = product.asks(consultation__updated="2026-11-20T21:00:00+00:00")
    same = product.asks(consultation__updated="2026-11-20T21:30:00+00:00")
    assert [product.status(request_id) for request_id in (newer, older, same)] == [
        Status.SUPERSEDED, Status.SUPERSEDED, Status.HELD,
    ]  # fmt: skip


def test_without_a_window_an_older_request_that_comes_late_is_not_sent_either() -> None:
    product = Product(hold_window_seconds=0)
    earlier = product.clock()
    product.clock.advance(MINUTE)
    assert product.asks().status is Status.BUILT
    assert product.asks(arrived=earlier).status is Status.SUPERSEDED


def test_a_second_builder_that_finds_the_window_over_does_not_send_beside_the_held_request() -> None:
    product = Product()
    held = product.asks()
    encounter = request_data(SAMPLE)["encounter"]
    claim = product.ledger.claim(held.message_id, ids_of(product.mailbox.mailbox, encounter), ("1",), product.clock())
    assert claim is None
    assert product.status(held) is Status.HELD


def test_what_is_sent_is_what_was_checked_whatever_was_written_over_it_since() -> None:
    product = Product()
    product.asks()
    product.put("report.pdf", PDF + b"% another patient's")
    product.later(WINDOW + MINUTE)
    (message,) = product.stored_messages.values()
    assert base64.b64encode(PDF) in message
    assert len(product.mesh.sent) == 1
    (kept,) = (content for key, content in product.bucket.objects.items() if key.startswith("requests/"))
    data = json.loads(gzip.decompress(kept))
    assert data["encounter"] == request_data(SAMPLE)["encounter"]
    (encounter,) = LedgerState(product.table).encounters()
    assert [origin.document_versions for origin in encounter.origins.values()] == [("1",)]


@pytest.mark.requirement("GPCM-SD-CS-071", "GPCM-SD-CS-073", "GPCM-SD-083")
def test_what_needs_no_message_is_kept_and_not_sent_and_replaces_what_is_held() -> None:
    product = Product()
    held = product.asks()
    irrelevant = product.asks(clinically_relevant=False)
    assert (product.status(held), irrelevant.status) == (Status.SUPERSEDED, Status.NOT_REQUIRED)
    own = product.asks(registered_practice={"ods_code": "Y90001"})
    assert own.status is Status.NOT_REQUIRED
    (event,) = product.row(own.message_id).history.of(EventType.NOT_REQUIRED)
    assert event.details["requirement"] == "GPCM-SD-CS-071"
    product.later(WINDOW + MINUTE)
    assert (product.mesh.sent, product.notified()) == ([], [])


@pytest.mark.requirement("GPCM-SD-CS-074")
def test_a_person_releases_what_the_organisation_wants_released_by_a_person() -> None:
    product = Product(release=Release.BY_A_PERSON)
    held = product.asks()
    product.later(WINDOW + MINUTE)
    assert (product.status(held), product.mesh.sent) == (Status.HELD, [])
    assert product.notified() == ["A request waits for a person"]
    with pytest.raises(ActorError):
        product.operator_actions.release(held.message_id, "9658218865")
    product.operator_actions.release(held.message_id, "operator-7")
    product.works()
    assert product.status(held) is Status.RELEASED
    assert len(product.mesh.sent) == 1
    (event,) = product.row(held.message_id).history.of(EventType.RELEASED_BY_A_PERSON)
    assert event.details["actor"] == "operator-7"


def test_a_person_who_releases_early_does_not_cut_the_window_short_and_a_replacement_needs_its_own() -> None:
    product = Product(release=Release.BY_A_PERSON)
    first = product.asks()
    product.operator_actions.release(first.message_id, "operator-7")
    product.later(MINUTE)
    assert product.mesh.sent == []
    second = product.asks()
    assert product.operator_actions.release(first.message_id, "operator-7") is Status.SUPERSEDED
    third = product.asks()
    with pytest.raises(NotPossibleError):
        product.operator_actions.release(second.message_id, "operator-7")
    product.later(WINDOW + MINUTE)
    assert (product.status(third), product.mesh.sent) == (Status.HELD, [])


def test_a_release_that_nobody_may_ask_for_changes_nothing() -> None:
    product = Product(release=Release.BY_A_PERSON)
    held = product.asks()
    assert product.builder.release(held.message_id).status is Status.HELD
    product.clock.advance(WINDOW + MINUTE)
    assert product.builder.release(held.message_id).status is Status.HELD, "its person has not said so"
    early = Product()
    assert early.builder.release(early.asks().message_id).status is Status.HELD
    with pytest.raises(UnknownRequestError):
        product.builder.release("5f0e7f58-0000-5000-8000-000000000009")


def test_a_held_request_that_is_no_longer_in_order_is_refused_and_told() -> None:
    product = Product()
    held = product.asks()
    product.mailbox = replace(product.mailbox, max_message_bytes=10)
    product.later(WINDOW + MINUTE)
    assert product.status(held) is Status.INVALID
    assert product.notified() == ["A request was refused"]
    assert product.ledger.encounter(key_of(product.mailbox.mailbox, request_data(SAMPLE)["encounter"])).version == 0
    product.mailbox = replace(product.mailbox, max_message_bytes=5_000_000)
    again = product.asks()
    product.later(WINDOW + MINUTE)
    assert [message.version for message in product.messages(again)] == [1]


def test_a_builder_that_never_comes_back_is_told_while_the_sweep_goes_on_trying() -> None:
    product = Product()
    held = product.asks()
    product.clock.advance(WINDOW + MINUTE)
    for _ in range(3):
        product.sweep.run()
        assert product.intake.take() == [held.message_id]
        product.clock.advance(TIMEOUTS.requeue_after)
    assert product.notified() == ["A held request is not being sent"]
    product.works()
    assert product.status(held) is Status.RELEASED


def minutes_until_told(product: Product) -> list[int]:
    """Run only the sweep, every minute for four hours; return after how many minutes it notified."""
    told: list[int] = []
    for minute in range(1, 241):
        product.clock.advance(MINUTE)
        product.sweep.run()
        told += [minute] * (len(product.topic.published) - len(told))
    return told


@pytest.mark.requirement("GPCM-SD-CS-075")
@pytest.mark.parametrize(("settings", "told_after"), [({}, 170), ({"warn_before_seconds": 300}, 175)])
def test_a_held_request_that_does_not_go_is_told_once_while_three_hours_can_still_be_kept(
    settings: dict[str, Any], told_after: int
) -> None:
    product = Product(**settings)
    product.asks()
    assert minutes_until_told(product) == [pytest.approx(told_after, abs=1)]
    assert product.notified() == ["A held request is not being sent"]


def test_a_window_of_all_three_hours_leaves_the_builder_two_minutes() -> None:
    product = Product(hold_window_seconds=3 * 3600)
    product.asks()
    assert minutes_until_told(product) == [pytest.approx(182, abs=1)]


def test_whoever_was_asked_to_release_a_request_is_reminded_before_it_is_late() -> None:
    product = Product(release=Release.BY_A_PERSON)
    product.asks()
    assert minutes_until_told(product) == [1, pytest.approx(170, abs=1)]
    assert product.notified() == ["A request waits for a person", "A held request is not being sent"]


@pytest.mark.requirement("GPCM-SD-CS-075")
def test_a_message_that_no_sender_takes_is_told_in_time_as_well() -> None:
    product = Product()
    held = product.asks()
    product.clock.advance(WINDOW + MINUTE)
    product.sweep.run()
    product.builder.release(held.message_id)
    product.clock.advance(4 * MINUTE)
    product.sweep.run()
    assert product.notified() == ["A message cannot be sent"]
    product.later(MINUTE)
    assert [message.status for message in product.messages(held)] == [Status.SENT]


def test_what_comes_hours_late_is_not_told_of_before_it_fails() -> None:
    product = Product(hold_window_seconds=0)
    late = (product.clock() - timedelta(hours=5)).isoformat()
    product.asks(consultation__start=late, consultation__updated=late)
    product.clock.advance(5 * MINUTE)
    product.sweep.run()
    assert product.notified() == []


def test_a_version_does_not_leave_before_the_one_before_it() -> None:
    product = Product(hold_window_seconds=0)
    first, second = product.asks(), product.asks()
    assert product.sender.send(second.message_id) is Status.BUILT
    assert product.mesh.sent == []
    assert product.sender.send(first.message_id) is Status.SENT
    assert product.sender.send(second.message_id) is Status.SENT
    assert product.mesh.sent == [first.message_id, second.message_id]


def test_a_version_waits_for_one_that_was_claimed_and_is_being_built() -> None:
    product = Product(hold_window_seconds=0)
    encounter = request_data(SAMPLE)["encounter"]
    product.ledger.claim("in-flight", ids_of(product.mailbox.mailbox, encounter), ("1",), product.clock())
    second = product.asks()
    assert product.sender.send(second.message_id) is Status.BUILT
    assert product.row(second.message_id).version == 2


def stuck(product: Product) -> tuple[BuildResult, BuildResult]:
    """Two versions, the first of which is stored damaged and cannot be sent."""
    first, second = product.asks(), product.asks()
    product.outgoing.delete_object(Key=f"messages/{first.message_id}")
    return first, second


def test_an_operator_lets_a_version_pass_the_one_that_never_leaves_which_is_then_never_sent() -> None:
    product = Product(hold_window_seconds=0)
    first, second = stuck(product)
    with pytest.raises(NotThereError):
        product.sender.send(first.message_id)
    assert product.sender.send(second.message_id) is Status.BUILT
    product.queue.take()
    product.clock.advance(TIMEOUTS.requeue_after)
    assert (
        product.operator_actions.skip_earlier_versions(second.message_id, "operator-7", "damaged in store")
        is Status.BUILT
    )
    product.works()
    assert product.mesh.sent == [second.message_id], "at the next sweep"
    assert product.sender.send(first.message_id) is Status.SUPERSEDED
    assert [event.details["actor"] for event in product.row(first.message_id).history.of(EventType.SUPERSEDED)] == [
        "operator-7"
    ]
    trail = product.trail
    deeds = {(event.actor, event.what) for message in (first, second) for event in trail.of_message(message.message_id)}
    assert {("operator-7", "superseded"), ("operator-7", "waits no longer")} <= deeds


def test_it_passes_all_versions_before_it_even_one_that_was_never_stored() -> None:
    product = Product(hold_window_seconds=0)
    fail(product.outbox, "put", OSError("the outbox does not answer"), times=1)
    lost = product.prepares()
    with pytest.raises(OSError, match="outbox"):
        product.builder.queued(*lost)
    second, third = stuck(product)
    product.operator_actions.skip_earlier_versions(third.message_id, "operator-7", "both are stuck")
    product.later(TIMEOUTS.requeue_after)
    assert product.mesh.sent == [third.message_id]
    assert product.status(second) is Status.SUPERSEDED
    assert product.builder.queued(*lost).status is Status.SUPERSEDED, "whenever it is built, it is not sent"


def test_only_a_message_that_waits_passes_and_none_that_is_being_sent_is_passed() -> None:
    product = Product(hold_window_seconds=0)
    first, second = product.asks(), product.asks()
    for message, actor, reason in ((first, "operator-7", "x"), (second, "Mrs Smith", "x"), (second, "operator-7", " ")):
        with pytest.raises((NotPossibleError, ActorError, ValueError)):
            product.operator_actions.skip_earlier_versions(message.message_id, actor, reason)
    started = ledger_events.upload_started(at=product.clock(), attempt=1, lease=timedelta(minutes=3))
    product.ledger.record(first.message_id, started)
    with pytest.raises(NotPossibleError):
        product.operator_actions.skip_earlier_versions(second.message_id, "operator-7", "it takes long")
    assert product.status(first) is Status.SENDING


def test_a_version_that_was_given_up_and_had_reached_mesh_is_told() -> None:
    product = Product(hold_window_seconds=0)
    first, second = product.asks(), product.asks()
    started = ledger_events.upload_started(at=product.clock(), attempt=1, lease=timedelta(minutes=3))
    product.ledger.record(first.message_id, started)
    lost = ledger_events.upload_uncertain(at=product.clock(), attempt=1, why="", source="sender")
    product.ledger.record(first.message_id, lost)
    product.operator_actions.skip_earlier_versions(second.message_id, "operator-7", "MESH does not answer")
    assert product.withdraws().status is Status.TELL_PRACTICE, "it may have arrived"
    late = ledger_events.upload_accepted(at=product.clock(), attempt=1, mesh_message_id="MESH1")
    change = product.ledger.record(first.message_id, late)
    assert change is not None
    assert change.record.status is Status.SENT
    assert "sent although given up" in [notification.kind for notification in change.notifications]


def test_a_request_from_the_dead_letters_is_as_old_as_when_it_first_came() -> None:
    product = Product()
    arrived = product.clock()
    older = product.prepares(consultation__updated=None)[0]
    fail(product.drop, "find", OSError("the drop does not answer"), times=1)
    with pytest.raises(OSError, match="drop"):
        product.builder.queued(older, arrived)
    product.clock.advance(MINUTE)
    newer = product.asks(consultation__updated=None)
    product.clock.advance(MINUTE)
    assert product.builder.queued(older, product.clock()).status is Status.SUPERSEDED
    assert product.status(newer) is Status.HELD


def test_a_held_request_that_a_newer_release_has_plans_for_is_not_released() -> None:
    product = Product()
    held = product.asks()
    paused = LedgerEvent(
        kind=EventType("paused by tomorrow's release"), identity="paused", at=product.clock(), source="builder",
        details={},
    )  # fmt: skip
    product.ledger.record(held.message_id, paused)
    product.clock.advance(WINDOW + MINUTE)
    assert product.builder.release(held.message_id) == BuildResult(held.message_id, Status.HELD)
    assert product.queue.take() == []

"""Of two requests for one encounter the newer is sent last, and a later one never loses in silence."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.precedence import RequestTimes
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.ledger.stored_names import Status
from tests.fakes.product import Product
from tests.model.effects import Watched
from tests.model.world import DOCUMENT_WAIT, Dropped, World

HOUR, SECONDS = timedelta(hours=1), timedelta(seconds=30)


@pytest.fixture
def world() -> World:
    return World(Watched())


def build(world: World, place: int = 0) -> None:
    world.deliver_intake(world.process("builder"), place)


def versions(world: World) -> dict[str, int]:
    """The message versions, by request id."""
    return {record.request_id: record.version for record in world.records() if record.version}


def row(world: World, request_id: str) -> MessageRecord:
    found = world.ledger.find(request_id)
    assert found is not None
    return found


def subjects(world: World) -> list[str]:
    return world.topic.subjects


@pytest.mark.requirement("GPCM-SD-CS-076")
def test_of_two_puts_of_one_object_whose_events_come_reversed_the_last_put_is_the_newest(world: World) -> None:
    first = world.drop("one", folder="one/folder")
    second = world.drop("one", folder="one/folder")
    build(world, 1)
    world.clock.advance(DOCUMENT_WAIT)
    build(world)
    assert versions(world) == {second: 1}, "the older content becomes no version"
    assert row(world, first).status is Status.SUPERSEDED


def test_the_order_of_puts_decides_also_where_both_state_another_order(world: World) -> None:
    now = world.clock.time
    world.clock.advance(HOUR)
    first = world.drop("one", folder="one/folder", updated=now)
    second = world.drop("one", folder="one/folder", updated=now - SECONDS)
    build(world, 1)
    world.clock.advance(DOCUMENT_WAIT)
    build(world)
    assert versions(world) == {second: 1}
    assert row(world, first).status is Status.SUPERSEDED


def test_a_correction_from_a_slow_clock_is_the_next_version(world: World) -> None:
    now = world.clock.time
    first = world.drop("one", updated=now)
    build(world)
    world.clock.advance(HOUR)
    correction = world.drop("one", updated=now - SECONDS)
    build(world)
    assert versions(world) == {first: 1, correction: 2}
    assert world.topic.published == []


def test_a_correction_from_a_slow_clock_whose_event_comes_first_is_not_replaced_by_what_it_corrects(
    world: World,
) -> None:
    now = world.clock.time
    first = world.drop("one", updated=now)
    world.clock.advance(HOUR)
    correction = world.drop("one", updated=now - SECONDS)
    build(world, 1)
    build(world)
    assert versions(world) == {correction: 1}
    assert row(world, first).status is Status.SUPERSEDED
    assert world.topic.published == []


def test_a_held_request_that_loses_to_one_that_was_put_down_before_it_is_notified() -> None:
    world = World(Watched(), hold=2 * HOUR)
    now = world.clock.time
    first = world.drop("one", updated=now)
    world.clock.advance(SECONDS)
    second = world.drop("one", updated=now - SECONDS)
    build(world, 1)
    build(world)
    assert (row(world, second).status, row(world, first).status) == (Status.SUPERSEDED, Status.HELD)
    world.sweep(world.process("sweep"))
    assert subjects(world) == ["A later request was not sent"]


def test_a_later_request_that_states_a_much_earlier_update_is_kept_and_a_person_notified(world: World) -> None:
    now = world.clock.time
    world.clock.advance(HOUR)
    first = world.drop("one", updated=now)
    build(world)
    world.clock.advance(HOUR)
    later = world.drop("one", updated=now - HOUR / 2)
    build(world)
    assert versions(world) == {first: 1}
    assert row(world, later).status is Status.SUPERSEDED
    assert subjects(world) == ["A later request was not sent"]


def test_an_earlier_request_whose_event_comes_late_is_superseded_without_ado(world: World) -> None:
    first = world.drop("one")
    world.clock.advance(HOUR)
    second = world.drop("one")
    build(world, 1)
    world.clock.advance(DOCUMENT_WAIT)
    build(world)
    assert versions(world) == {second: 1}
    assert row(world, first).status is Status.SUPERSEDED
    assert world.topic.published == []


def test_a_request_of_the_queue_has_no_place_among_the_puts_of_any_object(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RequestTimes] = []
    claim = Ledger.claim

    def noting(*given: Any, **named: Any) -> Any:
        asked.append(named["asked"])
        return claim(*given, **named)

    monkeypatch.setattr(Ledger, "claim", noting)
    product = Product(hold_window_seconds=0)
    product.asks()
    world.drop("one")
    build(world)
    assert [(bool(request.s3_object), bool(request.sequencer)) for request in asked] == [(False, False), (True, True)]


def test_an_event_that_names_another_bucket_is_refused_and_nothing_is_read(world: World) -> None:
    world.drop("one")
    (delivery,) = world.queue.intake
    assert isinstance(delivery, Dropped)
    world.queue.intake = [replace(delivery, bucket="another")]
    build(world)
    assert versions(world) == {}
    assert subjects(world) == ["A request was refused"]
    assert "a bucket that is not the drop" in world.topic.published[0]


def test_a_request_is_received_before_it_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.drop("one")

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError("AccessDenied")

    monkeypatch.setattr(world.dropped, "get_object", forbidden)
    build(world)
    monkeypatch.undo()
    assert world.records() == []
    (receipt,) = (key for key in world.bucket.objects if key.startswith("receipts/"))
    assert receipt.endswith(next(iter(world.truth.requests)))

"""The sweep comes to every message that is due, whatever one of them does, and what never moves on is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from botocore.exceptions import EndpointConnectionError

from gpconnect_messaging.ledger.notification_rules import OFFERS_BEFORE_TOLD
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.steps import due_work
from tests.fakes.product import TIMEOUTS, WINDOW, Product
from tests.identifiers import ids_of

MINUTE = timedelta(minutes=1)


class UnreadableRowError(Exception):
    """A row that this version of the product cannot read."""


def failing_for(product: Product, unreadable: str) -> Callable[[str], MessageRecord | None]:
    find = product.ledger.find

    def found(message_id: str) -> MessageRecord | None:
        if message_id == unreadable:
            raise UnreadableRowError
        return find(message_id)

    return found


@pytest.mark.parametrize("place", range(3))
def test_one_row_that_cannot_be_healed_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    product = Product()
    held = [product.asks(encounter=f"encounter-{number}").message_id for number in range(3)]
    product.clock.advance(WINDOW + MINUTE)
    unreadable = held.pop(place)
    monkeypatch.setattr(product.ledger, "find", failing_for(product, unreadable))
    with pytest.raises(UnreadableRowError):
        product.sweep.run()
    assert set(product.intake.take()) == set(held)


def test_what_is_to_be_told_is_told_although_a_row_cannot_be_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    held = product.asks()
    monkeypatch.setattr(product.topic, "publish", lambda **_: (_ for _ in ()).throw(OSError("SNS is away")))
    with pytest.raises(OSError, match="SNS is away"):
        product.asks(encounter="wrong", patient__birth_date="2999-01-01")
    monkeypatch.undo()
    monkeypatch.setattr(product.ledger, "find", failing_for(product, held.message_id))
    product.clock.advance(WINDOW + MINUTE)
    with pytest.raises(UnreadableRowError):
        product.sweep.run()
    assert product.notified() == ["A request was refused"]


def test_with_too_little_time_every_message_has_its_turn() -> None:
    product = Product()
    held = {product.asks(encounter=f"encounter-{number}").message_id for number in range(8)}
    product.clock.advance(WINDOW + MINUTE)
    first = set()
    for _ in range(64):
        once = iter([True])
        product.sweep.run(lambda left=once: next(left, False))  # type: ignore[misc]
        first |= set(product.intake.take())
        product.clock.advance(TIMEOUTS.requeue_after + MINUTE)  # it falls due again, as if no builder had built it
    assert first == held


def test_a_message_that_never_leaves_is_told_even_where_no_upload_was_tried() -> None:
    """Here: the version before it was claimed, and no builder ever finished it."""
    product = Product(hold_window_seconds=0)
    product.ledger.claim(
        "lost", ids_of("Y90001OT001", product.row(product.asks().message_id).encounter), (), product.clock()
    )
    blocked = product.asks()
    for offers in range(1, OFFERS_BEFORE_TOLD + 1):
        assert product.notified() == []
        product.later(TIMEOUTS.requeue_after + MINUTE)
        assert len(product.row(blocked.message_id).history.of(EventType.QUEUED_AGAIN)) == offers
    assert product.status(blocked) is Status.BUILT
    assert product.notified() == ["A message cannot be sent"]
    product.later(TIMEOUTS.requeue_after + MINUTE)
    assert len(product.notified()) == 1


def test_thousands_of_one_kind_do_not_hold_up_the_few_of_another() -> None:
    """Fifty BUILT messages and one request to release are due, and there is time for four."""
    product = Product(hold_window_seconds=0)
    for number in range(50):
        product.asks(encounter=f"built-{number}")
    product.queue.take()
    product.mailbox = replace(product.mailbox, hold_window_seconds=int(WINDOW.total_seconds()))
    held = product.asks(encounter="held")
    product.clock.advance(WINDOW + MINUTE)
    time_left = iter([True] * 4)
    swept = product.sweep.run(lambda: next(time_left, False))
    assert product.intake.take() == [held.message_id]
    assert (swept.released, swept.queued_again, swept.left) == (1, 3, 47)


def test_notifications_are_told_and_messages_are_healed_whatever_time_the_other_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(due_work, "MOST_TOLD", 2)
    product = Product(hold_window_seconds=0)
    monkeypatch.setattr(product.topic, "publish", unreachable)
    for number in range(3):
        with pytest.raises(EndpointConnectionError):
            product.asks(encounter=f"wrong-{number}", patient__birth_date="2999-01-01")
    built = product.asks()
    product.queue.take()
    product.clock.advance(TIMEOUTS.requeue_after + MINUTE)
    with pytest.raises(EndpointConnectionError):
        product.sweep.run()
    assert product.queue.take() == [built.message_id], "although SNS is away"
    monkeypatch.undo()
    monkeypatch.setattr(due_work, "MOST_TOLD", 2)
    product.clock.advance(TIMEOUTS.requeue_after + MINUTE)
    assert [product.sweep.run().notifications_told, product.sweep.run().notifications_told] == [2, 1]


def unreachable(**_: object) -> None:
    raise EndpointConnectionError(endpoint_url="sns")

"""The sweep comes to every message that is due, whatever one of them does, and what never moves on is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.notification_rules import OFFERS_BEFORE_TOLD
from gpconnect_messaging.ledger.stored_names import EventType, Status
from gpconnect_messaging.steps import due_work
from tests.fakes.product import TIMEOUTS, WINDOW, Product
from tests.identifiers import ids_of

MINUTE = timedelta(minutes=1)


class UnreadableError(Exception):
    """An encounter that this version of the product cannot read."""


def failing_for(product: Product, unreadable: str) -> Callable[[str], Encounter]:
    read, unreadable_key = product.ledger.encounter, product.row(unreadable).encounter_key

    def found(key: str) -> Encounter:
        if key == unreadable_key:
            raise UnreadableError
        return read(key)

    return found


def test_requests_that_are_due_together_are_queued_ten_in_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    held = {product.asks(encounter=f"encounter-{number}").message_id for number in range(25)}
    product.clock.advance(WINDOW + MINUTE)
    send, calls = product.sqs.send_message_batch, list[int]()

    def counted(**batch: Any) -> dict[str, Any]:
        calls.append(len(batch["Entries"]))
        return send(**batch)

    monkeypatch.setattr(product.sqs, "send_message_batch", counted)
    product.sweep.run()
    assert calls == [10, 10, 5]
    assert set(product.intake.take()) == held


def test_what_a_failed_call_did_not_queue_is_due_again_and_the_rest_is_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    held = {product.asks(encounter=f"encounter-{number}").message_id for number in range(12)}
    product.clock.advance(WINDOW + MINUTE)
    send, answers = product.sqs.send_message_batch, iter([{"Failed": [{"Id": "0", "Code": "InternalError"}]}])
    monkeypatch.setattr(product.sqs, "send_message_batch", lambda **batch: next(answers, None) or send(**batch))
    with pytest.raises(ClientError, match="InternalError"):
        product.sweep.run()
    queued = set(product.intake.take())
    assert len(queued) == 2
    product.clock.advance(TIMEOUTS.requeue_after + MINUTE)
    product.sweep.run()
    assert set(product.intake.take()) == held


@pytest.mark.parametrize("place", range(3))
def test_one_encounter_that_cannot_be_healed_does_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    product = Product()
    held = [product.asks(encounter=f"encounter-{number}").message_id for number in range(3)]
    product.clock.advance(WINDOW + MINUTE)
    unreadable = held.pop(place)
    monkeypatch.setattr(product.ledger, "encounter", failing_for(product, unreadable))
    with pytest.raises(UnreadableError):
        product.sweep.run()
    assert set(product.intake.take()) == set(held)


def test_what_is_to_be_told_is_told_although_an_encounter_cannot_be_healed(monkeypatch: pytest.MonkeyPatch) -> None:
    product = Product()
    held = product.asks()
    monkeypatch.setattr(product.topic, "publish", lambda **_: (_ for _ in ()).throw(OSError("SNS is away")))
    with pytest.raises(OSError, match="SNS is away"):
        product.asks(encounter="wrong", patient__birth_date="2999-01-01")
    monkeypatch.undo()
    monkeypatch.setattr(product.ledger, "encounter", failing_for(product, held.message_id))
    product.clock.advance(WINDOW + MINUTE)
    with pytest.raises(UnreadableError):
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

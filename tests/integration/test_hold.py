"""A builder or sweep that dies anywhere between holding a request and sending it; several of them at once.

The crash points are not chosen by hand: each call of the real adapters to a store, and each queue message, is one,
before it and after it.
"""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.steps.message_pipeline import BuildResult
from tests.crash_injection import Crasher
from tests.examples import request_data
from tests.fakes.ledger_state import LedgerState
from tests.fakes.product import SAMPLE, WINDOW, Product
from tests.identifiers import key_of

MINUTE = timedelta(minutes=1)
EFFECTS = {
    "table": ("get_item", "batch_get_item", "put_item", "update_item", "transact_write_items"),
    "bucket": ("put_object", "get_object"),
    "outbox": ("put",),
    "intake_queue": ("release",),
    "send_queue": ("put",),
    "topic": ("publish",),
}


def watched(product: Product) -> Crasher:
    """Let the product's steps die before and after every effect."""
    crasher = Crasher()
    for part, names in EFFECTS.items():
        crasher.watch(getattr(product, part), *names)
    return crasher


def one_round(product: Product) -> None:
    """A newer request replaces the held one and is released, and the message is queued."""
    product.asks_again()
    product.clock.advance(WINDOW + MINUTE)
    product.sweep.run()
    for request_id in product.intake.waiting:
        product.builder.release(request_id)
    product.intake.take()


def healed(product: Product) -> None:
    """What the queue brings again, and the schedules."""
    product.asks_again()
    for _ in range(4):
        product.later(WINDOW)


def begun() -> tuple[Product, str]:
    product = Product()
    superseded = product.asks()
    product.clock.advance(MINUTE)
    product.prepares()
    return product, superseded.message_id


@pytest.mark.requirement("GPCM-SD-CS-075", "GPCM-SD-CS-076")
def test_whoever_dies_between_holding_and_sending_the_newest_is_sent_once() -> None:
    product, _ = begun()
    crasher = watched(product)
    with crasher.dying_at(None):
        one_round(product)
    points = crasher.seen
    assert points > 20
    for point in range(1, points + 1):
        product, first = begun()
        crasher = watched(product)
        with crasher.dying_at(point):
            one_round(product)
        healed(product)
        records = LedgerState(product.table).records()
        assert product.row(first).status is Status.SUPERSEDED, point
        assert sorted(record.status for record in records) == [Status.RELEASED, Status.SENT, Status.SUPERSEDED], point
        assert [product.row(message_id).version for message_id in product.mesh.sent] == [1], point
    print(f"{points} crash points between holding and sending")


@pytest.mark.requirement("GPCM-SD-CS-077")
def test_a_withdrawal_that_dies_anywhere_stops_what_is_held_and_warns_once() -> None:
    points, point = 1, 0
    while point < points:
        product = Product()
        product.asks()
        product.later(WINDOW + MINUTE)
        product.asks()
        crasher = watched(product)
        with crasher.dying_at(point or None):
            withdrawal = product.withdraws(request_id="withdraw-1")
        if not point:
            points = crasher.seen
        withdrawal = product.withdraws(request_id="withdraw-1")
        product.later(WINDOW + MINUTE)
        assert product.status(withdrawal) is Status.TELL_PRACTICE
        assert len(product.mesh.sent) == 1, "what was held was not sent"
        assert product.notified().count("A consultation was deleted after the report was sent") in {1, 2}
        point += 1
    print(f"{points} crash points of a withdrawal")


def test_several_builders_and_sweeps_at_once_come_to_the_same() -> None:
    product = Product(hold_window_seconds=1)
    with ThreadPoolExecutor(6) as threads:
        for _ in range(3):
            list(threads.map(lambda _: product.asks(), range(6)))
            product.clock.advance(MINUTE)
            list(threads.map(lambda _: product.sweep.run(), range(3)))
            due = product.intake.take()
            list(threads.map(product.builder.release, due * 3))
            product.works()
            product.clock.advance(MINUTE)
    product.later(MINUTE)
    assert [product.row(message_id).version for message_id in product.mesh.sent] == [1, 2, 3]
    encounter = product.ledger.encounter(key_of(product.mailbox.mailbox, request_data(SAMPLE)["encounter"]))
    assert (encounter.version, encounter.held_request_id) == (3, "")


times = st.integers(0, 5)
steps = st.lists(st.one_of(st.tuples(st.just("ask"), times), st.tuples(st.just("work"), times)), min_size=1, max_size=6)


@settings(max_examples=20, deadline=None)
@given(steps=steps)
def test_whatever_comes_in_whatever_order_versions_are_consecutive_and_the_newest_wins(
    steps: list[tuple[str, int]],
) -> None:
    product = Product()
    start, asked = product.clock(), []
    for step, hours in steps:
        if step == "ask":
            arrived = start + timedelta(hours=hours - 5)
            placed = product.asks(arrived=arrived)
            asked.append((arrived, placed))
            assert product.asks_again() == BuildResult(placed.message_id, product.status(placed)), "it came twice"
        else:
            product.later(timedelta(hours=hours))
    product.later(WINDOW + MINUTE)
    product.later(WINDOW + MINUTE)
    versions = [product.row(message_id).version for message_id in product.mesh.sent]
    assert versions == list(range(1, len(versions) + 1))
    statuses = {product.status(message_id) for _, message_id in asked}
    assert statuses <= {Status.SUPERSEDED, Status.RELEASED, Status.SENT}, "sent at once where the window was over"
    if asked:
        newest = max(arrived for arrived, _ in asked)
        encounter = product.ledger.encounter(key_of(product.mailbox.mailbox, request_data(SAMPLE)["encounter"]))
        assert encounter.newest is not None
        assert encounter.newest.arrived == newest
        assert encounter.newest_request_id == product.row(product.mesh.sent[-1]).request_id

"""One budget for all functions: moments an interval apart, however many ask at once."""

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gpconnect_messaging.pds.budget import SharedBudget
from gpconnect_messaging.pds.errors import RetryLater
from tests.fakes.dynamodb import Table, TableInTransactions

NOW = 1_800_000_000.0


class CountedTable(Table):
    """A table that counts the updates of an item, also those in vain: DynamoDB charges a write unit for either."""

    def __init__(self) -> None:
        super().__init__()
        self.updates = Counter[str]()

    def update_item(self, *, Key: Any, **how: Any) -> Any:  # noqa: N803 - the argument's name is boto3's
        self.updates[Key["pk"]["S"]] += 1
        return super().update_item(Key=Key, **how)


def budgets(count: int, per_second: int = 5, clock: Callable[[], float] = lambda: NOW) -> list[SharedBudget]:
    """As many functions over one table."""
    table: Any = Table()
    return [SharedBudget(table, "ledger", per_second, clock) for _ in range(count)]


def test_the_moments_of_all_functions_are_an_interval_apart() -> None:
    given = [budget.reserve(60.0) for budget in budgets(12)]
    assert given == pytest.approx([0.2 * place for place in range(12)])


def test_after_a_rest_the_first_goes_at_once_and_nothing_was_saved_up() -> None:
    now = NOW
    first, second = budgets(2, clock=lambda: now)
    assert (first.reserve(9.0), second.reserve(9.0)) == pytest.approx((0.0, 0.2))
    now = NOW + 3600
    assert [first.reserve(9.0) for _ in range(3)] == pytest.approx([0.0, 0.2, 0.4])


def test_a_rate_that_does_not_divide_a_second_is_rounded_down_and_never_up() -> None:
    (budget,) = budgets(1, per_second=3)
    assert [budget.reserve(9.0) for _ in range(4)] == pytest.approx([0.0, 0.334, 0.668, 1.002])


def test_nothing_is_reserved_beyond_what_the_caller_waits() -> None:
    (budget,) = budgets(1)
    assert [budget.reserve(0.5) for _ in range(3)] == pytest.approx([0.0, 0.2, 0.4])
    with pytest.raises(RetryLater) as raised:
        budget.reserve(0.5)
    assert raised.value.retry_after == 0.5
    assert budget.reserve(0.6) == pytest.approx(0.6), "the one who gave up took nothing"


def test_a_pause_holds_everybody_and_a_shorter_one_does_not_end_it() -> None:
    one, other = budgets(2)
    one.pause(2.0)
    other.pause(1.0)
    assert other.reserve(9.0) == pytest.approx(2.0)
    with pytest.raises(RetryLater):
        one.reserve(1.0)


def test_a_hundred_at_once_get_a_hundred_different_moments() -> None:
    start = threading.Barrier(20)

    def ask(budget: SharedBudget) -> list[float]:
        start.wait()
        return [budget.reserve(600.0) for _ in range(5)]

    with ThreadPoolExecutor(20) as pool:
        given = sorted(wait for waits in pool.map(ask, budgets(20)) for wait in waits)
    assert given == pytest.approx([0.2 * place for place in range(100)])


def test_a_transaction_on_the_budget_costs_neither_a_moment_nor_a_pause() -> None:
    table: Any = TableInTransactions(conflicts=2)
    budget = SharedBudget(table, "ledger", 5, lambda: NOW)
    assert budget.reserve(9.0) == 0.0
    table.conflicts = 2
    budget.pause(2.0)
    assert budget.reserve(9.0) == pytest.approx(2.0)


def test_a_reservation_takes_one_write_unit_at_rest_and_hardly_more_where_all_wait() -> None:
    table: Any = CountedTable()
    clock = itertools.count(int(NOW)).__next__
    at_rest = SharedBudget(table, "ledger", 5, clock)
    assert [at_rest.reserve(9.0) for _ in range(50)] == [0.0] * 50
    assert table.updates.total() == 50
    table.updates.clear()
    waiting = [SharedBudget(table, "ledger", 5, lambda: NOW + 999) for _ in range(4)]
    for budget in waiting * 25:
        budget.reserve(600.0)
    assert table.updates.total() <= 105, "a function finds out once that others wait"
    table.updates.clear()
    for refused, budget in enumerate(waiting * 2, start=1):
        with pytest.raises(RetryLater):
            budget.reserve(1.0)
        assert table.updates.total() <= 3 * refused
    assert table.updates.total() <= 5 * len(waiting)


@pytest.mark.parametrize("per_second", [5, 99, 100, 101, 250, 300, 1000])
def test_no_item_takes_more_than_its_share_and_together_they_keep_to_the_rate(per_second: int) -> None:
    random.seed(per_second)
    table: Any = CountedTable()
    asking = [SharedBudget(table, "ledger", per_second, lambda: NOW) for _ in range(10)]
    moments = sorted(NOW * 1000 + round(1000 * budget.reserve(60.0)) for budget in asking * (per_second // 2))
    assert len(table.updates) == -(-per_second // 100), "items"
    assert max(table.updates.values()) <= 1.3 * table.updates.total() / len(table.updates)
    assert table.updates.total() <= 1.3 * len(moments) + len(asking)
    assert len(set(moments)) == len(moments)
    starts = [moment for moment in moments if moment <= moments[-1] - 1000]
    for start in starts[:: max(1, len(starts) // 50)]:
        assert sum(start <= moment < start + 1000 for moment in moments) <= per_second
    within = [moment for moment in moments if moment < NOW * 1000 + 3000]
    assert len(within) >= 0.9 * 3 * per_second, "and use it"


def test_a_pause_holds_every_item_of_a_high_rate() -> None:
    one, other = budgets(2, per_second=500)
    one.pause(2.0)
    one.pause(2.0)
    waits = [other.reserve(9.0) for _ in range(200)]
    assert min(waits) >= 2.0
    assert sorted(waits)[:100] == pytest.approx([2.0 + 0.002 * place for place in range(100)], abs=0.2)

"""One budget for all functions: moments an interval apart, however many ask at once."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gpconnect_messaging.pds.budget import SharedBudget
from gpconnect_messaging.pds.errors import RetryLater
from tests.fakes.dynamodb import Table, TableInTransactions

NOW = 1_800_000_000.0


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

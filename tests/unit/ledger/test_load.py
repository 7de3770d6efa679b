"""A message costs the ledger few write units, and no partition is hot at the rates that docs/scale.md states."""

import pytest

from tests.fakes.ledger_table import INDEXES
from tests.performance.ledger_load import PARTITION_LIMIT, Tally, tallied

MESSAGES = 100
MOST_UNITS = {True: 22, False: 18}
"""What a message may cost in all, by whether it is held first."""


@pytest.fixture(scope="module", params=[True, False], ids=["held", "at once"])
def tally(request: pytest.FixtureRequest) -> tuple[bool, Tally]:
    return request.param, tallied(MESSAGES, held=request.param)


def test_a_message_costs_few_write_units(tally: tuple[bool, Tally]) -> None:
    held, table = tally
    assert sum(map(table.place, ("the table", *INDEXES))) / MESSAGES <= MOST_UNITS[held]


@pytest.mark.parametrize(
    ("index", "messages_a_second"), [("by_work", 1_000), ("by_attention", 1_000), ("by_time", 1_000)]
)
def test_no_key_of_an_index_takes_more_than_its_partition_can(
    index: str, messages_a_second: int, tally: tuple[bool, Tally]
) -> None:
    assert tally[1].share(index) / MESSAGES * messages_a_second < PARTITION_LIMIT


def test_no_key_of_the_table_is_shared_by_messages(tally: tuple[bool, Tally]) -> None:
    assert tally[1].share("the table") < 15, "one message's own writes, over its whole life"

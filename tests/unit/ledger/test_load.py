"""No partition of the ledger is hot at the rates that docs/scale.md states, on paper and with room to spare."""

import pytest

from tests.performance.ledger_load import PARTITION_LIMIT, Tally, tallied

MESSAGES = 100


@pytest.fixture(scope="module")
def tally() -> Tally:
    return tallied(MESSAGES)


@pytest.mark.parametrize(("index", "messages_a_second"), [("by_status", 1_000), ("by_due", 1_000), ("by_time", 250)])
def test_no_key_of_an_index_takes_more_than_its_partition_can(index: str, messages_a_second: int, tally: Tally) -> None:
    assert tally.share(index) / MESSAGES * messages_a_second < PARTITION_LIMIT


@pytest.mark.parametrize("place", ["the table", "by_encounter"])
def test_no_other_key_is_shared_by_messages(place: str, tally: Tally) -> None:
    assert tally.share(place) < 50, "one message's own writes, over its whole life"

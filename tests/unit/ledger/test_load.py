"""No partition of the ledger is hot at a thousand messages a second, on paper and with room to spare."""

import pytest

from tests.performance.ledger_load import PARTITION_LIMIT, Tally, tallied

MESSAGES, A_SECOND = 100, 1_000


@pytest.fixture(scope="module")
def tally() -> Tally:
    return tallied(MESSAGES)


@pytest.mark.parametrize("index", ["by_status", "by_due"])
def test_no_key_of_an_index_takes_more_than_its_partition_can_at_a_thousand_messages_a_second(
    index: str, tally: Tally
) -> None:
    assert tally.share(index) / MESSAGES * A_SECOND < PARTITION_LIMIT


@pytest.mark.parametrize("place", ["the table", "by_encounter"])
def test_no_other_key_is_shared_by_messages(place: str, tally: Tally) -> None:
    assert tally.share(place) < 50, "one message's own writes, over its whole life"

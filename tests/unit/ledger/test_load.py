"""A message costs the ledger few write units, and no partition is hot at the rates that docs/scale.md states."""

import uuid

import pytest

from gpconnect_messaging.ledger.received_objects import ReceivedObjects, Receiver
from gpconnect_messaging.storage import DropFile
from tests.fakes.clock import Clock
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


def test_a_received_document_costs_one_write_unit_and_is_in_no_index() -> None:
    table = Tally()
    received = ReceivedObjects(table, "ledger", "gpconnect-messaging-prod-storagedrop", Clock())  # type: ignore[arg-type]
    receiver = Receiver(str(uuid.uuid4()), "0123456789abcdef" * 4)
    version = "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo"
    received.mark(DropFile("2026/11/22/4711/report.pdf", version, 1, Clock()()), receiver)
    assert [table.place(place) for place in ("the table", *INDEXES)] == [1, *(0 for _ in INDEXES)]
    assert table.calls == 1


@pytest.mark.parametrize(
    ("index", "messages_a_second"), [("by_work", 1_000), ("by_attention", 1_000), ("by_time", 1_000)]
)
def test_no_key_of_an_index_takes_more_than_its_partition_can(
    index: str, messages_a_second: int, tally: tuple[bool, Tally]
) -> None:
    assert tally[1].share(index) / MESSAGES * messages_a_second < PARTITION_LIMIT


def test_no_key_of_the_table_is_shared_by_messages(tally: tuple[bool, Tally]) -> None:
    assert tally[1].share("the table") < 15, "one message's own writes, over its whole life"

"""An encounter that this release cannot read is named, and stops no other."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounter_format import MissingPartError, UnknownFormatError, UnreadableEncounterError
from gpconnect_messaging.ledger.encounter_table import STATE, pk_of
from gpconnect_messaging.ledger.records import MessageRecord
from gpconnect_messaging.ledger.search import Search
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.ledger.table import Item, item, plain
from tests.fakes.product import Product, Steps
from tests.unit.ledger.test_archive import AFTER, DUE, Kept


def of_a_newer_release(values: Item) -> None:
    values["v"] = 2


def without_a_part(values: Item) -> None:
    body = encounter_format.unpack(values["body"], 1)
    values["body"] = encounter_format.pack({**body, "parts": ["00000001-lost-0"]})


def spoil(product: Product, record: MessageRecord, how: Callable[[Item], None]) -> None:
    """Store an encounter as this release cannot read it."""
    table = product.around.dynamodb
    values = plain(table.get_item(Key=item({"pk": pk_of(record.encounter_key), "sk": STATE}))["Item"])
    how(values)
    table.put_item(Item=item(values))


@pytest.mark.parametrize(
    ("how", "error"), [(of_a_newer_release, UnknownFormatError), (without_a_part, MissingPartError)]
)
def test_an_unreadable_encounter_stops_neither_the_sweep_nor_escalation_nor_lists(
    how: Callable[[Item], None], error: type[UnreadableEncounterError]
) -> None:
    product = Product(hold_window_seconds=0)
    spoilt, other = product.asks(encounter="spoilt"), product.asks(encounter="other")
    product.works()
    records = [product.row(asked.message_id) for asked in (spoilt, other)]
    product.later(timedelta(days=2))
    records.append(product.row(product.asks(encounter="later").message_id))
    product.works()
    assert len(product.topic.subjects) == 2, "the practice is late with two answers"
    product.clock.advance(timedelta(days=2))
    spoil(product, records[0], how)
    afresh = Steps(product.around)
    with pytest.raises(error):
        afresh.sweep.run()
    assert len(product.topic.subjects) == 3, "and with the last one"
    with pytest.raises(error):
        afresh.escalation.run(afresh.sweep.due())
    product.clock.advance(timedelta(hours=9))
    with pytest.raises(error):
        afresh.escalation.run(afresh.sweep.due())
    assert len(product.topic.subjects) == 5, "a second person knows of both"
    search = Search(product.around.dynamodb, "ledger", product.clock)  # type: ignore[arg-type]
    page = search.by_time(since=product.clock() - timedelta(days=9))
    assert [row.message_id for row in page.rows if row.version] == [records[2].message_id, records[1].message_id]
    assert search.unreadable == {records[0].encounter_key}


def test_the_archiver_leaves_an_unreadable_encounter_and_looks_at_it_again() -> None:
    kept = Kept()
    kept.send("e")
    spoilt = kept.ledger.find(kept.send("spoilt"))
    assert spoilt is not None
    key = (pk_of(spoilt.encounter_key), STATE)
    kept.table.put_item(Item=kept.table._items[key] | item({"v": 2}))
    kept.clock.time = DUE
    assert kept.archiver().run(lambda: True).archived == 1
    kept.table.put_item(Item=kept.table._items[key] | item({"v": 1}))
    kept.clock.advance(AFTER + timedelta(days=31))
    assert kept.archiver().run(lambda: True).archived == 1
    assert [row.status for row in kept.search.named(spoilt.message_id)] == [Status.DELIVERED]

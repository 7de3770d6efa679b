"""The ledger says which request received a document: the first one stays."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gpconnect_messaging.ledger.precedence import object_of
from gpconnect_messaging.ledger.received_objects import KNOWN_FOR, ReceivedObjects, Receiver
from gpconnect_messaging.ledger.records import DropContent
from gpconnect_messaging.ledger.store import Ledger
from gpconnect_messaging.storage import DropFile, ListedObject
from tests.fakes.clock import Clock
from tests.fakes.dynamodb import Table, TableInTransactions
from tests.fakes.product import TIMEOUTS
from tests.unit.ledger.events import at

KEY = "SMITH-9658218865/report.pdf"
SECOND = timedelta(seconds=1)
ONE, TWO = Receiver("request-1", "encounter-1"), Receiver("request-2", "encounter-2")


def version(version_id: str, put: datetime | None = None, key: str = KEY) -> DropFile:
    return DropFile(key, version_id, 1, put or at(0))


FILE = version("v1")


def store(table: Any, bucket: str = "drop", clock: Clock | None = None) -> ReceivedObjects:
    return ReceivedObjects(table, "ledger", bucket, clock or Clock(at(0)))


@pytest.fixture
def received() -> ReceivedObjects:
    return store(Table())


def test_the_first_receiver_stays_and_a_later_one_is_told_who_it_is(received: ReceivedObjects) -> None:
    assert received.mark(FILE, ONE) == ONE
    assert received.mark(FILE, TWO) == ONE
    assert received.mark(FILE, ONE) == ONE, "a repeat is the first"
    assert received.receiver(FILE) == ONE


def test_one_write_says_it_and_nothing_is_read(received: ReceivedObjects) -> None:
    table = Table()
    for name in ("get_item", "batch_get_item", "query"):
        setattr(table, name, None)
    received = store(table)
    assert [received.mark(FILE, receiver) for receiver in (ONE, TWO)] == [ONE, ONE]
    assert len(table.items) == 1


@pytest.mark.parametrize(
    ("bucket", "key", "version_id"), [("drop", KEY, "v2"), ("drop", "other", "v1"), ("x", KEY, "v1")]
)
def test_another_version_key_or_bucket_is_another_object(bucket: str, key: str, version_id: str) -> None:
    table = Table()
    store(table).mark(FILE, ONE)
    other, file = store(table, bucket), version(version_id, key=key)
    assert other.receiver(file) is None
    assert other.mark(file, TWO) == TWO


def test_a_document_that_no_request_may_have_is_received_by_the_next_that_may(received: ReceivedObjects) -> None:
    """Malware is no longer found in it, say: from then on it is a patient's, and no other's."""
    assert received.mark(FILE, Receiver()) == Receiver()
    assert received.mark(FILE, ONE) == ONE
    assert received.mark(FILE, Receiver()) == ONE
    assert received.mark(FILE, TWO) == ONE


def test_what_was_not_received_is_left_of_a_list_in_its_order(received: ReceivedObjects) -> None:
    listed = [ListedObject(f"{number}/report.pdf", at(0), f"v{number}") for number in range(250)]
    for item in listed[::2]:
        received.mark(version(item.version, key=item.key), ONE)
    assert received.documents_not_received(listed) == listed[1::2]
    assert received.documents_not_received([]) == []


def test_of_two_versions_of_one_second_each_has_its_own_receiver(received: ReceivedObjects) -> None:
    received.mark(FILE, ONE)
    assert received.receiver(version("v2")) is None
    assert received.mark(version("v2"), TWO) == TWO
    assert received.receiver(FILE) == ONE


@pytest.mark.parametrize(
    ("put", "is_received"),
    [(at(0) - SECOND, True), (at(0), True), (at(0) + SECOND / 2, True), (at(0) + SECOND, False)],
    ids=["older", "same", "same second", "newer"],
)
def test_without_a_version_a_document_is_as_new_as_the_newest_that_was_received(
    received: ReceivedObjects, put: datetime, is_received: bool
) -> None:
    received.mark(version("v1", at(0) - 10 * SECOND), TWO)
    received.mark(version("v2"), ONE)
    listed = ListedObject(KEY, put, "")
    assert received.documents_not_received_since([listed]) == ([] if is_received else [listed])


def test_without_versions_what_was_not_received_is_left_of_a_list_in_its_order(received: ReceivedObjects) -> None:
    listed = [ListedObject(f"{number}/report.pdf", at(0), "") for number in range(250)]
    for item in listed[::2]:
        received.mark(version("v1", key=item.key), ONE)
    assert received.documents_not_received_since(listed) == listed[1::2]
    assert received.documents_not_received_since([]) == []


@pytest.mark.parametrize(
    ("arrived", "is_received"),
    [(None, False), (at(0) - SECOND, False), (at(0), True), (at(0) + SECOND, True)],
    ids=["unknown", "older", "same", "newer"],
)
def test_a_request_was_received_if_the_ledger_has_content_as_new(arrived: datetime | None, is_received: bool) -> None:
    table: Any = Table()
    ledger = Ledger(table, "ledger", TIMEOUTS)
    content = DropContent(s3_object=object_of("drop", KEY), content="hash", request_id="request-1", arrived=arrived)
    ledger._put_content(content)
    assert ledger.find_content(content.s3_object) == replace(content, revision=1)
    listed = [ListedObject(KEY, at(0) + SECOND / 2, ""), ListedObject("another", at(0), "")]
    assert store(table).requests_not_received_since(listed) == listed[is_received:]


def test_an_item_names_no_key_and_goes_after_the_object_can_no_longer_be_sent() -> None:
    table = Table()
    store(table).mark(FILE, ONE)
    [item] = table.items.values()
    assert "SMITH" not in str(item)
    assert int(item["expires_at"]) == int((at(0) + KNOWN_FOR + timedelta(days=1)).timestamp())


def test_a_transaction_that_holds_the_item_is_waited_for() -> None:
    assert store(TableInTransactions(conflicts=3)).mark(FILE, ONE) == ONE


def test_the_longest_version_id_of_s3_fits_a_key_of_the_table(received: ReceivedObjects) -> None:
    table = Table()
    store(table).mark(version("v" * 1_024), ONE)
    [(pk, sk)] = table.item_keys()
    assert (len(pk) <= 2_048, len(sk) <= 1_024) == (True, True)

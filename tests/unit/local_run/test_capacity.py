"""DynamoDB's units, by the examples of the developer guide."""

from base64 import b64encode
from typing import Any

import pytest

from infra.local.capacity import read, size, written

INDEXES = {"by_status": ("status", "at")}


def item(kilobytes: float = 0.1, **attributes: str) -> dict[str, Any]:
    values = {"pk": {"S": "a"}, "sk": {"S": "b"}, **{name: {"S": value} for name, value in attributes.items()}}
    return values | {"x": {"S": "x" * (int(kilobytes * 1024) - size(values) - 1)}} if kilobytes > 0.1 else values


@pytest.mark.parametrize(("kilobytes", "units"), [(0.1, 1), (1, 1), (1.5, 2), (3.5, 4)])
def test_a_write_takes_a_unit_for_each_begun_kilobyte_and_twice_that_in_a_transaction(
    kilobytes: float, units: int
) -> None:
    assert [count for _, _, count in written(None, item(kilobytes), {}, transaction=False)] == [units]
    assert [count for _, _, count in written(None, item(kilobytes), {}, transaction=True)] == [2 * units]


@pytest.mark.parametrize("length", [0, 1, 2, 3, 766])
def test_binary_content_counts_as_its_bytes_and_not_as_the_base64_of_the_call(length: int) -> None:
    content = bytes(length)
    for written_as in (content, b64encode(content).decode()):
        assert size({"body": {"B": written_as}}) == len("body") + length


def test_a_write_that_makes_an_item_smaller_takes_what_the_larger_does() -> None:
    assert [units for _, _, units in written(item(4), item(1), {}, transaction=False)] == [4]


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        (None, item(), []),
        (None, item(status="SENT", at="1"), [("SENT", 1)]),
        (item(status="SENT", at="1"), item(status="SENT", at="1"), []),
        (item(status="SENT", at="1"), item(status="SENT", at="1", more="x"), [("SENT", 1)]),
        (item(status="SENT", at="1"), item(status="DELIVERED", at="2"), [("DELIVERED", 1), ("SENT", 1)]),
        (item(status="SENT", at="1"), item(), [("SENT", 1)]),
        (item(status="SENT", at="1"), None, [("SENT", 1)]),
    ],
)
def test_an_index_takes_one_write_for_an_entry_that_changes_and_two_where_its_key_does(
    old: dict[str, Any] | None, new: dict[str, Any] | None, units: list[tuple[str, int]]
) -> None:
    found = [(key, count) for index, key, count in written(old, new, INDEXES, transaction=True) if index == "by_status"]
    assert found == units


def test_an_index_takes_nothing_where_only_what_it_does_not_show_changes() -> None:
    old, new = item(status="SENT", at="1", more="x"), item(status="SENT", at="1", more="y")
    for shown, changed in (((), []), (("more",), [("by_status", "SENT", 1)])):
        units = written(old, new, INDEXES, transaction=False, shown=dict.fromkeys(INDEXES, shown))
        assert [unit for unit in units if unit[0] == "by_status"] == changed


@pytest.mark.parametrize(("items", "consistent", "units"), [
    ([], True, 1), ([], False, 0.5), ([item(8)], True, 2), ([item(8)], False, 1), ([item(3), item(3)], True, 2),
    ([item(1)] * 4, True, 1),
])  # fmt: skip
def test_a_read_takes_a_unit_for_each_begun_four_kilobytes_together(
    items: list[Any], consistent: bool, units: float
) -> None:
    assert read(items, consistent=consistent) == units


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [
        ({"S": "ä"}, 2), ({"N": "1234"}, 3), ({"BOOL": True}, 1), ({"NULL": True}, 1), ({"L": [{"S": "ab"}]}, 6),
        ({"M": {"k": {"S": "v"}}}, 6), ({"SS": ["ab", "c"]}, 3),
    ],
)  # fmt: skip
def test_a_value_is_as_long_as_the_guide_says(value: dict[str, Any], bytes_: int) -> None:
    assert size({"n": value}) == 1 + bytes_

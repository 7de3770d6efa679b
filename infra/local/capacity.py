"""DynamoDB's capacity units for a call, from the items that it read and wrote, by the rules of the developer guide.

A write takes a unit for every started KB of the larger of the old and the new item, and twice that in a transaction. An
index entry that appears, disappears or changes takes one write; if the index key changes, it takes two, one for the old
key and one for the new. A consistent read takes a unit for every started 4 KB, and any other read half of it. A query
counts the sum of the returned items, and is never free. ("Read and write operations", "Global secondary indexes".)
Standard library only: the emulator's environment runs it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Item = Mapping[str, Any]
"""An item in DynamoDB's JSON: `{"name": {"S": "value"}}`."""

THE_TABLE = "the table"


def size(item: Item | None) -> int:
    """Return an item's size in bytes: names and values."""
    return sum(len(name.encode()) + _value(value) for name, value in (item or {}).items())


def written(
    old: Item | None,
    new: Item | None,
    indexes: Mapping[str, tuple[str, str]],
    *,
    transaction: bool,
    indexes_double: bool = False,
) -> Iterator[tuple[str, str, int]]:
    """Yield the units of a write: the table or the index, the partition key there, and the units.

    `indexes` gives the partition and sort attributes by index; indexes project all attributes. The guide does not say
    whether a transaction doubles the units of indexes; `indexes_double` takes the cautious view.
    """
    kilobytes = max(math.ceil(max(size(old), size(new)) / 1024), 1)
    key = (new or old or {}).get("pk", {}).get("S", "")
    yield THE_TABLE, key, kilobytes * (2 if transaction else 1)
    index_units = kilobytes * (2 if transaction and indexes_double else 1)
    for index, (partition, sort) in indexes.items():
        was, now = ((item or {}).get(partition, {}).get("S") for item in (old, new))
        if now is not None and old != new:
            yield index, now, index_units
        if was is not None and (was, (old or {}).get(sort)) != (now, (new or {}).get(sort)):
            yield index, was, index_units


def read(items: Iterable[Item], *, consistent: bool) -> float:
    """Return the units of a read, or of a page of a query."""
    units = max(math.ceil(sum(map(size, items)) / 4096), 1)
    return units if consistent else units / 2


def _value(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "S" | "B":
            return len(str(content).encode())
        case "N":
            return math.ceil(len(str(content)) / 2) + 1
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value(element) for element in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value(element) for name, element in content.items())
        case _:
            return sum(len(str(element).encode()) for element in content)

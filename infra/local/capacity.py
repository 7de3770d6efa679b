"""DynamoDB's units for a call, from the items that it read and wrote: the rules of its developer guide.

A write takes a unit for each begun KB of the larger of the old and the new item, in a transaction two. An index entry
that appears, disappears or changes takes one write, and one whose key changes two, the old and the new. A consistent
read takes a unit for each begun 4 KB, any other half of it; a query counts what it returns together, and is never free.
("Read and write operations", "Global secondary indexes".) Standard library only: the emulator's environment runs it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Item = Mapping[str, Any]
"""An item as DynamoDB's interface writes it: `{"name": {"S": "value"}}`."""

THE_TABLE = "the table"


def size(item: Item | None) -> int:
    """Give an item's size in bytes: its names and its values."""
    return sum(len(name.encode()) + _value(value) for name, value in (item or {}).items())


def written(
    old: Item | None,
    new: Item | None,
    indexes: Mapping[str, tuple[str, str]],
    *,
    transaction: bool,
    indexes_double: bool = False,
) -> Iterator[tuple[str, str, int]]:
    """Give the units of a write: the place (the table or an index), its partition key there, and how many.

    `indexes` are each index's partition and sort attributes; all attributes are projected. The guide does not say that
    a transaction doubles what the indexes take; `indexes_double` is for those who want to err on the safe side.
    """
    kilobytes = max(math.ceil(max(size(old), size(new)) / 1024), 1)
    key = (new or old or {}).get("pk", {}).get("S", "")
    yield THE_TABLE, key, kilobytes * (2 if transaction else 1)
    each = kilobytes * (2 if transaction and indexes_double else 1)
    for index, (partition, sort) in indexes.items():
        was, now = ((item or {}).get(partition, {}).get("S") for item in (old, new))
        if now is not None and old != new:
            yield index, now, each
        if was is not None and (was, (old or {}).get(sort)) != (now, (new or {}).get(sort)):
            yield index, was, each


def read(items: Iterable[Item], *, consistent: bool) -> float:
    """Give the units of one read, or of one query's page."""
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
            return 3 + sum(1 + _value(each) for each in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value(each) for name, each in content.items())
        case _:
            return sum(len(str(each).encode()) for each in content)

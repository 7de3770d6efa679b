"""DynamoDB's capacity units for a call, from the items that it read and wrote, by the rules of the developer guide.

A write takes a unit for every started KB of the larger of the old and the new item, and twice that in a transaction. An
index entry that appears, disappears or changes takes one write; if the index key changes, it takes two, one for the old
key and one for the new. A consistent read takes a unit for every started 4 KB, and any other read half of it. A query
counts the sum of the returned items, and is never free. ("Read and write operations", "Global secondary indexes".)
Standard library only: the emulator's environment runs it.
"""

import math
from base64 import b64decode
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
    shown: Mapping[str, Iterable[str]] | None = None,
) -> Iterator[tuple[str, str, int]]:
    """Yield the units of a write: the table or the index, the partition key there, and the units.

    `indexes` gives the partition and sort attributes by index, and `shown` the other attributes that an index projects:
    all without `shown`.
    """
    kilobytes = max(math.ceil(max(size(old), size(new)) / 1024), 1)
    key = (new or old or {}).get("pk", {}).get("S", "")
    yield THE_TABLE, key, kilobytes * (2 if transaction else 1)
    for index, (partition, sort) in indexes.items():
        was, now = (_entry(item, partition, sort, shown[index] if shown else None) for item in (old, new))
        units = max(math.ceil(max(size(was), size(now)) / 1024), 1)
        if now and was != now:
            yield index, now[partition]["S"], units
        if was and (not now or any(was[name] != now[name] for name in (partition, sort))):
            yield index, was[partition]["S"], units


def _entry(item: Item | None, partition: str, sort: str, shown: Iterable[str] | None) -> Item | None:
    if not item or partition not in item or sort not in item:
        return None
    names = item.keys() if shown is None else {"pk", "sk", partition, sort, *shown}
    return {name: value for name, value in item.items() if name in names}


def read(items: Iterable[Item], *, consistent: bool) -> float:
    """Return the units of a read, or of a page of a query."""
    units = max(math.ceil(sum(map(size, items)) / 4096), 1)
    return units if consistent else units / 2


def _value(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    match kind:
        case "B":
            # In a call, binary content is written in base64.
            return len(content if isinstance(content, bytes) else b64decode(content))
        case "S":
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

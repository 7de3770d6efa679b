"""DynamoDB and S3 with their contents in SQLite on disk, for days that do not fit in memory.

The table is the fake of `dynamodb.py` with another place for its items: expressions, conditions and pages are the same
code. Both can be rolled back to what they were when they were opened.
"""

# ruff: noqa: N803
# (The argument names are boto3's.)

import io
import marshal
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.response import StreamingBody

from infra.local.capacity import written
from tests.fakes.dynamodb import Item, ItemKey, Range, Table
from tests.fakes.faults import aws_error
from tests.fakes.ledger_table import INDEXES, SHOWN

_LIST_PAGE = 1_000
"""Objects of a page of `ListObjectsV2`."""
_LARGEST = 2**40
_PIECE = 16 * 1024
_SORTED = dict(INDEXES.values())
_COLUMNS = ("pk", "sk", "item", *(name for keys in INDEXES.values() for name in keys))
_INSERT = f"INSERT INTO items ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


def _opened(file: Path) -> sqlite3.Connection:
    found = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    # What a crash leaves is of no use: the files are made again.
    found.execute("PRAGMA synchronous = OFF")
    found.execute("PRAGMA journal_mode = WAL")
    found.execute("PRAGMA temp_store = FILE")
    found.execute("PRAGMA cache_size = -4000")
    return found


class DiskTable(Table):
    """The ledger's table in a file. `units` counts the write units of every change, by `infra.local.capacity`."""

    def __init__(self, file: Path, *, counts_units: bool = False) -> None:
        super().__init__()
        self._file = _opened(file)
        self._counts_units = counts_units
        self._in_transaction = False
        self.units = 0
        self._file.execute(f"CREATE TABLE IF NOT EXISTS items ({', '.join(f'{name}' for name in _COLUMNS)})")
        self._index()
        self._file.execute("BEGIN")

    def _index(self) -> None:
        self._file.execute("CREATE UNIQUE INDEX IF NOT EXISTS by_key ON items (pk, sk)")
        for name, (partition, sort) in INDEXES.items():
            self._file.execute(
                f"CREATE INDEX IF NOT EXISTS {name} ON items ({partition}, {sort}, pk, sk) "
                f"WHERE {partition} IS NOT NULL"
            )

    def load(self, items: Iterable[Item]) -> None:
        """Put many new items, without conditions and without counting units."""
        self.save()
        self._file.execute("COMMIT")
        for name in ("by_key", *INDEXES):
            self._file.execute(f"DROP INDEX {name}")
        self._file.execute("BEGIN")
        self._file.executemany(_INSERT, map(_row, items))
        self._file.execute("COMMIT")
        self._file.execute("PRAGMA cache_size = -400000")
        self._index()
        self._file.execute("PRAGMA cache_size = -4000")
        self._file.execute("BEGIN")

    def add(self, items: Iterable[Item]) -> None:
        """Put a few new items, as `load` does."""
        self._file.executemany(_INSERT, map(_row, items))

    def save(self) -> None:
        """Keep all changes since the table was opened."""
        self._file.execute("COMMIT")
        self._file.execute("BEGIN")

    def close(self) -> None:
        """Undo all changes that were not saved."""
        self._file.execute("ROLLBACK")
        self._file.close()

    def transact_write_items(self, *, TransactItems: list[Item], **how: Any) -> Item:
        with self._lock:
            self._in_transaction = True
            try:
                return super().transact_write_items(TransactItems=TransactItems, **how)
            finally:
                self._in_transaction = False

    def _read(self, key: ItemKey) -> Item | None:
        with self._lock:
            found = self._file.execute("SELECT item FROM items WHERE pk = ? AND sk = ?", key).fetchone()
        return marshal.loads(found[0]) if found else None

    def _store(self, key: ItemKey, before: Item | None, after: Item | None) -> None:
        if self._counts_units:
            of_places = written(before, after, INDEXES, transaction=self._in_transaction, shown=SHOWN)
            self.units += sum(units for _, _, units in of_places)
        if before is not None:
            self._file.execute("DELETE FROM items WHERE pk = ? AND sk = ?", key)
        if after is not None:
            self._file.execute(_INSERT, _row(after))

    def _sorted(self, asked: Range) -> Iterator[Item]:
        order = "" if asked.forward else " DESC"
        for value in asked.values:
            text, values = f"{asked.partition} = ?", [value]
            for bound, sign in zip(asked.bounds, (">=", "<="), strict=True):
                if bound is not None:
                    text, values = f"{text} AND {asked.sort} {sign} ?", [*values, bound]
            if asked.start:
                sign = ">" if asked.forward else "<"
                text = f"{text} AND ({asked.sort}, pk, sk) {sign} (?, ?, ?)"
                values += [asked.start[0], *asked.start[1]]
            rows = self._file.execute(
                f"SELECT {asked.sort}, item FROM items WHERE {text} AND {asked.sort} IS NOT NULL "
                f"ORDER BY {asked.sort}{order}, pk{order}, sk{order}",
                values,
            )
            held = False
            for sort, item in rows:
                if asked.holds({asked.partition: value, asked.sort: sort}):
                    held = True
                    yield marshal.loads(item)
                elif held:
                    break  # a key condition holds of neighbours


def _row(item: Item) -> tuple[Any, ...]:
    """The columns of an item: only what is in an index has the index's columns."""
    columns: list[Any] = [item["pk"]["S"], item["sk"]["S"], marshal.dumps(item)]
    for partition, sort in _SORTED.items():
        is_there = partition in item
        columns += [item[partition]["S"] if is_there else None, item[sort]["S"] if is_there and sort in item else None]
    return tuple(columns)


class DiskBucket:
    """An S3 client with one bucket, whatever it is called: objects without versions, in a file."""

    def __init__(self, file: Path) -> None:
        self._file = _opened(file)
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS objects (key TEXT PRIMARY KEY, at REAL, size INTEGER) WITHOUT ROWID"
        )
        # In pieces: SQLite reads the whole of a value, and a balance reads ranges of a file hundreds of times.
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS pieces (key TEXT, number INTEGER, body BLOB, PRIMARY KEY (key, number))"
        )
        self._file.execute("BEGIN")
        self._lock = threading.Lock()
        self.at = datetime(2026, 1, 1, tzinfo=UTC)
        """When the next objects are put."""

    def load(self, objects: Iterable[tuple[str, datetime]]) -> None:
        """Put many empty objects, best in the order of their keys."""
        self._file.executemany("INSERT INTO objects VALUES (?, ?, 0)", ((key, at.timestamp()) for key, at in objects))

    def save(self) -> None:
        """Keep all changes since the bucket was opened."""
        self._file.execute("COMMIT")
        self._file.execute("BEGIN")

    def close(self) -> None:
        """Undo all changes that were not saved."""
        self._file.execute("ROLLBACK")
        self._file.close()

    def put_object(self, *, Key: str, Body: bytes, **_: Any) -> Item:
        pieces = ((Key, start // _PIECE, bytes(Body[start : start + _PIECE])) for start in range(0, len(Body), _PIECE))
        with self._lock:
            self._file.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?)", (Key, self.at.timestamp(), len(Body)))
            self._file.execute("DELETE FROM pieces WHERE key = ?", (Key,))
            self._file.executemany("INSERT INTO pieces VALUES (?, ?, ?)", pieces)
        return {}

    def get_object(self, *, Key: str, Range: str | None = None, **_: Any) -> Item:
        start, _dash, last = (Range or "bytes=0-").removeprefix("bytes=").partition("-")
        first, end = int(start), int(last) + 1 if last else _LARGEST
        with self._lock:
            found = self._file.execute("SELECT size FROM objects WHERE key = ?", (Key,)).fetchone()
            pieces = self._file.execute(
                "SELECT body FROM pieces WHERE key = ? AND number BETWEEN ? AND ? ORDER BY number",
                (Key, first // _PIECE, (end - 1) // _PIECE),
            ).fetchall()
        if found is None:
            raise aws_error("GetObject", "NoSuchKey")
        if Range and first >= found[0]:
            raise aws_error("GetObject", "InvalidRange")
        skipped = first // _PIECE * _PIECE
        content = b"".join(piece for (piece,) in pieces)[first - skipped : end - skipped]
        return {
            "Body": StreamingBody(io.BytesIO(content), len(content)), "ContentLength": len(content),
            "ContentRange": f"bytes {first}-{first + len(content) - 1}/{found[0]}",
        }  # fmt: skip

    def get_paginator(self, operation: str) -> "_ObjectPages":
        assert operation == "list_objects_v2"
        return _ObjectPages(self._file)


@dataclass
class _ObjectPages:
    """The paginator of a bucket's list."""

    file: sqlite3.Connection

    def paginate(self, *, Prefix: str, StartAfter: str = "", **_: Any) -> Iterator[Mapping[str, Any]]:
        after = StartAfter
        while True:
            rows = self.file.execute(
                "SELECT key, at, size FROM objects WHERE key > ? AND key >= ? AND key < ? ORDER BY key LIMIT ?",
                (after, Prefix, f"{Prefix}\U0010ffff", _LIST_PAGE),
            ).fetchall()
            yield {"Contents": [
                {"Key": key, "LastModified": datetime.fromtimestamp(at, UTC).replace(microsecond=0), "Size": size}
                for key, at, size in rows
            ]}  # fmt: skip
            if len(rows) < _LIST_PAGE:
                return
            after = rows[-1][0]

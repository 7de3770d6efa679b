"""Files with the entries of a day's balance, in which the entries of some requests can be read without the rest.

A file holds entries by slot, a number derived from the request id, so that the entries of a request are always in the
same slot. The file starts with a table of the slots' offsets. Slots are separate gzip members, and consecutive members
are read as one (RFC 1952).
"""

import gzip
import json
import struct
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gpconnect_messaging.ledger.reconciliation import LeftOpen, Row, Unmatched
from gpconnect_messaging.ledger.stored_names import Status
from gpconnect_messaging.storage import Receipt

SLOTS = 1024
_STARTS = struct.Struct(f"<{SLOTS + 1}I")
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class ReceivedBefore:
    """The receipt of a request on the day before."""

    request_id: str


Entry = Receipt | ReceivedBefore | Row | LeftOpen | Unmatched


class EntriesFile:
    """Collects entries and encodes them as a file."""

    def __init__(self) -> None:
        self._slots: defaultdict[int, list[str]] = defaultdict(list)
        self.count = 0

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries."""
        for entry in entries:
            key, line = _write(entry)
            self._slots[zlib.crc32(key.encode()) % SLOTS].append(line)
            self.count += 1

    def content(self) -> bytes:
        """Encode the file; the same entries in the same order give the same bytes."""
        starts, slots = [_STARTS.size], []
        for number in range(SLOTS):
            lines = self._slots.get(number)
            slots.append(gzip.compress("\n".join(lines).encode() + b"\n", _LEVEL, mtime=0) if lines else b"")
            starts.append(starts[-1] + len(slots[-1]))
        return b"".join([_STARTS.pack(*starts), *slots])


def read_slots(read: Callable[[int, int], bytes], first: int, end: int) -> Iterator[Entry]:
    """Yield the entries of the slots from `first` to before `end`.

    `read` returns the bytes of the file from one offset to before another.
    """
    starts = _STARTS.unpack(read(0, _STARTS.size))
    if starts[first] == starts[end]:
        return
    for line in gzip.decompress(read(starts[first], starts[end])).decode().splitlines():
        yield _read(line)


@dataclass(slots=True)
class Entries:
    """The entries of some requests, as `balance` takes them; of a message only the newest row."""

    receipts: list[Receipt] = field(default_factory=list)
    received_before: set[str] = field(default_factory=set)
    rows: dict[str, Row] = field(default_factory=dict)
    left_open: dict[str, LeftOpen] = field(default_factory=dict)
    unmatched: list[Unmatched] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        match entry:
            case Row():
                known = self.rows.get(entry.message_id)
                if known is None or known.changed_at <= entry.changed_at:
                    self.rows[entry.message_id] = entry
            case Receipt():
                self.receipts.append(entry)
            case ReceivedBefore():
                self.received_before.add(entry.request_id)
            case LeftOpen():
                self.left_open[entry.message_id] = entry
            case Unmatched():
                self.unmatched.append(entry)

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The keyword arguments of `balance`."""
        return {
            "receipts": self.receipts,
            "received_before": self.received_before,
            "rows": self.rows.values(),
            "left_open": self.left_open.values(),
            "unmatched": self.unmatched,
        }


def write_left_open(left: Iterable[LeftOpen]) -> bytes:
    """Write the messages that a balance leaves open."""
    return gzip.compress("".join(_write(message)[1] + "\n" for message in left).encode(), _LEVEL, mtime=0)


def read_left_open(content: bytes) -> list[LeftOpen]:
    """Read the result of `write_left_open`."""
    entries = map(_read, gzip.decompress(content).decode().splitlines())
    return [entry for entry in entries if isinstance(entry, LeftOpen)]


def _write(entry: Entry) -> tuple[str, str]:
    """Return the id that decides the slot, and the line of an entry."""
    key = entry.mesh_message_id if isinstance(entry, Unmatched) else entry.request_id
    return key, json.dumps(_values(entry), separators=(",", ":"))


def _values(entry: Entry) -> tuple[Any, ...]:
    match entry:
        case Row():
            due = entry.due_at.isoformat() if entry.due_at else None
            return (
                "row", entry.message_id, entry.request_id, entry.mailbox, entry.status.value,
                entry.created_at.isoformat(), entry.changed_at.isoformat(), due, entry.messages,
                entry.mesh_message_ids, entry.became,
            )  # fmt: skip
        case Receipt():
            return "receipt", entry.request_id, entry.at.isoformat()
        case ReceivedBefore():
            return "before", entry.request_id
        case LeftOpen():
            return "open", entry.message_id, entry.request_id, entry.mailbox, entry.why
        case Unmatched():
            return "unmatched", entry.mailbox, entry.mesh_message_id


def _read(line: str) -> Entry:
    kind, *values = json.loads(line)
    match kind:
        case "row":
            message_id, request_id, mailbox, status, created, changed, due, messages, mesh_message_ids, became = values
            return Row(
                message_id=message_id,
                request_id=request_id,
                mailbox=mailbox,
                status=Status(status),
                created_at=datetime.fromisoformat(created),
                changed_at=datetime.fromisoformat(changed),
                due_at=datetime.fromisoformat(due) if due else None,
                messages=messages,
                mesh_message_ids=tuple(mesh_message_ids),
                became=tuple(became),
            )
        case "receipt":
            return Receipt(request_id=values[0], at=datetime.fromisoformat(values[1]))
        case "before":
            return ReceivedBefore(values[0])
        case "open":
            return LeftOpen(message_id=values[0], request_id=values[1], mailbox=values[2], why=values[3])
        case "unmatched":
            return Unmatched(mailbox=values[0], mesh_message_id=values[1])
        case _:
            raise ValueError("an entry of another release")

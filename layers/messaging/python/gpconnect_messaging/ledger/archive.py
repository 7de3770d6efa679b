"""The archive of settled encounters in S3: segments of a month, and indexes by the hash of an id and by time.

| object | content |
|---|---|
| `archive/{month}/{number}.jsonl.gz` | encounters, one JSON line each; every 64 lines are a gzip member of their own |
| `archive/{month}/{number}.ids` | number of lines, SHA-256 of the segment, and the segment's entries in both indexes |
| `archive-index/{partition}` | the index entries of all ids whose SHA-256 begins with these 12 bits |
| `archive-index/{month}` | the spans of this month: what segments of any month have that arrived or happened in it |

A line has the format's version, the key, the revision, the encounter as `encounter_format` describes it, and the
records of the received MESH messages. Index entries are sorted: the first ten bytes of the id's SHA-256, the month,
and where the member is. Indexed are the keys of encounters (which message ids carry), request ids and MESH ids.
Whatever the number of months, one read of the index and one of a segment find an id. Of two entries of one id the newer
counts.

A span says where a member is, and when the first and the last request in it came on a day, or the first and the last
event happened. A list reads the spans of the months that it is about, and the members that can have something of the
time. Of two copies of an encounter the higher revision counts.
"""

import gzip
import hashlib
import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from math import floor, isqrt
from struct import Struct
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from gpconnect_messaging.ledger import encounter_format
from gpconnect_messaging.ledger.encounters import Encounter
from gpconnect_messaging.ledger.records import MessageRecord, Received
from gpconnect_messaging.threads import THREADS, in_threads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARTITIONS = 4_096
_ENTRY = Struct(">10sHIII")
"""Hash of the id, months since the year 0, number of the segment, offset and length of the member."""
_HASH = 10
_SPAN = Struct(">?qqHIII")
_HEADER = Struct(">Q32sI")
"""Number of lines, SHA-256, and the number of bytes of spans, which come before the entries."""
_LINES = 64
_SHORT_INDEX = 64 * 1024
"""Bytes of a partition that are read at once: all of it, up to some two million encounters in the archive."""
_MERGED_AT_ONCE = 2
"""A partition grows with the years."""


class ArchiveDamagedError(Exception):
    """A segment is not as it was written. Nothing of it has left the ledger: archive the month again."""


@dataclass(frozen=True, slots=True)
class Archived:
    """An encounter in the archive, with the records of the MESH messages received for it."""

    encounter: Encounter
    received: tuple[Received, ...] = ()

    @property
    def names(self) -> set[str]:
        """The ids by which the index finds the encounter."""
        found = {self.encounter.key, *self.encounter.request_ids}
        for record in self.encounter.records.values():
            found |= {*record.history.mesh_message_ids, *record.history.came}
        return found

    def of_mesh_message(self, mesh_message_id: str) -> list[MessageRecord]:
        """Return the messages that were sent, or answered, under a MESH id."""
        records = self.encounter.records.values()
        return [one for one in records if mesh_message_id in {*one.history.mesh_message_ids, *one.history.came}]


class Archive:
    """Reads and writes the archive. All methods may raise botocore's ClientError for faults of S3 itself."""

    def __init__(self, client: "S3Client", bucket: str, locked_for: timedelta | None = None) -> None:
        """`locked_for` is how long segments are under Object Lock; None: as the bucket's default says."""
        self._client = client
        self._bucket = bucket
        self._locked_for = locked_for
        self._index_size = 0

    def find(self, name: str) -> Archived | None:
        """Find an encounter by its key, a request id or a MESH id: one read of the index, and one of a segment.

        The first lookup in a long index takes one more.
        """
        digest = _digest(name)
        entries = self._entries_about(digest)
        at = _position(entries, digest)
        if entries[at : at + _HASH] != digest:
            return None
        lines = self._member(_ENTRY.unpack_from(entries, at)[1:])
        found = (_read(line) for line in lines if name in line.decode())
        return next((archived for archived in found if name in archived.names), None)

    def _entries_about(self, digest: bytes) -> bytes:
        """Read the entries of a partition among which a hash must be: all of a short one, or the part about its place.

        Hashes are spread evenly, so that partitions are about as long, and the place of a hash is known but for some
        hundreds of entries, also among millions.
        """
        key = _index_key(_partition(digest))
        for _ in range(2):  # where the length was not known, or wrong, it is known now
            start, length = _place(digest, self._index_size)
            try:
                found = self._client.get_object(
                    Bucket=self._bucket, Key=key, Range=f"bytes={start}-{start + length - 1}"
                )  # fmt: skip
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return b""
                if error.response["Error"]["Code"] == "InvalidRange":
                    break
                raise
            part, self._index_size = found["Body"].read(), int(found["ContentRange"].rpartition("/")[2])
            is_end = start + len(part) >= self._index_size
            if (start == 0 or part[:_HASH] <= digest) and (is_end or digest <= part[-_ENTRY.size :][:_HASH]):
                return bytes(part)
        return self._get(key) or b""

    def arrived(self, start: datetime, end: datetime) -> Iterator[tuple[datetime, str, Encounter]]:
        """Yield the requests that came between two times, newest first: the time, the id and the encounter.

        Of an encounter that was archived again all copies are yielded, one after the other.
        """
        waiting: list[tuple[datetime, str, Encounter]] = []
        for spans in self._spans(start, end, arrived=True):
            spans.sort(key=lambda span: span.end, reverse=True)
            for first in range(0, len(spans), THREADS):
                part, rest = spans[first : first + THREADS], spans[first + THREADS :][:1]
                for span, found in zip(part, self._encounters([span.member for span in part]), strict=True):
                    waiting += [(at, request_id, encounter) for encounter in found
                                for request_id, at in encounter.arrivals.items()
                                if start <= at <= end and span.start <= at.timestamp() < span.end]  # fmt: skip
                waiting.sort(key=lambda arrival: arrival[:2])
                while waiting and not (rest and waiting[-1][0].timestamp() < rest[0].end):
                    yield waiting.pop()

    def happened(self, start: datetime, end: datetime) -> Iterator[Encounter]:
        """Yield the encounters to which something happened between two times, or about then; newer copies come first.

        Memory holds the encounters of a few members.
        """
        for spans in self._spans(start, end, arrived=False):
            members = sorted({span.member for span in spans}, reverse=True)
            for first in range(0, len(members), THREADS):
                for found in self._encounters(members[first : first + THREADS]):
                    yield from found

    def _spans(self, start: datetime, end: datetime, *, arrived: bool) -> Iterator[list["_Span"]]:
        """Yield the spans of a time, those of the newest months first."""
        first, seconds = _month_of(start), (start.timestamp(), end.timestamp())
        for last in range(_month_of(end), first - 1, -THREADS):
            keys = [_index_key(_month_name(number)) for number in range(last, max(last - THREADS, first - 1), -1)]
            found = [_Span.read(span) for index in in_threads(self._get, keys) for span in _parts(index, _SPAN)]
            yield [one for one in found if one.arrived is arrived and one.start <= seconds[1] and seconds[0] < one.end]

    def _encounters(self, members: Sequence["_Member"]) -> Iterator[list[Encounter]]:
        return in_threads(lambda member: [_read(line).encounter for line in self._member(member)], members)

    def _member(self, member: "_Member") -> list[bytes]:
        """Read the lines of a member; none of a segment that has expired."""
        month, number, offset, length = member
        content = self._get(f"{_segment(_month_name(month), number)}.jsonl.gz", f"bytes={offset}-{offset + length - 1}")
        return gzip.decompress(content or b"").splitlines()

    def write(self, month: str, number: int, archived: Sequence[Archived], now: datetime) -> None:
        """Write a segment, and then its index entries, which say what the segment must be."""
        segment, entries, spans = bytearray(), list[bytes](), list[bytes]()
        for start in range(0, len(archived), _LINES):
            part = archived[start : start + _LINES]
            member = gzip.compress(b"".join(map(_line, part)), mtime=0)
            where = (_month_number(month), number, len(segment), len(member))
            entries += [_ENTRY.pack(_digest(name), *where) for one in part for name in one.names]
            spans += _spans_of(part, where)
            segment += member
        lock: dict[str, Any] = {}
        if self._locked_for:
            lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": now + self._locked_for}
        header = _HEADER.pack(len(archived), hashlib.sha256(segment).digest(), len(spans) * _SPAN.size)
        for suffix, body in ((".jsonl.gz", bytes(segment)), (".ids", b"".join([header, *spans, *sorted(entries)]))):
            self._client.put_object(Bucket=self._bucket, Key=_segment(month, number) + suffix, Body=body, **lock)

    def verified(self, month: str, number: int) -> Iterator[Archived]:
        """Read a whole segment back. Raises ArchiveDamagedError unless it has the count and the hash that it had."""
        key = _segment(month, number)
        count, sha256, _ = _HEADER.unpack(self._get(f"{key}.ids", f"bytes=0-{_HEADER.size - 1}") or bytes(_HEADER.size))
        segment = self._get(f"{key}.jsonl.gz") or b""
        lines = gzip.decompress(segment).splitlines() if hashlib.sha256(segment).digest() == sha256 else []
        if not lines or len(lines) != count:
            raise ArchiveDamagedError(f"segment {number} of {month} is not as it was written")
        return map(_read, lines)

    def index(self, month: str, segments: int, first: int, end: int) -> None:
        """Add the entries of a month's segments to the partitions from `first` to `end` (excluded); a repeat adds none.

        Memory holds the new entries of these partitions, and two whole partitions. Before the first partition the spans
        are added.
        """
        if first == 0:
            self._index_spans(month, segments)

        def entries_of(number: int) -> bytes:
            entries = self._ids(month, number)[1]
            return entries[_position(entries, _least(first)) : _position(entries, _least(end))]

        def merge(partition: int) -> None:
            key = _index_key(partition)
            known = self._get(key) or b""
            written = _merged(known, bytes(added.pop(partition)))
            if written != known:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=written)

        # As bytes: an object for every entry takes four times the memory.
        added: dict[int, bytearray] = defaultdict(bytearray)
        for found in in_threads(entries_of, range(segments)):
            for entry in _parts(found, _ENTRY):
                added[_partition(entry)] += entry
        list(in_threads(merge, list(added), _MERGED_AT_ONCE))

    def _index_spans(self, month: str, segments: int) -> None:
        """Replace the spans of a month's segments, each in the month that it is about."""

        def merge(about: int) -> None:
            key = _index_key(_month_name(about))
            known = self._get(key)
            others = (span for span in _parts(known, _SPAN) if _Span.read(span).month != _month_number(month))
            if (written := b"".join(sorted({*others, *added[about]}))) != known:
                self._client.put_object(Bucket=self._bucket, Key=key, Body=written)

        added: dict[int, list[bytes]] = defaultdict(list)
        for found, _ in in_threads(lambda number: self._ids(month, number), range(segments)):
            for span in _parts(found, _SPAN):
                added[_month_of(datetime.fromtimestamp(_Span.read(span).start, UTC))].append(span)
        list(in_threads(merge, list(added)))

    def _ids(self, month: str, number: int) -> tuple[bytes, bytes]:
        """Read the spans and the index entries of a segment."""
        content = self._get(f"{_segment(month, number)}.ids") or bytes(_HEADER.size)
        entries_at = _HEADER.size + _HEADER.unpack_from(content)[2]
        return content[_HEADER.size : entries_at], content[entries_at:]

    def _get(self, key: str, part: str | None = None) -> bytes | None:
        options: dict[str, Any] = {"Range": part} if part else {}
        try:
            content: bytes = self._client.get_object(Bucket=self._bucket, Key=key, **options)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return content


def _line(archived: Archived) -> bytes:
    encounter = archived.encounter
    received = list(map(encounter_format.written_received, archived.received))
    body = encounter_format.encode(replace(encounter, parts=()), encounter_format.NO_PARTS)
    values = {"v": encounter_format.VERSION, "key": encounter.key, "revision": encounter.revision}
    return json.dumps(values | {"encounter": body, "received": received}, separators=(",", ":")).encode() + b"\n"


def _read(line: bytes) -> Archived:
    values = json.loads(line)
    if values["v"] > encounter_format.VERSION:
        raise encounter_format.UnknownFormatError(f"the archive has format {values['v']}: use a newer release")
    received = tuple(map(encounter_format.read_received, values["received"]))
    apart = encounter_format.NO_PARTS
    return Archived(encounter_format.decode(values["key"], values["encounter"], values["revision"], apart), received)


def _merged(known: bytes, added: bytes) -> bytes:
    """Merge sorted entries with others; of two entries of one id the newer counts."""
    new = {entry[:_HASH]: entry for entry in sorted(_parts(added, _ENTRY))}
    written, end = bytearray(), 0
    for digest, entry in new.items():
        start, end = end, _position(known, digest)
        written += known[start:end]
        if known[end : end + _HASH] == digest:
            entry = max(entry, known[end : end + _ENTRY.size])
            end += _ENTRY.size
        written += entry
    written += known[end:]
    return bytes(written)


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:_HASH]


def _partition(digest: bytes) -> int:
    return int.from_bytes(digest[:2], "big") >> 4


def _place(digest: bytes, size: int) -> tuple[int, int]:
    """Return where an entry must be in a partition of this size: the start and the length of the part, in bytes.

    The margin is ten standard deviations.
    """
    if size <= _SHORT_INDEX:
        return 0, _SHORT_INDEX
    bits = 8 * _HASH - 12  # without those that are the partition
    count = size // _ENTRY.size
    place = count * (int.from_bytes(digest, "big") & ((1 << bits) - 1)) >> bits
    margin = 5 * isqrt(count) + _LINES
    start = max(place - margin, 0)
    return start * _ENTRY.size, (place + margin - start) * _ENTRY.size


def _least(partition: int) -> bytes:
    """Return the least hash of a partition; of the one after the last, more than any."""
    return (
        (partition << (8 * _HASH - 12)).to_bytes(_HASH + 1, "big")[-_HASH:] if partition < PARTITIONS else b"\xff" * 11
    )


def _parts(content: bytes | None, form: Struct) -> Iterator[bytes]:
    return ((content or b"")[start : start + form.size] for start in range(0, len(content or b""), form.size))


_Member = tuple[int, int, int, int]
"""Months since the year 0, number of the segment, offset and length of the member."""


class _Span(NamedTuple):
    """What a member has of a day: requests that came, or events, from `start` to `end` (excluded; in seconds)."""

    arrived: bool
    start: int
    end: int
    month: int
    number: int
    offset: int
    length: int

    @classmethod
    def read(cls, packed: bytes) -> "_Span":
        return cls._make(_SPAN.unpack(packed))

    @property
    def member(self) -> _Member:
        return self.month, self.number, self.offset, self.length


def _spans_of(archived: Sequence[Archived], member: _Member) -> Iterator[bytes]:
    """Yield the spans of a member: for every day one of the requests, and one of the events."""
    of_days: dict[tuple[bool, date], list[float]] = defaultdict(list)
    for one in archived:
        for arrived, times in ((True, one.encounter.arrivals.values()), (False, one.encounter.times)):
            for at in times:
                of_days[arrived, at.astimezone(UTC).date()].append(at.timestamp())
    for (arrived, _), seconds in of_days.items():
        yield _SPAN.pack(arrived, floor(min(seconds)), floor(max(seconds)) + 1, *member)


def _position(entries: bytes, digest: bytes) -> int:
    """Return where in sorted entries the first one is that is not below a hash."""
    size = _ENTRY.size
    return size * bisect_left(
        range(len(entries) // size), digest, key=lambda number: entries[number * size : number * size + _HASH]
    )  # fmt: skip


def _segment(month: str, number: int) -> str:
    return f"archive/{month}/{number:06}"


def _index_key(partition: int | str) -> str:
    return f"archive-index/{partition if isinstance(partition, str) else f'{partition:03x}'}"


def _month_of(at: datetime) -> int:
    return at.astimezone(UTC).year * 12 + at.astimezone(UTC).month - 1


def _month_number(month: str) -> int:
    year, number = map(int, month.split("-"))
    return year * 12 + number - 1


def _month_name(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"


def month_start(month: str) -> datetime:
    """Return when a month begins (UTC)."""
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)


def month_after(month: str, months: int = 1) -> str:
    """Return the month that comes some months later."""
    return _month_name(_month_number(month) + months)

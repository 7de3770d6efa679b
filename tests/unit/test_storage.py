"""What is stored: one object a message, a received message and a request, and gzip'd if it is short."""

import gzip
import hashlib
import json
import zlib
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.mesh.headers import LONGEST
from gpconnect_messaging.mesh.models import MessageHeaders
from gpconnect_messaging.storage import (
    FIRST_PART,
    DamagedMessageError,
    DropBucket,
    Evidence,
    NotThereError,
    Outbox,
    _HashedStream,
)
from tests import stored
from tests.fakes.s3 import Bucket

ENVELOPE = Envelope(
    mailbox="Y90001OT001", to="GPPROVIDER_9658218865_19331114_WRIGHT", workflow_id="W", subject="Report",
    local_id="Y90001", file_name="x.xml",
)  # fmt: skip
KEY, LIMIT = "messages/m", 1_000


class Kept(Outbox):
    """An outbox with one message of so many bytes."""

    def __init__(self, size: int) -> None:
        self.bucket, self.content = Bucket(), bytes(number % 251 for number in range(size))
        super().__init__(cast("Any", self.bucket), "outbox", LIMIT)
        self.sha256 = self.put("m", ENVELOPE, (self.content[start : start + 300] for start in range(0, size, 300)))

    @property
    def object(self) -> bytes:
        return self.bucket.objects[KEY]


@pytest.mark.parametrize("size", [0, 1, LIMIT, LIMIT + 1, 5_000])
def test_a_message_comes_back_with_its_envelope_and_only_a_short_one_is_gzipped(size: int) -> None:
    kept = Kept(size)
    assert kept.sha256 == hashlib.sha256(kept.content).hexdigest()
    opened = kept.open("m", kept.sha256)
    assert opened.envelope == kept.envelope("m") == ENVELOPE
    assert opened.gzipped == (kept.object[FIRST_PART:] if size <= LIMIT else None)
    assert kept.whole("m", kept.sha256) == stored.message(kept.object) == kept.content
    assert (kept.object[FIRST_PART:] == kept.content) is (size > LIMIT)
    assert list(kept.bucket.objects) == [KEY]


def test_a_short_message_is_plain_gzip_that_begins_with_the_envelope_in_a_line() -> None:
    kept = Kept(LIMIT)
    line, _, content = gzip.decompress(kept.object).partition(b"\n")
    assert json.loads(line) == {"version": 1, "gzip": True, "envelope": asdict(ENVELOPE)}
    assert content == kept.content


def test_the_parts_of_a_long_message_can_be_read() -> None:
    kept = Kept(5_000)
    assert b"".join(kept.read("m", 1_234, 2_000)) == kept.content[1_234:3_234]
    assert b"".join(kept.read("m", 4_999, 1)) == kept.content[-1:]
    assert list(kept.read("m", 3, 0)) == []


def test_the_first_format_is_read() -> None:
    kept, content = Kept(0), b"<Bundle/>"
    line = json.dumps({"version": 1, "gzip": True, "envelope": asdict(ENVELOPE)}).encode().ljust(2_024) + b"\n"
    kept.bucket.objects[KEY] = zlib.compress(line, 0, 31) + gzip.compress(content)
    assert kept.whole("m", hashlib.sha256(content).hexdigest()) == content


def test_the_longest_headers_of_mesh_fit_and_longer_ones_are_an_error() -> None:
    longest = {"to": "Mex-To", "workflow_id": "Mex-WorkflowID", "subject": "Mex-Subject", "local_id": "Mex-LocalID"}
    texts = {name: '"' + "x" * (LONGEST[header] - 1) for name, header in longest.items()}
    envelope = Envelope(**texts, mailbox="x" * 100, file_name="x" * LONGEST["Mex-FileName"], organisation="x" * 100)
    outbox = Kept(0)
    outbox.put("m", envelope, [])
    assert outbox.envelope("m") == envelope
    with pytest.raises(ValueError, match="longer than MESH's headers"):
        outbox.put("m", Envelope(**asdict(ENVELOPE) | {"subject": "x" * FIRST_PART}), [])


def line(**changes: Any) -> bytes:
    """A first part with these changes."""
    described = {"version": 1, "gzip": True, "envelope": asdict(ENVELOPE)} | changes
    return zlib.compress(json.dumps(described).encode().ljust(2_024) + b"\n", 0, 31)


@pytest.mark.parametrize(
    "first",
    [
        b"", b"\x00" * FIRST_PART, line()[:-1], line(version=2), line(gzip="yes"), line(envelope=None),
        line(envelope={"mailbox": "M"}),
    ],
)  # fmt: skip
def test_a_message_with_a_damaged_or_newer_first_part_is_damaged(first: bytes) -> None:
    kept = Kept(LIMIT)
    kept.bucket.objects[KEY] = first + kept.object[FIRST_PART:]
    for read in (lambda: kept.envelope("m"), lambda: kept.open("m", kept.sha256), lambda: kept.whole("m", kept.sha256)):
        with pytest.raises(DamagedMessageError):
            read()


@pytest.mark.parametrize("size", [LIMIT, 2 * LIMIT])
@pytest.mark.parametrize("index", [FIRST_PART, FIRST_PART + 100, -9, -1])
def test_a_message_that_is_not_the_one_that_was_built_is_damaged(size: int, index: int) -> None:
    kept = Kept(size)
    damaged = bytearray(kept.object)
    damaged[index] ^= 1
    kept.bucket.objects[KEY] = bytes(damaged)
    with pytest.raises(DamagedMessageError):
        kept.whole("m", kept.sha256)
    kept.bucket.objects[KEY] = stored.replaced(Kept(size).object, kept.content + b"?")
    with pytest.raises(DamagedMessageError, match="not the one that was built"):
        kept.whole("m", kept.sha256)


def test_a_message_that_is_not_stored_is_not_there() -> None:
    outbox = Kept(1)
    for read in (lambda: outbox.envelope("n"), lambda: outbox.open("n", ""), lambda: outbox.whole("n", "")):
        with pytest.raises(NotThereError):
            read()


@pytest.mark.parametrize("size", [0, 10_000, 5 * 1024 * 1024, 12_000_000])
def test_a_received_message_is_one_object_with_body_and_headers(size: int) -> None:
    bucket, body = Bucket(), b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(size // 32))
    kept = Evidence(cast("Any", bucket), "evidence").receive("M", "20261120")
    for start in range(0, size, 700_000):
        kept.write(body[start : start + 700_000])
    key = kept.keep(
        MessageHeaders(message_id="20261120", sender="A20047OT001", status_timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    )
    assert list(bucket.objects) == [key] == ["received/M/20261120"]
    found, headers = stored.received(bucket.objects[key])
    assert found == body
    assert (headers["message_id"], headers["sender"]) == ("20261120", "A20047OT001")
    assert kept.whole == (body if size < 5 * 1024 * 1024 else None)
    assert bucket.largest_body < 6_000_000


def test_a_request_is_kept_gzipped_and_once() -> None:
    bucket, came = Bucket(), datetime(2026, 1, 1, tzinfo=UTC)
    evidence = Evidence(cast("Any", bucket), "evidence")
    raw = b'{"a": 1}' * 1_000
    assert evidence.keep_request("r", raw, came) == came
    assert evidence.keep_request("r", b"another", datetime(2026, 1, 2, tzinfo=UTC)) == came
    assert evidence.request("r") == gzip.decompress(bucket.objects["requests/r.json.gz"]) == raw
    assert len(bucket.objects["requests/r.json.gz"]) < 1_000


@pytest.mark.parametrize(("size", "reads"), [(0, 1), (1024 * 1024, 1), (1024 * 1024 + 1, 3)])
def test_a_short_file_of_the_drop_is_read_once_and_a_long_one_is_not_held(size: int, reads: int) -> None:
    bucket = Bucket()
    bucket.put_object(Key="report.pdf", Body=b"x" * size)
    drop = DropBucket(cast("Any", bucket), "drop")
    file = drop.find("report.pdf")
    assert (file.version, file.size, file.content is None) == ("1", size, reads > 1)
    assert [b"".join(drop.chunks(file)) for _ in range(2)] == [b"x" * size] * 2
    assert len(bucket.read) == reads
    assert "xx" not in repr(file)


@given(st.lists(st.binary(max_size=50)), st.lists(st.integers(1, 60), min_size=1))
def test_a_stream_gives_exactly_what_is_asked_and_hashes_all(chunks: list[bytes], sizes: list[int]) -> None:
    stream = _HashedStream(iter(chunks))
    whole = b"".join(chunks)
    read, turn = b"", 0
    while True:
        size = sizes[turn % len(sizes)]
        piece = stream.read(size)
        assert piece == whole[len(read) : len(read) + size]
        if not piece:
            break
        read += piece
        turn += 1
    assert stream.hash.hexdigest() == hashlib.sha256(whole).hexdigest()


@given(st.lists(st.binary(max_size=50)))
def test_a_stream_can_be_read_at_once(chunks: list[bytes]) -> None:
    assert _HashedStream(iter(chunks)).read() == b"".join(chunks)


@pytest.mark.parametrize("key", ["", "\ud800/request.json", "é" * 513])
def test_a_key_that_no_object_can_have_names_no_object(key: str) -> None:
    drop = DropBucket(cast("Any", Bucket()), "drop")
    with pytest.raises(NotThereError):
        drop.read(key, "1", 10)
    with pytest.raises(NotThereError):
        drop.find(key)


def test_a_version_that_no_object_can_have_names_no_object() -> None:
    bucket = Bucket()
    bucket.put_object(Key="request.json", Body=b"{}")
    for version in ("no version of S3's", "2"):
        with pytest.raises(NotThereError):
            DropBucket(cast("Any", bucket), "drop").read("request.json", version, 10)


def test_all_versions_of_a_key_are_listed_and_none_of_a_longer_key() -> None:
    bucket = Bucket()
    bucket.per_page = 2
    versions = [bucket.put_object(Key="in/report.pdf", Body=b"%PDF")["VersionId"] for _ in range(7)]
    bucket.put_object(Key="in/report.pdf.old", Body=b"%PDF")
    drop = DropBucket(cast("Any", bucket), "drop")
    assert [version.version for version in drop.versions("in/report.pdf")] == versions[::-1]
    newest = drop.newest_version("in/report.pdf")
    assert newest
    assert newest.version == versions[-1] == drop.current_version("in/report.pdf")
    assert drop.newest_version("in/report") is None

import hashlib
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpconnect_messaging.storage import DropBucket, NotThereError, _HashedStream
from tests.fakes.s3 import Bucket


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
        drop.stat(key)


def test_a_version_that_no_object_can_have_names_no_object() -> None:
    bucket = Bucket()
    bucket.put_object(Key="request.json", Body=b"{}")
    for version in ("no version of S3's", "2"):
        with pytest.raises(NotThereError):
            DropBucket(cast("Any", bucket), "drop").read("request.json", version, 10)

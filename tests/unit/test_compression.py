"""Compression: the same bytes every time, and no damaged stream taken for a sound one."""

import gzip
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpconnect_messaging.compression import Damaged, compressed, compressor, inflated


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@settings(deadline=None)
@given(content=st.binary(max_size=5_000))
def test_what_is_compressed_is_plain_gzip_and_the_same_each_time(content: bytes) -> None:
    stream = compressed(content)
    assert gzip.decompress(stream) == content
    assert b"".join(inflated([stream])) == content
    assert compressed(content) == stream
    assert stream[3:8] == b"\0\0\0\0\0"  # no name, no time


def test_what_is_compressed_block_by_block_is_one_plain_gzip_stream() -> None:
    content, making = bytes(range(256)) * 5_000, compressor()
    stream = b"".join(making.compress(block) for block in blocks(content, 10_007)) + making.flush()
    assert gzip.decompress(stream) == content


@settings(deadline=None)
@given(content=st.binary(max_size=5_000), size=st.integers(min_value=1, max_value=600))
def test_a_sound_stream_comes_back_however_it_is_cut_into_blocks(content: bytes, size: int) -> None:
    assert b"".join(inflated(blocks(gzip.compress(content), size))) == content


@settings(deadline=None)
@given(content=st.binary(max_size=500), data=st.data())
def test_a_stream_cut_short_anywhere_is_damaged(content: bytes, data: st.DataObject) -> None:
    stream = gzip.compress(content)
    cut = data.draw(st.integers(min_value=0, max_value=len(stream) - 1))
    with pytest.raises(Damaged, match="early"):
        list(inflated([stream[:cut]]))


@settings(deadline=None)
@given(size=st.integers(min_value=1, max_value=200), extra=st.sampled_from([b"\0", b"x" * 9]))
def test_anything_after_the_end_is_damage(size: int, extra: bytes) -> None:
    with pytest.raises(Damaged, match="follows"):
        list(inflated(blocks(gzip.compress(b"content" * 40) + extra, size)))


@settings(deadline=None)
@given(members=st.lists(st.binary(max_size=300), min_size=1, max_size=5), size=st.integers(min_value=1, max_value=600))
def test_members_come_back_one_after_the_other_however_they_are_cut(members: list[bytes], size: int) -> None:
    stream = b"".join(map(gzip.compress, members))
    assert b"".join(inflated(blocks(stream, size))) == b"".join(members)
    with pytest.raises(Damaged, match="early"):
        list(inflated(blocks(stream[:-1], size)))


@pytest.mark.parametrize("place", [12, -6, -2])
def test_a_changed_byte_is_damage(place: int) -> None:
    stream = bytearray(gzip.compress(b"the quick brown fox" * 10))
    stream[place] ^= 0x41
    with pytest.raises(Damaged):
        list(inflated([bytes(stream)]))


def test_a_bomb_comes_out_in_small_pieces_so_that_the_taker_can_stop() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(compressor.compress(bytes(1_000_000)) for _ in range(50)) + compressor.flush()
    assert len(bomb) < 62_500
    taken = 0
    for block in inflated([bomb]):
        assert len(block) <= 256 * 1024
        taken += len(block)
        if taken > 1_000_000:
            break
    assert taken < 1_300_000

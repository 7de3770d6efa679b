"""gzip for uploads to MESH and for what is stored, and strict, bounded gunzip.

ISA-L compresses: a tenth of zlib's time at about level 9's size (docs/adr/0017). zlib decompresses. Common
decoders accept a gzip stream that ends early, and read past the end. Here such a stream is damaged.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator

from isal import isal_zlib

from gpconnect_messaging.sizes import MOST_MEMBERS

# ISA-L's levels are 0 to 3: level 2 takes the time of level 1 for a slightly smaller size; level 3 takes half as much
# time again for no gain (`make bench-mesh`).
LEVEL = 2
_GZIP = 16 + zlib.MAX_WBITS
_BLOCK = 256 * 1024
# RFC 1952: gzip, deflate, no flags, no time, operating system unknown.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


def compressed(content: bytes, *, level: int = LEVEL) -> bytes:
    """Return the content as one gzip stream without time or name."""
    compressor = isal_zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    return compressor.compress(content) + compressor.flush()


def compressor() -> "isal_zlib.Compress":
    """Return an object that makes one gzip stream of blocks, as `compressed` does."""
    return isal_zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP)


def gzipped(blocks: Iterable[bytes], length: int, *, level: int | None = LEVEL, at_least: int = 0) -> Iterator[bytes]:
    """Compress `length` bytes while streaming, as one gzip stream of at least `at_least` bytes; level None only stores.

    The stream ends only after the last block, so the source can still break it off. A stream that would become too
    short goes on without compression: MESH refuses chunks under 5 MB, and the compressed size is known only
    afterwards. Blocks are at most 256 KiB. Raises ValueError if the blocks are not `length` bytes in all.
    """
    # Only zlib can store: ISA-L's level 0 is the fastest compression.
    store = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflate = store if level is None else isal_zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum, taken, made = 0, 0, len(_HEADER)
    yield _HEADER
    for block in blocks:
        piece = b""
        if deflate is not store and at_least and made + length - taken < at_least + _BLOCK:
            piece = deflate.flush(zlib.Z_FULL_FLUSH)
            deflate = store
        piece += deflate.compress(block)
        checksum = isal_zlib.crc32(block, checksum)
        taken += len(block)
        made += len(piece)
        if piece:
            yield piece
    if taken != length:
        raise ValueError(f"{taken} bytes came where {length} were announced")
    yield deflate.flush() + struct.pack("<II", checksum, taken & 0xFFFFFFFF)


class Damaged(ValueError):  # noqa: N818 - named for the condition
    """A gzip stream that is truncated, corrupt or followed by something else; the text says which."""


def inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress one gzip stream, yielding at most 256 KiB at a time however well it was compressed.

    The stream may have several members, as RFC 1952 allows, but nothing else may follow the end, not even padding.
    Raises Damaged, at the latest after the last block. The caller must limit the total size.
    """
    decompressor, members = zlib.decompressobj(_GZIP), 1
    for block in blocks:
        data = block
        while data:
            if decompressor.eof:
                if not data.startswith(_HEADER[:1]) or members == MOST_MEMBERS:
                    raise Damaged("something follows the end of the gzip stream")
                decompressor, members = zlib.decompressobj(_GZIP), members + 1
            try:
                out = decompressor.decompress(data, _BLOCK)
            except zlib.error:
                raise Damaged("the gzip stream is corrupt") from None
            if out:
                yield out
            data = decompressor.unused_data or decompressor.unconsumed_tail
    if not decompressor.eof:
        raise Damaged("the gzip stream ends early")

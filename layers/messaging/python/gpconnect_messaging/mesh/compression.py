"""gzip towards MESH, and strict, bounded gunzip of what comes back.

The common decoders accept a gzip stream that ends early, and go on after its end. Here a stream is right or it is
damaged.
"""

import io
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, BinaryIO

# Documents travel as base64, where only the letters' frequency can be saved: on 5 MB of base64 (random, and half text)
# level 6 or 9 came out 1 to 2 points of size below level 1 and took a fifth to a third longer.
LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_BLOCK = 256 * 1024
# RFC 1952: gzip, deflate, no flags, no time, operating system unknown.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# Small enough for a Lambda beside the handler; beyond it the compressed copy goes to /tmp.
_IN_MEMORY = 1024 * 1024


def compressed(content: bytes | BinaryIO, *, level: int = LEVEL) -> tuple[IO[bytes], int]:
    """Return a file with the gzip'd content, at its start, and its length in bytes. The caller closes the file.

    A given file is read from its start. The result depends on content and level only: no time, no name.
    """
    compressor = zlib.compressobj(level, zlib.DEFLATED, _GZIP)
    # What is in memory already may have its smaller copy there; a file can be of any length.
    file: IO[bytes] = io.BytesIO()
    if not isinstance(content, bytes):
        file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - handed to the caller
    try:
        if isinstance(content, bytes):
            file.write(compressor.compress(content))
        else:
            content.seek(0)
            while block := content.read(_BLOCK):
                file.write(compressor.compress(block))
        file.write(compressor.flush())
        length = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return file, length


def gzipped(blocks: Iterable[bytes], length: int, *, level: int = LEVEL, at_least: int = 0) -> Iterator[bytes]:
    """Compress `length` bytes on their way, as one gzip stream of at least `at_least` bytes.

    The end of the stream is made only when the blocks have run out, so whoever gives them can still break it off. A
    stream that would become too short goes on without compression from where that shows: MESH refuses chunks under
    5 MB, and how far content can be compressed is known only afterwards. Blocks are at most 256 KiB. The result
    depends on blocks and level only. Raises ValueError where the blocks are not `length` bytes in all.
    """
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    checksum, taken, made, stored = 0, 0, len(_HEADER), at_least == 0
    yield _HEADER
    for block in blocks:
        if not stored and made + length - taken < at_least + _BLOCK:
            stored = True
            piece = deflate.flush(zlib.Z_FULL_FLUSH)
            deflate = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
        else:
            piece = b""
        piece += deflate.compress(block)
        checksum = zlib.crc32(block, checksum)
        taken += len(block)
        made += len(piece)
        if piece:
            yield piece
    if taken != length:
        raise ValueError(f"{taken} bytes came where {length} were announced")
    yield deflate.flush() + struct.pack("<II", checksum, taken & 0xFFFFFFFF)


class Damaged(ValueError):  # noqa: N818 - what the content is
    """A gzip stream that is truncated, corrupt or followed by something else; the text says which."""


def inflated(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Decompress exactly one gzip stream, yielding at most 256 KiB at a time however well it was compressed.

    Nothing may follow its end: not a second member, not padding. Raises Damaged, at the latest when the blocks run out.
    The caller counts what it takes, and stops when it has had enough.
    """
    decompressor = zlib.decompressobj(_GZIP)
    for block in blocks:
        data = block
        while data:
            try:
                out = decompressor.decompress(data, _BLOCK)
            except zlib.error:
                raise Damaged("the gzip stream is corrupt") from None
            if out:
                yield out
            if decompressor.unused_data:
                raise Damaged("something follows the end of the gzip stream")
            data = decompressor.unconsumed_tail
    if not decompressor.eof:
        raise Damaged("the gzip stream ends early")

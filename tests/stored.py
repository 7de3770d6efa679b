"""Reads and changes stored objects, without the product's code: gzip members, as `gunzip` and `zcat` take them."""

import gzip
import json
import zlib
from typing import Any

FIRST_PART = 2048


def message(stored: bytes) -> bytes:
    """A message in the outbox, as it is sent: behind the envelope, gzip'd if it is short."""
    content = stored[FIRST_PART:]
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content


def replaced(stored: bytes, content: bytes) -> bytes:
    """A message in the outbox with another content behind the same envelope."""
    is_gzipped = stored[FIRST_PART:].startswith(b"\x1f\x8b")
    return stored[:FIRST_PART] + (gzip.compress(content) if is_gzipped else content)


def received(stored: bytes) -> tuple[bytes, dict[str, Any]]:
    """The body and the headers of a received message in the evidence bucket."""
    member = zlib.decompressobj(wbits=31)
    body = member.decompress(stored)
    headers: dict[str, Any] = json.loads(gzip.decompress(member.unused_data))
    return body, headers

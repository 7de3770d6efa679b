"""`Mex-Content-Checksum`: the sender's checksum of the message's own, uncompressed content.

MESH fixes neither algorithm nor form. This module reads hexadecimal digits alone, whose number gives the algorithm, and
`name:digits` or `name-digits` for an algorithm that Python knows. Anything else cannot be checked, and is not a fault.
"""

import hashlib
import re

_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_KNOWN = frozenset(name for name in hashlib.algorithms_guaranteed if not name.startswith("shake"))
_BARE = re.compile(r"[0-9a-f]+")
_NAMED = re.compile(r"([a-z0-9-]{2,12})[:-]\s*([0-9a-f]{32,128})")


class Checksum:
    """Takes content block by block, then compares it with the header."""

    def __init__(self, header: str) -> None:
        name, self._expected = "", header.strip().lower()
        if named := _NAMED.fullmatch(self._expected):
            name, self._expected = named[1].replace("-", ""), named[2]
        elif _BARE.fullmatch(self._expected):
            name = _BY_LENGTH.get(len(self._expected), "")
        self._hash = hashlib.new(name, usedforsecurity=False) if name in _KNOWN else None
        if self._hash is not None and 2 * self._hash.digest_size != len(self._expected):
            self._hash = None

    def update(self, block: bytes) -> None:
        """Take the next block of content."""
        if self._hash is not None:
            self._hash.update(block)

    @property
    def is_known(self) -> bool:
        """Whether the header names a checksum that can be computed."""
        return self._hash is not None

    @property
    def contradicts(self) -> bool:
        """Whether the header can be checked, and the content so far does not match it."""
        return self._hash is not None and self._hash.hexdigest() != self._expected

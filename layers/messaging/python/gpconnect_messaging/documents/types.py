"""Which document types may be sent, and how each is recognised by its own bytes.

An allow-list (hazard: hostile file): executables, HTML, scripts, archives and office files with macros are not on it.
"""

from collections.abc import Callable
from dataclasses import dataclass

PROBE_BYTES = 1024
"""How much of a document's beginning and end `mismatch` needs to see."""


def _is_pdf(head: bytes, tail: bytes) -> bool:
    # ISO 32000-1, 7.5.2 and 7.5.5; readers accept both marks anywhere within the first and last 1,024 bytes.
    return b"%PDF-" in head and b"%%EOF" in tail


def _begins_with(*signatures: bytes) -> Callable[[bytes, bytes], bool]:
    return lambda head, _tail: head.startswith(signatures)


def _is_plain_text(head: bytes, tail: bytes) -> bool:
    return b"\0" not in head and b"\0" not in tail and not head.lstrip().lower().startswith((b"<html", b"<!doctype"))


@dataclass(frozen=True, slots=True)
class _Type:
    name: str
    recognises: Callable[[bytes, bytes], bool]


_TYPES = {
    "application/pdf": _Type("a complete PDF", _is_pdf),
    "image/jpeg": _Type("a JPEG image", _begins_with(b"\xff\xd8\xff")),
    "image/png": _Type("a PNG image", _begins_with(b"\x89PNG\r\n\x1a\n")),
    "image/tiff": _Type("a TIFF image", _begins_with(b"II*\0", b"MM\0*")),
    "text/plain": _Type("plain text", _is_plain_text),
    "text/rtf": _Type("an RTF text", _begins_with(b"{\\rtf")),
}


def supported_types() -> list[str]:
    """List the media types that may be sent."""
    return sorted(_TYPES)


def mismatch(content_type: str, head: bytes, tail: bytes) -> str | None:
    """Compare a document with its claimed type; None when it fits, else a rule for a person.

    `head` and `tail` are its first and last PROBE_BYTES bytes (which overlap in a small document).
    """
    if content_type not in _TYPES:
        return f"has a type that may not be sent: use one of {', '.join(supported_types())}"
    if not head:
        return "is empty"
    expected = _TYPES[content_type]
    return None if expected.recognises(head, tail) else f"is not {expected.name}, though its content_type says so"

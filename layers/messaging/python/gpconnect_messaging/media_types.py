"""The media types that may be sent: the names that senders use, and the name in the message.

An allow-list (hazard: hostile file): executables, HTML, scripts, archives and office files are not on it. Receivers are
tested against the list that NHS England prints (Send Document, How to handle attachments), so a message uses
the name printed there, even if another is registered. ADR 45 says which types of that list are refused.
"""

import re
from dataclasses import dataclass

_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9._:-]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type that may be sent, by the registered name."""

    media_type: str
    description: str
    printed_name: str
    """The name on NHS England's list, which messages use."""
    other_names: tuple[str, ...] = ()


_TYPES = (
    MediaType("application/pdf", "a PDF that begins with %PDF-", "application/pdf", ("application/x-pdf",)),
    MediaType("image/jpeg", "a JPEG image", "image/jpg", ("image/pjpeg",)),
    MediaType("image/png", "a PNG image", "image/png", ("image/x-png",)),
    MediaType("image/tiff", "a TIFF image", "image/tiff", ("image/tif",)),
    MediaType("text/plain", "plain text", "text/plain"),
    MediaType("text/rtf", "an RTF text", "application/mswrtford", ("application/rtf", "application/x-rtf")),
)
_BY_NAME = {name: kind for kind in _TYPES for name in (kind.media_type, kind.printed_name, *kind.other_names)}


def supported_types() -> list[str]:
    """List the registered media types that may be sent."""
    return sorted(kind.media_type for kind in _TYPES)


UNSUPPORTED = f"has a type that may not be sent: use one of {', '.join(supported_types())}"
"""Refuses a document of another type."""


def other_names() -> list[str]:
    """List the other names of these types."""
    return sorted(_BY_NAME.keys() - set(supported_types()))


def find_media_type(content_type: str) -> MediaType | None:
    """Find the type that a content type names, in any letter case and with any parameters; None: it may not be sent."""
    return _BY_NAME.get(content_type.partition(";")[0].strip().lower())


def media_type(content_type: str) -> str:
    """Return the registered media type that a content type names; an unknown content type is returned unchanged."""
    known = find_media_type(content_type)
    return known.media_type if known else content_type


def declared_charset(content_type: str) -> str | None:
    """Return the charset that a content type declares."""
    match = _CHARSET.search(content_type)
    return match[1] if match else None

"""Which document types may be sent: the names that senders give them, and the name that travels.

An allow-list (hazard: hostile file): executables, HTML, scripts, archives and office files are not on it. Receivers are
tested against the list that NHS England prints (Send Document, How to handle attachments), so a type travels under the
name printed there, also where another is registered. ADR 45 says what of that list is refused.
"""

import re
from dataclasses import dataclass

_CHARSET = re.compile(r';\s*charset="?([A-Za-z0-9._:-]+)', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DocumentType:
    """One type: its registered media type, what a person calls it, its name on the printed list, and other names."""

    media_type: str
    words: str
    printed: str
    others: tuple[str, ...] = ()


_TYPES = (
    DocumentType("application/pdf", "a PDF that begins with %PDF-", "application/pdf", ("application/x-pdf",)),
    DocumentType("image/jpeg", "a JPEG image", "image/jpg", ("image/pjpeg",)),
    DocumentType("image/png", "a PNG image", "image/png", ("image/x-png",)),
    DocumentType("image/tiff", "a TIFF image", "image/tiff", ("image/tif",)),
    DocumentType("text/plain", "plain text", "text/plain"),
    DocumentType("text/rtf", "an RTF text", "application/mswrtford", ("application/rtf", "application/x-rtf")),
)
_BY_NAME = {name: each for each in _TYPES for name in (each.media_type, each.printed, *each.others)}


def supported_types() -> list[str]:
    """List the registered media types that may be sent."""
    return sorted(each.media_type for each in _TYPES)


def other_names() -> list[str]:
    """List what else these types are called."""
    return sorted(_BY_NAME.keys() - set(supported_types()))


def document_type(content_type: str) -> DocumentType | None:
    """Find the type that a content type names, in any letter case and with any parameters; None: it may not be sent."""
    return _BY_NAME.get(content_type.partition(";")[0].strip().lower())


def media_type(content_type: str) -> str:
    """Give the registered media type that a content type names; another content type comes back as it is."""
    known = document_type(content_type)
    return known.media_type if known else content_type


def declared_charset(content_type: str) -> str | None:
    """Give the charset that a content type declares."""
    found = _CHARSET.search(content_type)
    return found[1] if found else None

"""Checks the files that a deployer supplies for rendered reports when the builder starts.

An unusable file stops the function at start, which raises an alarm, instead of failing message by message. The checks
read the font's table directory and do not import the rendering library.
"""

import struct
from collections.abc import Sequence
from pathlib import Path

LARGEST_LOGO = 1_000_000
"""Bytes; the logo is in every report."""

_END_BYTES = 1024
_TRUETYPE = (b"\0\1\0\0", b"true")
_NEEDED_TABLES = {b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"name"}
_NOT_EMBEDDABLE = 0x0302
"""OS/2.fsType (OpenType): restricted licence, no subsetting, bitmaps only."""


class ReportFileError(Exception):
    """A logo or font that the deployer named cannot be used: the deployment's files must be corrected."""


def logo_file(path: Path) -> Path:
    """Check that the logo is a complete PNG or JPEG. Raises ReportFileError."""
    content = _read(path)
    if len(content) > LARGEST_LOGO:
        raise ReportFileError(f"{path.name} is longer than {LARGEST_LOGO} bytes")
    png = content.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" in content[-_END_BYTES:]
    jpeg = content.startswith(b"\xff\xd8\xff") and b"\xff\xd9" in content[-_END_BYTES:]
    if not (png or jpeg):
        raise ReportFileError(f"{path.name} is not a whole PNG or JPEG image")
    return path


def added_fonts(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Check that further fonts are TrueType, complete and embeddable. Raises ReportFileError."""
    for path in paths:
        _check_font(path.name, _read(path))
    if len({path.stem for path in paths}) < len(paths):
        raise ReportFileError("two fonts have the same file name")
    return tuple(paths)


def _check_font(name: str, content: bytes) -> None:
    if not content.startswith(_TRUETYPE):
        kind = {b"OTTO": "an OpenType font with CFF outlines", b"ttcf": "a collection of fonts"}.get(
            content[:4], "none"
        )
        raise ReportFileError(f"{name} is not a TrueType font that can be embedded ({kind}): give a single .ttf")
    try:
        (count,) = struct.unpack_from(">H", content, 4)
        records = [struct.unpack_from(">4s4xII", content, 12 + 16 * index) for index in range(count)]
    except struct.error:
        raise ReportFileError(f"{name} is not a whole font") from None
    tables = {tag: start for tag, start, length in records if start + length <= len(content)}
    if len(tables) < count or not tables.keys() >= _NEEDED_TABLES:
        raise ReportFileError(f"{name} is not a whole font")
    if b"OS/2" in tables and struct.unpack_from(">H", content, tables[b"OS/2"] + 8)[0] & _NOT_EMBEDDABLE:
        raise ReportFileError(f"{name} may not be embedded under the licence")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReportFileError(f"{path.name} cannot be read: {error.strerror}") from None

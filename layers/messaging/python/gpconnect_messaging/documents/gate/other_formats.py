"""Refuses files of two formats: other programs can read a document also as an archive, a disk image or a web page.

A practice's system may choose a program by the file name, and the sender cannot know which program.
"""

import re
import zipfile
from typing import IO

from gpconnect_messaging.documents.gate.findings import RefusedError
from gpconnect_messaging.media_types import find_media_type

_BEGINNINGS = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\0", b"MM\0*"),
    "text/rtf": (b"{\\rtf",),
}
_PROGRAM, _ARCHIVE = "a program", "an archive or Office file"
_MARKS = {
    rb"MZ(?=[^\0]{0,9}\0)": _PROGRAM,  # prose can begin with these two letters, too
    rb"\x7fELF": _PROGRAM,
    rb"PK\x03\x04|Rar!\x1a\x07|7z\xbc\xaf\x27\x1c|\xd0\xcf\x11\xe0": _ARCHIVE,
    rb"%PDF-": "a PDF",
    rb"II\+\0|MM\0\+": "a BigTIFF, which few programs open",
}
_SEARCHED = re.compile(rb"Rar!\x1a\x07[\0\1]|7z\xbc\xaf\x27\x1c")
"""Archives that programs also find behind other data."""
_SEARCHED_BYTES = 1024 * 1024
_AT = {128: (b"DICM", "a DICOM image"), 257: (b"ustar", _ARCHIVE), 32769: (b"CD001", "a disk image")}
"""Formats whose signature is not at the beginning of the file, by offset."""
_PAGE = re.compile(rb"<\s*(!doctype\s+html|html|head|body|script|iframe|svg)\b", re.IGNORECASE)
_PAGE_BYTES = 1024
"""How many bytes browsers search for a page's first tag."""
_ENDS = {"application/pdf": rb"%%EOF", "image/jpeg": rb"\xff\xd9", "image/png": rb"IEND\xaeB`\x82"}
_BEHIND = {
    kind: re.compile(end + rb"[\r\n\t \0]*(?=%b)" % b"|".join(m for m in _MARKS if (m,) != _BEGINNINGS[kind]))
    for kind, end in _ENDS.items()
}
"""Matches the end mark of a document before the signature of another format."""
_TAIL_BYTES = 1024 * 1024


def refuse_other_formats(media_type: str, file: IO[bytes]) -> None:
    """Check that a file has the signature of the type and of no other format. Raises RefusedError."""
    file.seek(0)
    head = file.read(_SEARCHED_BYTES)
    kind = find_media_type(media_type)
    words = kind.description if kind else media_type
    beginnings = _BEGINNINGS.get(media_type)
    if beginnings is None:  # text has no signature, only an encoding
        beginnings = () if _mark(head) else (b"",)
    if not head.startswith(beginnings):
        actual = f"{mark}, not" if (mark := _mark(head)) else "not"
        raise RefusedError(f"is {actual} {words}", "save it as that, or correct content_type")
    found = next((words for at, (mark, words) in _AT.items() if head.startswith(mark, at)), None)
    if found is None and (_SEARCHED.search(head) or _is_zip(file)):
        found = _ARCHIVE
    start = head[:_PAGE_BYTES]
    if found is None and media_type in _BEHIND:
        shown = start.partition(b" obj")[0] if media_type == "application/pdf" else start  # fonts and forms hold tags
        found = _behind(media_type, file) or ("a page for a browser" if _PAGE.search(shown) else None)
    if found is None and media_type != "application/pdf" and b"%PDF-" in start:
        found = "a PDF"
    file.seek(0)
    if found:
        raise RefusedError(f"is also {found}, and some programs would open it as that", f"save it again as {words}")


def _mark(content: bytes) -> str | None:
    return next((words for mark, words in _MARKS.items() if re.match(mark, content)), None)


def _is_zip(file: IO[bytes]) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return bool(archive.namelist())
    except Exception:  # noqa: BLE001 - a file that zipfile cannot open is no archive
        return False


def _behind(media_type: str, file: IO[bytes]) -> str | None:
    """Name the format that begins behind a document's end mark; pictures are searched completely."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES) if media_type == "application/pdf" else 0)
    content = file.read()
    match = _BEHIND[media_type].search(content)
    return _mark(content[match.end() :]) if match else None

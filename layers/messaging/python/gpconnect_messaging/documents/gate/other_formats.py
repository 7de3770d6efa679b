"""Files of two formats: what begins as one document can also be an archive, a disk image or a page to other programs.

A practice's system may choose its program by the file's name, and ours cannot know which it chooses.
"""

import re
import zipfile
from typing import IO

from gpconnect_messaging.documents.gate.findings import RefusedError
from gpconnect_messaging.documents.types import document_type

_BEGINNINGS = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/png": (b"\x89PNG\r\n\x1a\n",),
    "image/tiff": (b"II*\0", b"MM\0*"),
    "text/rtf": (b"{\\rtf",),
}
_PROGRAM, _ARCHIVE = "a program", "an archive"
_MARKS = {
    b"MZ": _PROGRAM,
    b"\x7fELF": _PROGRAM,
    b"PK\3\4": _ARCHIVE,
    b"Rar!\x1a\7": _ARCHIVE,
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE,
}
_SEARCHED = re.compile(rb"Rar!\x1a\x07[\0\1]|7z\xbc\xaf\x27\x1c")
"""Archives that their programs also find behind something else."""
_SEARCHED_BYTES = 1024 * 1024
_AT = {128: (b"DICM", "a DICOM image"), 257: (b"ustar", _ARCHIVE), 32769: (b"CD001", "a disk image")}
"""Formats that leave the beginning of a file to others, and where their own mark is."""
_PAGE = re.compile(rb"<\s*(!doctype\s+html|html|head|body|script|iframe|svg)\b", re.IGNORECASE)
_PAGE_BYTES = 1024
"""How far browsers look for a page's first tag."""
_END = b"%%EOF"
_TAIL_BYTES = 1024 * 1024


def refuse_other_formats(media_type: str, file: IO[bytes]) -> None:
    """See that a file begins as its type does, and is no other format as well. Raises RefusedError."""
    file.seek(0)
    head = file.read(_SEARCHED_BYTES)
    beginnings = _BEGINNINGS.get(media_type)
    if beginnings is None:  # text has no mark of its own, and nothing but its encoding to be known by
        beginnings = () if _mark(head) else (b"",)
    if not head.startswith(beginnings):
        what = _mark(head)
        if what is None:
            kind = document_type(media_type)
            what = f"not {kind.words if kind else media_type}, though its content_type says so"
        raise RefusedError(f"is {what}")
    found = next((words for at, (mark, words) in _AT.items() if head.startswith(mark, at)), None)
    if found is None and (_SEARCHED.search(head) or _is_zip(file)):
        found = _ARCHIVE
    if found is None and media_type == "application/pdf":
        found = _mark(_behind(file)) or ("a page for a browser" if _PAGE.search(head[:_PAGE_BYTES]) else None)
    file.seek(0)
    if found:
        raise RefusedError(f"is also {found}: some programs would open it as that")


def _mark(content: bytes) -> str | None:
    return next((words for mark, words in _MARKS.items() if content.startswith(mark)), None)


def _is_zip(file: IO[bytes]) -> bool:
    if not zipfile.is_zipfile(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return bool(archive.namelist())
    except Exception:  # noqa: BLE001 - what its own reader cannot open is no archive
        return False


def _behind(file: IO[bytes]) -> bytes:
    """Give what comes after a PDF's last end mark."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    return file.read().rpartition(_END)[2].lstrip(b"\r\n\t \0")

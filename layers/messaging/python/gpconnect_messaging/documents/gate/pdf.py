"""PDF: opened by two readers that repair what they can, PDFium (as Chrome and Edge) and pypdf, each in its own way.

What only one of them can repair is refused: a practice's reader may be the other. Neither draws a page. Both read the
catalog and the tree of pages, and pypdf goes on to the actions and files that hang there.
"""

import ctypes
import logging
import mmap
import re
from collections.abc import Iterator
from typing import IO

import pypdfium2.raw as pdfium
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, PdfObject

from gpconnect_messaging.documents.gate.findings import Findings, RefusedError

pdfium.FPDF_InitLibrary()

_BROKEN = "is broken: not every PDF reader can repair it; save or print it as a PDF again"
_LOCKED = "needs a password to be opened"
_NO_PAGE = "has no page"

_ACTIONS = {"/JavaScript": "JavaScript", "/Rendition": "JavaScript", "/Launch": "a program to start"}
_FILES = "embedded files"
_KEYS = {"/JS": "JavaScript", "/EF": _FILES, "/RichMediaContent": _FILES, "/XFA": "an XFA form"}
# What leads back, or to what is drawn and described and never acts.
_NOT_FOLLOWED = frozenset(
    {"/Parent", "/P", "/Pages", "/Dest", "/D", "/SD", "/Contents", "/Resources", "/StructTreeRoot",
     "/Metadata", "/AP", "/DR", "/Prev", "/PieceInfo", "/Popup", "/IRT", "/Thumb", "/OCProperties"}
)  # fmt: skip


def examined(file: IO[bytes]) -> Findings:
    """Open a PDF. Raises RefusedError."""
    _open_with_pdfium(file)
    reader = _open_with_pypdf(file)
    try:
        active = {what for start in _starts(reader) for what in _active(start)}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - pypdf raises anything on what it cannot follow
        active = {"parts that cannot be read"}
    return Findings(active=tuple(sorted(active)))


def _open_with_pdfium(file: IO[bytes]) -> None:
    # Private and writable, since ctypes takes nothing else; nothing writes, so the file's own pages are shared.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        content = (ctypes.c_char * len(mapped)).from_buffer(mapped)
        document = pdfium.FPDF_LoadMemDocument64(content, len(mapped), None)
        try:
            if not document:
                wrong = pdfium.FPDF_GetLastError() in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}
                raise RefusedError(_LOCKED if wrong else _BROKEN)
            if pdfium.FPDF_GetPageCount(document) < 1:
                raise RefusedError(_NO_PAGE)
        finally:
            pdfium.FPDF_CloseDocument(document)
            del content


def _open_with_pypdf(file: IO[bytes]) -> PdfReader:
    searched = _Searched()
    logger = logging.getLogger("pypdf")
    logger.addHandler(searched)
    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError(_LOCKED)
        if not len(reader.pages):
            raise RefusedError(_NO_PAGE)
        named = _catalog_is_named(reader, file, searched)
    except (RefusedError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - of a broken file pypdf raises anything
        raise RefusedError(_BROKEN) from None
    finally:
        logger.removeHandler(searched)
    if not named:
        raise RefusedError(_BROKEN)
    return reader


class _Searched(logging.Handler):
    """Notices what pypdf searched for where a file's table of objects is wrong: it says so in warnings alone."""

    def __init__(self) -> None:
        super().__init__()
        self.everything = False
        self.objects: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.everything |= message == "parsing for Object Streams"
        if found := re.match(r"Object (\d+) \d+ found", message):
            self.objects.add(int(found[1]))


def _catalog_is_named(reader: PdfReader, file: IO[bytes], searched: _Searched) -> bool:
    """See that the trailer names a catalog that a reader need not guess.

    No file holds more objects than a third of its bytes. A reader that has to search for the catalog goes by the last
    trailer that stands in clear.
    """
    root, end = reader.trailer.raw_get("/Root"), file.seek(0, 2)
    if not isinstance(root, IndirectObject) or 3 * root.idnum > end:
        return False
    if reader.root_object.indirect_reference != root:  # pypdf took another
        return False
    if not searched.everything and root.idnum not in searched.objects:
        return True
    file.seek(0)
    _, trailer, rest = file.read().rpartition(b"trailer")
    return b"/Root" in rest if trailer else searched.everything


def _starts(reader: PdfReader) -> Iterator[PdfObject]:
    """Where actions and files can hang: the catalog, and each page's own actions and annotations."""
    yield reader.root_object
    for page in reader.pages:
        for key in ("/AA", "/Annots", "/AF"):
            if key in page:
                yield page.raw_get(key)


def _active(start: PdfObject) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    left: list[PdfObject | None] = [start]
    while left:
        each = left.pop()
        if isinstance(each, IndirectObject):
            if (each.idnum, each.generation) in seen:
                continue
            seen.add((each.idnum, each.generation))
            each = each.get_object()
        if isinstance(each, ArrayObject):
            left += list(each)
        elif isinstance(each, DictionaryObject):
            if (kind := each.get("/S")) in _ACTIONS and (kind != "/Rendition" or "/JS" in each):
                yield _ACTIONS[str(kind)]
            yield from (what for key, what in _KEYS.items() if each.get(key))
            if each.get("/Type") != "/Page":
                left += [each.raw_get(key) for key in each if key not in _NOT_FOLLOWED]

"""PDF: opened by two readers that repair damaged files in different ways: PDFium (as in Chrome and Edge) and pypdf.

A file that only one of them can repair, or with different page counts, is refused: a practice's reader may behave like
either. Neither draws a page. Both read the catalog and the page tree; pypdf follows all actions and files from there,
and PDFium reports the document's scripts and files.
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

_AGAIN = "save or print it as a PDF again"
_BROKEN = "is broken, and not every PDF reader can repair it"
_LOST = "is broken, not every PDF reader can repair it, and some cannot open a page"
_TWICE = "gives one entry two values, and PDF readers differ in which they take"
_LOCKED = "needs a password to be opened", "save it without a password"
_NO_PAGE = "has no page"

_SCRIPT, _FILES, _XFA = "JavaScript", "embedded files", "an XFA form"
_ACTIONS = {"/JavaScript": _SCRIPT, "/Rendition": _SCRIPT, "/Launch": "a program to start"}
_KEYS = {"/JS": _SCRIPT, "/OnInstantiate": _SCRIPT, "/EF": _FILES, "/RichMediaContent": _FILES, "/XFA": _XFA}
_SCRIPT_URI = re.compile(r"\s*(?:java|vb)script:", re.IGNORECASE)
# Entries that are drawn or descriptive, never active.
_NOT_FOLLOWED = frozenset(
    {"/SD", "/SE", "/Contents", "/Resources", "/StructTreeRoot", "/Metadata", "/AP", "/DR", "/PieceInfo", "/Thumb",
     "/OCProperties"}
)  # fmt: skip
_HARMLESS_TWICE = frozenset({"/I", "/Lang", "/PageLayout", "/PageMode"})
"""View settings. Any other repeated key can lead two readers to different pages or actions."""


def examine(file: IO[bytes]) -> Findings:
    """Open a PDF. Raises RefusedError."""
    pages, active = _open_with_pdfium(file)
    warnings = _Warnings()
    logger = logging.getLogger("pypdf")
    logger.addHandler(warnings)
    try:
        reader = _open_with_pypdf(file, warnings)
        if len(reader.pages) != pages:
            raise RefusedError(_BROKEN, _AGAIN)
        try:
            active |= set(_active(reader))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - pypdf raises any error on objects that it cannot follow
            active.add("parts that cannot be read")
    finally:
        logger.removeHandler(warnings)
    if warnings.repeated - _HARMLESS_TWICE:
        raise RefusedError(_TWICE, _AGAIN)
    return Findings(active=tuple(sorted(active)))


def _open_with_pdfium(file: IO[bytes]) -> tuple[int, set[str]]:
    """Count the pages, and name the active content that PDFium finds."""
    # Private and writable, as ctypes requires; the mapping is never written, so the pages stay shared with the file.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        content = (ctypes.c_char * len(mapped)).from_buffer(mapped)
        document = pdfium.FPDF_LoadMemDocument64(content, len(mapped), None)
        try:
            if not document:
                wrong = pdfium.FPDF_GetLastError() in {pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY}
                raise RefusedError(*_LOCKED) if wrong else RefusedError(_BROKEN, _AGAIN)
            pages, size = pdfium.FPDF_GetPageCount(document), pdfium.FS_SIZEF()
            if pages < 1:
                raise RefusedError(_NO_PAGE, _AGAIN)
            if not all(pdfium.FPDF_GetPageSizeByIndexF(document, page, size) for page in range(pages)):
                raise RefusedError(_LOST, _AGAIN)
            found = {
                _SCRIPT: pdfium.FPDFDoc_GetJavaScriptActionCount(document) > 0,
                _FILES: pdfium.FPDFDoc_GetAttachmentCount(document) > 0,
                _XFA: pdfium.FPDF_GetFormType(document) in {pdfium.FORMTYPE_XFA_FULL, pdfium.FORMTYPE_XFA_FOREGROUND},
            }
            return pages, {name for name, present in found.items() if present}
        finally:
            pdfium.FPDF_CloseDocument(document)
            del content


def _open_with_pypdf(file: IO[bytes], warnings: "_Warnings") -> PdfReader:
    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise RefusedError(*_LOCKED)
        if not len(reader.pages):
            raise RefusedError(_NO_PAGE, _AGAIN)
        named = _catalog_is_named(reader, file, warnings)
    except (RefusedError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - pypdf raises any error on a broken file
        raise RefusedError(_BROKEN, _AGAIN) from None
    if not named:
        raise RefusedError(_BROKEN, _AGAIN)
    return reader


class _Warnings(logging.Handler):
    """Records which objects pypdf searched for because the object table is wrong, and which keys have two values.

    pypdf reports both only as warnings.
    """

    def __init__(self) -> None:
        super().__init__()
        self.everything = False
        self.objects: set[int] = set()
        self.repeated: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        self.everything |= message == "parsing for Object Streams"
        if found := re.match(r"Object (\d+) \d+ found", message):
            self.objects.add(int(found[1]))
        if found := re.match(r"Multiple definitions in dictionary at byte \S+ for key (.*)", message):
            self.repeated.add(found[1])


def _catalog_is_named(reader: PdfReader, file: IO[bytes], warnings: _Warnings) -> bool:
    """Check that the trailer names the catalog, so that no reader must guess it.

    A file cannot hold more objects than a third of the byte count. A reader that must search for the catalog uses the
    last trailer in clear. In a linearized file that one names none; if the end is cut off, the first one counts.
    """
    root, end = reader.trailer.raw_get("/Root"), file.seek(0, 2)
    if not isinstance(root, IndirectObject) or 3 * root.idnum > end:
        return False
    if reader.root_object.indirect_reference != root:  # pypdf used another
        return False
    if not warnings.everything and root.idnum not in warnings.objects:
        return True
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        if (last := mapped.rfind(b"trailer")) < 0:
            return warnings.everything
        start = last if mapped.find(b"%%EOF", last) >= 0 else 0
        name = re.compile(rb"/Root\s+%d\s+%d\s+R\b" % (root.idnum, root.generation))
        return name.match(mapped, mapped.rfind(b"/Root", start)) is not None


def _active(reader: PdfReader) -> Iterator[str]:
    """Follow the catalog to pages, annotations, fields and actions, and name the active content."""
    seen: set[tuple[int, int]] = set()
    left: list[PdfObject | None] = [reader.trailer.raw_get("/Root")]
    while left:
        found = left.pop()
        if isinstance(found, IndirectObject):
            # Some readers accept an object of any generation, regardless of the reference.
            generations = (generation for generation, numbers in reader.xref.items() if found.idnum in numbers)
            references = {(found.idnum, generation) for generation in (0, found.generation, *generations)} - seen
            seen |= references
            left += [reader.get_object(IndirectObject(*reference, reader)) for reference in references]
        elif isinstance(found, ArrayObject):
            left += list(found)
        elif isinstance(found, DictionaryObject):
            kind = str(found.raw_get("/S").get_object()) if "/S" in found else ""
            if _SCRIPT_URI.match(str(found.get("/URI", ""))):
                yield _SCRIPT
            if kind in _ACTIONS and (kind != "/Rendition" or "/JS" in found):
                yield _ACTIONS[kind]
            yield from (name for key, name in _KEYS.items() if found.get(key))
            left += [found.raw_get(key) for key in found if key not in _NOT_FOLLOWED]

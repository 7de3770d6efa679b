"""Opens what came from elsewhere: within bounds, and so that nothing in it can make a parser reach out or swell.

Errors are ours alone: a parser's own would quote the text that it stumbles over.
"""

import codecs
import contextlib
import re
import zlib
from typing import Any

from lxml import etree

MOST_MEMBERS = 100
"""Of one gzip stream: each costs a copy of what follows it."""

GZIP = b"\x1f\x8b"
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_WIDE: dict[tuple[bool, ...], str] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
"""Which of the first four bytes are zero, in a text that begins with two characters of ASCII."""
_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_ONE_BYTE = re.compile(r"iso-?8859-?[0-9]{1,2}|latin-?1|(windows|cp)-?125[0-9]")
_READ = re.compile(rf"utf-?8|utf-?16([bl]e)?|utf-?32([bl]e)?|ucs-?2|unicode|(us-)?ascii|{_ONE_BYTE.pattern}")
"""Encodings in which all of ASCII is itself: no other sign or digit can hide in their bytes."""
AROUND = " \t\r\n\x00\ufeff\u0d0a\u0a0d\u0a0a"
"""The last three are line ends of one byte each behind UTF-16, read as its characters."""


class UnsafeContentError(ValueError):
    """It cannot be opened; the text says why and quotes nothing of it."""


class DocumentTypeError(UnsafeContentError):
    """It has a document type, which FHIR forbids."""


def gunzip(body: bytes, longest: int) -> bytes:
    """Inflate a gzip stream of one or more members, as RFC 1952 has it; whatever is none stays as it is.

    Zeros may follow the end, as gzip itself allows. Raises UnsafeContentError for a damaged stream, one that something else
    follows, and for more than `longest` bytes, without making many more.
    """
    if body[:2] != GZIP:
        if len(body) > longest:
            raise UnsafeContentError(f"it is longer than {longest} bytes")
        return body
    whole = bytearray()
    for _ in range(MOST_MEMBERS):
        decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            whole += decompressor.decompress(body, longest + 1 - len(whole))
        except zlib.error:
            raise UnsafeContentError("its gzip stream is corrupt") from None
        if len(whole) > longest:
            raise UnsafeContentError(f"it is longer than {longest} bytes")
        if not decompressor.eof:
            raise UnsafeContentError("its gzip stream is cut short")
        body = decompressor.unused_data
        if body[:2] != GZIP:
            if body.strip(b"\x00"):
                raise UnsafeContentError("its gzip stream is followed by something else")
            return bytes(whole)
    raise UnsafeContentError(f"its gzip stream has more than {MOST_MEMBERS} members")


def begins_in(body: bytes) -> tuple[bytes, str]:
    """Give the byte order mark that a text begins with, and the encoding that it or the zeros behind it tell, or ""."""
    marked = next((mark for mark in _MARKS if body.startswith(mark[0])), None)
    return marked or (b"", _WIDE.get(tuple(byte == 0 for byte in body[:4]), ""))


def decoded(body: bytes) -> str:
    """Read text in whatever encoding it is in: UTF-8, UTF-16 or UTF-32, or a one-byte encoding of Western Europe.

    A byte order mark decides, then the zeros of wide characters, then a one-byte encoding that XML declares. Any other
    declaration is often another copy's: then it is UTF-8, or, where it cannot be, Windows-1252 or Latin-1. Blanks,
    zeros and byte order marks at both ends are left out, also where they are of another width.
    Raises UnsafeContentError.
    """
    mark, encoding = begins_in(body)
    body = body[len(mark) :]
    if encoding.startswith(("utf-16", "utf-32")):
        # What a line end of one byte each left behind; cut, it would take half of the last character with it.
        if surplus := len(body) % (4 if encoding.startswith("utf-32") else 2):
            if body[-surplus:].strip(b"\r\n\x00"):
                raise UnsafeContentError("its last character is cut")
            body = body[:-surplus]
    elif not encoding and (declared := _DECLARED.match(body)):
        name = declared[1].decode().lower()
        if not _READ.fullmatch(name):
            raise UnsafeContentError("its encoding is none that is read")
        encoding = name if _ONE_BYTE.fullmatch(name) else ""
    for each in (encoding,) if encoding not in ("", "utf-8") else ("utf-8", "cp1252", "latin-1"):
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return body.decode(each).strip(AROUND)
    raise UnsafeContentError("its text is not in the encoding that it begins with")


def xml_parser(*, huge: bool = False, blanks: bool = False) -> etree.XMLParser:
    """Make a parser that opens nothing else; `huge` lifts libxml2's limits, `blanks` keeps space between elements."""
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=huge,
        remove_comments=True,
        remove_pis=True,
        remove_blank_text=not blanks,
    )


def as_utf_8(body: bytes) -> bytes:
    """Write UTF-8 for the encoding that XML declares where its bytes are that: what it says may be another copy's.

    Text that was written into JSON declares what its file was in, and no other encoding that is read happens to be
    UTF-8. Raises UnsafeContentError for one that is not: in it, ASCII could be something else.
    """
    declared = _DECLARED.match(body, len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0)
    if declared and not _READ.fullmatch(declared[1].decode().lower()):
        raise UnsafeContentError("its encoding is none that is read")
    try:
        body.decode()
    except UnicodeDecodeError:
        return body
    return body[: declared.start(1)] + b"UTF-8" + body[declared.end(1) :] if declared else body


def parse_xml(body: bytes, parser: etree.XMLParser) -> etree._Element:
    """Parse XML of any encoding. Raises DocumentTypeError, UnsafeContentError."""
    _refuse_document_type(body)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:  # raised out here, so that the parser's error is not its context
        raise UnsafeContentError("its XML is not well-formed")
    document = root.getroottree().docinfo
    if document.internalDTD is not None or document.doctype:
        raise DocumentTypeError("it has a document type, which FHIR forbids")
    return root


def parse_xml_into(text: str, target: Any) -> None:
    """Parse XML block by block, without a tree: give `target` the starts and ends of elements.

    `target` is one of lxml's parser targets; it may stop the parser with an exception of its own, which is raised.
    Raises DocumentTypeError, UnsafeContentError.
    """
    body = _DECLARATION.sub("", text, count=1).encode("utf-8", "replace")
    _refuse_document_type(body)
    taker: Any = _WithoutDocumentType(target)  # without lxml's optional methods for text and comments
    parser = etree.XMLParser(target=taker, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    opened = True
    try:
        for start in range(0, len(body), _BLOCK):
            parser.feed(body[start : start + _BLOCK])
        parser.close()
    except (etree.XMLSyntaxError, LookupError, UnicodeError):
        opened = False
    if not opened:  # raised out here, so that the parser's error is not its context
        raise UnsafeContentError("its XML is not well-formed")


_BLOCK = 16 * 1024
"""A parser hands on what it met when a block is read."""


class _WithoutDocumentType:
    """A parser target that refuses a document type, which only the parser may see (in UTF-7, say)."""

    def __init__(self, target: Any) -> None:
        self.start, self.end, self.close = target.start, target.end, target.close

    def doctype(self, *_: Any) -> None:
        raise DocumentTypeError("it has a document type, which FHIR forbids")


def _refuse_document_type(body: bytes) -> None:
    # Before parsing, since entities in attributes are expanded whatever the parser is told. It is looked for past the
    # zeros of UTF-16; a copy without them is made only where there are any.
    if b"<!DOCTYPE" in (body.replace(b"\x00", b"") if b"\x00" in body else body):
        raise DocumentTypeError("it has a document type, which FHIR forbids")

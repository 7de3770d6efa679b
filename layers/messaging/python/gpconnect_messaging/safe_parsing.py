"""Opens content from outside within limits: no content can make a parser open other files or use up memory.

Only the errors of this module are raised: a parser's error would quote the text.
"""

import codecs
import contextlib
import re
import zlib
from typing import Any

from lxml import etree

from gpconnect_messaging.sizes import MOST_MEMBERS

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
"""Which of the first four bytes are zero in a text that begins with two ASCII characters."""
_DECLARATION = re.compile(r"\A<\?xml\s[^>]*\?>")
_DECLARATION_BYTES = re.compile(rb"\s*<\?xml\s[^>]*\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_ONE_BYTE = re.compile(r"iso-?8859-?[0-9]{1,2}|latin-?1|(windows|cp)-?125[0-9]")
_READ = re.compile(rf"utf-?8|utf-?16([bl]e)?|utf-?32([bl]e)?|ucs-?2|unicode|(us-)?ascii|{_ONE_BYTE.pattern}")
"""Encodings that contain ASCII unchanged: no other character can hide in their bytes."""
AROUND = " \t\r\n\x00\ufeff\u0d0a\u0a0d\u0a0a"
"""The last three are one-byte line ends after UTF-16, read as UTF-16 characters."""


class UnsafeContentError(ValueError):
    """The content cannot be opened; the text says why and quotes nothing."""


class DocumentTypeError(UnsafeContentError):
    """The XML has a document type, which FHIR forbids."""


def gunzip(body: bytes, longest: int) -> bytes:
    """Inflate a gzip stream of one or more members (RFC 1952); return other content as it is.

    Zeros may follow the end, as gzip allows. Raises UnsafeContentError for a damaged stream, for a stream followed by
    other content, and for more than `longest` bytes, without inflating many more.
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
            raise UnsafeContentError("the gzip stream is corrupt") from None
        if len(whole) > longest:
            raise UnsafeContentError(f"it is longer than {longest} bytes")
        if not decompressor.eof:
            raise UnsafeContentError("the gzip stream is cut short")
        body = decompressor.unused_data
        if body[:2] != GZIP:
            if body.strip(b"\x00"):
                raise UnsafeContentError("the gzip stream is followed by something else")
            return bytes(whole)
    raise UnsafeContentError(f"the gzip stream has more than {MOST_MEMBERS} members")


def begins_in(body: bytes) -> tuple[bytes, str]:
    """Return the byte order mark that a text begins with, and the encoding by the mark or the zeros, or ""."""
    marked = next((mark for mark in _MARKS if body.startswith(mark[0])), None)
    return marked or (b"", _WIDE.get(tuple(byte == 0 for byte in body[:4]), ""))


def decoded(body: bytes) -> str:
    """Decode text in UTF-8, UTF-16, UTF-32 or a one-byte encoding of Western Europe.

    A byte order mark decides, then the zeros of wide characters, then a one-byte encoding that XML declares. Other
    declarations are often wrong: such text is UTF-8 or, where it cannot be, Windows-1252 or Latin-1. Blanks, zeros and
    byte order marks at both ends are removed, also those of another width. Raises UnsafeContentError.
    """
    mark, encoding = begins_in(body)
    body = body[len(mark) :]
    if encoding.startswith(("utf-16", "utf-32")):
        # Surplus bytes of a one-byte line end; without this the last character would be cut.
        if surplus := len(body) % (4 if encoding.startswith("utf-32") else 2):
            if body[-surplus:].strip(b"\r\n\x00"):
                raise UnsafeContentError("the last character is cut")
            body = body[:-surplus]
    elif not encoding and (declared := _declared(body)):
        name = declared[1].decode().lower()
        if not _READ.fullmatch(name):
            raise UnsafeContentError("the encoding is not supported")
        encoding = name if _ONE_BYTE.fullmatch(name) else ""
    for candidate in (encoding,) if encoding not in ("", "utf-8") else ("utf-8", "cp1252", "latin-1"):
        with contextlib.suppress(UnicodeDecodeError, LookupError):
            return body.decode(candidate).strip(AROUND)
    raise UnsafeContentError("the text is not in the encoding that it begins with")


def _declared(body: bytes, start: int = 0) -> "re.Match[bytes] | None":
    """Find the name of the encoding in the XML declaration that a body begins with."""
    declaration = _DECLARATION_BYTES.match(body, start)
    return _ENCODING.search(body, start, declaration.end()) if declaration else None


def xml_parser(*, huge: bool = False, blanks: bool = False) -> etree.XMLParser:
    """Return a parser that opens no other file. `huge` lifts libxml2's limits; `blanks` keeps blank text."""
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
    """Declare UTF-8 in XML whose bytes are UTF-8: the declared encoding may be wrong.

    Text that was copied into JSON still declares the encoding of the original file. Raises UnsafeContentError for an
    encoding that is not supported: in it, bytes that look like ASCII could mean something else.
    """
    declared = _declared(body, len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0)
    if declared and not _READ.fullmatch(declared[1].decode().lower()):
        raise UnsafeContentError("the encoding is not supported")
    try:
        body.decode()
    except UnicodeDecodeError:
        return body
    return body[: declared.start(1)] + b"UTF-8" + body[declared.end(1) :] if declared else body


def parse_xml(body: bytes, parser: etree.XMLParser) -> etree._Element:
    """Parse XML of any encoding. Raises DocumentTypeError, UnsafeContentError."""
    _refuse_doctype(body)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:  # raised out here, so that the parser's error is not its context
        raise UnsafeContentError("the XML is not well-formed")
    document = root.getroottree().docinfo
    if document.internalDTD is not None or document.doctype:
        raise DocumentTypeError("it has a document type, which FHIR forbids")
    return root


def parse_xml_into(text: str, target: Any) -> None:
    """Parse XML block by block, without a tree: pass the starts and ends of elements to `target`.

    `target` is an lxml parser target; it may stop the parser by raising an exception.
    Raises DocumentTypeError, UnsafeContentError.
    """
    body = _DECLARATION.sub("", text, count=1).encode("utf-8", "replace")
    _refuse_doctype(body)
    checked_target: Any = _WithoutDocumentType(target)  # without lxml's optional methods for text and comments
    parser = etree.XMLParser(
        target=checked_target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    opened = True
    try:
        for start in range(0, len(body), _BLOCK):
            parser.feed(body[start : start + _BLOCK])
        parser.close()
    except (etree.XMLSyntaxError, LookupError, UnicodeError):
        opened = False
    if not opened:  # raised out here, so that the parser's error is not its context
        raise UnsafeContentError("the XML is not well-formed")


_BLOCK = 16 * 1024
"""How many bytes the parser reads before it calls the target."""


class _WithoutDocumentType:
    """A parser target that refuses a document type that only the parser can see (in UTF-7, for example)."""

    def __init__(self, target: Any) -> None:
        self.start, self.end, self.close = target.start, target.end, target.close

    def doctype(self, *_: Any) -> None:
        raise DocumentTypeError("it has a document type, which FHIR forbids")


def _refuse_doctype(body: bytes) -> None:
    # Before parsing, because lxml expands entities in attributes whatever the options are. Zeros are removed to find
    # UTF-16, too; only a body with zeros is copied.
    if b"<!DOCTYPE" in (body.replace(b"\x00", b"") if b"\x00" in body else body):
        raise DocumentTypeError("it has a document type, which FHIR forbids")

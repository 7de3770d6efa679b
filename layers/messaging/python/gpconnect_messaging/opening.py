"""Opens what came from elsewhere: within bounds, and so that nothing in it can make a parser reach out or swell.

Errors are ours alone: a parser's own would quote the text that it stumbles over.
"""

import zlib
from typing import Any

from lxml import etree


class UnopenedError(ValueError):
    """It cannot be opened; the text says why and quotes nothing of it."""


class DocumentTypeError(UnopenedError):
    """It has a document type, which FHIR forbids."""


def unzipped(body: bytes, longest: int) -> tuple[bytes, bytes]:
    """Inflate a gzip stream, whatever is none stays as it is; return it, and what follows its end.

    Raises UnopenedError for a damaged stream, and for more than `longest` bytes, without making many more.
    """
    rest = b""
    if body[:2] == b"\x1f\x8b":
        decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
        try:
            body = decompressor.decompress(body, longest + 1)
        except zlib.error:
            raise UnopenedError("its gzip stream is corrupt") from None
        rest = decompressor.unused_data
        if len(body) <= longest and not decompressor.eof:
            raise UnopenedError("its gzip stream is cut short")
    if len(body) > longest:
        raise UnopenedError(f"it is longer than {longest} bytes")
    return body, rest


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


def opened_xml(body: bytes, parser: etree.XMLParser) -> etree._Element:
    """Parse XML of any encoding. Raises DocumentTypeError, UnopenedError."""
    _refuse_document_type(body)
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None:  # raised out here, so that the parser's error is not its context
        raise UnopenedError("its XML is not well-formed")
    document = root.getroottree().docinfo
    if document.internalDTD is not None or document.doctype:
        raise DocumentTypeError("it has a document type, which FHIR forbids")
    return root


def fed_xml(body: bytes, target: Any) -> None:
    """Parse XML of any encoding block by block, without a tree: give `target` the starts and ends of elements.

    `target` is one of lxml's parser targets; it may stop the parser with an exception of its own, which is raised.
    Raises DocumentTypeError, UnopenedError.
    """
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
        raise UnopenedError("its XML is not well-formed")


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

"""Plain text: known by its encoding, and no page, script or other format in disguise.

UTF-8 is taken as it is. Another encoding is taken where a byte order mark or the content type says which, or where what
else there is can only be windows-1252; it is turned into UTF-8. Whatever may be meant otherwise is refused: a dose that
arrives with a wrong sign is worse than one that a person must send again.
"""

import codecs
import re

from gpconnect_messaging.documents.gate.findings import Findings, RefusedError
from gpconnect_messaging.visible import is_blank

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16", "utf-16le", "utf-16be")
_CODECS = {codecs.lookup(each).name: each for each in _ENCODINGS}
_SYMBOLS = "€…‘’“”•–—™£§©®°±²³µ·¼½¾×÷\xa0"
_CAPITAL, _SMALL = "À-ÖØ-ÞŠŽŒŸ", "ß-öø-ÿšžœ"
_LETTER = f"A-Za-z{_CAPITAL}{_SMALL}"
# In other old encodings the bytes of these symbols and letters stand for something else. Letters are taken where words
# have them, and symbols where words do not.
_NOT_WINDOWS = re.compile(
    rf"[^\x00-\x7f{_SYMBOLS}{_CAPITAL}{_SMALL}]|(?<=[{_LETTER}])[€…•™](?=[{_LETTER}])"
    rf"|(?<![{_LETTER}])(?:[{_SMALL}]|[{_CAPITAL}](?![{_LETTER}]))|(?<=[a-z{_SMALL}])[{_CAPITAL}]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_PROLOG = re.compile(r"(?:[\s\ufeff]|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_TAG = re.compile(r"<[a-z!/?%]", re.IGNORECASE)
_PAGE = re.compile(r"<\s*(?:!doctype|html|head|body|script|iframe|object|embed|svg|style|meta|link)\b", re.IGNORECASE)
_SCRIPT = re.compile(
    r"#!|@echo\b|powershell\b|javascript:|vbscript:|sub \w+\(\)|{\\rtf|%PDF-|%!PS|<\?php"
    r"|.*(?:\bWScript\.|\bActiveXObject\b|\bCreateObject\s*\()",
    re.IGNORECASE | re.DOTALL,
)


def examined(content: bytes, charset: str | None) -> Findings:
    """Read a text, in the `charset` that its content type declares if it does. Raises RefusedError."""
    encoding, text = _decoded(content, charset)
    if is_blank(text):
        raise RefusedError("holds nothing that can be seen")
    if _CONTROL.search(text):
        raise RefusedError("holds control characters, so it is no plain text")
    if "\ufffd" in text:
        raise RefusedError("holds U+FFFD, the sign for a character that was lost before: save it from its source again")
    begins = _PROLOG.match(text)
    start = begins.end() if begins else 0
    if _TAG.match(text, start) or _PAGE.search(text):
        raise RefusedError("is a page or holds markup, so it is no plain text: send it as a PDF")
    if _SCRIPT.match(text, start):
        raise RefusedError("is a script or another format, so it is no plain text")
    return Findings(encoding=encoding, ascii=text.isascii())


def _decoded(content: bytes, charset: str | None) -> tuple[str, str]:
    declared = _declared(charset)
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    if marked:
        if declared and not marked.startswith(_CODECS[declared][:6]):
            raise RefusedError(f"has a byte order mark, and its charset says {_CODECS[declared]}: correct one of them")
        return marked, _strictly(content, marked)
    if declared in {None, "utf-8"}:
        try:
            return "utf-8", content.decode()
        except UnicodeDecodeError:
            if declared:
                raise RefusedError("is not UTF-8, though its charset says so") from None
        return "cp1252", _windows(content)
    if not content.isascii() and _is_utf_8(content):
        raise RefusedError(f"is UTF-8, though its charset says {_CODECS[str(declared)]}")
    # What calls itself Latin-1 is windows-1252 in practice (WHATWG Encoding Standard); only C1 controls differ.
    encoding = "cp1252" if declared == "iso8859-1" else str(declared)
    return encoding, _strictly(content, encoding)


def _declared(charset: str | None) -> str | None:
    if charset is None:
        return None
    try:
        name = codecs.lookup(charset).name
    except LookupError:
        name = ""
    if name not in _CODECS:
        raise RefusedError(f"has a charset that is not read: save it as UTF-8, or use one of {', '.join(_ENCODINGS)}")
    return name


def _windows(content: bytes) -> str:
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = ""
    if not text or _NOT_WINDOWS.search(text):
        raise RefusedError("is not UTF-8, and its encoding cannot be told for certain: save it as UTF-8")
    return text


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        raise RefusedError(f"is not in the encoding that it says: {_CODECS.get(encoding, encoding)}") from None


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True

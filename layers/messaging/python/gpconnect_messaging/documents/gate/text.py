"""Plain text: in a known encoding, and not a page, script or other format in disguise.

UTF-8 is accepted unchanged. Another encoding is accepted if a byte order mark or the content type names it, and is
converted to UTF-8. Undeclared windows-1252 is accepted for a few signs beside numbers and for no letter: the byte of a
letter means a different letter in other encodings, and a wrong dose or name is worse than a refused document.
"""

import codecs
import re

from gpconnect_messaging.documents.gate.findings import Findings, RefusedError
from gpconnect_messaging.safe_parsing import begins_in
from gpconnect_messaging.visible import LOST, TURNING, is_blank

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ENCODINGS = ("utf-8", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252", "utf-16", "utf-16le", "utf-16be")
_CODECS = {codecs.lookup(encoding).name: encoding for encoding in _ENCODINGS}
# Signs of windows-1252 that make sense in no other encoding: "38.5 °C", "31 kg/m²", a dash between blanks.
_CERTAIN = re.compile(
    r"(?<=\d) ?° ?[CF]\b|(?<=\d) ?±(?= ?\d)|(?:(?<=\d)|(?<=\d )|(?<=/))µ(?=(?:g|[lL]|m|mol|s|V)\b)|(?<!\w)£(?=\d)"
    r"|(?:\d ?[cm]?|/)m[²³](?!\w| ?\d)|(?<=\d)–(?=\d)|(?<= )–(?= )|^[ \t]*•(?=[ \t])"
    r"|(?<!\w)(?:“\w(?:[ -~]*[!-~])?”|‘\w(?:[ -~]*[!-~])?’)(?=[\s.,;:?!)]|$)",
    re.MULTILINE,
)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
# Characters that change the reading order or that programs show differently: private use and noncharacters.
_UNSEEN = re.compile(
    rf"[{TURNING}\ue000-\uf8ff\ufdd0-\ufdef\U000f0000-\U0010ffff]"
    f"|[{''.join(chr(plane << 16 | end) for plane in range(15) for end in (0xFFFE, 0xFFFF))}]"
)
_PROLOG = re.compile(r"(?:[\s\ufeff]|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_ATTRIBUTES = r"(?:[\s/][^>=]{0,200}=[^>]{0,999})?[\s/]*>"
_TAG = re.compile(rf"<(?:[!/?%]|[a-z][\w:.-]*{_ATTRIBUTES})", re.IGNORECASE)
# A tag is a name at once behind "<", and then nothing or attributes up to ">": "<head 34 cm" is a comparison.
_PAGE = re.compile(
    r"<!doctype\s|</?(?:html|head|body|script|i?frame|object|embed|applet|svg|math|style|meta|link|base|img|image|video"
    rf"|audio|source|form|input|button|details|marquee|a(?=\s[^>]{{0,200}}\b(?:href|on\w+)\s*=)){_ATTRIBUTES}",
    re.IGNORECASE,
)
_SCRIPT = re.compile(
    r"#!|@echo\b|powershell\b|javascript:|vbscript:|sub \w+\(\)|{\\rtf|%PDF-|%!PS|<\?php"
    r"|.*(?:\bWScript\.|\bActiveXObject\b|\bCreateObject\s*\()",
    re.IGNORECASE | re.DOTALL,
)

_AGAIN = "save it as plain text in UTF-8, or as a PDF"
_CHARSET = "save it as UTF-8, or correct the charset"


def examine(content: bytes, charset: str | None) -> Findings:
    """Read a text in the `charset` that the content type declares, if any. Raises RefusedError."""
    encoding, text = _decoded(content, charset)
    if is_blank(text):
        raise RefusedError("holds nothing that can be seen", "send the document's text, or leave it out")
    if _CONTROL.search(text):
        raise RefusedError("holds control characters, so it is not plain text", _AGAIN)
    if _UNSEEN.search(text):
        raise RefusedError("holds characters for private use, or that turn the reading direction", "remove them")
    if LOST in text:
        raise RefusedError("holds U+FFFD, the sign for a lost character", "save it from the source again")
    begins = _PROLOG.match(text)
    start = begins.end() if begins else 0
    if _TAG.match(text, start) or _PAGE.search(text):
        raise RefusedError("is a page or holds markup, so it is not plain text", "send it as a PDF")
    if _SCRIPT.match(text, start):
        raise RefusedError("is a script or another format, so it is not plain text", "send it as a PDF")
    return Findings(encoding=encoding, ascii=text.isascii())


def _decoded(content: bytes, charset: str | None) -> tuple[str, str]:
    declared = _declared(charset)
    marked = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), None)
    if declared == "utf-16" and not marked:
        raise RefusedError("has no byte order mark, which utf-16 needs", "say utf-16le or -be, or save it as UTF-8")
    if marked:
        if declared and not marked.startswith(_CODECS[declared][:6]):
            raise RefusedError(f"has a byte order mark, and the charset says {_CODECS[declared]}", _CHARSET)
        return marked, _strictly(content, marked)
    if declared is None and begins_in(content)[1]:
        raise RefusedError("is UTF-16 or UTF-32 without a byte order mark", "save it as UTF-8, or name the charset")
    if declared in {None, "utf-8"}:
        try:
            return "utf-8", content.decode()
        except UnicodeDecodeError:
            if declared:
                raise RefusedError("is not UTF-8, though the charset says so", _CHARSET) from None
        return "cp1252", _windows(content)
    # English text has a zero byte in every character; a wrong byte order shows it on the other side.
    zeros = {"utf-16-le": 0, "utf-16-be": 1}
    if declared in zeros and 4 * content[zeros[declared] :: 2].count(0) > len(content):
        raise RefusedError(f"is in the other byte order than the charset says, {_CODECS[declared]}", _CHARSET)
    if not content.isascii() and _is_utf_8(content):
        raise RefusedError(f"is UTF-8, though the charset says {_CODECS[str(declared)]}", "correct the charset")
    # Text declared as Latin-1 is windows-1252 in practice (WHATWG Encoding Standard); only C1 controls differ.
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
        raise RefusedError("has a charset that is not read", f"save it as UTF-8, or use one of {', '.join(_ENCODINGS)}")
    return name


def _windows(content: bytes) -> str:
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = "\ufffd"
    if not _CERTAIN.sub("", text).isascii():
        raise RefusedError(
            "is not UTF-8, and the encoding of the letters and signs is uncertain",
            "save it as UTF-8, or name the encoding in content_type, such as text/plain; charset=windows-1252",
        )
    return text


def _strictly(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        said = _CODECS.get(encoding, encoding)
        raise RefusedError(f"is not in the encoding that it says, {said}", _CHARSET) from None


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True

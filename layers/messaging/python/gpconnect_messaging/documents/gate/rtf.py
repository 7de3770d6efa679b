"""RTF: complete, and without embedded objects or fields that fetch data (Rich Text Format Specification 1.9.1)."""

import re

from gpconnect_messaging.documents.gate.findings import Findings, RefusedError

_TOKEN = re.compile(rb"[{}]|\\(?:'([0-9a-fA-F]{2})|([a-zA-Z]+)(-?\d+)? ?|.)", re.DOTALL)
_OBJECTS = frozenset(
    {b"object", b"objdata", b"objemb", b"objlink", b"objautlink", b"objocx", b"objhtml", b"objupdate", b"objclass"}
)
_FETCHING = re.compile(rb"DDE|INCLUDE|IMPORT|LINK|EMBED|DATABASE")
"""The beginnings of all fields that fetch data or start a program; no other field begins this way."""
_FETCHING_WORDS = re.compile(
    rb"template|mailmerge|mm(?:connectstr|datasource|headersource|query|odso)[a-z]*", re.IGNORECASE
)

_AGAIN = "open it, and save it as RTF again or as a PDF"


def examine(content: bytes) -> Findings:
    """Open an RTF text. Raises RefusedError."""
    depth = position = 0
    fields: list[tuple[int, bytearray]] = []  # open field instructions with their depth
    while token := _TOKEN.search(content, position):
        if fields:
            fields[-1][1].extend(content[position : token.start()])
        position = token.end()
        coded, word, number = token.groups()
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if fields and depth < fields[-1][0]:
                _judge(bytes(fields.pop()[1]))
            if depth == 0:
                break
        elif coded and fields:
            fields[-1][1].append(int(coded, 16))
        elif word == b"bin":  # that many bytes of binary data follow; twelve digits exceed any file
            position += max(0, int((number or b"0")[:12]))
        elif word == b"fldinst":
            if fields and not fields[-1][1].strip():  # the outer field's name is the result of this field
                fields[-1][1].extend(b"\xff")
            fields.append((depth, bytearray()))
        elif word == b"u" and fields:
            fields[-1][1].extend(b"\xff")  # readers differ in the letter that they show
        elif word and word.lower() in _OBJECTS:
            raise RefusedError("holds an embedded object, which may not be sent", "save it without, or as a PDF")
        elif word and _FETCHING_WORDS.fullmatch(word):
            raise RefusedError(
                "names a template or a list of addresses that is fetched from elsewhere", "save it as a PDF"
            )
    if depth:
        raise RefusedError("is not whole, since a closing brace is missing", _AGAIN)
    if content[position:].strip(b"\r\n\t\f\v \0\x1a"):
        raise RefusedError("goes on after the last closing brace", _AGAIN)
    return Findings()


def _judge(instruction: bytes) -> None:
    """Check the beginning of a field's instruction, ignoring characters between the letters. Raises RefusedError."""
    first = (instruction.split() or [b""])[0]
    if b"\xff" in first or _FETCHING.match(re.sub(rb"[^A-Z]", b"", instruction.upper())):
        raise RefusedError("holds a field that fetches something from elsewhere", "save it as a PDF")

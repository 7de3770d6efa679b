"""RTF: whole, and without embedded objects or fields that fetch something (Rich Text Format Specification 1.9.1)."""

import re

from gpconnect_messaging.documents.gate.findings import Findings, RefusedError

_TOKEN = re.compile(rb"[{}]|\\(?:([a-zA-Z]+)(-?\d+)? ?|.)", re.DOTALL)
_OBJECTS = frozenset(
    {b"object", b"objdata", b"objemb", b"objlink", b"objautlink", b"objocx", b"objhtml", b"objupdate", b"objclass"}
)
_FETCHING = re.compile(rb"fldinst\b[^}]{0,200}?\b(dde|ddeauto|includetext|includepicture|import)\b", re.IGNORECASE)


def examined(content: bytes) -> Findings:
    """Open an RTF text. Raises RefusedError."""
    depth = place = 0
    while token := _TOKEN.search(content, place):
        place = token.end()
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth == 0:
                break
        elif token[1] == b"bin":  # so many bytes follow that are no RTF
            place += max(0, int(token[2] or 0))
        elif token[1] and token[1].lower() in _OBJECTS:
            raise RefusedError("holds an embedded object, which may not be sent: save it without, or as a PDF")
    if depth:
        raise RefusedError("is not whole: a closing brace is missing")
    if content[place:].strip(b"\r\n\t \0"):
        raise RefusedError("goes on after its last closing brace")
    if _FETCHING.search(content):
        raise RefusedError("holds a field that fetches something from elsewhere: save it as a PDF")
    return Findings()

"""The gate's interface: a verdict on a document, the same for the builder and for a check beforehand.

The document is written to an unnamed temporary file, and the worker process receives the open file: no process holds
the whole document in memory.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Any

from gpconnect_messaging.documents.gate import limits
from gpconnect_messaging.documents.gate.opener import SHARED, Opener
from gpconnect_messaging.media_types import UNSUPPORTED, MediaType, declared_charset, find_media_type
from gpconnect_messaging.sizes import in_megabytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's verdict on a document.

    `refusal` is the broken rule, for a person, or None; `content_type` is the one in the message; `active` names active
    content that is allowed; `text` holds the document's bytes in UTF-8 if they were converted.
    """

    refusal: str | None = None
    content_type: str = ""
    active: tuple[str, ...] = ()
    text: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentGate:
    """Opens documents. `allow_active` lets PDFs pass that hold scripts, programs to start or other files."""

    allow_active: bool = False
    opener: Opener = SHARED

    def examine(self, content_type: str, chunks: Iterable[bytes]) -> Verdict:
        """Open a document that the request declares as `content_type`. Raises GateUnavailableError."""
        kind = find_media_type(content_type)
        if kind is None:
            return Verdict(UNSUPPORTED)
        with tempfile.TemporaryFile() as file:
            size = 0
            for chunk in chunks:
                size += len(chunk)
                if size > limits.MOST_BYTES:
                    return Verdict(f"is larger than {in_megabytes(limits.MOST_BYTES)}: send it smaller, or in parts")
                file.write(chunk)
            if not size:
                return Verdict("is empty: send the whole file")
            file.flush()
            answer = self.opener.ask({"media_type": kind.media_type, "charset": declared_charset(content_type)}, file)
            return self._verdict(kind, answer, file)

    def _verdict(self, kind: MediaType, answer: dict[str, Any], file: IO[bytes]) -> Verdict:
        if "refusal" in answer:
            return Verdict(answer["refusal"])
        active = tuple(answer["active"])
        if active and not self.allow_active:
            return Verdict(f"holds {', '.join(active)}, which may not be sent: save it without, or print it as a PDF")
        carried = kind.printed_name if answer["ascii"] else f"{kind.printed_name}; charset=utf-8"
        text = None
        if answer["encoding"] not in {"", "utf-8"}:
            file.seek(0)
            text = file.read().decode(answer["encoding"]).encode()
        return Verdict(None, carried, active, text)


REFUSING = DocumentGate()
"""The default gate: active content is refused."""

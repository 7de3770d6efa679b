"""Dropped documents that passed the gate, and what of its verdicts goes on into the message and its record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from gpconnect_messaging.documents.gate import Verdict
from gpconnect_messaging.storage import DropFile


@dataclass(frozen=True, slots=True)
class OpenedFile(DropFile):
    """A document as it is sent: `size` is that of `text` where that takes its place (a text turned into UTF-8).

    `sha256` (hex) is that of the file in the drop.
    """

    content_type: str = ""
    sha256: str = ""
    active: tuple[str, ...] = ()
    text: bytes | None = field(default=None, repr=False)

    @classmethod
    def of(cls, file: DropFile, verdict: Verdict, sha256: str) -> Self:
        """Join a file with the gate's verdict on it, and with its hash."""
        size = file.size if verdict.text is None else len(verdict.text)
        return cls(file.key, file.version, size, file.at, verdict.content_type, sha256, verdict.active, verdict.text)


def active_content(documents: Iterable[OpenedFile]) -> Iterator[str]:
    """Say for the record what the environment let pass."""
    for number, document in enumerate(documents, 1):
        if document.active:
            yield f"document {number} holds {', '.join(document.active)}, which this environment allows"

"""Documents from the drop that passed the gate, with the verdict's data for the message and the record."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from gpconnect_messaging.documents.gate import Verdict
from gpconnect_messaging.storage import DropFile


@dataclass(frozen=True, slots=True)
class OpenedFile(DropFile):
    """A document as it is sent: `size` is the size sent; `content` the bytes, where they are short or were converted.

    `sha256` (hex) is the hash of the file in the drop.
    """

    content_type: str = ""
    sha256: str = ""
    active: tuple[str, ...] = ()

    @classmethod
    def of(cls, file: DropFile, verdict: Verdict, sha256: str) -> Self:
        """Combine a file with the gate's verdict and the hash."""
        size, content = (file.size, file.content) if verdict.text is None else (len(verdict.text), verdict.text)
        return cls(file.key, file.version, size, file.at, content, verdict.content_type, sha256, verdict.active)


def active_content(documents: Iterable[OpenedFile]) -> Iterator[str]:
    """Describe the active content that the environment allows, for the record."""
    for number, document in enumerate(documents, 1):
        if document.active:
            yield f"document {number} holds {', '.join(document.active)}, which this environment allows"

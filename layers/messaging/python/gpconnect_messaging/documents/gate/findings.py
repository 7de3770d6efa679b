"""The worker process's findings about a document."""

from dataclasses import dataclass


class RefusedError(Exception):
    """The document may not be sent; the text says why, for a person, and quotes nothing of the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Findings about a document that may be sent. `active` names the active content of a PDF.

    `encoding` is Python's name of a text's encoding; `ascii`: every charset gives the same text.
    """

    active: tuple[str, ...] = ()
    encoding: str = ""
    ascii: bool = True

"""The worker process's findings about a document."""

from dataclasses import dataclass


class RefusedError(Exception):
    """The document may not be sent: the broken `rule`, and `advice` for the sender. Quotes nothing of the document."""

    def __init__(self, rule: str, advice: str) -> None:
        super().__init__(f"{rule}: {advice}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Findings about a document that may be sent. `active` names the active content of a PDF.

    `encoding` is Python's name of a text's encoding; `ascii`: every charset gives the same text.
    """

    active: tuple[str, ...] = ()
    encoding: str = ""
    ascii: bool = True

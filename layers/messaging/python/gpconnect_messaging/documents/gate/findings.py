"""What opening a document shows, as the worker process answers it."""

from dataclasses import dataclass


class RefusedError(Exception):
    """The document may not be sent; the text says why, for a person, and quotes nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """A document that may be sent. `active` names what a PDF can do by itself.

    `encoding` is a text's, as Python names it; `ascii` says that the text reads the same whatever charset is assumed.
    """

    active: tuple[str, ...] = ()
    encoding: str = ""
    ascii: bool = True

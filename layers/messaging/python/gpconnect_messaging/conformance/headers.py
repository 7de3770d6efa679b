"""The MESH envelope of a message, read from any of the formats in which it is written."""

import json
import re
from dataclasses import dataclass

from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.safe_parsing import UnsafeContentError, parse_xml, xml_parser

_NAMES = {
    "mailbox": "sender", "mex-from": "sender", "from_dts": "sender", "from": "sender",
    "to": "to", "mex-to": "to", "to_dts": "to",
    "workflow_id": "workflow_id", "mex-workflowid": "workflow_id", "workflowid": "workflow_id",
    "subject": "subject", "mex-subject": "subject",
    "local_id": "local_id", "mex-localid": "local_id", "localid": "local_id",
    "organisation": "organisation",
}  # fmt: skip
_HEADER_LINE = re.compile(r"([A-Za-z_-]+)\s*:\s*(.*)")


class UnreadableEnvelopeError(Exception):
    """The envelope is neither JSON, header lines, nor a MESH client's control file. The text quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The MESH headers that checks cover; "" if a header is missing. Personal data: the repr leaves it out."""

    sender: str = ""
    to: str = ""
    workflow_id: str = ""
    subject: str = ""
    local_id: str = ""
    organisation: str = ""
    """The ODS code of a recipient other than the registered practice: only the product's own envelope names it."""
    by_client: bool = False
    """Written for the MESH client (a .CTL file) and not for the MESH API."""

    def __repr__(self) -> str:
        return f"Headers(workflow_id={self.workflow_id!r})"

    @classmethod
    def of(cls, envelope: Envelope) -> "Headers":
        """Convert the product's own envelope; an ODS code stands in until MESH has named the organisation's mailbox."""
        to = envelope.to or envelope.organisation
        return cls(
            envelope.mailbox, to, envelope.workflow_id, envelope.subject, envelope.local_id, envelope.organisation
        )


def read_headers(raw: bytes) -> Headers:
    """Read an envelope: JSON (the product's, or Mex- headers), header lines, or a .CTL file of the MESH client.

    Raises UnreadableEnvelopeError.
    """
    text = raw.decode("utf-8", "replace").lstrip("\ufeff").strip()
    by_client = text.startswith("<")
    pairs = _control_file(raw) if by_client else _json(text) if text.startswith("{") else _lines(text)
    known = {_NAMES[name.lower()]: value for name, value in pairs if name.lower() in _NAMES}
    if not known:
        raise UnreadableEnvelopeError("the envelope names no MESH header")
    return Headers(**known, by_client=by_client)


def _json(text: str) -> list[tuple[str, str]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise UnreadableEnvelopeError("the envelope's JSON is not well-formed")
    return [(str(name), str(value)) for name, value in document.items()]


def _lines(text: str) -> list[tuple[str, str]]:
    return [(match[1], match[2].strip()) for line in text.splitlines() if (match := _HEADER_LINE.match(line))]


def _control_file(raw: bytes) -> list[tuple[str, str]]:
    try:
        root = parse_xml(raw, xml_parser())
    except UnsafeContentError:
        raise UnreadableEnvelopeError("the control file is not well-formed XML") from None
    return [(str(element.tag).rpartition("}")[2], (element.text or "").strip()) for element in root]

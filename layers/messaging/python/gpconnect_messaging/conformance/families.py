"""The families of ITK3 messages: which of NHS England's messages a file is, and the version that it names.

Source: the code system ITK-MessageEvent-2. Only Send Document has requirements here; any other family is judged by the
rules of ITK3 and FHIR alone.
"""

import re
from typing import NamedTuple

from gpconnect_messaging.conformance.tree import Node

SEND_DOCUMENT = "Send Document"
_EVENTS = {
    "ITK003D": "eDischarge",
    "ITK004D": "Mental Health eDischarge",
    "ITK005D": "Emergency Care eDischarge",
    "ITK006D": "Outpatient Letter",
    "ITK007C": SEND_DOCUMENT,
    "ITK009D": "Digital Medicine Immunization Document",
    "ITK010D": "Digital Medicine Emergency Supply Document",
    "ITK011M": "Events Management Service",
    "ITK012M": "National Pathology",
    "ITK013D": "Digital Medicine Minor Illness Document",
    "ITK014M": "Update Record",
}
_SIGNS = (
    (SEND_DOCUMENT, re.compile("GPConnectSendDocument|^SendDocument-|^GPFED_CONSULT_REPORT|^GPCONNECT_SEND_DOCUMENT")),
    ("Update Record", re.compile("UpdateRecord|^GPCONNECT_UPDATE_RECORD")),
    ("Mental Health eDischarge", re.compile("(?i)mental-?health|-MH")),
    ("Emergency Care eDischarge", re.compile("(?i)emergency-?care|-EC-")),
    ("eDischarge", re.compile("(?i)discharge")),
    ("Outpatient Letter", re.compile("(?i)outpatient|-OPL?-")),
    ("National Pathology", re.compile("(?i)pathology")),
    ("Digital Medicine Document", re.compile("(?i)digital-?medicine")),
    ("Events Management Service", re.compile("(?i)events-?management")),
)
"""The signs of a family in a message definition, a local extension or a workflow id; the first that is found counts."""
_VERSION = re.compile(r"MessageDefinition(?:-Instance)?-([0-9]+)$")


class Family(NamedTuple):
    """The name of a family, "" if it is unknown, and the version of the message definition, "" if it names none."""

    name: str
    version: str

    @property
    def is_send_document(self) -> bool:
        """Whether this is the family that has requirements here."""
        return self.name == SEND_DOCUMENT

    def __str__(self) -> str:
        name = f"{self.name} message" if self.name else "message of an unknown family"
        return f"{name}, message definition version {self.version}" if self.version else name


def family_of(header: Node | None, definition: str, local_extension: str, workflow_id: str) -> Family:
    """Name the family by the message definition, local extension or workflow id, or else by the event.

    A file without any of them, or without an event, is taken for Send Document: the checks then say what is missing.
    """
    version = _VERSION.search(definition)
    code = header.text("event", "code") if header else ""
    signs = (definition, local_extension, workflow_id)
    by_sign = next((name for name, sign in _SIGNS if any(sign.search(text) for text in signs)), "")
    if by_sign == SEND_DOCUMENT or not code:
        return Family(by_sign or SEND_DOCUMENT, version[1] if version else "")
    return Family(_EVENTS.get(code, by_sign), version[1] if version else "")

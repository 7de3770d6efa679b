"""Conformance checks for Send Document messages and responses of any sender: one check per requirement id.

    tree → message under test → checks → findings

`validate_message` runs every check. The builder calls `broken_requirements` before a message is sent. The package reads
no file of the published specifications.
"""

from gpconnect_messaging.conformance.tree import UnreadableMessageError
from gpconnect_messaging.conformance.validation import Finding, Verdict, broken_requirements, validate_message

__all__ = ["Finding", "UnreadableMessageError", "Verdict", "broken_requirements", "validate_message"]

"""Conformance: one small check per requirement id, usable on any Send Document message or response, ours or not.

    tree → message under test → checks → findings

`validate_message` answers every check; `broken_musts` is what the builder asks before anything leaves. The package needs no
file of the published specifications.
"""

from gpconnect_messaging.conformance.tree import UnreadableMessageError
from gpconnect_messaging.conformance.validation import Finding, Verdict, broken_musts, validate_message

__all__ = ["Finding", "UnreadableMessageError", "Verdict", "broken_musts", "validate_message"]

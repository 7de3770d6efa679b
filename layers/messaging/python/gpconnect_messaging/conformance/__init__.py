"""Conformance: one small check per requirement id, usable on any Send Document message or response, ours or not.

    tree → transmission → checks → findings

`examine` answers every check; `broken_musts` is what the builder asks before anything leaves. The package needs no
file of the published specifications.
"""

from gpconnect_messaging.conformance.examination import Finding, Verdict, broken_musts, examine
from gpconnect_messaging.conformance.tree import UnreadableMessageError

__all__ = ["Finding", "UnreadableMessageError", "Verdict", "broken_musts", "examine"]

"""The gate: opens each document before it is sent, in a process of its own, and says what is wrong with it."""

from gpconnect_messaging.documents.gate.gate import REFUSING, DocumentGate, Verdict
from gpconnect_messaging.documents.gate.opener import GateUnavailableError

__all__ = ["REFUSING", "DocumentGate", "GateUnavailableError", "Verdict"]

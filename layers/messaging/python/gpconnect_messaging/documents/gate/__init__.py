"""The gate: opens every document in a separate process before it is sent, and reports why one is refused."""

from gpconnect_messaging.documents.gate.gate import REFUSING, DocumentGate, Verdict
from gpconnect_messaging.documents.gate.opener import GateUnavailableError

__all__ = ["REFUSING", "DocumentGate", "GateUnavailableError", "Verdict"]

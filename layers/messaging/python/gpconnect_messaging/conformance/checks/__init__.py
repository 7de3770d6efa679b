"""All checks, one per requirement id that a message, a response or an envelope can show."""

from gpconnect_messaging.conformance.checks.check import Check
from gpconnect_messaging.conformance.checks.envelope import ENVELOPE_CHECKS
from gpconnect_messaging.conformance.checks.form import FORM_CHECKS
from gpconnect_messaging.conformance.checks.header import HEADER_CHECKS
from gpconnect_messaging.conformance.checks.itk3 import ITK3_CHECKS
from gpconnect_messaging.conformance.checks.payload import PAYLOAD_CHECKS
from gpconnect_messaging.conformance.checks.responses import RESPONSE_CHECKS
from gpconnect_messaging.conformance.checks.structured import STRUCTURED_CHECKS

CHECKS: tuple[Check, ...] = (
    *FORM_CHECKS,
    *ITK3_CHECKS,
    *HEADER_CHECKS,
    *PAYLOAD_CHECKS,
    *STRUCTURED_CHECKS,
    *ENVELOPE_CHECKS,
    *RESPONSE_CHECKS,
)

__all__ = ["CHECKS", "Check"]

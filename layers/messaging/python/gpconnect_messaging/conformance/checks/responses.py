"""Checks of an ITK3 Response, the acknowledgement of a Send Document message.

Source: GPCM-SD-042, GPCM-SD-CS-054 … 059, GPCM-SD-OC-153 … 158, GPCM-SD-GE-280 … 285 (1.5).
"""

from gpconnect_messaging.conformance.check_result import CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, Scope, checks
from gpconnect_messaging.conformance.checks.header import SENDER, TIMESTAMP, event, handled
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.specification import Version

MUST = Level.MUST
_WORKFLOWS = {Version.V1_5: "GPFED_CONSULT_REPORT_ACK", Version.V2_0: "GPCONNECT_SEND_DOCUMENT_ACK"}


def _false(key: str) -> Rule:
    return handled(key, lambda value: value.value == "false", "must be false: a response is not acknowledged")


def _explained(message: MessageUnderTest) -> CheckResult:
    outcomes = [resource for resource in message.entries if resource.name == "OperationOutcome"]
    issues = [issue for outcome in outcomes for issue in outcome.all("issue")]
    bad = [issue for issue in issues if issue.text("severity") in ("error", "fatal")]
    return check_result(
        bad, [Violation(issue, "diagnostics must explain the error") for issue in bad if not issue.text("diagnostics")]
    )


def _workflow(message: MessageUnderTest) -> CheckResult:
    if message.headers is None:
        return check_result([], [])
    expected = _WORKFLOWS[message.specification]
    anchor = message.anchor
    wrong = message.headers.workflow_id != expected
    return check_result([anchor], [Violation(anchor, f"Mex-WorkflowID must be {expected}")] if wrong else [])


def _rows(ids: str, looks_at: str, rule: Rule, title: str) -> tuple[Check, ...]:
    return tuple(checks(ids, MUST, looks_at, rule, title, Scope.RESPONSE))


RESPONSE_CHECKS: tuple[Check, ...] = (
    *_rows("SD-042", "OperationOutcome.issue.diagnostics", _explained, "A response explains the error that it reports"),
    *_rows("CS-054 OC-153 GE-280", "BusAckRequested", _false("BusAckRequested"),
           "A response asks for no business acknowledgement"),
    *_rows("CS-055 OC-154 GE-281", "InfAckRequested", _false("InfAckRequested"),
           "A response asks for no infrastructure acknowledgement"),
    *_rows("CS-056 OC-155 GE-282", "SenderReference",
           handled("SenderReference", lambda value: bool(value.value), "must repeat the original message's"),
           "A response repeats the sender reference"),
    *_rows("CS-057 OC-156 GE-283", "MessageHeader.sender", SENDER, "A response's sender is the header's Organization"),
    *_rows("CS-058 OC-157 GE-284", "MessageHeader.event", event("ITK008M"), "A response's event is ITK008M"),
    *_rows("CS-059 OC-158 GE-285", "MessageHeader.timestamp", TIMESTAMP, "A response says when it was made"),
    *_rows("CS-062 OC-161 GE-288", "Mex-WorkflowID", _workflow, "A response has the workflow id of responses"),
)  # fmt: skip

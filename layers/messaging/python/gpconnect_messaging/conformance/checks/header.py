"""Checks of the ITK3 message header.

Source: GPCM-SD-CS-043 … 053, GPCM-SD-OC-141 … 152, GPCM-SD-GE-268 … 279 (1.5); GPCM-SD-040 … 049, 103 (2.0.2).
"""

from collections.abc import Callable

from gpconnect_messaging.conformance.check_result import CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.message_under_test import ODS_CODE, MessageUnderTest, identified
from gpconnect_messaging.conformance.rules import Rule, for_all, has, header, lacks
from gpconnect_messaging.conformance.tree import Node

MUST, SHOULD = Level.MUST, Level.SHOULD
_MESSAGE_DEFINITION = "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-1"
_WITHDRAWN_DEFINITION = (
    "https://fhir.nhs.uk/STU3/MessageDefinition/ITK-GPConnectSendDocument-MessageDefinition-Instance-1"
)
_RECIPIENT_TYPE = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-RecipientType-1"
_EVENT = "https://fhir.nhs.uk/STU3/CodeSystem/ITK-MessageEvent-2"


def handled(key: str, right: Callable[[Node], bool], words: str) -> Rule:
    """Check the value element of a key of the handling extension."""

    def violation(subject: Node, message: MessageUnderTest) -> Violation | None:
        value = message.handled(key)
        if value is None:
            return Violation(message.handling.get(key, subject), f"{key} is missing; it {words}")
        return None if right(value) else Violation(value, f"{key} {words}")

    return for_all(header, violation)


def recipient_type(*codes: str) -> Rule:
    """Check RecipientType, a Coding."""
    return handled(
        "RecipientType",
        lambda value: value.text("system") == _RECIPIENT_TYPE and value.text("code") in codes,
        f"must be {' or '.join(codes)} of {_RECIPIENT_TYPE}",
    )


def event(code: str) -> Rule:
    """Check the header's event, a Coding."""

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        found = subject.first("event")
        if found is not None and found.text("system") == _EVENT and found.text("code") == code:
            return None
        return Violation(found or subject, f"event must be {code} of {_EVENT}")

    return for_all(header, violation)


def _sender(subject: Node, message: MessageUnderTest) -> Violation | None:
    sender = subject.first("sender")
    if sender is None:
        return Violation(subject, "sender is missing")
    organisation = message.resolve(sender.text("reference"), message.outer_urls)
    if organisation is None or organisation.name != "Organization":
        return Violation(sender, "sender must refer to the header's Organization inside the message")
    if not identified(organisation, ODS_CODE):
        return Violation(organisation, "the header's Organization must have an ODS code")
    return None


def _source(subject: Node, message: MessageUnderTest) -> Violation | None:
    endpoint = next(iter(subject.at("source", "endpoint")), None)
    if endpoint is None or not endpoint.value:
        return Violation(endpoint or subject, "source.endpoint must be the sender's mailbox")
    if message.headers and message.headers.sender and endpoint.value != message.headers.sender:
        return Violation(endpoint, "source.endpoint is not the mailbox that the envelope names as the sender's")
    return None


def _focus(message: MessageUnderTest) -> CheckResult:
    if message.header is None:
        return check_result([], [Violation(message.root, "there is no MessageHeader")])
    found = message.header.first("focus")
    if found is None:
        return check_result([message.header], [Violation(message.header, "focus is missing")])
    payload = message.resolve(found.text("reference"), message.outer_urls)
    if payload is None or payload.name != "Bundle" or payload.text("type") != "document":
        return check_result([found], [Violation(found, "focus must refer to a document Bundle inside the message")])
    return check_result([found], [])


def _itk3(message: MessageUnderTest) -> CheckResult:
    root = message.root
    if root.name != "Bundle" or root.text("type") != "message":
        return check_result([], [Violation(root, "the message must be a Bundle of type message")])
    if not message.entries or message.entries[0].name != "MessageHeader":
        return check_result([root], [Violation(root, "the first entry must be the MessageHeader")])
    if not message.handling and not message.is_response:
        return check_result([root], [Violation(message.entries[0], "the ITK3 handling extension is missing")])
    return check_result([root], [])


def _requested(key: str) -> Rule:
    return handled(key, lambda value: value.value == "true", "must be true")


_SENDER_REFERENCE = handled(
    "SenderReference", lambda value: bool(value.value), "must be the sender's own reference of the encounter"
)
_MESSAGE_DEFINITION_NAMED = handled(
    "MessageDefinition", lambda value: value.text("reference") == _MESSAGE_DEFINITION, f"must be {_MESSAGE_DEFINITION}"
)
_MESSAGE_DEFINITION_2_0 = handled(
    "MessageDefinition",
    lambda value: value.text("reference") in (_MESSAGE_DEFINITION, _WITHDRAWN_DEFINITION),
    f"must be {_MESSAGE_DEFINITION}",
)
SENDER = for_all(header, _sender)
TIMESTAMP = has(header, "timestamp")


def _local_extension(text: str) -> Rule:
    return handled("LocalExtension", lambda value: value.value == text, f"must be {text}")


HEADER_CHECKS: tuple[Check, ...] = (
    *checks("C-02 2.0/C-2", MUST, "Bundle, MessageHeader", _itk3, "The message is an ITK3 message"),
    *checks("SD-001 2.0/103", MUST, "MessageHeader.focus", _focus, "The focus is the document Bundle"),
    *checks("CS-043", MUST, "RecipientType", recipient_type("FA"), "The report is sent for action"),
    *checks("OC-141 GE-268", MUST, "RecipientType", recipient_type("FA", "FI"),
            "The care provider that is to act is sent the message for action"),
    *checks("OC-142 GE-269", MUST, "RecipientType", recipient_type("FA", "FI"),
            "The registered practice's copy is sent for information"),
    *checks("CS-044 OC-143 GE-270 2.0/040", MUST, "BusAckRequested", _requested("BusAckRequested"),
            "A business acknowledgement is asked for"),
    *checks("CS-045 OC-144 GE-271 2.0/041", MUST, "InfAckRequested", _requested("InfAckRequested"),
            "An infrastructure acknowledgement is asked for"),
    *checks("CS-046 OC-145 GE-272 2.0/042", MUST, "SenderReference", _SENDER_REFERENCE,
            "The sender reference identifies the sender's encounter"),
    *checks("CS-047 OC-146 GE-273", MUST, "MessageDefinition", _MESSAGE_DEFINITION_NAMED,
            "The message definition is that of Send Document"),
    *checks("2.0/043", MUST, "MessageDefinition", _MESSAGE_DEFINITION_2_0,
            "The message definition is that of Send Document"),
    *checks("CS-048", MUST, "LocalExtension", _local_extension("SendDocument-ConsultationReport"),
            "The local extension names the consultation report"),
    *checks("OC-147", MUST, "LocalExtension", _local_extension("SendDocument-OnlineConsultationReport"),
            "The local extension names the online consultation report"),
    *checks("GE-274", MUST, "LocalExtension", _local_extension("SendDocument-Generic"),
            "The local extension names the generic document"),
    *checks("2.0/044", MUST, "LocalExtension",
            # The table prints NONE, the published example None.
            handled("LocalExtension", lambda value: (value.value or "").upper() == "NONE", "must be None"),
            "The local extension is the word None"),
    *checks("CS-049 OC-148 GE-275 2.0/045", MUST, "MessageHeader.sender", SENDER,
            "The sender is the header's Organization"),
    *checks("CS-050 OC-149 GE-276 2.0/046", MUST, "MessageHeader.source", for_all(header, _source),
            "The source is the sender's MESH mailbox"),
    *checks("CS-051 OC-150 GE-277 2.0/047", MUST, "MessageHeader.event", event("ITK007C"),
            "The event is ITK007C"),
    *checks("CS-052 OC-151 GE-278 2.0/048", MUST, "MessageHeader.timestamp", TIMESTAMP,
            "The header says when the message was made"),
    *checks("CS-053 OC-152 GE-279", MUST, "MessageHeader", lacks(header, "destination", "receiver"),
            "The header names neither destination nor receiver"),
    *checks("2.0/049", SHOULD, "MessageHeader.receiver", lacks(header, "receiver"), "The header names no receiver"),
)  # fmt: skip

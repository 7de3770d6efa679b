"""Checks of a message's MESH headers, for the MESH API and for the MESH client's control file.

Source: GPCM-SD-CS-042, 061 … 068, 079, 080, GPCM-SD-OC-020, 160 … 167, 174, 175, GPCM-SD-GE-020, 287 … 296 (1.5);
GPCM-SD-038, 057 … 064, 091, 098 (2.0.2).
"""

import re
from collections.abc import Callable

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation, check_result
from gpconnect_messaging.conformance.checks.check import Check, Level, Scope, checks
from gpconnect_messaging.conformance.checks.payload import GENERIC, ONLINE, report, stated_version, wording_fault
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.tree import Node
from gpconnect_messaging.names import fold
from gpconnect_messaging.routing.header_text import header_text

MUST = Level.MUST
_AUTOMATIC = re.compile(r"GPPROVIDER_([^_]*)_([^_]*)_(.*)")
_MAILBOX = re.compile(r"[A-Za-z0-9]{4,40}")
_VERSION_AT_END = re.compile(r", Version: ([0-9]+)$")
_SUBJECT_LIMIT = 500
_ADDRESS_LIMIT = 100
_2_0 = "{own_title} for {patient}, NHS Number: {nhs_number}, seen at {organisation}, {ods_code}, Version: {version}"
_CLIENT_NAMES = {"Mex-From": "From_DTS", "Mex-To": "To_DTS", "Mex-Subject": "Subject", "Mex-LocalID": "LocalId",
                 "Mex-WorkflowID": "WorkflowId"}  # fmt: skip


_Fault = Callable[[Headers, MessageUnderTest], str | None]


def _header_rule(name: str, fault: _Fault) -> Rule:
    """Check one header; without an envelope the rule does not apply. `fault` returns the violation's text, or None."""

    def rule(message: MessageUnderTest) -> CheckResult:
        headers = message.headers
        if headers is None:
            return NOT_APPLICABLE
        node = Node(_CLIENT_NAMES[name] if headers.by_client else name, 0, None)
        words = fault(headers, message)
        return check_result([node], [Violation(node, f"{node.name} {words}")] if words else [])

    return rule


def _workflow(expected: str) -> Rule:
    return _header_rule(
        "Mex-WorkflowID", lambda headers, _: None if headers.workflow_id == expected else f"must be {expected}"
    )


def _from(headers: Headers, message: MessageUnderTest) -> str | None:
    if not _MAILBOX.fullmatch(headers.sender):
        return "must be the sender's mailbox id"
    endpoint = message.header.at("source", "endpoint") if message.header else []
    if endpoint and endpoint[0].value != headers.sender:
        return "is not the mailbox that the message names as the source"
    return None


def _local_id(headers: Headers, message: MessageUnderTest) -> str | None:
    right = bool(headers.local_id) and headers.local_id == message.ods_code
    return None if right else "must be the sending organisation's ODS code"


def _differences(to: str, message: MessageUnderTest) -> list[str]:
    """List the differences between an automatic-routing address and the patient resource."""
    match, patient = _AUTOMATIC.fullmatch(to), message.patient
    if not match or patient is None:
        return ["the patient"]
    number, born, surname = match.groups()
    year, month, day = [*patient.text("birthDate").split("-"), "", ""][:3]
    differences = [] if number == message.nhs_number else ["the NHS number"]
    # MESH's order of the date is a setting, because the sources contradict one another.
    if born not in (f"{year}{month}{day}", f"{day}{month}{year}"):
        differences.append("the birth date")
    family = fold(patient.text("name", "family"))
    if "?" in surname or fold(surname).casefold() != family[: _ADDRESS_LIMIT - len(to) + len(surname)].casefold():
        differences.append("the surname")
    return differences


def _automatic(headers: Headers, _message: MessageUnderTest) -> str | None:
    match = _AUTOMATIC.fullmatch(headers.to)
    if match and re.fullmatch("[0-9]{10}", match[1]) and re.fullmatch("[0-9]{8}", match[2]) and match[3].strip():
        return None
    return "must be GPPROVIDER, NHS number, birth date and surname, with _ between them"


def _unless_mailbox(fault: _Fault) -> _Fault:
    # GPCM-SD-OC-163 and GPCM-SD-GE-290 want a mailbox; GPCM-SD-OC-166 and GPCM-SD-GE-294 automatic routing.
    def otherwise(headers: Headers, message: MessageUnderTest) -> str | None:
        is_mailbox = headers.to == headers.organisation or _MAILBOX.fullmatch(headers.to)
        return None if is_mailbox else fault(headers, message)

    return otherwise


def _unless_elsewhere(fault: _Fault) -> _Fault:
    # Automatic routing knows only practices: another organisation, named in the envelope, has a mailbox (ADR 49).
    return lambda headers, message: None if headers.organisation else fault(headers, message)


def _agrees(headers: Headers, message: MessageUnderTest) -> str | None:
    differences = _differences(headers.to, message)
    return f"and the message do not agree on {' and '.join(differences)}" if differences else None


def _addressed(headers: Headers, message: MessageUnderTest) -> str | None:
    return _automatic(headers, message) or _agrees(headers, message)


def _subject(form: Callable[[MessageUnderTest], str], end: str = "") -> Rule:
    def fault(headers: Headers, message: MessageUnderTest) -> str | None:
        if _cut(headers):  # the end cannot be required
            start, *_ = form(message).split("{")
            return None if headers.subject.startswith(start) else f"must begin with {start}"
        return wording_fault(headers.subject, form(message) + end, message, _folded)

    return _header_rule("Mex-Subject", fault)


def _cut(headers: Headers) -> bool:
    return len(headers.subject) > _SUBJECT_LIMIT - 4  # blanks at a cut are stripped


def _folded(name: str) -> str:
    return header_text(name, _SUBJECT_LIMIT)


def _version_shown(headers: Headers, _message: MessageUnderTest) -> str | None:
    if _VERSION_AT_END.search(headers.subject) or _cut(headers):
        return None
    return "must end with the version number"


def _counted(_headers: Headers, message: MessageUnderTest) -> str | None:
    version = stated_version(message)
    if version is None:
        return "must give the version number"
    if version < 1:
        return "must give a version number from 1"
    related = message.composition is not None and message.composition.first("relatesTo") is not None
    if related != (version > 1):
        return "and the message do not agree on whether this is the first version"
    return None


FROM = _header_rule("Mex-From", _from)
AUTOMATIC = _header_rule("Mex-To", _automatic)
LOCAL_ID = _header_rule("Mex-LocalID", _local_id)
SUBJECT_2_0 = _subject(lambda _: _2_0)
_AGREES = _header_rule("Mex-To", _agrees)
_ADDRESSED = _header_rule("Mex-To", _addressed)
_REPORT_SUBJECT = _subject(report)
_ONLINE_SUBJECT = _subject(lambda _: ONLINE, ", ODS Code {ods_code}")
_GENERIC_SUBJECT = _subject(lambda _: GENERIC, ", ODS Code {ods_code}")
_V1_5, _V2_0 = _workflow("GPFED_CONSULT_REPORT"), _workflow("GPCONNECT_SEND_DOCUMENT")


def _rows(ids: str, header: str, rule: Rule, title: str, scope: Scope = Scope.ENVELOPE) -> tuple[Check, ...]:
    return tuple(checks(ids, MUST, header, rule, title, scope))


_CLIENT = Scope.CONTROL_FILE
ENVELOPE_CHECKS: tuple[Check, ...] = (
    *_rows("CS-042", "Mex-To, Patient", _AGREES, "Address and patient are the same person"),
    *_rows("OC/GE-020", "Mex-To, Patient", _header_rule("Mex-To", _unless_mailbox(_agrees)),
           "Address and patient are the same person"),
    *_rows("2.0/038", "Mex-To, Patient", _header_rule("Mex-To", _unless_elsewhere(_agrees)),
           "Address and patient are the same person"),
    *_rows("CS-060", "Mex-To", AUTOMATIC, "MESH finds the registered practice by automatic routing"),
    *_rows("2.0/056", "Mex-To", _header_rule("Mex-To", _unless_elsewhere(_automatic)),
           "MESH finds the registered practice by automatic routing"),
    *_rows("CS-061 OC-160 GE-287", "Mex-WorkflowID", _V1_5, "The workflow id is Send Document's"),
    *_rows("2.0/057", "Mex-WorkflowID", _V2_0, "The workflow id is Send Document's"),
    *_rows("CS-066 OC-162 GE-289", "Mex-From", FROM, "The sender's mailbox is named (API)"),
    *_rows("CS-067", "Mex-To", _ADDRESSED, "The address is the patient's number, birth date and surname (API)"),
    *_rows("OC-163 GE-290", "Mex-To", _header_rule("Mex-To", _unless_mailbox(_addressed)),
           "The receiver's mailbox or patient is named (API)"),
    *_rows("2.0/063", "Mex-To", _header_rule("Mex-To", _unless_elsewhere(_addressed)),
           "The address is the patient's number, birth date and surname (API)"),
    *_rows("CS-068", "Mex-Subject", _REPORT_SUBJECT, "The subject has the prescribed words (API)"),
    *_rows("OC-164", "Mex-Subject", _ONLINE_SUBJECT, "The subject has the prescribed words (API)"),
    *_rows("GE-291", "Mex-Subject", _GENERIC_SUBJECT, "The subject has the prescribed words (API)"),
    *_rows("2.0/064", "Mex-Subject", SUBJECT_2_0, "The subject has the prescribed words (API)"),
    *_rows("CS-080 OC-175 GE-292", "Mex-LocalID", LOCAL_ID, "The local id is the sender's ODS code (API)"),
    *_rows("2.0/091", "Mex-Subject", _header_rule("Mex-Subject", _version_shown), "The subject shows the version"),
    *_rows("2.0/098", "Mex-Subject, Composition", _header_rule("Mex-Subject", _counted),
           "The version counts from 1; a later one replaces the one before it"),
    *_rows("CS-063 OC-165 GE-293 2.0/059", "From_DTS", FROM, "The sender's mailbox is named (client)", _CLIENT),
    *_rows("CS-064 OC-166 GE-294 2.0/060", "To_DTS", _ADDRESSED,
           "The address is the patient's number, birth date and surname (client)", _CLIENT),
    *_rows("CS-065", "Subject", _REPORT_SUBJECT, "The subject has the prescribed words (client)", _CLIENT),
    *_rows("OC-167", "Subject", _ONLINE_SUBJECT, "The subject has the prescribed words (client)", _CLIENT),
    *_rows("GE-295", "Subject", _GENERIC_SUBJECT, "The subject has the prescribed words (client)", _CLIENT),
    *_rows("2.0/061 2.0/062", "Subject", SUBJECT_2_0, "The subject has the prescribed words (client)", _CLIENT),
    *_rows("CS-079 OC-174 GE-296", "LocalId", LOCAL_ID, "The local id is the sender's ODS code (client)", _CLIENT),
)  # fmt: skip

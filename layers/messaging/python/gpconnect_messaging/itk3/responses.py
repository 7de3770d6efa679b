"""Reads ITK3 Responses, the acknowledgements that a practice sends back, in any shape.

XML or JSON, gzip'd or not, and old forms as well: the event ITK002M, the code system ITK-Acknowledgement-1, no handling
extension, a Practitioner as sender, references with and without `urn:uuid:`, no diagnostics, several issues. Bytes
that are no Response raise `UnreadableResponse`, and the caller keeps them.

The codes decide a response's verdict (`response_codes`), never by severity, display or `MessageHeader.response.code`:
- one issue or several, the response is negative if any code is negative: nothing follows a negative code, so
  overlooking one would wait for ever;
- else unknown if any code is unknown, or there is no code: a person decides;
- else positive.
`outcomes` gives the verdict per level, because one response may carry both acknowledgements.

Source: GPCM-SD-CS-056 to -059 and their 2.0 counterparts; profiles ITK-MessageHeader-2 and
ITK-Response-OperationOutcome-1.
"""

import contextlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gpconnect_messaging.itk3.response_codes import RESPONSE_CODES, Level, ResponseCode, Verdict, level_of
from gpconnect_messaging.itk3.response_tree import EMPTY, LARGEST_RESPONSE, Node, UnreadableResponse, response_tree
from gpconnect_messaging.itk3.stu3 import plan_of

__all__ = ["LARGEST_RESPONSE", "Issue", "Outcome", "Response", "UnreadableResponse", "read_response"]

UNREADABLE_IDENTIFIER = "UNREADABLE-IN-ORIGINAL-MESSAGE"

# Texts are cut to fit a ledger row; the evidence has them whole. Characters.
_LONGEST_TEXT = 2_000
_LONGEST_REFERENCE = 255
_HANDLING = "/extension-itk-messagehandling-"
_CODE_SYSTEMS = ("itk-responsecodes-", "itk-acknowledgement-")
# Ids and codes end up in logs and keys. A response code is up to five digits, and an event's code ITK and digits with a
# letter: anything else could be a name or an NHS number.
_FHIR_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_CODE = re.compile(r"[0-9]{1,5}|ITK[0-9]{1,5}[A-Z]?", re.ASCII)
_CODED = re.compile(r"\s*[1-3][0-9]{4}\s*", re.ASCII)
_NOT_IN_THE_TABLE = frozenset({"id", "resourceType", "fhir_comments"})


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One code of a response. The texts are the sender's and may name a patient: they stay out of the repr.

    `code` is None if the issue has none, or one that cannot be a code. `known` is the code's row in the table, None
    if the table does not have it or it comes from another code system.
    """

    code: str | None
    system: str | None = field(default=None, repr=False)
    severity: str | None = field(default=None, repr=False)
    display: str | None = field(default=None, repr=False)
    diagnostics: str | None = field(default=None, repr=False)
    known: ResponseCode | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the code on the message."""
        return self.known.verdict if self.known else Verdict.UNKNOWN

    @property
    def level(self) -> Level:
        """Which acknowledgement the code belongs to."""
        return level_of(self.code) if self.code else Level.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The verdict of one response on one level, and the code that decides it; None without a usable code."""

    level: Level
    verdict: Verdict
    code: str | None


@dataclass(frozen=True, kw_only=True)
class Response:
    """An ITK3 Response.

    `identifier` is the original message's id (a UUID in small letters), None without a usable one;
    `original_unreadable` says that the receiver could not read the original. `message_id` is the response's own
    MessageHeader.id. `sender_reference` is the original's SenderReference where the response repeats it.
    """

    identifier: str | None
    original_unreadable: bool = False
    message_id: str | None = None
    bundle_id: str | None = None
    event_code: str | None = None
    timestamp: datetime | None = None
    sender_ods_code: str | None = None
    sender_sds_user_id: str | None = field(default=None, repr=False)
    source_endpoint: str | None = field(default=None, repr=False)
    sender_reference: str | None = field(default=None, repr=False)
    issues: tuple[Issue, ...] = ()

    @property
    def deciding(self) -> Issue | None:
        """The issue that decides: the first negative one, else the first unknown, else the last positive."""
        return _deciding(self.issues)

    @property
    def verdict(self) -> Verdict:
        """The verdict of the response on the message, over all issues."""
        return self.deciding.verdict if self.deciding else Verdict.UNKNOWN

    @property
    def code(self) -> str | None:
        """The code that decides."""
        return self.deciding.code if self.deciding else None

    @property
    def level(self) -> Level:
        """The level of the code that decides."""
        return self.deciding.level if self.deciding else Level.UNKNOWN

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """The verdicts on the levels that the response covers, in the order of `Level`; empty without issues."""
        outcomes = []
        for level in Level:
            deciding = _deciding(tuple(issue for issue in self.issues if issue.level is level))
            if deciding:
                outcomes.append(Outcome(level=level, verdict=deciding.verdict, code=deciding.code))
        return tuple(outcomes)


def read_response(body: bytes) -> Response:
    """Read a Response from XML or JSON in any usual encoding, gzip'd or not. Raises UnreadableResponse."""
    bundle = response_tree(body)
    if bundle.name != "Bundle":
        raise UnreadableResponse("it is not a Bundle")
    resources = [
        _Entry(entry.value("fullUrl"), resource)
        for entry in bundle.all("entry")
        for holder in entry.all("resource")
        for resource in holder.children
    ]
    headers = [entry.resource for entry in resources if entry.resource.name == "MessageHeader"]
    if not headers:
        raise UnreadableResponse("it has no MessageHeader")
    answering = [header for header in headers if header.first("response")]
    if not answering:
        raise UnreadableResponse("its MessageHeader answers nothing")
    header = answering[0]
    answered = header.first("response") or EMPTY
    identifiers = {
        (identifier.text or "").strip()
        for answer in answering
        for response in answer.all("response")
        for identifier in response.all("identifier")
    }
    identifier = identifiers.pop() if len(identifiers) == 1 else ""  # with two, neither is certain
    sender = _sender(header, resources)
    return Response(
        identifier=_uuid(identifier),
        original_unreadable=identifier.strip().upper() == UNREADABLE_IDENTIFIER,
        message_id=_id(header.value("id")),
        bundle_id=_id(bundle.value("id")),
        event_code=_code((header.first("event") or header.first("eventCoding") or EMPTY).value("code")),
        timestamp=_timestamp(header.value("timestamp")),
        sender_ods_code=_id(_identifier(sender, "ods-organization-code")),
        sender_sds_user_id=_id(_identifier(sender, "sds-user-id")),
        source_endpoint=_cut((header.first("source") or EMPTY).value("endpoint")),
        sender_reference=_sender_reference(header),
        issues=tuple(_issues(answered, header, resources, bundle)),
    )


@dataclass(frozen=True)
class _Entry:
    full_url: str | None
    resource: Node


# --- parts of the tree ------------------------------------------------------------------------------------------------


def _sender(header: Node, resources: list[_Entry]) -> Node:
    """Find the Organization or Practitioner that the header names as sender; else the only one."""
    named = header.first("sender") or EMPTY
    if logical := named.first("identifier"):
        return Node("sender", None, (logical,))
    referred = _referred(named.value("reference"), header, resources)
    if referred:
        return referred[0]
    candidates = [entry.resource for entry in resources if entry.resource.name in ("Organization", "Practitioner")]
    return candidates[0] if len(candidates) == 1 else EMPTY


def _issues(answered: Node, header: Node, resources: list[_Entry], bundle: Node) -> Iterator[Issue]:
    details = (answered.first("details") or EMPTY).value("reference")
    # The outcome that the header names comes first; all others in the tree count too.
    outcomes = [*_referred(details, header, resources), *bundle.within("OperationOutcome")]
    for outcome in dict.fromkeys(outcomes):
        if outcome.name != "OperationOutcome":
            continue
        for issue in outcome.all("issue"):
            codings = [coding for details in issue.all("details") for coding in details.all("coding")]
            marked = [(coding, _is_response_code(coding)) for coding in codings]
            # An issue without a response code counts as unknown: ignoring it could make the verdict positive. So do a
            # damaged response code and a damaged issue.
            counted = [mark for mark in marked if mark[1] or _CODED.fullmatch(mark[0].value("code") or "")]
            for coding, is_known_system in counted or marked[:1] or [(EMPTY, False)]:
                code = _code(coding.value("code"))
                yield Issue(
                    code=code,
                    system=_cut(coding.value("system")),
                    severity=_cut(issue.value("severity")),
                    display=_cut(coding.value("display")),
                    diagnostics=_cut(issue.value("diagnostics")),
                    known=RESPONSE_CODES.get(code or "") if is_known_system else None,
                )
        if _is_malformed(outcome, "OperationOutcome"):
            yield Issue(code=None)


def _is_malformed(node: Node, kind: str) -> bool:
    """Whether an element on the way to a code is unknown to STU3, repeats though it may come once, or can negate it."""
    plan = plan_of(kind)
    seen = set[str]()
    for child in node.children if plan else ():
        slot = plan.slots.get(child.name.removeprefix("_")) if plan else None
        if child.name == "modifierExtension" or (slot is None and child.name not in _NOT_IN_THE_TABLE):
            return True
        if slot and slot.single and child.name in seen:
            return True
        seen.add(child.name)
        if slot and child.name in ("issue", "details", "coding") and _is_malformed(child, slot.kind):
            return True
    return False


def _is_response_code(coding: Node) -> bool:
    """Whether a coding is from ITK's response codes, of any version; so is a code without a system."""
    system = (coding.value("system") or "").strip().lower()
    if not system:
        return coding.value("code") is not None
    return system.rpartition("/")[2].startswith(_CODE_SYSTEMS)


def _referred(reference: str | None, header: Node, resources: list[_Entry]) -> list[Node]:
    key = _reference_key(reference)
    if not key:
        return []
    contained = [resource for holder in header.all("contained") for resource in holder.children]
    if reference and reference.strip().startswith("#"):
        return [resource for resource in contained if _reference_key(resource.value("id")) == key]
    return [
        entry.resource
        for entry in resources
        if key in (_reference_key(entry.full_url), _reference_key(entry.resource.value("id")))
    ]


def _reference_key(reference: str | None) -> str:
    """Return the common X of `urn:uuid:X`, `Organization/X`, `https://…/Organization/X`, `#X`, `X`."""
    key = (reference or "").strip().lower()
    return key[max(key.rfind(sign) for sign in "/:#") + 1 :]


def _identifier(resource: Node, system: str) -> str | None:
    for identifier in resource.all("identifier"):
        if (identifier.value("system") or "").strip().lower().endswith(f"/{system}"):
            return identifier.value("value")
    return None


def _sender_reference(header: Node) -> str | None:
    for handling in header.all("extension"):
        if _HANDLING in (handling.value("url") or "").lower():
            for part in handling.all("extension"):
                if part.value("url") == "SenderReference":
                    reference = (part.value("valueString") or "").strip()
                    # A longer one is not from this product: cut, it could match another reference.
                    return reference if 0 < len(reference) <= _LONGEST_REFERENCE else None
    return None


def _cut(text: str | None) -> str | None:
    return text[:_LONGEST_TEXT] if text else None


def _deciding(issues: tuple[Issue, ...]) -> Issue | None:
    for verdict in (Verdict.NEGATIVE, Verdict.UNKNOWN):
        for issue in issues:
            if issue.verdict is verdict:
                return issue
    return issues[-1] if issues else None


def _uuid(text: str) -> str | None:
    """Read a UUID from `X`, `urn:uuid:X` in any case, or the end of a reference."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(_reference_key(text)))
    return None


def _id(text: str | None) -> str | None:
    text = (text or "").strip()
    return text if _FHIR_ID.fullmatch(text) else None


def _code(text: str | None) -> str | None:
    text = (text or "").strip()
    return text if _CODE.fullmatch(text) else None


def _timestamp(text: str | None) -> datetime | None:
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat((text or "").strip())
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    return None

"""Hold a message against the checks that apply to it, and say what was found."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.checks import CHECKS, Check
from gpconnect_messaging.conformance.checks.check import Level, Scope
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest, UseCase
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.tree import Tree, UnreadableMessageError, read
from gpconnect_messaging.itk3.compose import ComposedMessage
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.specification import Version


class Verdict(StrEnum):
    """What a check found."""

    HOLDS = "holds"
    BROKEN = "broken"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found at one place. Holds no personal data: its words never repeat the message's.

    `line` counts from 1, 0 where there is none; `path` is "" where the check does not apply.
    """

    id: str
    specification: str
    """The version that the id belongs to, "" for ITK3's and FHIR's own rules."""
    level: Level
    verdict: Verdict
    looks_at: str
    path: str
    line: int
    message: str

    @property
    def is_broken_must(self) -> bool:
        """Whether this finding alone makes the message non-conformant."""
        return self.verdict is Verdict.BROKEN and self.level is Level.MUST

    def as_dict(self) -> dict[str, object]:
        """The finding as JSON has it."""
        return asdict(self)


def validate_message(transmission: MessageUnderTest) -> list[Finding]:
    """Answer every check that could concern this message or response, broken ones place by place."""
    findings: list[Finding] = []
    for check, judgement in _judge(transmission, _selected(*_selection(transmission))):
        if judgement.faults:
            findings += [_broken(check, fault) for fault in judgement.faults]
        else:
            findings.append(_unbroken(check, judgement))
    return findings


def broken_musts(composed: ComposedMessage, envelope: Envelope, specification: Version) -> list[Finding]:
    """Hold a message of our own, not yet sent, against every MUST.

    The documents stay out, a stand-in in their place: the time that this takes does not depend on the documents' sizes.
    """
    sizes = iter(composed.document_sizes)
    text = b"".join(
        piece if isinstance(piece, bytes) else (b"AAAA" if next(sizes, 0) else b"") for piece in composed.pieces
    )
    transmission = MessageUnderTest(read(text), Headers.of(envelope), specification=specification)
    checks = tuple(check for check in _selected(*_selection(transmission)) if check.level is Level.MUST)
    return [_broken(check, fault) for check, judgement in _judge(transmission, checks) for fault in judgement.faults]


def validate_bytes(
    body: bytes,
    headers: Headers | None = None,
    specification: Version | None = None,
    use_case: UseCase | None = None,
) -> tuple[MessageUnderTest, list[Finding]]:
    """Read a message or response and examine it. Raises UnreadableMessageError."""
    tree: Tree = read(body)
    if tree.root.name != "Bundle":
        raise UnreadableMessageError("it is no FHIR Bundle, which every ITK3 message and response is")
    transmission = MessageUnderTest(tree, headers, specification=specification, use_case=use_case)
    return transmission, validate_message(transmission)


def _selection(transmission: MessageUnderTest) -> tuple[Version, UseCase, bool, bool | None]:
    by_client = transmission.headers.by_client if transmission.headers else None
    return transmission.specification, transmission.use_case, transmission.is_response, by_client


@cache
def _selected(
    specification: Version, use_case: UseCase, is_response: bool, by_client: bool | None
) -> tuple[Check, ...]:
    """List the checks for a version, a use case, and the kind of thing that is checked."""
    if is_response:
        # 2.0.2 says nothing of responses: 1.5's rules for them are ITK3's.
        scopes = {Scope.ANY, Scope.RESPONSE}
        versions = {None, Version.V1_5}
    else:
        scopes = {Scope.ANY, Scope.MESSAGE, Scope.CONTROL_FILE if by_client else Scope.ENVELOPE}
        versions = {None, specification}
    return tuple(
        check
        for check in CHECKS
        if check.scope in scopes and check.version in versions and check.use_case in (None, use_case)
    )


def _judge(transmission: MessageUnderTest, checks: tuple[Check, ...]) -> Iterator[tuple[Check, CheckResult]]:
    # Several ids can stand on one rule: it is asked once.
    answered: dict[Rule, CheckResult] = {}
    for check in checks:
        judgement = answered.get(check.rule)
        if judgement is None:
            judgement = answered[check.rule] = check.rule(transmission)
        yield check, judgement


def _broken(check: Check, fault: Violation) -> Finding:
    return _finding(check, Verdict.BROKEN, fault.place.path, fault.place.line, f"{check.title}: {fault.words}")


def _unbroken(check: Check, judgement: CheckResult) -> Finding:
    if not judgement.seen:
        return _finding(check, Verdict.NOT_APPLICABLE, "", 0, f"{check.title}: there is nothing here to check")
    return _finding(check, Verdict.HOLDS, judgement.seen[0].path, judgement.seen[0].line, check.title)


def _finding(check: Check, verdict: Verdict, path: str, line: int, message: str) -> Finding:
    return Finding(
        id=check.id,
        specification=check.version or "",
        level=check.level,
        verdict=verdict,
        looks_at=check.looks_at,
        path=path,
        line=line,
        message=message,
    )

"""Runs the checks that apply to a message and reports the findings."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache

from gpconnect_messaging.conformance.check_result import CheckResult, Violation
from gpconnect_messaging.conformance.checks import CHECKS, Check
from gpconnect_messaging.conformance.checks.check import Level, Scope
from gpconnect_messaging.conformance.headers import Headers
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.rules import Rule
from gpconnect_messaging.conformance.tree import Node, Tree, UnreadableMessageError, read
from gpconnect_messaging.itk3.compose import ComposedMessage
from gpconnect_messaging.itk3.envelope import Envelope
from gpconnect_messaging.specification import UseCase, Version

MOST_WARNINGS = 20
"""Number of warnings that a message's record names."""


class Verdict(StrEnum):
    """The outcome of a check."""

    HOLDS = "holds"
    BROKEN = "broken"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check at one element. Holds no personal data: it never quotes the message.

    `line` counts from 1, 0 if there is none; `path` is "" if the check does not apply.
    """

    id: str
    specification: str
    """The version that the id belongs to, "" for rules of ITK3 and FHIR."""
    level: Level
    verdict: Verdict
    looks_at: str
    path: str
    line: int
    message: str
    words: str = ""
    """The message without the check's title."""

    @property
    def is_broken_must(self) -> bool:
        """Whether this finding alone makes the message non-conformant."""
        return self.verdict is Verdict.BROKEN and self.level is Level.MUST

    def as_dict(self) -> dict[str, object]:
        """The finding as a JSON object; the message has the words."""
        return {name: value for name, value in asdict(self).items() if name != "words"}


_BEYOND_ITK3 = frozenset({"NHS-NUMBER"})
"""Rules of Send Document without a requirement id: NHS England's examples of other families have invented numbers."""


def validate_message(message: MessageUnderTest) -> list[Finding]:
    """Run every check for this kind of message or response; one finding per violation."""
    findings: list[Finding] = []
    paths: dict[int, str] = {}
    for check, result in _run(message, _selected(*_selection(message))):
        if result.violations:
            findings += [_broken(check, violation, paths) for violation in result.violations]
        else:
            findings.append(_unbroken(check, result, paths))
    return findings


def broken_requirements(
    composed: ComposedMessage, envelope: Envelope, specification: Version, use_case: UseCase | None = None
) -> list[Finding]:
    """Return what a composed message breaks, before it is sent; the use case is detected unless it is given.

    A short stand-in replaces the documents, so that the time does not depend on their sizes. The path of an element of
    a ready resource begins with the request's field: `resources[0]: Observation/valueQuantity`.
    """
    sizes = iter(composed.document_sizes)
    text = b"".join(
        piece if isinstance(piece, bytes) else (b"AAAA" if next(sizes, 0) else b"") for piece in composed.pieces
    )
    message = MessageUnderTest(read(text), Headers.of(envelope), specification=specification, use_case=use_case)
    results = _run(message, _selected(*_selection(message)))
    ready = ((resource, composed.ready.get(resource.text("id"))) for resource in message.payload)
    paths = {id(resource): f"{field}: {resource.name}" for resource, field in ready if field}
    return [_broken(check, violation, paths) for check, result in results for violation in result.violations]


def warnings(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Describe the broken SHOULDs among findings, one sentence per requirement, at most `MOST_WARNINGS` and a count."""
    broken = [finding for finding in findings if finding.verdict is Verdict.BROKEN and not finding.is_broken_must]
    texts = list({finding.id: f"{finding.id}: {finding.message}" for finding in reversed(broken)}.values())[::-1]
    more = len(texts) - MOST_WARNINGS
    return (*texts[:MOST_WARNINGS], *([f"… and {more} more"] if more > 0 else ()))


def validate_bytes(
    body: bytes,
    headers: Headers | None = None,
    specification: Version | None = None,
    use_case: UseCase | None = None,
) -> tuple[MessageUnderTest, list[Finding]]:
    """Read and check a message or response. Raises UnreadableMessageError."""
    tree: Tree = read(body)
    if tree.root.name != "Bundle":
        raise UnreadableMessageError("it is not a FHIR Bundle, as every ITK3 message and response is")
    message = MessageUnderTest(tree, headers, specification=specification, use_case=use_case)
    return message, validate_message(message)


def _selection(message: MessageUnderTest) -> tuple[Version | None, UseCase, bool, bool | None]:
    by_client = message.headers.by_client if message.headers else None
    specification = message.specification if message.is_response or message.family.is_send_document else None
    return specification, message.use_case, message.is_response, by_client


@cache
def _selected(
    specification: Version | None, use_case: UseCase, is_response: bool, by_client: bool | None
) -> tuple[Check, ...]:
    """List the checks for a version (None: of another family), a use case and a kind of input."""
    if is_response:
        # 2.0.2 has no rules for responses; those of 1.5 are ITK3's.
        scopes = {Scope.ANY, Scope.RESPONSE}
        versions = {None, Version.V1_5}
    else:
        scopes = {Scope.ANY, Scope.MESSAGE, Scope.CONTROL_FILE if by_client else Scope.ENVELOPE}
        versions = {None, specification}
    return tuple(
        check
        for check in CHECKS
        if check.scope in scopes
        and check.version in versions
        and check.use_case in (None, use_case)
        and (specification or check.id not in _BEYOND_ITK3)
    )


def _run(message: MessageUnderTest, checks: tuple[Check, ...]) -> Iterator[tuple[Check, CheckResult]]:
    # Several ids can share one rule: it runs once.
    results: dict[Rule, CheckResult] = {}
    for check in checks:
        result = results.get(check.rule)
        if result is None:
            result = results[check.rule] = check.rule(message)
        yield check, result


def _broken(check: Check, violation: Violation, paths: dict[int, str]) -> Finding:
    return _finding(check, Verdict.BROKEN, violation.node, violation.words, paths)


def _unbroken(check: Check, result: CheckResult, paths: dict[int, str]) -> Finding:
    if not result.nodes:
        return _finding(check, Verdict.NOT_APPLICABLE, None, "there is nothing here to check", paths)
    return _finding(check, Verdict.HOLDS, result.nodes[0], "", paths)


def _finding(check: Check, verdict: Verdict, node: Node | None, words: str, paths: dict[int, str]) -> Finding:
    return Finding(
        id=check.id,
        specification=check.version or "",
        level=check.level,
        verdict=verdict,
        looks_at=check.looks_at,
        path=node.path_among(paths) if node else "",
        line=node.line if node else 0,
        message=f"{check.title}: {words}" if words else check.title,
        words=words,
    )

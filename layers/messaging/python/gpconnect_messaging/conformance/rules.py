"""Building blocks of checks: a rule is a function from a message to a `CheckResult`."""

from collections.abc import Callable, Sequence

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.tree import Node

Rule = Callable[[MessageUnderTest], CheckResult]
Subjects = Callable[[MessageUnderTest], Sequence[Node]]
NodeRule = Callable[[Node, MessageUnderTest], Violation | None]
"""A rule for one subject: the violation, if there is one."""

# --- subjects of a rule -----------------------------------------------------------------------------------------------


def every(kind: str) -> Subjects:
    """All resources of a type in the payload."""
    return lambda message: message.resources(kind)


def header(message: MessageUnderTest) -> Sequence[Node]:
    """The MessageHeader."""
    return [message.header] if message.header else []


def composition(message: MessageUnderTest) -> Sequence[Node]:
    """The Composition."""
    return [message.composition] if message.composition else []


def patient(message: MessageUnderTest) -> Sequence[Node]:
    """The patient."""
    return [message.patient] if message.patient else []


def organisation(message: MessageUnderTest) -> Sequence[Node]:
    """The sending organisation."""
    return [message.organisation] if message.organisation else []


# --- kinds of rules ---------------------------------------------------------------------------------------------------


def must(holds: Callable[[Node, MessageUnderTest], object], words: str, element: str = "") -> NodeRule:
    """Make the rule for one subject from a condition; a violation points at the subject's `element`, if it has one."""

    def violation(subject: Node, message: MessageUnderTest) -> Violation | None:
        return None if holds(subject, message) else Violation(subject.first(element) or subject, words)

    return violation


def first_of(*rules: NodeRule) -> NodeRule:
    """Combine rules for one subject: the first violation counts."""
    return lambda subject, message: next((found for rule in rules if (found := rule(subject, message))), None)


def for_all(subjects: Subjects, violation: NodeRule) -> Rule:
    """Apply a check to every subject; without subjects the rule does not apply."""

    def rule(message: MessageUnderTest) -> CheckResult:
        nodes = subjects(message)
        if not nodes:
            return NOT_APPLICABLE
        violations = [found for node in nodes if (found := violation(node, message)) is not None]
        return CheckResult(nodes, violations)

    return rule


def has(subjects: Subjects, path: str, *, optional: bool = False) -> Rule:
    """Every subject (`optional`: that has the element) has a value at the path; `name[x]` is any type of a choice."""
    names = path.split(".")

    def holders(message: MessageUnderTest) -> Sequence[Node]:
        return [node for node in subjects(message) if node.at(*names)]

    return for_all(
        holders if optional else subjects,
        must(lambda subject, _: any(node.value or node.children for node in subject.at(*names)), f"{path} is missing"),
    )


def lacks(subjects: Subjects, *paths: str) -> Rule:
    """No subject has an element at any of the paths."""

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        for path in paths:
            if found := subject.at(*path.split(".")):
                return Violation(found[0], f"{path} must not be there")
        return None

    return for_all(subjects, violation)


def fixed(subjects: Subjects, path: str, *values: str, optional: bool = False) -> Rule:
    """Every element at the path has one of the values."""
    names, allowed = tuple(path.split(".")), frozenset(values)
    expected = " or ".join(values)

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        found = subject.at(*names)
        if not found:
            return None if optional else Violation(subject, f"{path} is missing; it must be {expected}")
        wrong = [node for node in found if node.value not in allowed]
        return Violation(wrong[0], f"{path} must be {expected}") if wrong else None

    return for_all(subjects, violation)


def coded(
    subjects: Subjects, path: str, system: str = "", *codes: str, written: Callable[[str], object] = bool
) -> Rule:
    """Every subject has a concept with a code at the path, of the given system and among the given codes, if any.

    `written` says whether a code is well-formed in the system.
    """
    names, allowed = tuple(path.split(".")), frozenset(codes)
    expected = f"a code of {system}" if system else "a code"
    expected = f"{' or '.join(codes)} of {system}" if codes else expected

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        concepts = subject.at(*names)
        for concept in concepts:
            for coding in concept.all("coding"):
                code = coding.text("code")
                if (
                    code
                    and written(code)
                    and (not system or coding.text("system") == system)
                    and (not allowed or code in allowed)
                ):
                    return None
        return Violation(concepts[0] if concepts else subject, f"{path} must have {expected}")

    return for_all(subjects, violation)


def described(subjects: Subjects, path: str) -> Rule:
    """Every subject has a concept at the path, with a code or else a text."""
    names = tuple(path.split("."))

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        concepts = subject.at(*names)
        for concept in concepts:
            if concept.text("text") or any(coding.text("code") for coding in concept.all("coding")):
                return None
        return Violation(concepts[0] if concepts else subject, f"{path} must have a code, or else a text")

    return for_all(subjects, violation)


def refers(subjects: Subjects, path: str, *kinds: str, optional: bool = False) -> Rule:
    """All references at the path name resources of the payload of one of the types; of patients the document's."""
    names, allowed = tuple(path.split(".")), frozenset(kinds)
    expected = " or ".join(kinds)

    def violation(subject: Node, message: MessageUnderTest) -> Violation | None:
        references = subject.at(*names)
        if not references:
            return None if optional else Violation(subject, f"{path} is missing; it must refer to {expected}")
        for reference in references:
            referred = message.referred(reference)
            if referred is None:
                return Violation(reference, f"{path} must refer to {expected} inside the document")
            if referred.name not in allowed:
                return Violation(reference, f"{path} must refer to {expected}, not to {referred.name}")
            if referred.name == "Patient" and referred is not message.patient:
                return Violation(reference, f"{path} must refer to the patient whom the document is about")
        return None

    return for_all(subjects, violation)


def extended(subjects: Subjects, url_end: str, path: str = "", *, optional: bool = False) -> Rule:
    """Every subject has an extension whose URL ends with `url_end`, with a value at the path inside it.

    `optional`: the extension may be missing but not empty.
    """
    names = tuple(path.split(".")) if path else ()

    def violation(subject: Node, _message: MessageUnderTest) -> Violation | None:
        extension = subject.extension(url_end)
        if optional:
            return Violation(extension, "the extension is empty") if extension and not extension.children else None
        if extension is None:
            return Violation(subject, f"the extension {url_end.strip('/')} is missing")
        if names and not inner(extension, names):
            return Violation(extension, f"{path} is missing from the extension {url_end.strip('/')}")
        return None

    return for_all(subjects, violation)


def all_of(*rules: Rule) -> Rule:
    """Combine rules: the result holds if all of them hold."""

    def rule(message: MessageUnderTest) -> CheckResult:
        results = [part(message) for part in rules]
        return CheckResult(
            [node for result in results for node in result.nodes],
            [violation for result in results for violation in result.violations],
        )

    return rule


def follows(resource: Node, profile: str) -> bool:
    """Say whether a resource claims the profile, by the end of the profile URL (national and local bases differ)."""
    return any((claimed.value or "").endswith(f"/{profile}") for claimed in resource.at("meta", "profile"))


def inner(extension: Node, names: Sequence[str]) -> list[Node]:
    """List the inner extensions at a path of urls that have a value of any type."""
    nodes = [extension]
    for name in names:
        nodes = [child for node in nodes for child in node.all("extension") if child.url == name]
    return [node for node in nodes if any(child.name.startswith("value") for child in node.children)]

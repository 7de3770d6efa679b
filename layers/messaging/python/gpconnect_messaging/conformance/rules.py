"""The kinds of rules that checks are made of: a rule is a function of a transmission that answers a judgement."""

from collections.abc import Callable, Sequence

from gpconnect_messaging.conformance.check_result import NOT_APPLICABLE, CheckResult, Violation
from gpconnect_messaging.conformance.message_under_test import MessageUnderTest
from gpconnect_messaging.conformance.tree import Node

Rule = Callable[[MessageUnderTest], CheckResult]
Subjects = Callable[[MessageUnderTest], Sequence[Node]]

# --- what a rule looks at ---------------------------------------------------------------------------------------------


def every(kind: str) -> Subjects:
    """All resources of a type in the payload."""
    return lambda transmission: transmission.resources(kind)


def header(transmission: MessageUnderTest) -> Sequence[Node]:
    """The MessageHeader."""
    return [transmission.header] if transmission.header else []


def composition(transmission: MessageUnderTest) -> Sequence[Node]:
    """The Composition."""
    return [transmission.composition] if transmission.composition else []


def patient(transmission: MessageUnderTest) -> Sequence[Node]:
    """The patient."""
    return [transmission.patient] if transmission.patient else []


def organisation(transmission: MessageUnderTest) -> Sequence[Node]:
    """The sending organisation."""
    return [transmission.organisation] if transmission.organisation else []


# --- kinds of rules ---------------------------------------------------------------------------------------------------


def rule_for_each(subjects: Subjects, fault: Callable[[Node, MessageUnderTest], Violation | None]) -> Rule:
    """Judge every subject by itself; without subjects the rule does not apply."""

    def rule(transmission: MessageUnderTest) -> CheckResult:
        seen = subjects(transmission)
        if not seen:
            return NOT_APPLICABLE
        faults = [found for each in seen if (found := fault(each, transmission)) is not None]
        return CheckResult(seen, faults)

    return rule


def has(subjects: Subjects, path: str) -> Rule:
    """Each subject has something at the path (`name.name`); `name[x]` takes any type of a choice."""
    names = tuple(path.split("."))

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        found = _at(subject, names)
        return None if any(each.value or each.children for each in found) else Violation(subject, f"{path} is missing")

    return rule_for_each(subjects, fault)


def lacks(subjects: Subjects, *paths: str) -> Rule:
    """No subject has anything at any of the paths."""
    steps = {path: tuple(path.split(".")) for path in paths}

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        for path, names in steps.items():
            if found := _at(subject, names):
                return Violation(found[0], f"{path} must not be there")
        return None

    return rule_for_each(subjects, fault)


def fixed(subjects: Subjects, path: str, *values: str, optional: bool = False) -> Rule:
    """Each subject has, at the path, one of the values and nothing else."""
    names, allowed = tuple(path.split(".")), frozenset(values)
    expected = " or ".join(values)

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        found = subject.at(*names)
        if not found:
            return None if optional else Violation(subject, f"{path} is missing; it must be {expected}")
        wrong = [each for each in found if each.value not in allowed]
        return Violation(wrong[0], f"{path} must be {expected}") if wrong else None

    return rule_for_each(subjects, fault)


def coded(
    subjects: Subjects, path: str, system: str = "", *codes: str, written: Callable[[str], object] = bool
) -> Rule:
    """Each subject has, at the path, a concept with a code: of the system and among the codes where they are given.

    `written` says whether a code can be one of the system's at all, by its form.
    """
    names, allowed = tuple(path.split(".")), frozenset(codes)
    expected = f"a code of {system}" if system else "a code"
    expected = f"{' or '.join(codes)} of {system}" if codes else expected

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
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

    return rule_for_each(subjects, fault)


def described(subjects: Subjects, path: str) -> Rule:
    """Each subject has, at the path, a concept with a code or, where there is none, with words."""
    names = tuple(path.split("."))

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        concepts = subject.at(*names)
        for concept in concepts:
            if concept.text("text") or any(coding.text("code") for coding in concept.all("coding")):
                return None
        return Violation(concepts[0] if concepts else subject, f"{path} must have a code, or else a text")

    return rule_for_each(subjects, fault)


def refers(subjects: Subjects, path: str, *kinds: str, optional: bool = False) -> Rule:
    """Each subject's references at the path name resources of the payload, each of one of the types."""
    names, allowed = tuple(path.split(".")), frozenset(kinds)
    expected = " or ".join(kinds)

    def fault(subject: Node, transmission: MessageUnderTest) -> Violation | None:
        references = _at(subject, names)
        if not references:
            return None if optional else Violation(subject, f"{path} is missing; it must refer to {expected}")
        for reference in references:
            referred = transmission.referred(reference)
            if referred is None:
                return Violation(reference, f"{path} must refer to {expected} inside the document")
            if referred.name not in allowed:
                return Violation(reference, f"{path} must refer to {expected}, not to {referred.name}")
        return None

    return rule_for_each(subjects, fault)


def extended(subjects: Subjects, url_end: str, path: str = "") -> Rule:
    """Each subject has an extension whose URL ends so, and in it something at the path."""
    names = tuple(path.split(".")) if path else ()

    def fault(subject: Node, _transmission: MessageUnderTest) -> Violation | None:
        extension = subject.extension(url_end)
        if extension is None:
            return Violation(subject, f"the extension {url_end.strip('/')} is missing")
        if names and not inner(extension, names):
            return Violation(extension, f"{path} is missing from the extension {url_end.strip('/')}")
        return None

    return rule_for_each(subjects, fault)


def all_of(*rules: Rule) -> Rule:
    """Hold where all hold."""

    def rule(transmission: MessageUnderTest) -> CheckResult:
        judgements = [each(transmission) for each in rules]
        return CheckResult(
            [node for each in judgements for node in each.seen], [fault for each in judgements for fault in each.faults]
        )

    return rule


def follows(resource: Node, profile: str) -> bool:
    """Say whether a resource claims the profile, told by the end of its URL (national and local bases differ)."""
    return any((each.value or "").endswith(f"/{profile}") for each in resource.at("meta", "profile"))


def inner(extension: Node, names: Sequence[str]) -> list[Node]:
    """List the inner extensions at a path of urls that have a value, in whichever form."""
    nodes = [extension]
    for name in names:
        nodes = [each for node in nodes for each in node.all("extension") if each.url == name]
    return [each for each in nodes if any(child.name.startswith("value") for child in each.children)]


def _at(subject: Node, names: Sequence[str]) -> list[Node]:
    nodes = [subject]
    for name in names:
        if name.endswith("[x]"):
            start = name[:-3]
            nodes = [each for node in nodes for each in node.children if each.name.startswith(start)]
        else:
            nodes = [each for node in nodes for each in node.children if each.name == name]
    return nodes

"""Reads a table of checks, one a line; the comment at the top of `structured.txt` explains the columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from importlib.resources import files

from gpconnect_messaging.conformance.checks.check import Check, Level, checks
from gpconnect_messaging.conformance.message_under_test import SNOMED_CT, MessageUnderTest
from gpconnect_messaging.conformance.rules import (
    NodeRule,
    Rule,
    Subjects,
    coded,
    described,
    every,
    extended,
    fixed,
    for_all,
    has,
    lacks,
    must,
    refers,
)
from gpconnect_messaging.conformance.tree import Node

_RULES: dict[str, Callable[..., Rule]] = {
    "present": has,
    "present?": partial(has, optional=True),
    "absent": lacks,
    "unextended": lambda subjects, _path, part: for_all(
        subjects, must(lambda subject, _: not subject.extension(part), f"the extension {part} must not be there")
    ),
    "is": fixed,
    "is?": partial(fixed, optional=True),
    "coded": coded,
    "described": described,
    "refers": refers,
    "refers?": partial(refers, optional=True),
    "extended": lambda subjects, _path, *parts: extended(subjects, *parts),
    "extended?": lambda subjects, _path, *parts: extended(subjects, *parts, optional=True),
}


def read_table(name: str, phrases: Mapping[str, NodeRule], message_rules: Mapping[str, Rule]) -> tuple[Check, ...]:
    """Read a table beside this module, with the rules of its own: for each subject, and for a whole message."""
    rows = columns(__package__, name)
    return tuple(check for row in rows for check in _checks(phrases, message_rules, *row))


def columns(package: str, name: str) -> Iterator[list[str]]:
    """Read the rows of a package's text file: two or more spaces separate columns; # begins a comment."""
    # Runs at every cold start: no regular expressions, which are slow to compile.
    for line in (files(package) / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield [column.strip() for column in line.split("  ") if column]


def _checks(
    phrases: Mapping[str, NodeRule],
    message_rules: Mapping[str, Rule],
    ids: str,
    level: str,
    element: str,
    words: str,
    title: str = "",
) -> Iterator[Check]:
    holder, _, rest = element.partition("(")
    condition, _, path = rest.partition(")")
    looks_at = (holder + path).replace("*", "").replace("/", ".").rstrip(".?")
    if not condition:
        holder, _, path = element.partition("/" if "/" in element else ".")
    subjects = _subjects(holder, condition)
    if words in phrases:
        rule = for_all(subjects, phrases[words])
    else:
        rule = message_rules.get(words) or _rule(subjects, path.lstrip("./"), words)
    return checks(ids, Level(level), looks_at, rule, title or f"{looks_at} {words}")


def _rule(subjects: Subjects, path: str, words: str) -> Rule:
    *other_path, words = words.split(": ")
    verb, _, rest = words.partition(" ")
    for preposition in ("to ", "in ", "by "):
        rest = rest.removeprefix(preposition)
    parts = rest.replace(" as ", " or ").replace(" with ", " or ").split(" or ") if rest else []
    arguments = [SNOMED_CT if part == "SNOMED" else part for part in parts]
    mark = "?" if path.endswith("?") else ""
    return _RULES[verb + mark](subjects, *(other_path or [path.rstrip("?")]), *arguments)


@cache
def _subjects(holder: str, condition: str) -> Subjects:
    kind, *steps = holder.split(".")
    if not steps and not condition:
        return every(kind)

    def subjects(message: MessageUnderTest) -> Sequence[Node]:
        nodes = message.resources(kind)
        for step in steps:
            below = [child for node in nodes for child in (node.walk() if step.endswith("*") else node.children)]
            nodes = [child for child in below if child.name == step.rstrip("*")]
        return [node for node in nodes if all(_meets(node, one) for one in condition.split(",") if one)]

    return subjects


def _meets(node: Node, condition: str) -> bool:
    if node.name == "extension":
        return (node.url or "").endswith(condition)
    name, equals, value = condition.partition("=")
    if not equals:
        return node.first(name) is not None
    return (node.text(name.rstrip("!")) == value) is not name.endswith("!")

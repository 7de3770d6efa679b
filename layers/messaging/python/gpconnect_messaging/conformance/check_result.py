"""The result of a rule: the nodes that it checked, and the violations among them.

A result without nodes and without violations means that the rule does not apply. A violation never quotes the message:
the quote could be personal data.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gpconnect_messaging.conformance.tree import Node


class Violation(NamedTuple):
    """The node that breaks a rule, and an explanation for a person."""

    node: Node
    words: str


class CheckResult(NamedTuple):
    """The nodes that a rule checked, and the violations among them."""

    nodes: Sequence[Node]
    violations: list[Violation]


NOT_APPLICABLE = CheckResult((), [])


def check_result(nodes: Iterable[Node | None], violations: Iterable[Violation | None]) -> CheckResult:
    """Build a result; None entries are dropped."""
    return CheckResult(
        [node for node in nodes if node is not None], [found for found in violations if found is not None]
    )

"""What a rule answers: what it looked at, and the faults that it found there.

Nothing looked at and no fault means that the rule does not apply. A fault's words never repeat what a message says:
that could be personal data.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gpconnect_messaging.conformance.tree import Node


class Violation(NamedTuple):
    """Where a rule is broken, and how, in words for a person."""

    place: Node
    words: str


class CheckResult(NamedTuple):
    """What a rule looked at, and the faults that it found there."""

    seen: Sequence[Node]
    faults: list[Violation]


NOT_APPLICABLE = CheckResult((), [])


def judged(seen: Iterable[Node | None], faults: Iterable[Violation | None]) -> CheckResult:
    """Gather an answer, leaving out what is None."""
    return CheckResult([each for each in seen if each is not None], [each for each in faults if each is not None])

"""Every requirement id of both specification versions and of ITK3, with a paraphrased title.

Requirements that a message can show come from the tables of checks. `catalogue.txt` has the others: the sender's
conduct (proven by tests that cite the id), rules for receivers, and rules that do not apply to this product, with the
reason.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from gpconnect_messaging.conformance.checks import CHECKS
from gpconnect_messaging.conformance.checks.check import Level
from gpconnect_messaging.conformance.checks.table import columns
from gpconnect_messaging.specification import Version


class Kind(StrEnum):
    """How a requirement can be met."""

    CHECK = "check"
    """A message shows it: a check covers it, and tests prove the check."""
    CONDUCT = "conduct"
    """It is about the sender's conduct: only tests can prove it."""
    RECEIVER = "receiver only"
    """It binds the receiving system."""
    NOT_APPLICABLE = "not applicable"
    """It does not bind this product; the reason is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement id of one version (None: ITK3's, whatever the version)."""

    version: Version | None
    id: str
    level: Level
    kind: Kind
    title: str
    reason: str = ""

    @property
    def key(self) -> str:
        """The name in tests and reports: `1.5:GPCM-SD-038`, or the id alone if it has no version."""
        return f"{self.version}:{self.id}" if self.version else self.id


@cache
def requirements() -> tuple[Requirement, ...]:
    """List all requirements, those with a check first; keys are unique."""
    found = [
        Requirement(version=check.version, id=check.id, level=check.level, kind=Kind.CHECK, title=check.title)
        for check in CHECKS
    ]
    for key, level, kind, title, *reasons in columns(__package__, "catalogue.txt"):
        version, _, name = key.rpartition(":")
        found.append(
            Requirement(
                version=Version(version) if version else None,
                id=name,
                level=Level(level),
                kind=Kind(kind),
                title=title,
                reason=found[-1].reason if reasons == ['"'] else "".join(reasons),
            )
        )
    return tuple(found)

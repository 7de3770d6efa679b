"""Every requirement id of both specification versions and of ITK3, with a paraphrased title, and how it is met.

Requirements that a message can show come from the tables of checks. `catalogue.txt` has the others: the sender's
conduct (proven by tests that cite the id), rules for receivers, and rules that do not apply to this product, with the
reason. `standings.txt` says of both what is not met always: the conditions, the deviations, and what others must meet.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from gpconnect_messaging.conformance.checks import CHECKS, Check
from gpconnect_messaging.conformance.checks.check import Level, Scope, short_keys
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


class Standing(StrEnum):
    """Whether and when a requirement is met; every requirement presumes that what a request says is true."""

    ALWAYS = "met always"
    CONDITIONAL = "met if"
    RECEIVER = "met by the receiver"
    DEVIATION = "deviation"
    NOT_APPLICABLE = "not applicable"


MEANINGS = {
    Standing.ALWAYS: "for every message that the product sends, or in everything that it does",
    Standing.CONDITIONAL: "on conditions, which are given; a SHOULD is a warning where it is broken",
    Standing.RECEIVER: "binds the system that receives",
    Standing.DEVIATION: "another requirement, FHIR or a later release says otherwise; the reason is given",
    Standing.NOT_APPLICABLE: "does not bind this product; the reason is given",
}
"""What the standings mean, for a reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must be true for requirements to be met, who sees to it, and the settings and request fields concerned."""

    name: str
    who: str
    about: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One requirement id of one version (None: ITK3's, whatever the version)."""

    version: Version | None
    id: str
    level: Level
    kind: Kind
    title: str
    reason: str = ""
    standing: Standing = Standing.ALWAYS
    conditions: tuple[Condition, ...] = ()

    @property
    def key(self) -> str:
        """The name in tests and reports: `1.5:GPCM-SD-038`, or the id alone if it has no version."""
        return f"{self.version}:{self.id}" if self.version else self.id


_OF_KIND = {Kind.RECEIVER: Standing.RECEIVER, Kind.NOT_APPLICABLE: Standing.NOT_APPLICABLE}
_OF_WORD = {"always": Standing.ALWAYS, "if": Standing.CONDITIONAL, "receiver": Standing.RECEIVER,
            "deviation": Standing.DEVIATION, "not applicable": Standing.NOT_APPLICABLE}  # fmt: skip
_OF_SCOPE = {
    Scope.RESPONSE: ("receiver", "It is about a response, which the receiver writes"),
    Scope.CONTROL_FILE: (
        "not applicable",
        "It binds those who use the MESH client: this product uses the MESH API, and writes no control file",
    ),
}  # fmt: skip


@cache
def conditions() -> dict[str, Condition]:
    """All conditions by name."""
    rows = [row[1:] for row in columns(__package__, "standings.txt") if row[0] == "condition"]
    return {
        name: Condition(name=name, who=who, about=tuple(about.split()) if about != "-" else (), words=words)
        for name, who, about, words in rows
    }


@cache
def standings() -> dict[str, tuple[str, str]]:
    """The rows of requirements in `standings.txt`: the word and the conditions or the reason, by requirement key."""
    rows = [row for row in columns(__package__, "standings.txt") if row[0] != "condition"]
    found = {key: (word, words) for ids, word, words in rows for key in short_keys(ids)}
    advice = {check.key: ("if", "advice") for check in CHECKS if check.level is Level.SHOULD}
    checked = columns("gpconnect_messaging.conformance.checks", "structured.txt")
    may_be_missing = {key for ids, _, element, *_ in checked if element.endswith("?") for key in short_keys(ids)}
    advice |= dict.fromkeys(may_be_missing & advice.keys(), ("if", "known"))
    return advice | {check.key: _OF_SCOPE[check.scope] for check in CHECKS if check.scope in _OF_SCOPE} | found


@cache
def requirements() -> tuple[Requirement, ...]:
    """List all requirements, those with a check first; keys are unique: one with a MUST and a SHOULD is a MUST."""
    halves: dict[str, list[Check]] = {}
    for check in CHECKS:
        halves.setdefault(check.key, []).append(check)
    found = [
        Requirement(
            version=one.version,
            id=one.id,
            level=min(check.level for check in (one, *others)),
            kind=Kind.CHECK,
            title="; ".join([one.title, *(check.title[0].lower() + check.title[1:] for check in others)]),
        )
        for one, *others in halves.values()
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
                standing=_OF_KIND.get(Kind(kind), Standing.ALWAYS),
            )
        )
    return tuple(map(_standing, found))


def _standing(requirement: Requirement) -> Requirement:
    word, words = standings().get(requirement.key, ("", ""))
    if not word:
        return requirement
    if word == "if":
        named = tuple(conditions()[name] for name in words.split())
        return replace(requirement, standing=Standing.CONDITIONAL, conditions=named)
    return replace(requirement, standing=_OF_WORD[word], reason=words)


def because(requirement: Requirement) -> str:
    """Say on which conditions a requirement is met, or why it is not, or by whom; "" if it is met always."""
    if requirement.conditions:
        return f"met if {'; and if '.join(condition.words for condition in requirement.conditions)}"
    return "" if requirement.standing is Standing.ALWAYS else requirement.reason or "binds the receiving system"
